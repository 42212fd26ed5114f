//! `fabric-gate explain` beside a gate, and where there is none.

use std::process::Output;

use serde_json::Value;

use crate::stage::{ALICE, Ask, Stage};

const POLICIES: &str = r#"
[[tenants]]
id = "acme"
[[tenants]]
id = "globex"
[[routes]]
name = "claim"
upstream = "backend"
methods = ["PUT"]
path = "/things/{id}"
resource = { kind = "thing", id = "path:id", claim = true }
"#;

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[tokio::test]
async fn a_command_sees_who_owns_what_and_claims_nothing() {
    let stage = Stage::start(POLICIES).await;
    let as_gina = [
        "explain",
        "--tenant",
        "globex",
        "--user",
        "gina",
        "--json",
        "PUT",
        "/things/t-1",
    ];
    let told = stage.gate.run(&as_gina);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    assert_eq!(document(&told)["resources"][0]["owner"], "nobody");
    let claim = Ask::new(Some(ALICE), "PUT", "/things/t-1");
    assert_eq!(stage.send(&claim).await.status, 200);
    let told = stage.gate.run(&as_gina);
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    assert_eq!(document(&told)["resources"][0]["owner"], "another");
    let file = stage.gate.folder().join("token.txt");
    std::fs::write(&file, stage.token(ALICE)).unwrap();
    let file = file.display().to_string();
    let told = stage
        .gate
        .run(&["explain", "--token-file", &file, "put", "/things/t-1"]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(text.contains("user `alice` of tenant `acme`"), "{text}");
    assert!(text.contains("the backend gets PUT /things/t-1"), "{text}");
}

#[tokio::test]
async fn where_there_is_no_state_a_command_says_that_it_did_not_ask() {
    let mut stage = Stage::start(POLICIES).await;
    stage.gate.stop().await;
    std::fs::remove_dir_all(stage.gate.folder().join("data")).unwrap();
    let asked = [
        "explain",
        "--tenant",
        "acme",
        "--user",
        "a",
        "--json",
        "PUT",
        "/things/t-1",
    ];
    let told = stage.gate.run(&asked);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    let told = document(&told);
    assert_eq!(told["resources"][0]["owner"], "not asked");
    let open = told["not_asked"].to_string();
    assert!(open.contains("who owns what"), "{open}");
    assert!(
        !stage.gate.folder().join("data").exists(),
        "nothing is made by asking"
    );
}

#[tokio::test]
async fn what_can_not_be_asked_ends_with_2() {
    let stage = Stage::start(POLICIES).await;
    for arguments in [
        &["explain", "--tenant", "acme", "GET", "/"][..],
        &["explain", "--tenant", "No", "--user", "a", "GET", "/"],
        &["explain", "-H", "nothing", "GET", "/"],
        &["explain", "--body", "no-such-file", "GET", "/"],
    ] {
        assert_eq!(
            stage.gate.run(arguments).status.code(),
            Some(2),
            "{arguments:?}"
        );
    }
}
