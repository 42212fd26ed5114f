//! `/v1/files`: the commands of the memory tool, word for word, and whose files they are about.

use std::sync::Arc;

use fabric_gate::memory::{Address, Area, Bounds, Change, Expected, Fields, Quotas};
use serde_json::{Value, json};

use crate::people::caller;
use crate::stage::{ALICE, Answer, BOB, STRANGER, Stage, Who};

async fn run(stage: &Stage, who: Who, command: Value) -> (String, bool) {
    let result = stage.ask(who, "POST", "/v1/files", command).await.of(200);
    let content = result["content"].as_str().unwrap().to_owned();
    (content, result["is_error"].as_bool().unwrap())
}

/// What a command that is carried out says.
async fn done(stage: &Stage, who: Who, command: Value) -> String {
    let (content, is_error) = run(stage, who, command).await;
    assert!(!is_error, "{content}");
    content
}

/// What a command that is not carried out says.
async fn told(stage: &Stage, who: Who, command: Value) -> String {
    let (content, is_error) = run(stage, who, command).await;
    assert!(is_error, "{content}");
    content
}

fn create(path: &str, text: &str) -> Value {
    json!({ "command": "create", "path": path, "file_text": text })
}

fn view(path: &str) -> Value {
    json!({ "command": "view", "path": path })
}

fn replace(path: &str, old: &str, new: &str) -> Value {
    json!({ "command": "str_replace", "path": path, "old_str": old, "new_str": new })
}

fn insert(path: &str, line: i64, text: &str) -> Value {
    json!({ "command": "insert", "path": path, "insert_line": line, "insert_text": text })
}

fn delete(path: &str) -> Value {
    json!({ "command": "delete", "path": path })
}

fn rename(old: &str, new: &str) -> Value {
    json!({ "command": "rename", "old_path": old, "new_path": new })
}

async fn raw(stage: &Stage, who: Who, path: &str) -> Answer {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("path", path);
    stage
        .get(who, &format!("/v1/files?{}", query.finish()))
        .await
}

/// The names of all files, by the listing two levels deep.
async fn names(stage: &Stage, who: Who) -> Vec<String> {
    let listing = done(stage, who, view("/memories")).await;
    let lines = listing.lines().skip(2);
    lines
        .map(|line| line.split_once('\t').unwrap().1.to_owned())
        .collect()
}

#[tokio::test]
async fn each_command_answers_in_the_words_a_model_knows() {
    let stage = Stage::open().await;
    let plan = "/memories/plan.md";
    assert_eq!(
        done(&stage, ALICE, view("/memories")).await,
        "Here're the files and directories up to 2 levels deep in /memories, excluding hidden items:\n0B\t/memories"
    );
    assert_eq!(
        done(&stage, ALICE, create(plan, "one\ntwo\nthree\n")).await,
        "File created successfully at: /memories/plan.md"
    );
    assert_eq!(
        done(&stage, ALICE, view(plan)).await,
        "Here's the content of /memories/plan.md with line numbers:\n     1\tone\n     2\ttwo\n     3\tthree\n     4\t"
    );
    let part = json!({ "command": "view", "path": plan, "view_range": [2, -1] });
    assert_eq!(
        done(&stage, ALICE, part).await,
        "Here's the content of /memories/plan.md with line numbers:\n     2\ttwo\n     3\tthree\n     4\t"
    );
    assert_eq!(
        done(&stage, ALICE, replace(plan, "two", "zwei")).await,
        "The memory file has been edited. Here is the snippet showing the change (with line numbers):\n     1\tone\n     2\tzwei\n     3\tthree\n     4\t"
    );
    assert_eq!(
        done(&stage, ALICE, insert(plan, 1, "one and a half\n")).await,
        "The file /memories/plan.md has been edited."
    );
    assert_eq!(
        raw(&stage, ALICE, plan).await.text(),
        "one\none and a half\nzwei\nthree\n"
    );
    assert_eq!(
        done(&stage, ALICE, rename(plan, "/memories/old/plan.md")).await,
        "Successfully renamed /memories/plan.md to /memories/old/plan.md"
    );
    assert_eq!(
        done(&stage, ALICE, view("/memories")).await,
        "Here're the files and directories up to 2 levels deep in /memories, excluding hidden items:\n30B\t/memories\n30B\t/memories/old/\n30B\t/memories/old/plan.md"
    );
    assert_eq!(
        done(&stage, ALICE, delete("/memories/old")).await,
        "Successfully deleted /memories/old"
    );
    assert!(names(&stage, ALICE).await.is_empty());
}

#[tokio::test]
async fn what_a_model_does_wrong_is_told_to_it_in_those_words() {
    let stage = Stage::open().await;
    done(&stage, ALICE, create("/memories/a.md", "x\ny\nx\n")).await;
    done(&stage, ALICE, create("/memories/d/b.md", "b")).await;
    let range = json!({ "command": "view", "path": "/memories/a.md", "view_range": [1] });
    for (command, text) in [
        (
            view("/memories/none"),
            "The path /memories/none does not exist. Please provide a valid path.",
        ),
        (range, "`view_range` is two line numbers: [first, last]"),
        (
            create("/memories/a.md", ""),
            "File /memories/a.md already exists",
        ),
        (create("/memories/d", ""), "File /memories/d already exists"),
        (create("/memories", ""), "File /memories already exists"),
        (
            create("/memories/a.md/b", ""),
            "/memories/a.md/b is below a file, which is no directory",
        ),
        (
            create("/memories/n", "a\u{0}"),
            "`content`: text without NUL (U+0000)",
        ),
        (
            replace("/memories/none", "a", "b"),
            "The path /memories/none does not exist. Please provide a valid path.",
        ),
        (
            replace("/memories/d", "a", "b"),
            "The path /memories/d is not a file.",
        ),
        (
            replace("/memories", "a", "b"),
            "The path /memories is not a file.",
        ),
        (
            replace("/memories/a.md", "z", "b"),
            "No replacement was performed, old_str `z` did not appear verbatim in /memories/a.md.",
        ),
        (
            replace("/memories/a.md", "x", "b"),
            "No replacement was performed. Multiple occurrences of old_str `x` in lines: 1, 3. Please ensure it is unique",
        ),
        (
            insert("/memories/a.md", 4, "b"),
            "Invalid `insert_line` parameter: 4. It should be within the range [0, 3].",
        ),
        (
            insert("/memories/a.md", -1, "b"),
            "Invalid `insert_line` parameter: -1. It should be within the range [0, 3].",
        ),
        (
            insert("/memories/none", 0, "b"),
            "The path /memories/none does not exist. Please provide a valid path.",
        ),
        (
            delete("/memories"),
            "Cannot delete the /memories directory itself",
        ),
        (
            delete("/memories/none"),
            "The path /memories/none does not exist",
        ),
        (
            rename("/memories", "/memories/x"),
            "Cannot rename the /memories directory itself",
        ),
        (
            rename("/memories/none", "/memories/x"),
            "The path /memories/none does not exist",
        ),
        (
            rename("/memories/a.md", "/memories/d"),
            "The destination /memories/d already exists",
        ),
        (
            rename("/memories/d", "/memories/a.md"),
            "The destination /memories/a.md already exists",
        ),
        (
            rename("/memories/a.md", "/memories"),
            "The destination /memories already exists",
        ),
        (
            rename("/memories/d", "/memories/a.md/x"),
            "/memories/a.md/x is below a file, which is no directory",
        ),
        (
            rename("/memories/d", "/memories/d/e"),
            "Cannot rename a directory into itself",
        ),
        (
            view("/etc/passwd"),
            "Path must start with /memories, got: /etc/passwd",
        ),
        (
            create("/memories/../x", ""),
            "Path /memories/../x would escape /memories directory",
        ),
        (
            delete("/memories/d/%2e%2e/a.md"),
            "Path /memories/d/%2e%2e/a.md would escape /memories directory",
        ),
        (
            rename("/memories/a.md", "/memories/..\\x"),
            "Path /memories/..\\x would escape /memories directory",
        ),
    ] {
        assert_eq!(
            told(&stage, ALICE, command.clone()).await,
            text,
            "{command}"
        );
    }
    let all = ["/memories/a.md", "/memories/d/", "/memories/d/b.md"];
    assert_eq!(
        names(&stage, ALICE).await,
        all,
        "nothing came of any of them"
    );
}

#[tokio::test]
async fn what_is_no_command_is_refused_before_it_is_one() {
    let stage = Stage::open().await;
    for (command, part) in [
        (json!({ "command": "sudo" }), "sudo"),
        (
            json!({ "command": "create", "path": "/memories/a" }),
            "file_text",
        ),
        (
            json!({ "command": "view", "path": ["/memories"] }),
            "string",
        ),
        (
            json!({ "command": "view", "path": "/memories", "user": "bob" }),
            "user",
        ),
        (json!([view("/memories")]), "sequence"),
    ] {
        let answer = stage.ask(ALICE, "POST", "/v1/files", command).await;
        assert_eq!(answer.refused(400), "request_rejected");
        assert!(answer.text().contains(part), "{}", answer.text());
    }
    let twice = r#"{"command":"view","path":"/memories","path":"/memories/a"}"#;
    let json = [("content-type", "application/json")];
    let answer = stage.send(ALICE, "POST", "/v1/files", &json, twice).await;
    assert_eq!(answer.refused(400), "request_rejected");
}

#[tokio::test]
async fn nobody_else_sees_writes_or_moves_a_file() {
    let stage = Stage::open().await;
    let plan = "/memories/plan.md";
    done(&stage, ALICE, create(plan, "mine")).await;
    for who in [BOB, STRANGER] {
        assert!(names(&stage, who).await.is_empty());
        let foreign = raw(&stage, who, plan).await.masked();
        assert_eq!(foreign, raw(&stage, who, "/memories/x").await.masked());
        for (command, on_unknown) in [
            (view(plan), view("/memories/x")),
            (
                replace(plan, "mine", "his"),
                replace("/memories/x", "mine", "his"),
            ),
            (insert(plan, 0, "his"), insert("/memories/x", 0, "his")),
            (delete(plan), delete("/memories/x")),
            (
                rename(plan, "/memories/y"),
                rename("/memories/x", "/memories/y"),
            ),
        ] {
            let foreign = told(&stage, who, command).await;
            let unknown = told(&stage, who, on_unknown).await;
            assert_eq!(foreign, unknown.replace("/memories/x", plan));
        }
        done(&stage, who, create(plan, "his own")).await;
        done(&stage, who, delete(plan)).await;
    }
    let file = raw(&stage, ALICE, plan).await;
    assert_eq!((file.status, file.text().as_str()), (200, "mine"));
    assert_eq!(
        file.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn what_is_no_file_has_no_text() {
    let stage = Stage::open().await;
    done(&stage, ALICE, create("/memories/d/a", "x")).await;
    assert_eq!(raw(&stage, ALICE, "/memories/d/a").await.status, 200);
    for path in [
        "/memories",
        "/memories/d",
        "/memories/d/b",
        "/etc/passwd",
        "",
        "/memories/d/../d/a",
    ] {
        assert_eq!(
            raw(&stage, ALICE, path).await.refused(404),
            "not_found",
            "{path}"
        );
    }
    let none = stage.get(ALICE, "/v1/files").await;
    assert_eq!(none.refused(400), "request_rejected");
}

#[tokio::test]
async fn a_directory_is_moved_and_deleted_with_all_that_is_below() {
    let stage = Stage::open().await;
    for (path, text) in [("a", "1"), ("b/c", "2"), ("b/d/e", "3"), ("bb", "4")] {
        done(&stage, ALICE, create(&format!("/memories/w/{path}"), text)).await;
    }
    done(&stage, ALICE, rename("/memories/w/b", "/memories/ü ö/z")).await;
    for (path, text) in [
        ("ü ö/z/c", "2"),
        ("ü ö/z/d/e", "3"),
        ("w/bb", "4"),
        ("w/a", "1"),
    ] {
        let path = format!("/memories/{path}");
        assert_eq!(raw(&stage, ALICE, &path).await.text(), text, "{path}");
    }
    assert_eq!(raw(&stage, ALICE, "/memories/w/b/c").await.status, 404);
    let deep = format!("/memories{}", "/x".repeat(14));
    let refused = told(&stage, ALICE, rename("/memories/ü ö", &deep)).await;
    assert!(refused.contains("deeper than 16"), "{refused}");
    assert_eq!(raw(&stage, ALICE, "/memories/ü ö/z/d/e").await.status, 200);
    done(&stage, ALICE, delete("/memories/w/")).await;
    let left = ["/memories/ü ö/", "/memories/ü ö/z/"];
    assert_eq!(names(&stage, ALICE).await, left);
}

#[tokio::test]
async fn a_directory_of_too_many_files_is_listed_in_part_and_never_moved_in_part() {
    let stage = Stage::open().await;
    let alice = caller("acme", "alice", &[]);
    let file = |number: usize| Change::Put {
        address: Address {
            area: Area::Files,
            path: "big/".to_owned(),
            key: Some(format!("{number:04}")),
        },
        fields: Fields::new("x"),
        expected: Expected::Absent,
    };
    let files = (0..1000).map(file).collect();
    stage.memory.write(&alice.own(), files).await.unwrap();
    let listing = done(&stage, ALICE, view("/memories/big")).await;
    assert_eq!(listing.lines().count(), 2 + 1000);
    assert!(listing.contains("1000B\t/memories/big"), "all are counted");
    done(&stage, ALICE, create("/memories/big/more", "x")).await;
    let listing = done(&stage, ALICE, view("/memories/big")).await;
    assert!(listing.ends_with("(only the first 1000 files are listed)"));
    let refused = told(&stage, ALICE, delete("/memories/big")).await;
    assert!(refused.contains("more than 1000 files"), "{refused}");
    assert_eq!(raw(&stage, ALICE, "/memories/big/0999").await.status, 200);
    done(&stage, ALICE, delete("/memories/big/more")).await;
    done(&stage, ALICE, delete("/memories/big")).await;
    assert!(names(&stage, ALICE).await.is_empty());
}

#[tokio::test]
async fn a_file_is_as_confidential_as_a_memory() {
    let stage = Stage::open().await;
    let guest: Who = ("acme", "alice", &["guest"]);
    done(&stage, ALICE, create("/memories/internal", "x")).await;
    done(&stage, guest, create("/memories/public", "x")).await;
    assert_eq!(names(&stage, guest).await, ["/memories/public"]);
    assert_eq!(raw(&stage, guest, "/memories/internal").await.status, 404);
    let all = ["/memories/internal", "/memories/public"];
    assert_eq!(names(&stage, ALICE).await, all);
}

#[tokio::test]
async fn bounds_are_told_to_the_model() {
    let quotas = Quotas {
        user_entries: Some(1),
        versions: 5,
        ..Quotas::default()
    };
    let bounds = Bounds {
        entry_bytes: 10,
        ..Bounds::default()
    };
    let stage = Stage::with(quotas, bounds).await;
    let refused = told(&stage, ALICE, create("/memories/a", "12345678901")).await;
    assert_eq!(refused, "an entry has at most 10 bytes, this has 11");
    done(&stage, ALICE, create("/memories/a", "1234567890")).await;
    let refused = told(&stage, ALICE, create("/memories/b", "")).await;
    assert!(
        refused.contains("user_entries") || refused.contains("entries_per_user"),
        "{refused}"
    );
    assert!(refused.ends_with("delete what is not needed"), "{refused}");
    let refused = told(&stage, ALICE, insert("/memories/a", 0, "x")).await;
    assert!(refused.contains("at most 10 bytes"), "{refused}");
    done(&stage, BOB, create("/memories/b", "")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_edit_is_lost_where_several_edit_at_once() {
    let stage = Arc::new(Stage::open().await);
    done(&stage, ALICE, create("/memories/log", "")).await;
    let lines = ["a", "b", "c", "d"];
    let edits = lines.map(|line| {
        let stage = Arc::clone(&stage);
        tokio::spawn(async move { done(&stage, ALICE, insert("/memories/log", 0, line)).await })
    });
    for edit in edits {
        edit.await.unwrap();
    }
    let text = raw(&stage, ALICE, "/memories/log").await.text();
    let mut kept: Vec<_> = text.lines().collect();
    kept.sort_unstable();
    assert_eq!(kept, lines);
}
