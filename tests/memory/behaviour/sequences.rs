//! Sequences of operations drawn by lot, on two stores: what the plain one answers, the other does.

use std::collections::HashMap;

use fabric_gate::clock::Timestamp;
use fabric_gate::identity::UserId;
use fabric_gate::memory::search::terms::query_terms;
use fabric_gate::memory::{
    Address, Area, Caller, Change, Confidentiality, Entry, EntryId, MemoryStore, Outcome, Page,
    Quotas, Scope, Scored, Version, WriteError,
};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::drawing::{Draft, KEYS, PATHS, QUOTAS, Step, Turn, WORDS, people, turns};
use super::stage::{Stage, vector};
use crate::people::{NOW, caller};

/// One store in a sequence, and the names it gave to entries.
pub(super) struct Side<'a> {
    store: &'a dyn MemoryStore,
    quotas: Quotas,
    made: Vec<(EntryId, Area)>,
}

impl<'a> Side<'a> {
    pub(super) fn new(store: &'a dyn MemoryStore, quotas: Quotas) -> Self {
        Self {
            store,
            quotas,
            made: Vec::new(),
        }
    }

    /// The id of an entry by its number; one that names nothing if none has it.
    fn id(&self, number: usize) -> EntryId {
        let made = self.made.get(number);
        made.map_or_else(EntryId::mint, |(id, _)| *id)
    }

    fn ids(&self, numbers: &[usize]) -> Vec<EntryId> {
        numbers.iter().map(|number| self.id(*number)).collect()
    }

    /// The number of an entry, which both sides share.
    fn number(&self, id: EntryId) -> usize {
        self.made
            .iter()
            .position(|(made, _)| *made == id)
            .unwrap_or(usize::MAX)
    }

    /// The change of a draft. What is above the clearance of its writer never gets to a store.
    fn change(&self, draft: &Draft, clearance: Confidentiality) -> Change {
        let mut draft = draft.clone();
        if let Draft::Create(_, fields) | Draft::Put(_, fields, _) | Draft::Replace(_, fields, ..) =
            &mut draft
        {
            fields.confidentiality = fields.confidentiality.min(clearance);
        }
        match draft {
            Draft::Create(address, fields) => Change::Create {
                address,
                fields,
                created_at: None,
            },
            Draft::Put(address, fields, expected) => Change::Put {
                address,
                fields,
                expected,
            },
            Draft::Replace(entry, fields, key, expected) => Change::Replace {
                id: self.id(entry),
                fields,
                key,
                expected,
            },
            // A move stays in its area.
            Draft::Move(entry, address, expected) => Change::Move {
                id: self.id(entry),
                address: match self.made.get(entry) {
                    Some((_, area)) => Address {
                        area: *area,
                        ..address
                    },
                    None => address,
                },
                expected,
            },
            Draft::Delete(entry, expected) => Change::Delete {
                id: self.id(entry),
                expected,
            },
        }
    }

    fn told_entry(&self, entry: &Entry) -> String {
        let mut entry = entry.clone();
        let number = self.number(entry.id);
        entry.id = EntryId::from_bytes([0; 16]);
        entry.fields.tags.sort();
        format!("#{number} {entry:?}")
    }

    fn told_entries(&self, entries: &[Entry]) -> String {
        let each: Vec<_> = entries.iter().map(|entry| self.told_entry(entry)).collect();
        each.join("\n")
    }

    fn told_scored(&self, scored: &[Scored]) -> String {
        let told = |it: &Scored| format!("{:.5} {}", it.score + 0.0, self.told_entry(&it.entry));
        let each: Vec<_> = scored.iter().map(told).collect();
        each.join("\n")
    }

    fn told_version(version: &Version) -> String {
        let mut version = version.clone();
        version.fields.tags.sort();
        format!("{version:?}")
    }

    fn told_written(&mut self, written: Result<Vec<Outcome>, WriteError>) -> String {
        match written {
            Err(error) => format!("{error:?}"),
            Ok(outcomes) => {
                let mut told = String::new();
                for outcome in outcomes {
                    if let Outcome::Created(entry) = &outcome {
                        self.made.push((entry.id, entry.address.area));
                    }
                    told += &match &outcome {
                        Outcome::Created(entry) => format!("created {}", self.told_entry(entry)),
                        Outcome::Existed(entry) => format!("existed {}", self.told_entry(entry)),
                        Outcome::Updated(entry) => format!("updated {}", self.told_entry(entry)),
                        Outcome::Deleted(id) => format!("deleted #{}", self.number(*id)),
                    };
                    told.push('\n');
                }
                told
            }
        }
    }

    /// Takes one turn; what the store answers, in words that both sides would use.
    pub(super) async fn take(
        &mut self,
        who: &Caller,
        shared: bool,
        at: Timestamp,
        step: &Step,
    ) -> String {
        let store = self.store;
        // What has expired may be removed at any time and counts until then.
        store.sweep(&who.tenant_scope(), 10_000, at).await.unwrap();
        let of = match shared {
            true => who.reach(Scope::All),
            false => who.reach(Scope::User),
        };
        let to = match shared {
            true => who.shared().unwrap_or_else(|_| who.own()),
            false => who.own(),
        };
        match step {
            Step::Write(drafts) => {
                let changes: Vec<_> = drafts
                    .iter()
                    .map(|draft| self.change(draft, to.clearance()))
                    .collect();
                let written = store.write(&to, changes, &self.quotas, at).await;
                self.told_written(written)
            }
            Step::Get(entry) => {
                let got = store.get(&of, self.id(*entry), at).await.unwrap();
                self.told_entries(&got.into_iter().collect::<Vec<_>>())
            }
            Step::History(entry) => {
                let history = store.history(&of, self.id(*entry), at).await.unwrap();
                let told = history.map(|it| it.iter().map(Self::told_version).collect::<Vec<_>>());
                format!("{told:?}")
            }
            Step::Find(area, path, key) => {
                let path = match area {
                    Area::Memories => "",
                    Area::Items | Area::Files => PATHS[*path],
                };
                let address = super::stage::at(*area, path, KEYS[*key]);
                self.told_entries(&store.find(&of, &address, at).await.unwrap())
            }
            Step::List(filter, order, skip, limit) => {
                let page = Page {
                    order: *order,
                    after: None,
                    skip: *skip,
                    limit: *limit,
                };
                let listed = store.list(&of, filter, &page, at).await.unwrap();
                self.told_entries(&listed)
            }
            Step::Text(filter, words, limit) => {
                let terms = query_terms(WORDS[*words]);
                let found = store.by_text(&of, filter, &terms, *limit, at).await;
                self.told_scored(&found.unwrap())
            }
            Step::Vector(filter, which, limit) => {
                let numbers: [&[f32]; 3] = [&[1.0, 0.0], &[0.0, 1.0], &[1.0, 1.0, 0.0]];
                let near = vector(numbers[*which]);
                let found = store.by_vector(&of, filter, &near, *limit, at).await;
                self.told_scored(&found.unwrap())
            }
            Step::Paths(area, paths) => {
                format!("{:?}", store.paths(&of, *area, paths, at).await.unwrap())
            }
            Step::Partitions => format!("{:?}", store.partitions(&of, at).await.unwrap()),
            Step::Dimensions => format!("{:?}", store.dimensions(&of).await.unwrap()),
            Step::Usage => format!("{:?}", store.usage(&of).await.unwrap()),
            Step::Touch(entries) => {
                let ids = self.ids(entries);
                let recalled: Vec<_> = ids.into_iter().map(|id| (id, at)).collect();
                store.touch(&who.tenant_scope(), &recalled).await.unwrap();
                String::new()
            }
            Step::Refresh(entries) => {
                store.refresh(&to, &self.ids(entries), at).await.unwrap();
                String::new()
            }
            Step::Prune(rule) => {
                let (count, ids) = store.prune(&to, rule, at).await.unwrap();
                let mut numbers: Vec<_> = ids.into_iter().map(|id| self.number(id)).collect();
                numbers.sort_unstable();
                format!("{count} {numbers:?}")
            }
            Step::EraseUser(whose) => {
                let admin = caller(who.tenant().as_str(), "root", &["tenant-admin"]);
                let user: UserId = people()[*whose].user().clone();
                let right = admin.user_erasure(&user).unwrap();
                format!("{:?}", store.erase_user(&right).await.unwrap())
            }
            Step::EraseTenant => {
                let admin = caller(who.tenant().as_str(), "root", &["tenant-admin"]);
                let right = admin.tenant_erasure().unwrap();
                format!("{:?}", store.erase_tenant(&right).await.unwrap())
            }
        }
    }
}

/// The turns of a seed.
pub(super) fn drawn(seed: u64) -> Vec<Turn> {
    let config = Config {
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    turns().new_tree(&mut runner).unwrap().current()
}

/// Leaves nothing of what the people drawn have written.
pub(super) async fn erase(stage: &Stage) {
    for tenant in ["acme", "globex"] {
        let admin = caller(tenant, "root", &["tenant-admin"]);
        let right = admin.tenant_erasure().unwrap();
        stage.store.erase_tenant(&right).await.unwrap();
    }
}

pub(crate) async fn any_sequence_of_calls_is_answered_as_by_the_plain_store(stage: &Stage) {
    let rounds: u64 = std::env::var("MEMORY_ROUNDS").map_or(6, |it| it.parse().unwrap());
    let mut kinds: HashMap<&str, usize> = HashMap::new();
    for round in 0..rounds {
        let turns = drawn(round);
        let plain = Stage::reference().await;
        let stores = [&*plain.store, &*stage.store];
        let mut sides = stores.map(|store| Side::new(store, QUOTAS));
        let mut now = NOW;
        for (number, (who, shared, pause, step)) in turns.iter().enumerate() {
            let who = &people()[*who];
            // No two writes at one instant, where the order of two new ids could differ.
            now = now.plus_seconds(pause + 1);
            let expected = sides[0].take(who, *shared, now, step).await;
            let given = sides[1].take(who, *shared, now, step).await;
            assert_eq!(given, expected, "round {round}, turn {number}: {step:?}");
            if !expected.is_empty() {
                let word = expected.split([' ', '\n']).next().unwrap_or_default();
                *kinds.entry(word_of(word)).or_default() += 1;
            }
        }
        erase(stage).await;
    }
    for kind in ["created", "updated", "WriteError", "found"] {
        assert!(
            kinds.contains_key(kind),
            "the sequences tried it: {kinds:?}"
        );
    }
}

fn word_of(word: &str) -> &'static str {
    match word {
        "created" => "created",
        "updated" => "updated",
        "WriteError" => "WriteError",
        _ => "found",
    }
}
