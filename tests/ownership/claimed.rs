//! Ids that callers choose: who uses one first owns it.

use crate::stage::Stage;
use crate::support::recording_backend::RecordingBackend;

const ROUTES: &str = r#"
[[routes]]
name = "agent.run"
upstream = "backend"
methods = ["POST"]
path = "/agents/{name}/{id}"
resource = { kind = "session", id = "path:id", claim = true }

[[routes]]
name = "session.read"
upstream = "backend"
methods = ["GET", "DELETE"]
path = "/sessions/{id}"
resource = { kind = "session", id = "path:id" }

[[routes]]
name = "session.close"
upstream = "backend"
methods = ["POST"]
path = "/sessions/{id}/close"
resource = { kind = "session", id = "path:id" }
deletes = true

[[routes]]
name = "notes"
upstream = "backend"
methods = ["POST"]
path = "/notes"
resource = { kind = "note", id = ["body:/note", "body:/notes/*", "header:x-note", "query:note"], claim = true, as = "uuid" }

[[routes]]
name = "talks"
upstream = "backend"
methods = ["POST"]
path = "/talks"
resource = { kind = "talk", id = ["body:/talks/*", "body:/talks/*/id"], claim = true }

[[routes]]
name = "search"
upstream = "backend"
methods = ["POST"]
path = "/search"
resource = { kind = "talk", id = "body:/ids/*", optional = true }

[[routes]]
name = "page"
upstream = "backend"
methods = ["GET"]
path = "/page"
resource = { kind = "talk", id = "query:talk_id", optional = true }

[[routes]]
name = "private"
upstream = "backend"
methods = ["POST"]
path = "/private/{id}"
resource = { kind = "chat", id = "path:id", claim = true, owner = "user", unless_roles = ["supervisor"] }
"#;

#[tokio::test]
async fn the_first_to_use_an_id_owns_it_and_the_other_tenant_reaches_nothing() {
    let backend = RecordingBackend::ok().await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    let (alice, bob) = (stage.alice(), stage.bob());

    let early = stage.ask(&alice, "GET", "/sessions/s-1", "").await;
    assert_eq!(early.status, 404, "nobody's yet");
    assert_eq!(
        stage
            .ask(&alice, "POST", "/agents/edge/s-1", "{}")
            .await
            .status,
        200
    );
    assert_eq!(
        stage.ask(&alice, "GET", "/sessions/s-1", "").await.status,
        200
    );
    let seen = backend.requests().len();

    for (method, target) in [
        ("GET", "/sessions/s-1"),
        ("DELETE", "/sessions/s-1"),
        ("POST", "/agents/edge/s-1"),
        ("POST", "/sessions/s-1/close"),
    ] {
        let answer = stage.ask(&bob, method, target, "").await;
        assert_eq!(answer.status, 404, "{method} {target}");
    }
    let named =
        |record: &crate::support::recording_backend::Recorded| record.target().contains("s-1");
    let reached = backend
        .requests()
        .iter()
        .skip(seen)
        .filter(|it| named(it))
        .count();
    assert_eq!(reached, 0, "bob's requests reached the backend");
    assert_eq!(
        stage
            .ask(&bob, "POST", "/agents/edge/s-2", "{}")
            .await
            .status,
        200
    );
    assert_eq!(
        stage.ask(&bob, "GET", "/sessions/s-2", "").await.status,
        200,
        "his own"
    );
}

#[tokio::test]
async fn of_two_tenants_that_use_an_id_at_once_one_wins() {
    let backend = RecordingBackend::ok().await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    let (alice, bob) = (stage.alice(), stage.bob());
    for round in 0..20 {
        let target = format!("/agents/edge/race-{round}");
        let (hers, his) = tokio::join!(
            stage.ask(&alice, "POST", &target, "{}"),
            stage.ask(&bob, "POST", &target, "{}"),
        );
        let mut statuses = [hers.status, his.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 404], "round {round}");
        let reached = backend
            .requests()
            .iter()
            .filter(|it| it.target() == target)
            .count();
        assert_eq!(reached, 1, "round {round}: only the winner's request");
    }
}

#[tokio::test]
async fn what_was_deleted_is_free_again() {
    let backend = RecordingBackend::ok().await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    let (alice, bob) = (stage.alice(), stage.bob());
    stage.ask(&alice, "POST", "/agents/edge/s-1", "{}").await;
    assert_eq!(
        stage
            .ask(&alice, "POST", "/sessions/s-1/close", "")
            .await
            .status,
        200
    );
    assert_eq!(
        stage.ask(&alice, "GET", "/sessions/s-1", "").await.status,
        404
    );
    assert_eq!(
        stage
            .ask(&bob, "POST", "/agents/edge/s-1", "{}")
            .await
            .status,
        200
    );
    assert_eq!(
        stage
            .ask(&alice, "POST", "/agents/edge/s-1", "{}")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn every_id_in_every_place_and_spelling_has_to_be_the_callers() {
    const ID: &str = "5F0C3F2E-9A77-4B53-9C1C-0B9D6B6F8A11";
    let backend = RecordingBackend::ok().await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let json = [("Content-Type", "application/json")];
    let mine = format!("{{\"note\":\"{ID}\"}}");
    assert_eq!(
        stage
            .ask_with(&alice, "POST", "/notes", &json, &mine)
            .await
            .status,
        200
    );

    let lower = ID.to_lowercase();
    let bare = lower.replace('-', "");
    for spelling in [
        ID,
        &lower,
        &bare,
        &format!("{{{lower}}}"),
        &format!("urn:uuid:{ID}"),
    ] {
        let in_body = format!("{{\"note\":\"{spelling}\"}}");
        let among =
            format!("{{\"notes\":[\"6e0b7f0a-1111-4222-8333-944444444444\",\"{spelling}\"]}}");
        for body in [in_body, among] {
            let theirs = stage.ask_with(&bob, "POST", "/notes", &json, &body).await;
            assert_eq!(theirs.status, 404, "{body}");
        }
        let hers = stage
            .ask_with(&alice, "POST", "/notes", &[("X-Note", spelling)], "")
            .await;
        assert_eq!(hers.status, 200, "{spelling}");
        let theirs = stage
            .ask_with(&bob, "POST", "/notes", &[("X-Note", spelling)], "")
            .await;
        assert_eq!(theirs.status, 404, "{spelling}");
    }
    for target in [
        format!("/notes?note={lower}"),
        format!("/notes?note=6e0b7f0a-1111-4222-8333-944444444444&note={lower}"),
        format!("/notes?NOTE[]={lower}"),
        format!("/notes?x=1;no%74e={lower}"),
    ] {
        assert_eq!(
            stage.ask(&bob, "POST", &target, "").await.status,
            404,
            "{target}"
        );
        assert_eq!(
            stage.ask(&alice, "POST", &target, "").await.status,
            200,
            "{target}"
        );
    }
    for body in [
        "{}",
        "{\"note\":null}",
        "{\"note\":true}",
        "{\"note\":[\"x\"]}",
        "not json",
    ] {
        let answer = stage.ask_with(&bob, "POST", "/notes", &json, body).await;
        assert_eq!(answer.status, 400, "{body}");
    }
}

#[tokio::test]
async fn a_users_own_thing_is_hidden_from_the_tenant_but_not_from_its_supervisors() {
    let backend = RecordingBackend::ok().await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    let alice = stage.alice();
    let colleague = stage.caller("acme", "carol", &[]);
    let supervisor = stage.caller("acme", "dave", &["supervisor"]);
    let foreign = stage.caller("globex", "eve", &["supervisor"]);
    assert_eq!(
        stage.ask(&alice, "POST", "/private/c-1", "").await.status,
        200
    );
    assert_eq!(
        stage.ask(&alice, "POST", "/private/c-1", "").await.status,
        200
    );
    assert_eq!(
        stage
            .ask(&colleague, "POST", "/private/c-1", "")
            .await
            .status,
        404
    );
    assert_eq!(
        stage
            .ask(&supervisor, "POST", "/private/c-1", "")
            .await
            .status,
        200
    );
    assert_eq!(
        stage.ask(&foreign, "POST", "/private/c-1", "").await.status,
        404
    );
}

#[tokio::test]
async fn a_record_names_the_resource_and_why_it_was_refused() {
    let backend = RecordingBackend::ok().await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    stage
        .ask(&stage.alice(), "POST", "/agents/edge/s-1", "{}")
        .await;
    stage
        .ask(&stage.bob(), "POST", "/agents/edge/s-1", "{}")
        .await;
    let records = stage.records_of("agent.run", 2).await;
    for record in &records {
        assert_eq!(
            record["resource"],
            serde_json::json!({ "kind": "session", "id": "s-1" })
        );
    }
    let decisions: Vec<_> = records
        .iter()
        .map(|it| (&it["decision"], &it["reason"]))
        .collect();
    assert_eq!(decisions[0], (&"permit".into(), &"ok".into()));
    assert_eq!(decisions[1], (&"deny".into(), &"not_found".into()));
}

#[tokio::test]
async fn an_id_under_an_alias_of_its_header_is_not_overlooked() {
    const HERS: &str = "5f0c3f2e-9a77-4b53-9c1c-0b9d6b6f8a11";
    const HIS: &str = "6e0b7f0a-1111-4222-8333-944444444444";
    let backend = RecordingBackend::ok().await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    let (alice, bob) = (stage.alice(), stage.bob());
    for alias in ["X-Note", "X_Note", "x.note", "HTTP_X_NOTE"] {
        let hers = stage
            .ask_with(&alice, "POST", "/notes", &[(alias, HERS)], "")
            .await;
        assert_eq!(hers.status, 200, "{alias}");
        let both = [("X-Note", HIS), (alias, HERS)];
        let theirs = stage.ask_with(&bob, "POST", "/notes", &both, "").await;
        assert_eq!(theirs.status, 404, "{alias}");
    }
}

#[tokio::test]
async fn an_id_beside_one_that_stands_deeper_is_not_overlooked() {
    let backend = RecordingBackend::ok().await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let json = [("Content-Type", "application/json")];
    let ask = async |caller, body: &str| {
        let answer = stage.ask_with(caller, "POST", "/talks", &json, body);
        answer.await.status
    };
    assert_eq!(ask(&alice, r#"{"talks":[17,{"id":"t-1"}]}"#).await, 200);
    for body in [
        r#"{"talks":[{"id":"his"},17.0]}"#,
        r#"{"talks":[{"id":"his"},true]}"#,
        r#"{"talks":[{"id":"his"},["t-1"]]}"#,
        r#"{"talks":[{"id":"his"},{"id":["t-1"]}]}"#,
    ] {
        assert_eq!(ask(&bob, body).await, 400, "{body}");
    }
    assert_eq!(ask(&bob, r#"{"talks":[{"id":"his"},"t-1"]}"#).await, 404);
    assert_eq!(ask(&bob, r#"{"talks":[{"id":"his"},"his-2"]}"#).await, 200);
}

#[tokio::test]
async fn an_id_where_a_list_should_be_is_not_overlooked() {
    let backend = RecordingBackend::ok().await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    let json = [("Content-Type", "application/json")];
    let bob = stage.bob();
    let ask = async |body: &str| {
        let answer = stage.ask_with(&bob, "POST", "/search", &json, body);
        answer.await.status
    };
    for body in [r#"{"ids":"t-1"}"#, r#"{"ids":17}"#, r#"{"ids":["t-1"]}"#] {
        assert_eq!(ask(body).await, 404, "{body}");
    }
    for body in [
        r#"{"ids":{"0":"t-1"}}"#,
        r#"{"ids":{"t-1":true}}"#,
        r#"{"ids":true}"#,
    ] {
        assert_eq!(ask(body).await, 400, "{body}");
    }
    for body in ["{}", r#"{"ids":null}"#, r#"{"ids":[]}"#] {
        assert_eq!(ask(body).await, 200, "{body}");
    }
}

#[tokio::test]
async fn a_parameter_with_a_dot_or_a_blank_for_its_underscore_is_not_overlooked() {
    let backend = RecordingBackend::ok().await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    for name in [
        "talk_id",
        "talk.id",
        "talk+id",
        "talk%20id",
        "talk[id",
        "Talk.Id[]",
    ] {
        let target = format!("/page?{name}=t-1");
        let answer = stage.ask(&stage.bob(), "GET", &target, "").await;
        assert_eq!(answer.status, 404, "{name}");
    }
    let other = stage
        .ask(
            &stage.bob(),
            "GET",
            "/page?talkid=x&talk-id=x&talk[id]=x&talk[idx=x",
            "",
        )
        .await;
    assert_eq!(other.status, 200, "names of other parameters");
}
