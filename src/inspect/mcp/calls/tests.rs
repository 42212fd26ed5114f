use super::*;

fn read(body: &str) -> Result<Calls, McpFault> {
    Calls::read(body.as_bytes(), &HeaderMap::new())
}

fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":"r1","method":"{method}","params":{params}}}"#)
}

fn named(subject: Subject, name: &str) -> Use {
    Use {
        subject,
        name: name.to_owned(),
    }
}

#[test]
fn every_method_that_uses_something_says_what() {
    for (method, params, expected) in [
        (
            "tools/call",
            r#"{"name":"sh\u0065ll.run"}"#,
            named(Subject::Tool, "shell.run"),
        ),
        (
            "prompts/get",
            r#"{"name":"p"}"#,
            named(Subject::Prompt, "p"),
        ),
        (
            "resources/read",
            r#"{"uri":"file:///a"}"#,
            named(Subject::Resource, "file:///a"),
        ),
        (
            "resources/subscribe",
            r#"{"uri":"file:///a"}"#,
            named(Subject::Resource, "file:///a"),
        ),
        (
            "resources/unsubscribe",
            r#"{"uri":"u"}"#,
            named(Subject::Resource, "u"),
        ),
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":"b"}}"#,
            named(Subject::Prompt, "p"),
        ),
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/resource","uri":"file:///{x}"}}"#,
            named(Subject::Resource, "file:///{x}"),
        ),
        (
            "subscriptions/listen",
            r#"{"notifications":{"resourceSubscriptions":["u"]}}"#,
            named(Subject::Resource, "u"),
        ),
    ] {
        let calls = read(&request(method, params)).unwrap();
        let uses: Vec<_> = calls.uses().cloned().collect();
        assert_eq!(uses, [expected], "{method}");
        assert_eq!(calls.request_id.as_deref(), Some("\"r1\""));
    }
}

#[test]
fn a_method_that_does_not_say_what_it_uses_is_refused() {
    for (method, params) in [
        ("tools/call", "{}"),
        ("tools/call", r#"{"name":1}"#),
        ("tools/call", r#"{"name":["a"]}"#),
        ("tools/call", r#"{"Name":"a"}"#),
        ("tools/call", r#"{"name":"a","NAME":"b"}"#),
        ("tools/call", r#"{"name":"a","name":"b"}"#),
        ("tools/call", r#"["a"]"#),
        ("prompts/get", "{}"),
        ("resources/read", r#"{"name":"a"}"#),
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/tool","name":"a"}}"#,
        ),
        (
            "subscriptions/listen",
            r#"{"notifications":{"resourceSubscriptions":"u"}}"#,
        ),
        ("tasks/get", "{}"),
        ("tasks/cancel", r#"{"taskId":7}"#),
    ] {
        assert!(read(&request(method, params)).is_err(), "{method} {params}");
    }
}

#[test]
fn tasks_are_found_wherever_a_request_names_one() {
    for (method, params) in [
        ("tasks/get", r#"{"taskId":"t-1"}"#),
        ("tasks/result", r#"{"taskId":"t-1"}"#),
        ("tasks/cancel", r#"{"taskId":"t-1"}"#),
        ("tasks/update", r#"{"taskId":"t-1","inputResponses":{}}"#),
        (
            "subscriptions/listen",
            r#"{"notifications":{"taskIds":["t-1"]}}"#,
        ),
        (
            "ping",
            r#"{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t-1"}}}"#,
        ),
    ] {
        let calls = read(&request(method, params)).unwrap();
        assert_eq!(calls.tasks().collect::<Vec<_>>(), ["t-1"], "{method}");
    }
}

#[test]
fn a_reply_about_a_task_that_the_client_keeps_names_no_task_of_the_server() {
    let meta = r#"{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"mine"}}}"#;
    let reply = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{meta}}}"#);
    let told = format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{meta}}}"#);
    for (body, kind) in [(reply, CallKind::Response), (told, CallKind::Notification)] {
        let calls = read(&body).unwrap();
        assert_eq!(calls.tasks().count(), 0);
        assert_eq!(calls.calls.first().unwrap().kind, kind);
    }
}

#[test]
fn a_notification_in_the_shape_of_a_call_still_says_what_it_uses() {
    let told = r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"shell"}}"#;
    let calls = read(told).unwrap();
    assert_eq!(calls.tool(), Some("shell"));
}

#[test]
fn a_batch_is_for_one_version_and_each_of_its_messages_counts() {
    let batch = format!(
        "[{},{}]",
        request("tools/call", r#"{"name":"a"}"#),
        request("tools/call", r#"{"name":"b"}"#)
    );
    let with = |version: &'static str| {
        let mut fields = HeaderMap::new();
        fields.insert(
            "mcp-protocol-version",
            http::HeaderValue::from_static(version),
        );
        Calls::read(batch.as_bytes(), &fields)
    };
    for calls in [read(&batch), with("2025-03-26")] {
        let calls = calls.unwrap();
        let names: Vec<_> = calls.uses().map(|used| used.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(calls.request_id, None);
    }
    for version in ["2025-06-18", "2025-11-25", "2026-07-28"] {
        assert_eq!(with(version), Err(McpFault::Batch), "{version}");
    }
}

#[test]
fn an_unknown_method_is_an_extension_and_the_protocols_own_are_not() {
    let kind = |method: &str| read(&request(method, "{}")).unwrap().calls[0].kind;
    assert_eq!(kind("vendor/thing"), CallKind::Extension);
    assert_eq!(kind("initialize"), CallKind::Initialize);
    for method in ["ping", "tools/list", "server/discover", "tasks/list"] {
        assert_eq!(kind(method), CallKind::Protocol, "{method}");
    }
}
