//! What has to hold of a pod and of its containers.

use serde_json::{Value, json};

use crate::manifests::{Set, container, containers, each, pod, title};

/// What the gate and the memory service are to be asked with.
const PROGRAMS: [&str; 2] = ["/usr/local/bin/fabric-gate", "/usr/local/bin/fabric-memory"];

/// Everything that is wrong with a workload.
pub fn problems(set: &Set<'_>, workload: &Value) -> Vec<String> {
    let mut found = of_the_pod(workload);
    for container in containers(workload) {
        let name = container["name"].as_str().unwrap_or("?");
        let mut told = rights(container);
        told.extend(image_and_resources(container));
        if is_gated(workload) {
            told.extend(placement(container));
            told.extend(probes(container));
        }
        found.extend(told.into_iter().map(|problem| format!("{name}: {problem}")));
    }
    if let Some(gate) = container(workload, "gate") {
        let told = against_its_configuration(set, workload, gate);
        found.extend(told.into_iter().map(|problem| format!("gate: {problem}")));
    }
    let about = title(workload);
    found
        .into_iter()
        .map(|problem| format!("{about}: {problem}"))
        .collect()
}

fn is_gated(workload: &Value) -> bool {
    container(workload, "gate").is_some()
}

fn of_the_pod(workload: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let spec = pod(workload).map_or(&Value::Null, |pod| &pod["spec"]);
    let security = &spec["securityContext"];
    let mut require = |holds: bool, problem: &str| {
        if !holds {
            found.push(problem.to_owned());
        }
    };
    require(security["runAsNonRoot"] == true, "it may run as root");
    require(
        security["runAsUser"].as_u64().is_some_and(|user| user > 0),
        "no user is named",
    );
    require(
        security["seccompProfile"]["type"] == "RuntimeDefault",
        "system calls are not filtered",
    );
    require(
        spec["automountServiceAccountToken"] == false,
        "it has a token of the cluster",
    );
    for shared in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"] {
        require(!spec[shared].as_bool().unwrap_or(false), shared);
    }
    for volume in each(&spec["volumes"]) {
        require(
            volume.get("hostPath").is_none(),
            "a volume is a folder of the node",
        );
    }
    if let Some(replicas) = workload["spec"]["replicas"]
        .as_u64()
        .filter(|many| *many > 1)
    {
        require(
            !is_gated(workload),
            &format!("{replicas} replicas, each with a ledger of its own"),
        );
    }
    found
}

fn rights(container: &Value) -> Vec<String> {
    let security = &container["securityContext"];
    let capabilities = &security["capabilities"];
    let holds = [
        (security["runAsNonRoot"] != false, "it may run as root"),
        (security["runAsUser"] != 0, "it runs as root"),
        (
            security["readOnlyRootFilesystem"] == true,
            "its root file system can be written",
        ),
        (
            security["allowPrivilegeEscalation"] == false,
            "it can gain rights",
        ),
        (security["privileged"] != true, "it is privileged"),
        (
            capabilities["drop"] == json!(["ALL"]),
            "it keeps capabilities",
        ),
        (
            capabilities.get("add").is_none(),
            "it is given capabilities",
        ),
    ];
    told(&holds)
}

fn image_and_resources(container: &Value) -> Vec<String> {
    let image = container["image"].as_str().unwrap_or_default();
    let after_the_path = image.rsplit('/').next().unwrap_or_default();
    let pinned = match after_the_path.split_once(':') {
        Some((_name, tag)) => tag != "latest" && !tag.is_empty(),
        None => false,
    };
    let resources = &container["resources"];
    let holds = [
        (pinned, "its image is not pinned"),
        (
            resources["limits"]["memory"].is_string(),
            "it may take all memory",
        ),
        (
            resources["requests"]["cpu"].is_string(),
            "it asks for no share of the node",
        ),
    ];
    told(&holds)
}

/// Who is hardened, who listens where, who sees which volume.
fn placement(container: &Value) -> Vec<String> {
    let is_gate = container["name"] == "gate";
    let is_memory = container["name"] == "memory";
    let environment = |name: &str| {
        let mut variables = each(&container["env"]);
        variables
            .find(|variable| variable["name"] == name)
            .map(|variable| &variable["value"])
    };
    let mounts: Vec<&Value> = each(&container["volumeMounts"]).collect();
    let mounted = |volume: &str| mounts.iter().find(|mount| mount["name"] == volume);
    let on_loopback = environment("HOST").is_some_and(|host| host == "127.0.0.1");
    let holds = [
        (
            is_memory || environment("FABRIC_HARNESS_TENANT_REQUIRED").is_some_and(|on| on == "1"),
            "it is not in hardened mode",
        ),
        (
            is_gate || each(&container["ports"]).count() == 0,
            "it has a port of its own",
        ),
        (
            is_gate || is_memory || on_loopback || mounted("agent-socket").is_some(),
            "it is not told to listen on loopback",
        ),
        (
            is_gate || mounted("secrets").is_none(),
            "it sees the gate's secrets",
        ),
        (
            is_gate || is_memory || mounted("data").is_none(),
            "it sees the gate's data",
        ),
        (
            !is_memory || mounted("data").is_some_and(|mount| mount["subPath"].is_string()),
            "it sees the gate's data",
        ),
        (
            mounted("policies").is_none_or(|mount| mount.get("subPath").is_none()),
            "a policy mounted by subPath is never changed",
        ),
        (
            ["policies", "config", "secrets"]
                .iter()
                .all(|name| mounted(name).is_none_or(|mount| mount["readOnly"] == true)),
            "it can write what it is told",
        ),
    ];
    told(&holds)
}

fn probes(container: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let name = container["name"].as_str().unwrap_or_default();
    for (probe, live) in [
        ("startupProbe", false),
        ("readinessProbe", false),
        ("livenessProbe", true),
    ] {
        let asked = &container[probe];
        if asked.is_null() {
            let needed = name == "gate" || (name == "memory" && probe != "startupProbe");
            if needed {
                found.push(format!("it has no {probe}"));
            }
            continue;
        }
        for from_outside in ["httpGet", "tcpSocket", "grpc"] {
            if asked.get(from_outside).is_some() {
                found.push(format!(
                    "{probe} asks at the pod's address, where nobody listens"
                ));
            }
        }
        if name == "agent" || name == "fabric-harness" {
            continue;
        }
        if name == "memory" && probe == "startupProbe" {
            found.push("it is to be ready before the gate, whose keys it waits for".to_owned());
        }
        let words: Vec<&str> = each(&asked["exec"]["command"])
            .filter_map(Value::as_str)
            .collect();
        let port = if name == "gate" { 9901 } else { 9902 };
        let program = if name == "gate" {
            PROGRAMS[0]
        } else {
            PROGRAMS[1]
        };
        let address = format!("127.0.0.1:{port}");
        let expected: Vec<&str> = match live {
            true => vec![program, "health", "--live", "--address", &address],
            false => vec![program, "health", "--address", &address],
        };
        if words != expected {
            found.push(format!("{probe} runs {words:?}"));
        }
    }
    found
}

/// The gate's container and its gate.toml say the same.
fn against_its_configuration(set: &Set<'_>, workload: &Value, gate: &Value) -> Vec<String> {
    let spec = pod(workload).map_or(&Value::Null, |pod| &pod["spec"]);
    let volume = |name: &str| each(&spec["volumes"]).find(|volume| volume["name"] == name);
    let map = volume("config").and_then(|volume| volume["configMap"]["name"].as_str());
    let Some(map) = map.and_then(|name| set.config_map(name)) else {
        return vec!["no ConfigMap has its gate.toml".to_owned()];
    };
    let config: toml::Table = map["data"]["gate.toml"]
        .as_str()
        .unwrap_or_default()
        .parse()
        .unwrap();
    let address = |table: &str| config[table]["address"].as_str().unwrap_or_default();
    let port = |name: &str| each(&gate["ports"]).find(|port| port["name"] == name);
    let listens = port("gate")
        .is_some_and(|port| address("listen") == format!("0.0.0.0:{}", port["containerPort"]));
    let admin = match port("admin") {
        Some(port) => address("admin") == format!("0.0.0.0:{}", port["containerPort"]),
        None => address("admin").starts_with("127.0.0.1:"),
    };
    let grace = config
        .get("shutdown")
        .and_then(|table| table["grace_seconds"].as_integer());
    let pause = gate["lifecycle"]["preStop"]["sleep"]["seconds"].as_i64();
    let whole = spec["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
    let hot = volume("policies").is_some_and(|volume| {
        let plain = volume["configMap"]["name"].as_str();
        let projected = each(&volume["projected"]["sources"])
            .filter_map(|source| source["configMap"]["name"].as_str());
        // The first is of the same set; further ones may be the operator's.
        plain
            .or(projected.into_iter().next())
            .is_some_and(|name| set.config_map(name).is_some())
    });
    let holds = [
        (listens, "its port is not where it listens"),
        (admin, "its admin listener and its ports differ"),
        (
            pause.is_some_and(|pause| pause > 0),
            "it stops before callers are sent elsewhere",
        ),
        (
            whole > pause.unwrap_or(0) + grace.unwrap_or(30),
            "it is killed before its grace is up",
        ),
        (hot, "no ConfigMap has its policies"),
        (
            volume("secrets").is_some_and(|volume| volume["secret"]["secretName"].is_string()),
            "its secrets are no Secret",
        ),
        (
            volume("secrets").is_some_and(|volume| volume["secret"]["defaultMode"] == 0o440),
            "its secrets are open to others",
        ),
    ];
    told(&holds)
}

fn told(holds: &[(bool, &str)]) -> Vec<String> {
    let broken = holds.iter().filter(|(holds, _problem)| !holds);
    broken
        .map(|(_holds, problem)| (*problem).to_owned())
        .collect()
}
