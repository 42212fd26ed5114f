//! The compose file: nothing but the gate can be called, no container has a right.

use serde_json::{Value, json};

use crate::renderings::documents;
use crate::root;

fn compose() -> Value {
    let mut documents = documents(&root().join("deploy/compose/compose.yaml"));
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

/// Everything that is wrong with a compose file.
fn problems(file: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (name, service) in file["services"].as_object().into_iter().flatten() {
        let each = |key: &str| service[key].as_array().cloned().unwrap_or_default();
        let user = service["user"].as_str().unwrap_or("0");
        let image = service["image"].as_str().unwrap_or_default();
        let environment = &service["environment"]["FABRIC_HARNESS_TENANT_REQUIRED"];
        let internal = each("networks").iter().all(|network| {
            file["networks"][network.as_str().unwrap_or_default()]["internal"] == true
        });
        let holds = [
            (
                service["read_only"] == true,
                "its root file system can be written",
            ),
            (
                service["cap_drop"] == json!(["ALL"]) && service.get("cap_add").is_none(),
                "it keeps capabilities",
            ),
            (
                each("security_opt").contains(&json!("no-new-privileges:true")),
                "it can gain rights",
            ),
            (
                !user.starts_with('0') && !user.starts_with("root"),
                "it may run as root",
            ),
            (service.get("privileged").is_none(), "it is privileged"),
            (
                image.starts_with("${AGENT_IMAGE:?")
                    || (image.contains(':') && !image.ends_with(":latest")),
                "its image is not pinned",
            ),
            (
                name == "memory" || *environment == "1",
                "it is not in hardened mode",
            ),
            (
                name == "gate" || each("ports").is_empty(),
                "it has a published port",
            ),
            (
                name == "gate"
                    || service["network_mode"] == "service:gate"
                    || (internal && !each("networks").is_empty()),
                "it is reached from elsewhere",
            ),
            (
                name == "agent" || service["healthcheck"]["test"][2] == "health",
                "nobody asks how it is",
            ),
            (
                service["deploy"]["resources"]["limits"]["memory"].is_string(),
                "it may take all memory",
            ),
            (
                name == "gate" || each("secrets").is_empty(),
                "it sees the gate's secrets",
            ),
        ];
        let broken = holds.iter().filter(|(holds, _problem)| !holds);
        found.extend(broken.map(|(_holds, problem)| format!("{name}: {problem}")));
    }
    found
}

#[test]
fn the_compose_file_has_no_problem() {
    let file = compose();
    let services: Vec<_> = file["services"].as_object().unwrap().keys().collect();
    assert_eq!(services.len(), 3, "{services:?}");
    assert_eq!(problems(&file), [""; 0]);
}

#[test]
fn every_rule_of_compose_files_is_broken_by_somebody() {
    for (service, key, value, problem) in [
        (
            "gate",
            "read_only",
            json!(false),
            "its root file system can be written",
        ),
        ("gate", "cap_drop", json!([]), "it keeps capabilities"),
        (
            "agent",
            "cap_add",
            json!(["NET_RAW"]),
            "it keeps capabilities",
        ),
        ("agent", "security_opt", json!([]), "it can gain rights"),
        ("memory", "user", json!("0:0"), "it may run as root"),
        ("gate", "privileged", json!(true), "it is privileged"),
        (
            "gate",
            "image",
            json!("fabric-gate:latest"),
            "its image is not pinned",
        ),
        (
            "agent",
            "environment",
            json!({}),
            "it is not in hardened mode",
        ),
        (
            "agent",
            "ports",
            json!(["9111:9111"]),
            "it has a published port",
        ),
        (
            "agent",
            "networks",
            json!(["agents", "callers"]),
            "it is reached from elsewhere",
        ),
        (
            "memory",
            "network_mode",
            json!("host"),
            "it is reached from elsewhere",
        ),
        ("gate", "healthcheck", Value::Null, "nobody asks how it is"),
        ("agent", "deploy", Value::Null, "it may take all memory"),
        (
            "agent",
            "secrets",
            json!(["admin-token"]),
            "it sees the gate's secrets",
        ),
    ] {
        let mut file = compose();
        file["services"][service][key] = value;
        assert_eq!(
            problems(&file),
            [format!("{service}: {problem}")],
            "{key} of {service}"
        );
    }
}

#[test]
fn what_services_name_is_there() {
    let file = compose();
    let folder = root().join("deploy/compose");
    for service in file["services"].as_object().unwrap().values() {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let (source, _) = volume.as_str().unwrap().split_once(':').unwrap();
            let known = file["volumes"].get(source).is_some() || folder.join(source).is_dir();
            assert!(known, "{source} is neither a volume nor a folder");
        }
        for secret in service["secrets"].as_array().into_iter().flatten() {
            assert!(
                file["secrets"].get(secret.as_str().unwrap()).is_some(),
                "{secret}"
            );
        }
        for network in service["networks"].as_array().into_iter().flatten() {
            assert!(
                file["networks"].get(network.as_str().unwrap()).is_some(),
                "{network}"
            );
        }
    }
    let dockerfile = file["services"]["gate"]["build"]["dockerfile"]
        .as_str()
        .unwrap();
    let context = folder.join(
        file["services"]["gate"]["build"]["context"]
            .as_str()
            .unwrap(),
    );
    assert!(context.join(dockerfile).is_file());
}
