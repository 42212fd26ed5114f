//! What has to hold of a set of Kubernetes manifests that brings a gate and an agent.

use serde_json::Value;

use crate::pods;

/// Everything that is wrong with these documents.
pub fn problems(documents: &[Value]) -> Vec<String> {
    let set = Set { documents };
    let mut found = Vec::new();
    let workloads = set.workloads();
    if set.gates().is_empty() {
        found.push("no workload has a container `gate`".to_owned());
    }
    for workload in &workloads {
        found.extend(pods::problems(&set, workload));
    }
    for document in documents {
        let about = title(document);
        let told = match kind(document) {
            "Service" => set.service(document),
            "NetworkPolicy" => set.network_policy(document),
            "PodDisruptionBudget" => set.disruption_budget(document),
            "ServiceMonitor" => set.service_monitor(document),
            "ServiceAccount" => account(document),
            "Secret" => vec!["a secret is written down".to_owned()],
            _ => Vec::new(),
        };
        found.extend(
            told.into_iter()
                .map(|problem| format!("{about}: {problem}")),
        );
    }
    for gate in set.gates() {
        for needed in ["Service", "NetworkPolicy", "PodDisruptionBudget"] {
            let selecting = set.of_kind(needed).any(|document| selects(document, gate));
            if !selecting {
                found.push(format!("{}: no {needed} selects it", title(gate)));
            }
        }
    }
    found
}

/// Manifests that go together.
pub struct Set<'a> {
    documents: &'a [Value],
}

impl Set<'_> {
    pub fn of_kind(&self, wanted: &str) -> impl Iterator<Item = &Value> {
        let wanted = wanted.to_owned();
        let documents = self.documents.iter();
        documents.filter(move |document| kind(document) == wanted)
    }

    /// What brings pods.
    fn workloads(&self) -> Vec<&Value> {
        let documents = self.documents.iter();
        documents
            .filter(|document| pod(document).is_some())
            .collect()
    }

    /// Workloads with a gate in front.
    fn gates(&self) -> Vec<&Value> {
        let mut workloads = self.workloads();
        workloads.retain(|workload| container(workload, "gate").is_some());
        workloads
    }

    fn selected(&self, document: &Value) -> Vec<&Value> {
        let mut workloads = self.workloads();
        workloads.retain(|workload| selects(document, workload));
        workloads
    }

    /// The ConfigMap that a volume of a pod brings.
    pub fn config_map(&self, name: &str) -> Option<&Value> {
        self.of_kind("ConfigMap")
            .find(|map| map["metadata"]["name"] == name)
    }

    fn service(&self, service: &Value) -> Vec<String> {
        let mut found = Vec::new();
        let selected = self.selected(service);
        let [workload] = selected.as_slice() else {
            return vec![format!("it selects {} workloads, not one", selected.len())];
        };
        let headless = service["spec"]["clusterIP"] == "None";
        for port in each(&service["spec"]["ports"]) {
            let target = &port["targetPort"];
            let allowed = *target == "gate" || (headless && *target == "admin");
            if !allowed {
                found.push(format!("it leads to {target}, not to the gate"));
            }
            let gate = container(workload, "gate").unwrap_or(&Value::Null);
            if each(&gate["ports"]).all(|port| port["name"] != *target) {
                found.push(format!("the gate has no port {target}"));
            }
        }
        found
    }

    fn network_policy(&self, policy: &Value) -> Vec<String> {
        let spec = &policy["spec"];
        let mut found = Vec::new();
        if labels(&spec["podSelector"]["matchLabels"]).is_empty() {
            found.push("it selects every pod of the namespace".to_owned());
        } else if self.selected(policy).is_empty() {
            found.push("it selects no pod".to_owned());
        }
        if each(&spec["policyTypes"]).all(|kind| kind != "Ingress") {
            found.push("it says nothing of who comes in".to_owned());
        }
        for rule in each(&spec["ingress"]) {
            if each(&rule["ports"]).count() == 0 {
                found.push("a rule opens every port".to_owned());
            }
            for port in each(&rule["ports"]) {
                let from = each(&rule["from"]);
                let named =
                    from.filter(|peer| peer.as_object().is_some_and(|peer| !peer.is_empty()));
                match port["port"].as_str() {
                    Some("gate") => {}
                    Some("admin") if named.count() > 0 => {}
                    Some("admin") => found.push("the admin port is open to everybody".to_owned()),
                    _ => found.push(format!("it opens port {}", port["port"])),
                }
            }
        }
        found
    }

    fn disruption_budget(&self, budget: &Value) -> Vec<String> {
        let mut found = Vec::new();
        if self.selected(budget).len() != 1 {
            found.push("it selects no workload".to_owned());
        }
        let unavailable = &budget["spec"]["maxUnavailable"];
        if unavailable.is_null() || *unavailable == 0 {
            found.push("no node can be drained".to_owned());
        }
        found
    }

    fn service_monitor(&self, monitor: &Value) -> Vec<String> {
        let wanted = labels(&monitor["spec"]["selector"]["matchLabels"]);
        let matching: Vec<_> = self
            .of_kind("Service")
            .filter(|service| contains(&labels(&service["metadata"]["labels"]), &wanted))
            .collect();
        let [service] = matching.as_slice() else {
            return vec![format!("it selects {} services, not one", matching.len())];
        };
        let mut found = Vec::new();
        for endpoint in each(&monitor["spec"]["endpoints"]) {
            if each(&service["spec"]["ports"]).all(|port| port["name"] != endpoint["port"]) {
                found.push(format!(
                    "{} has no port {}",
                    title(service),
                    endpoint["port"]
                ));
            }
            if endpoint["path"] != "/metrics" {
                found.push(format!("{} is no page of metrics", endpoint["path"]));
            }
        }
        found
    }
}

fn account(account: &Value) -> Vec<String> {
    match account["automountServiceAccountToken"] {
        Value::Bool(false) => Vec::new(),
        _ => vec!["pods get a token of the cluster".to_owned()],
    }
}

pub fn kind(document: &Value) -> &str {
    document["kind"].as_str().unwrap_or_default()
}

/// Kind and name, as problems begin.
pub fn title(document: &Value) -> String {
    let name = document["metadata"]["name"].as_str().unwrap_or("?");
    format!("{} {name}", kind(document))
}

/// The pod that a workload brings: its metadata and its spec.
pub fn pod(workload: &Value) -> Option<&Value> {
    match kind(workload) {
        "Pod" => Some(workload),
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => Some(&workload["spec"]["template"]),
        _ => None,
    }
}

/// All containers of a workload, sidecars first.
pub fn containers(workload: &Value) -> impl Iterator<Item = &Value> {
    let spec = pod(workload).map_or(&Value::Null, |pod| &pod["spec"]);
    each(&spec["initContainers"]).chain(each(&spec["containers"]))
}

pub fn container<'a>(workload: &'a Value, name: &str) -> Option<&'a Value> {
    containers(workload).find(|container| container["name"] == name)
}

pub fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn labels(labels: &Value) -> Vec<(String, Value)> {
    let labels = labels.as_object().into_iter().flatten();
    labels
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn contains(labels: &[(String, Value)], wanted: &[(String, Value)]) -> bool {
    !wanted.is_empty() && wanted.iter().all(|label| labels.contains(label))
}

/// Whether a Service, NetworkPolicy or PodDisruptionBudget is about the pods of a workload.
fn selects(document: &Value, workload: &Value) -> bool {
    let spec = &document["spec"];
    let selector = match kind(document) {
        "Service" => &spec["selector"],
        "NetworkPolicy" => &spec["podSelector"]["matchLabels"],
        _ => &spec["selector"]["matchLabels"],
    };
    let Some(pod) = pod(workload) else {
        return false;
    };
    contains(&labels(&pod["metadata"]["labels"]), &labels(selector))
}
