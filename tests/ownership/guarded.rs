//! What a guard keeps from its reader is told as what is not there, however it was asked for.

use crate::stage::Stage;
use crate::support::raw_client::{self, RawClient};
use crate::support::recording_backend::{Answer, Recorded, RecordingBackend};

const ROUTES: &str = r#"
[[routes]]
name = "task"
upstream = "backend"
methods = ["GET", "HEAD"]
path = "/tasks/{id}"
resource = { kind = "task", id = "path:id" }
unknown = "pass"
guard = { tenant = "body:/tenantId" }
"#;

/// A backend that answers conditions and ranges.
fn answer(request: &Recorded) -> Answer {
    let target = request.target();
    let id = target.trim_start_matches("/tasks/");
    let tenant = match id.split('-').next() {
        Some("alices") => "acme",
        Some("bobs") => "globex",
        _ => return Answer::json(404, &format!("{{\"error\":\"no task {id}\"}}")),
    };
    let body = format!("{{\"tenantId\":\"{tenant}\"}}");
    let says = |name| request.head.value(name).is_some();
    if says("if-none-match") {
        return Answer::head(304, &[("etag", "\"1\"")]);
    }
    if says("if-match") {
        return Answer::json(412, "{}");
    }
    if says("range") {
        return Answer::json(206, &body[..1]);
    }
    match request.method().as_str() {
        "HEAD" => Answer::head(200, &[("content-length", "21")]),
        _ => Answer::json(200, &body),
    }
}

async fn told(stage: &Stage, method: &str, id: &str, field: Option<(&str, &str)>) -> String {
    let bob = stage.bob();
    let mut fields = vec![("Authorization", bob.authorization.as_str())];
    fields.extend(field);
    let request = raw_client::request(method, &format!("/tasks/{id}"), &fields, b"");
    let mut client = RawClient::connect(stage.gate.address()).await;
    client.send(request).await;
    let answer = match method {
        "HEAD" => client.read_response_to_head().await,
        _ => client.read_response().await,
    };
    let text = format!("{}{}", answer.head.text(), answer.text()).replace(id, "<id>");
    let lines = text.split("\r\n");
    let same = lines.filter(|line| {
        let line = line.to_ascii_lowercase();
        !line.starts_with("x-request-id") && !line.starts_with("date:")
    });
    same.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn what_a_guard_keeps_back_is_told_as_what_is_not_there() {
    let backend = RecordingBackend::start(answer).await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    for round in 0..12 {
        for (method, field) in [
            ("GET", None),
            ("HEAD", None),
            ("GET", Some(("If-None-Match", "*"))),
            ("GET", Some(("If-Match", "\"0\""))),
            ("GET", Some(("Range", "bytes=0-0"))),
        ] {
            let call = format!("{method} {field:?} in round {round}");
            let foreign = told(&stage, method, &format!("alices-{round:04}"), field).await;
            let unknown = told(&stage, method, &format!("nobody-{round:04}"), field).await;
            assert!(unknown.starts_with("HTTP/1.1 404"), "{call}: {unknown}");
            assert_eq!(foreign, unknown, "{call}");
            let own = told(&stage, method, "bobs-1", field).await;
            assert!(own.starts_with("HTTP/1.1 200"), "{call}: {own}");
        }
    }
    let record = &stage.records_of("task", 1).await[0];
    assert_eq!(record["alert"], "foreign_answer");
}
