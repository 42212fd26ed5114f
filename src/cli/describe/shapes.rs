//! What `--json` prints, command by command. The shape is a promise: members may be added, none is
//! renamed, moved or taken away within a major version.

/// The form of a result.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// One JSON document, with an example of it. In the example `null` stands for anything, and a
    /// list has one element like which all are.
    Document(&'static str),
    /// JSON Lines, and what a line is.
    Lines(&'static str),
}

/// By the words that call a command.
pub const SHAPES: &[(&str, Shape)] = &[
    (
        "fabric-gate init",
        Shape::Document(r#"{ "directory": "/home/me/gate", "files": ["config/gate.toml"] }"#),
    ),
    (
        "fabric-gate check",
        Shape::Document(r#"{ "good": true, "problems": [], "warnings": [], "summary": {} }"#),
    ),
    (
        "fabric-gate health",
        Shape::Document(r#"{ "ready": true }"#),
    ),
    (
        "fabric-gate explain",
        Shape::Document(
            r#"{ "decision": "permit", "status": null, "code": null, "route": { "name": "session.read", "upstream": "harness", "path": "/sessions/{id}" }, "principal": { "tenant": "acme", "user": "alice", "roles": [] }, "rule": null, "would_deny": [], "resources": [], "ceilings": [], "backend": { "method": "GET", "target": "/sessions/1", "headers": [] }, "steps": [{ "step": "route", "outcome": "passed", "says": "…" }] }"#,
        ),
    ),
    (
        "fabric-gate test",
        Shape::Document(
            r#"{ "passed": 1, "failed": 0, "cases": [{ "name": "…", "at": "policies/a.cases.toml:1", "passed": true }] }"#,
        ),
    ),
    (
        "fabric-gate replay",
        Shape::Document(
            r#"{ "requests": 2, "same": 2, "permit_to_deny": 0, "deny_to_permit": 0, "other_reason": 0, "not_judged": {}, "groups": [], "unreadable": 0 }"#,
        ),
    ),
    (
        "fabric-gate diff",
        Shape::Document(
            r#"{ "same": true, "old": "8db21f7b51448b7a", "new": "8db21f7b51448b7a", "differences": [] }"#,
        ),
    ),
    (
        "fabric-gate shadow",
        Shape::Document(
            r#"{ "requests": 2, "first": null, "last": null, "rules": [{ "rule": "…", "in_shadow": true, "count": 0, "tenants": {}, "routes": {}, "examples": [], "safe_to_enforce": false }] }"#,
        ),
    ),
    (
        "fabric-gate profile list",
        Shape::Document(r#"{ "profiles": [{ "name": "a2a", "summary": "A2A 1.0 agents" }] }"#),
    ),
    (
        "fabric-gate profile show",
        Shape::Document(
            r#"{ "name": "a2a", "summary": "A2A 1.0 agents", "policy": "[[routes]]\n…" }"#,
        ),
    ),
    (
        "fabric-gate prices import",
        Shape::Document(
            r#"{ "prices": [{ "model": "gpt-x", "input": "1.5", "output": "2" }], "skipped": [{ "model": "old", "reason": "…" }], "fields_left_out": {} }"#,
        ),
    ),
    (
        "fabric-gate prices list",
        Shape::Document(r#"{ "prices": [{ "model": "gpt-x", "input": "1.5", "output": "2" }] }"#),
    ),
    (
        "fabric-gate prices show",
        Shape::Document(r#"{ "model": "gpt-x", "input": "1.5", "output": "2" }"#),
    ),
    (
        "fabric-gate key new",
        Shape::Document(r#"{ "key": "fabk_…", "stanza": "[[api_keys]]\n…" }"#),
    ),
    (
        "fabric-gate dev token",
        Shape::Document(
            r#"{ "token": "eyJ…", "issuer": "dev", "tenant": "acme", "user": "alice", "expires_at": "2026-11-22T18:00:00.000000Z" }"#,
        ),
    ),
    (
        "fabric-gate audit verify",
        Shape::Document(
            r#"{ "records": 3, "checkpoints": 1, "lineages": [{ "lineage": 0, "log_id": "…", "first_seq": 1, "last_seq": 3, "anchored_seq": 3, "torn_tail": false }], "first_bad": null }"#,
        ),
    ),
    (
        "fabric-gate audit export",
        Shape::Lines(
            "the log's own lines, one record each, and a last line of `\"kind\": \"export\"` that is signed.",
        ),
    ),
    (
        "fabric-gate audit tail",
        Shape::Lines("the log's own lines, one record each."),
    ),
    (
        "fabric-gate spend",
        Shape::Document(r#"{ "tenants": [{ "tenant": "acme", "ceilings": [] }] }"#),
    ),
    (
        "fabric-gate spend adjust",
        Shape::Document(r#"{ "tenant": "acme", "id": "…", "usd": "-1.5", "repeated": false }"#),
    ),
    (
        "fabric-gate spend verify",
        Shape::Document(
            r#"{ "good": true, "lines": 0, "ledger_usd": "0", "audit_usd": "0", "on_their_way": 0, "different": 0, "differences": [] }"#,
        ),
    ),
    (
        "fabric-gate statement",
        Shape::Document(r#"{ "tenant": "acme" }"#),
    ),
    (
        "fabric-memory health",
        Shape::Document(r#"{ "ready": true }"#),
    ),
    (
        "fabric-memory check",
        Shape::Document(r#"{ "good": true, "problems": [] }"#),
    ),
    (
        "fabric-memory migrate",
        Shape::Document(r#"{ "store": "postgres", "from": 0, "to": 1 }"#),
    ),
    (
        "fabric-memory backup",
        Shape::Document(r#"{ "tenant": "acme", "file": "acme.db" }"#),
    ),
    (
        "fabric-memory restore",
        Shape::Document(r#"{ "tenant": "acme", "file": "acme.db" }"#),
    ),
    (
        "fabric-memory stats",
        Shape::Document(
            r#"{ "tenant": "acme", "entries": 2, "bytes": 120, "namespaces": [{ "namespace": "tenant:acme:user:alice:", "user": null, "entries": 2, "bytes": 120 }] }"#,
        ),
    ),
    (
        "fabric-memory export",
        Shape::Document(r#"{ "tenant": "acme", "file": "acme.jsonl", "entries": 2 }"#),
    ),
    (
        "fabric-memory import",
        Shape::Document(
            r#"{ "dry_run": false, "lines": 6, "imported_through": 6, "created": 2, "existed": 0, "skipped": 0, "unlinked": 0, "complete": true, "refused": [] }"#,
        ),
    ),
    (
        "fabric-memory erase",
        Shape::Document(
            r#"{ "id": "…", "tenant": "acme", "user": null, "entries": 2, "bytes": 120, "anonymised": 0, "erased_at": "2026-11-22T18:00:00.000000Z", "erased_by": "root", "digest": "blake3:…" }"#,
        ),
    ),
];
