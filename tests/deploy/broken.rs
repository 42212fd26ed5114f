//! Every rule of [`crate::manifests`] is proven by a manifest that breaks it.

use serde_json::{Value, json};

use crate::manifests::problems;
use crate::renderings::named;

/// One change of a rendering, and the problem that it makes.
struct Breach {
    rendering: &'static str,
    kind: &'static str,
    at: &'static str,
    value: Value,
    problem: &'static str,
}

const MINIMAL: &str = "helm-minimal";
const WHOLE: &str = "helm-everything";
const GATE: &str = "/spec/template/spec/containers/0";
const AGENT: &str = "/spec/template/spec/initContainers/0";
const MEMORY: &str = "/spec/template/spec/initContainers/1";

fn breach(kind: &'static str, at: &'static str, value: Value, problem: &'static str) -> Breach {
    Breach {
        rendering: MINIMAL,
        kind,
        at,
        value,
        problem,
    }
}

/// Of the workload, below one of its containers or (`""`) the pod.
fn of_the_pod() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    let pod = "/spec/template/spec";
    vec![
        (
            pod,
            "/securityContext/runAsNonRoot",
            json!(false),
            "it may run as root",
        ),
        (
            pod,
            "/securityContext/runAsUser",
            json!(0),
            "no user is named",
        ),
        (
            pod,
            "/securityContext/seccompProfile/type",
            json!("Unconfined"),
            "system calls are not filtered",
        ),
        (
            pod,
            "/automountServiceAccountToken",
            json!(true),
            "it has a token of the cluster",
        ),
        (pod, "/hostNetwork", json!(true), "hostNetwork"),
        (
            pod,
            "/shareProcessNamespace",
            json!(true),
            "shareProcessNamespace",
        ),
        (
            pod,
            "/volumes/0",
            json!({"name": "agent-tmp", "hostPath": {"path": "/tmp"}}),
            "a volume is a folder of the node",
        ),
        (
            pod,
            "/terminationGracePeriodSeconds",
            json!(30),
            "gate: it is killed before its grace is up",
        ),
        (
            GATE,
            "/securityContext/readOnlyRootFilesystem",
            json!(false),
            "gate: its root file system can be written",
        ),
        (
            GATE,
            "/securityContext/allowPrivilegeEscalation",
            json!(true),
            "gate: it can gain rights",
        ),
        (
            GATE,
            "/securityContext/privileged",
            json!(true),
            "gate: it is privileged",
        ),
        (
            GATE,
            "/securityContext/capabilities/drop",
            json!(["NET_RAW"]),
            "gate: it keeps capabilities",
        ),
        (
            GATE,
            "/securityContext/capabilities/add",
            json!(["NET_ADMIN"]),
            "gate: it is given capabilities",
        ),
        (
            AGENT,
            "/securityContext/runAsNonRoot",
            json!(false),
            "agent: it may run as root",
        ),
        (
            AGENT,
            "/securityContext/runAsUser",
            json!(0),
            "agent: it runs as root",
        ),
        (
            GATE,
            "/image",
            json!("ghcr.io/fabric-gate/fabric-gate:latest"),
            "gate: its image is not pinned",
        ),
        (
            AGENT,
            "/image",
            json!("registry.example.com:5000/agent"),
            "agent: its image is not pinned",
        ),
        (
            GATE,
            "/resources/limits",
            json!({}),
            "gate: it may take all memory",
        ),
        (
            AGENT,
            "/resources/requests",
            json!({}),
            "agent: it asks for no share of the node",
        ),
        (GATE, "/env", json!([]), "gate: it is not in hardened mode"),
        (
            AGENT,
            "/env/2/value",
            json!("0"),
            "agent: it is not in hardened mode",
        ),
        (
            AGENT,
            "/env/0/value",
            json!("0.0.0.0"),
            "agent: it is not told to listen on loopback",
        ),
        (
            AGENT,
            "/ports",
            json!([{"containerPort": 9111}]),
            "agent: it has a port of its own",
        ),
        (
            AGENT,
            "/volumeMounts/0",
            json!({"name": "secrets", "mountPath": "/s", "readOnly": true}),
            "agent: it sees the gate's secrets",
        ),
        (
            AGENT,
            "/volumeMounts/0",
            json!({"name": "data", "mountPath": "/d"}),
            "agent: it sees the gate's data",
        ),
        (
            GATE,
            "/volumeMounts/2/subPath",
            json!("30-routes.toml"),
            "gate: a policy mounted by subPath is never changed",
        ),
        (
            GATE,
            "/volumeMounts/2/readOnly",
            json!(false),
            "gate: it can write what it is told",
        ),
        (
            GATE,
            "/readinessProbe",
            Value::Null,
            "gate: it has no readinessProbe",
        ),
        (
            GATE,
            "/readinessProbe",
            json!({"httpGet": {"path": "/readyz", "port": 9901}}),
            "gate: readinessProbe asks at the pod's address, where nobody listens",
        ),
        (
            GATE,
            "/livenessProbe/exec/command/2",
            json!("--json"),
            "gate: livenessProbe runs [\"/usr/local/bin/fabric-gate\", \"health\", \"--json\", \"--address\", \"127.0.0.1:9901\"]",
        ),
        (
            AGENT,
            "/startupProbe",
            json!({"tcpSocket": {"port": 9111}}),
            "agent: startupProbe asks at the pod's address, where nobody listens",
        ),
        (
            GATE,
            "/lifecycle",
            Value::Null,
            "gate: it stops before callers are sent elsewhere",
        ),
        (
            GATE,
            "/ports/0/containerPort",
            json!(8081),
            "gate: its port is not where it listens",
        ),
        (
            GATE,
            "/ports/1",
            json!({"name": "admin", "containerPort": 9901}),
            "gate: its admin listener and its ports differ",
        ),
    ]
}

fn others() -> Vec<Breach> {
    let whole = |kind, at, value, problem| Breach {
        rendering: WHOLE,
        ..breach(kind, at, value, problem)
    };
    vec![
        breach(
            "StatefulSet",
            "/spec/replicas",
            json!(3),
            "3 replicas, each with a ledger of its own",
        ),
        breach(
            "StatefulSet",
            "/spec/template/metadata/labels",
            json!({}),
            "no NetworkPolicy selects it",
        ),
        breach(
            "Service",
            "/spec/ports/0/targetPort",
            json!(9111),
            "it leads to 9111, not to the gate",
        ),
        breach(
            "Service",
            "/spec/ports/0/targetPort",
            json!("admin"),
            "it leads to \"admin\", not to the gate",
        ),
        breach(
            "Service",
            "/spec/selector",
            json!({"app": "other"}),
            "it selects 0 workloads, not one",
        ),
        breach(
            "NetworkPolicy",
            "/spec/podSelector",
            json!({}),
            "it selects every pod of the namespace",
        ),
        breach(
            "NetworkPolicy",
            "/spec/podSelector/matchLabels",
            json!({"app": "other"}),
            "it selects no pod",
        ),
        breach(
            "NetworkPolicy",
            "/spec/policyTypes",
            json!(["Egress"]),
            "it says nothing of who comes in",
        ),
        breach(
            "NetworkPolicy",
            "/spec/ingress/0/ports",
            json!([]),
            "a rule opens every port",
        ),
        breach(
            "NetworkPolicy",
            "/spec/ingress/0/ports/0/port",
            json!(9111),
            "it opens port 9111",
        ),
        whole(
            "NetworkPolicy",
            "/spec/ingress/1/from",
            json!([{}]),
            "the admin port is open to everybody",
        ),
        breach(
            "PodDisruptionBudget",
            "/spec/selector/matchLabels",
            json!({"app": "other"}),
            "it selects no workload",
        ),
        breach(
            "PodDisruptionBudget",
            "/spec/maxUnavailable",
            json!(0),
            "no node can be drained",
        ),
        breach(
            "ServiceAccount",
            "/automountServiceAccountToken",
            json!(true),
            "pods get a token of the cluster",
        ),
        breach(
            "ServiceAccount",
            "/kind",
            json!("Secret"),
            "a secret is written down",
        ),
        breach(
            "ConfigMap",
            "/metadata/name",
            json!("other"),
            "gate: no ConfigMap has its gate.toml",
        ),
        whole(
            "ServiceMonitor",
            "/spec/selector/matchLabels",
            json!({"app": "other"}),
            "it selects 0 services, not one",
        ),
        whole(
            "ServiceMonitor",
            "/spec/endpoints/0/port",
            json!("http"),
            "has no port \"http\"",
        ),
        whole(
            "ServiceMonitor",
            "/spec/endpoints/0/path",
            json!("/"),
            "\"/\" is no page of metrics",
        ),
        whole(
            "StatefulSet",
            "/spec/template/spec/initContainers/1/volumeMounts/0/subPath",
            Value::Null,
            "memory: it sees the gate's data",
        ),
        whole(
            "StatefulSet",
            "/spec/template/spec/initContainers/1/startupProbe",
            json!({"exec": {"command": []}}),
            "memory: it is to be ready before the gate, whose keys it waits for",
        ),
    ]
}

/// Sets what a pointer leads to; the last step may be missing.
fn set(document: &mut Value, at: &str, value: Value) {
    let (above, last) = at.rsplit_once('/').unwrap();
    match document
        .pointer_mut(above)
        .unwrap_or_else(|| panic!("nothing at {above}"))
    {
        Value::Object(object) => drop(object.insert(last.to_owned(), value)),
        Value::Array(array) => {
            let index: usize = last.parse().unwrap();
            match array.get_mut(index) {
                Some(place) => *place = value,
                None => array.push(value),
            }
        }
        other => panic!("{above} is {other}"),
    }
}

#[test]
fn every_rule_is_broken_by_somebody() {
    let workload = of_the_pod()
        .into_iter()
        .map(|(part, below, value, problem)| {
            let at: &'static str = format!("{part}{below}").leak();
            breach("StatefulSet", at, value, problem)
        });
    let renderings = [MINIMAL, WHOLE].map(named);
    for rendering in &renderings {
        let found = problems(&rendering.documents);
        assert_eq!(found, [""; 0], "{} as it is", rendering.name);
    }
    for Breach {
        rendering,
        kind,
        at,
        value,
        problem,
    } in workload.chain(others())
    {
        let whole = renderings.iter().find(|found| found.name == rendering);
        let mut documents = whole.unwrap().documents.clone();
        let document = documents
            .iter_mut()
            .find(|document| document["kind"] == kind);
        set(
            document.unwrap_or_else(|| panic!("{rendering} has no {kind}")),
            at,
            value,
        );
        let found = problems(&documents);
        assert!(
            found.iter().any(|found| found.ends_with(problem)),
            "{kind}{at} is not told as `{problem}` but as {found:#?}"
        );
    }
}

#[test]
fn a_set_without_a_gate_or_without_its_guards_is_no_good() {
    assert_eq!(problems(&[]), ["no workload has a container `gate`"]);
    for guard in ["NetworkPolicy", "PodDisruptionBudget", "Service"] {
        let mut documents = named(MINIMAL).documents;
        documents.retain(|document| document["kind"] != guard);
        let expected = format!("StatefulSet release-fabric-gate: no {guard} selects it");
        assert_eq!(problems(&documents), [expected]);
    }
}

#[test]
fn the_places_that_are_broken_are_whose_they_are_said_to_be() {
    let documents = named(WHOLE).documents;
    let workload = documents
        .iter()
        .find(|document| document["kind"] == "StatefulSet")
        .unwrap();
    for (at, name) in [(GATE, "gate"), (AGENT, "agent"), (MEMORY, "memory")] {
        assert_eq!(workload.pointer(at).unwrap()["name"], name);
    }
}
