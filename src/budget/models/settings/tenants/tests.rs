use std::sync::Mutex as StdMutex;

use async_trait::async_trait;

use super::*;
use crate::inspect::Glob;

/// A store in memory that can be made to fail.
#[derive(Debug, Default)]
struct Shelf {
    rows: StdMutex<Vec<Chosen>>,
    seen: StdMutex<Seen>,
    is_down: StdMutex<bool>,
}

impl Shelf {
    fn up(&self) -> Result<(), StateUnavailable> {
        match *self.is_down.lock().unwrap() {
            true => Err(StateUnavailable::Failed),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl LlmSettingsStore for Shelf {
    async fn news(&self, since: Seen) -> Result<News, StateUnavailable> {
        self.up()?;
        let seen = *self.seen.lock().unwrap();
        let is_all = seen.forgotten != since.forgotten;
        let rows = self.rows.lock().unwrap();
        let chosen = rows
            .iter()
            .filter(|row| is_all || row.change > since.change);
        Ok(News {
            chosen: chosen.cloned().collect(),
            is_all,
            seen,
        })
    }

    async fn replace(&self, chosen: Chosen) -> Result<Option<u64>, StateUnavailable> {
        self.up()?;
        let mut rows = self.rows.lock().unwrap();
        let there = rows.iter().position(|row| row.tenant == chosen.tenant);
        if there.map_or(0, |at| rows[at].change) != chosen.change {
            return Ok(None);
        }
        there.map(|at| rows.remove(at));
        let mut seen = self.seen.lock().unwrap();
        seen.change += 1;
        let change = seen.change;
        rows.push(Chosen { change, ..chosen });
        Ok(Some(change))
    }

    async fn forget(&self, tenant: TenantId) -> Result<bool, StateUnavailable> {
        self.up()?;
        let mut rows = self.rows.lock().unwrap();
        let before = rows.len();
        rows.retain(|row| row.tenant != tenant);
        let gone = rows.len() != before;
        self.seen.lock().unwrap().forgotten += u64::from(gone);
        Ok(gone)
    }
}

fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn files() -> Arc<ModelPolicy> {
    Arc::new(ModelPolicy {
        allow: vec![Arc::from([Glob::new("a*"), Glob::new("b")])],
        default: Some("b".into()),
        ..ModelPolicy::default()
    })
}

async fn patch(
    settings: &TenantSettings,
    id: &str,
    patch: &str,
) -> Result<Option<String>, ChangeError> {
    let patch = LlmPatch::parse(patch.as_bytes()).unwrap();
    let who = ("user:alice", Timestamp::from_seconds(7));
    settings
        .change(&tenant(id), &files(), &patch, |_| true, who)
        .await
}

fn allows(settings: &TenantSettings, id: &str, model: &str) -> bool {
    settings.narrow(&tenant(id), &files()).allows(model)
}

#[tokio::test]
async fn a_change_holds_for_its_tenant_at_once_and_for_no_other() {
    let settings = TenantSettings::new(Arc::new(Shelf::default()));
    assert!(allows(&settings, "acme", "a1"));
    let shown = patch(&settings, "acme", r#"{"allow":["b"]}"#)
        .await
        .unwrap();
    assert!(shown.unwrap().contains(r#""allow":["b"]"#));
    assert!(!allows(&settings, "acme", "a1"));
    assert!(allows(&settings, "acme", "b"));
    assert!(allows(&settings, "globex", "a1"));
}

#[tokio::test]
async fn a_second_process_learns_of_a_change_and_of_what_was_forgotten() {
    let shelf = Arc::new(Shelf::default());
    let one = TenantSettings::new(shelf.clone());
    let other = TenantSettings::new(shelf);
    patch(&one, "acme", r#"{"allow":["b"]}"#).await.unwrap();
    patch(&one, "globex", r#"{"allow":["a*"],"default":"a"}"#)
        .await
        .unwrap();
    assert!(allows(&other, "acme", "a1"), "not yet");
    other.refresh().await.unwrap();
    assert!(!allows(&other, "acme", "a1"));
    assert!(one.forget(&tenant("acme")).await.unwrap());
    assert!(!one.forget(&tenant("acme")).await.unwrap());
    other.refresh().await.unwrap();
    for settings in [&one, &other] {
        assert!(allows(settings, "acme", "a1"), "the files' again");
        assert!(!allows(settings, "globex", "b"), "untouched");
    }
}

#[tokio::test]
async fn two_that_patch_different_keys_both_have_their_way() {
    let shelf = Arc::new(Shelf::default());
    let one = TenantSettings::new(shelf.clone());
    let other = TenantSettings::new(shelf);
    patch(&one, "acme", r#"{"allow":["b"]}"#).await.unwrap();
    let shown = patch(&other, "acme", r#"{"max_output_tokens":5}"#)
        .await
        .unwrap()
        .unwrap();
    assert!(
        shown.contains(r#""chosen":["allow","max_output_tokens"]"#),
        "{shown}"
    );
}

#[tokio::test]
async fn a_choice_that_goes_beyond_the_files_changes_nothing() {
    let settings = TenantSettings::new(Arc::new(Shelf::default()));
    let before = settings.document(&tenant("acme"), &files());
    let refused = patch(&settings, "acme", r#"{"allow":["b","*"]}"#).await;
    assert_eq!(
        refused,
        Err(SettingsError::PatternBeyondFiles("*".to_owned()).into())
    );
    assert_eq!(settings.document(&tenant("acme"), &files()), before);
}

#[tokio::test]
async fn a_condition_is_held_against_what_is_in_the_store() {
    let shelf = Arc::new(Shelf::default());
    let one = TenantSettings::new(shelf.clone());
    let other = TenantSettings::new(shelf);
    let read = other.document(&tenant("acme"), &files());
    let change = LlmPatch::parse(br#"{"max_output_tokens":5}"#).unwrap();
    let by_etag = |settings: Arc<TenantSettings>, expected: String| {
        let change = change.clone();
        async move {
            let who = ("admin", Timestamp::from_seconds(7));
            let holds = move |found: &str| found == expected;
            settings
                .change(&tenant("acme"), &files(), &change, holds, who)
                .await
        }
    };
    patch(&one, "acme", r#"{"allow":["b"]}"#).await.unwrap();
    assert_eq!(
        by_etag(Arc::clone(&other), read).await,
        Err(ChangeError::Precondition)
    );
    let fresh = one.document(&tenant("acme"), &files());
    assert!(by_etag(Arc::clone(&other), fresh).await.unwrap().is_some());
}

#[tokio::test]
async fn a_patch_that_changes_nothing_is_not_written() {
    let shelf = Arc::new(Shelf::default());
    let settings = TenantSettings::new(shelf.clone());
    assert_eq!(patch(&settings, "acme", "{}").await, Ok(None));
    assert_eq!(
        patch(&settings, "acme", r#"{"allow":null}"#).await,
        Ok(None)
    );
    assert!(shelf.rows.lock().unwrap().is_empty());
}

#[tokio::test]
async fn while_the_store_is_down_nothing_changes_and_the_last_known_holds() {
    let shelf = Arc::new(Shelf::default());
    let settings = TenantSettings::new(shelf.clone());
    patch(&settings, "acme", r#"{"allow":["b"]}"#)
        .await
        .unwrap();
    *shelf.is_down.lock().unwrap() = true;
    assert_eq!(
        patch(&settings, "acme", r#"{"allow":null}"#).await,
        Err(StateUnavailable::Failed.into())
    );
    assert!(!allows(&settings, "acme", "a1"));
}

#[tokio::test]
async fn a_choice_that_cannot_be_read_lets_nothing_through_until_it_is_chosen_anew() {
    let shelf = Arc::new(Shelf::default());
    shelf.rows.lock().unwrap().push(Chosen {
        tenant: tenant("acme"),
        settings: r#"{"later":1}"#.to_owned(),
        by: "admin".into(),
        at: Timestamp::from_seconds(0),
        change: 1,
    });
    shelf.seen.lock().unwrap().change = 1;
    let settings = TenantSettings::new(shelf);
    settings.refresh().await.unwrap();
    assert!(!allows(&settings, "acme", "b"));
    assert!(allows(&settings, "globex", "b"));
    patch(&settings, "acme", r#"{"allow":["a*","b"]}"#)
        .await
        .unwrap();
    assert!(allows(&settings, "acme", "b"));
}
