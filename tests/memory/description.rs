//! The OpenAPI document is the router, and the other way round.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::memory_process::MemoryProcess;

/// Methods that an OpenAPI path item can have.
const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

#[tokio::test]
async fn every_operation_of_the_document_is_routed_and_asks_who_calls() {
    let process = MemoryProcess::builder().start().await;
    let document = process.ask("GET", "/openapi.json", &[], b"").await;
    assert_eq!(document.status, 200, "it says nothing of anybody");
    let document = document.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let target = concrete(path);
        for method in METHODS.iter().filter(|method| item.get(method).is_some()) {
            let id = item[method]["operationId"].as_str().unwrap();
            assert!(
                operations.insert(id.to_owned()),
                "`{id}` names two operations: give {method} {path} an `operation_id`"
            );
            let method = method.to_uppercase();
            let response = process.ask(&method, &target, &[], b"").await;
            assert_eq!(response.status, 401, "{method} {path}: {response:?}");
        }
        let odd = METHODS.iter().find(|method| item.get(method).is_none());
        if let Some(odd) = odd {
            let response = process.ask(&odd.to_uppercase(), &target, &[], b"").await;
            assert!(
                [401, 405].contains(&response.status),
                "{odd} {path} is not in the document: {response:?}"
            );
        }
    }
    assert!(!operations.is_empty(), "there is an API");
}

/// A route that is not made by `routes!` would not be described. Health and the document itself
/// are not part of what it describes.
#[test]
fn no_route_is_made_beside_the_document() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/memory_api");
    let mut wrong = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            if ["openapi.rs", "operations.rs"].contains(&name.as_str())
                || name.ends_with("tests.rs")
            {
                continue;
            }
            for (line, text) in fs::read_to_string(&path).unwrap().lines().enumerate() {
                let code = text.split("//").next().unwrap();
                if [".route(", ".route_service(", ".nest_service("]
                    .iter()
                    .any(|made| code.contains(made))
                {
                    wrong.push(format!("{name}:{}", line + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "routes without a description: {wrong:?}");
}

#[tokio::test]
async fn the_command_prints_what_is_served() {
    let process = MemoryProcess::builder().start().await;
    let served = process.ask("GET", "/openapi.json", &[], b"").await.json();
    let printed = process.run(&["openapi"]);
    assert!(printed.status.success());
    let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(printed, served);
}

#[tokio::test]
async fn what_is_no_route_and_no_method_is_told_as_a_problem() {
    let process = MemoryProcess::builder().start().await;
    let unknown = process.ask("GET", "/v1/nothing", &[], b"").await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.json()["code"], "not_found");
    let method = process.ask("DELETE", "/openapi.json", &[], b"").await;
    assert_eq!(method.status, 405);
    assert_eq!(method.json()["code"], "method_not_allowed");
    let allowed = method.header("allow").unwrap();
    assert!(
        allowed.contains("GET"),
        "RFC 9110 section 15.5.6: {allowed}"
    );
}

/// The path with something in the place of every variable.
fn concrete(path: &str) -> String {
    let segments = path
        .split('/')
        .map(|segment| match segment.starts_with('{') {
            true => "x",
            false => segment,
        });
    segments.collect::<Vec<_>>().join("/")
}
