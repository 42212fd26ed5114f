//! The route sets of known backends, built into the program.
//!
//! A profile is a policy file with `[[routes]]` that name no upstream, and a `[profile]` table with
//! what is true of the backend as a whole. `profile = "NAME"` on an upstream brings its routes.
//! They are policy like any other: an operator reads them with `fabric-gate profile show NAME`, and
//! writes a route of the same name, or of the same method and path, where another one is wanted.

/// The route set of one backend.
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// What `profile = "…"` calls it.
    pub name: &'static str,
    /// Which backend it is for, in a sentence.
    pub summary: &'static str,
    /// The policy file.
    pub text: &'static str,
}

macro_rules! profile {
    ($name:literal, $summary:literal) => {
        Profile {
            name: $name,
            summary: $summary,
            text: include_str!(concat!("../../policies/profiles/", $name, ".toml")),
        }
    };
}

/// Every profile, by name.
pub const PROFILES: &[Profile] = &[
    profile!(
        "a2a",
        "A2A 1.0 agents: tasks and contexts, by REST and by JSON-RPC"
    ),
    profile!(
        "aether-forge",
        "Aether Forge hosts: the tenant in the path, one tick at a time per tenant"
    ),
    profile!(
        "agentflow",
        "AgentFlow: agents and conversations, its headers for tenant and acting user"
    ),
    profile!(
        "anthropic",
        "Anthropic's API: messages, files and message batches"
    ),
    profile!(
        "fabric-harness",
        "fabric-harness: sessions that callers name, events, approvals, WebSocket"
    ),
    profile!("heartbit", "the Heartbit daemon: tasks and their events"),
    profile!(
        "langgraph",
        "LangGraph servers: threads, runs, assistants, crons and the store"
    ),
    profile!(
        "mcp",
        "MCP servers over streamable HTTP: sessions, tasks, tools by rule"
    ),
    profile!(
        "memory",
        "fabric-memory: memories of users and tenants, LangGraph's store, MCP, files"
    ),
    profile!(
        "openai",
        "OpenAI's API: responses, conversations, files, batches, vector stores, threads"
    ),
];

/// The name of every profile, and what it is for.
#[expect(
    clippy::indexing_slicing,
    reason = "it is computed as the program is built, and a wrong index ends the build"
)]
pub(super) const PROFILE_NAMES: [(&str, &str); PROFILES.len()] = {
    let mut names = [("", ""); PROFILES.len()];
    let mut index = 0;
    while index < PROFILES.len() {
        names[index] = (PROFILES[index].name, PROFILES[index].summary);
        index += 1;
    }
    names
};

impl Profile {
    /// The profile of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PROFILES.iter().find(|profile| profile.name == name)
    }

    /// The name of one of its routes, brought by `upstream`. Always with the upstream's name before
    /// it, so that a second upstream with the same profile renames nothing that rules refer to.
    pub(super) fn route_name(upstream: &str, route: &str) -> String {
        format!("{upstream}.{route}")
    }

    /// The same routes as an operator's own, of the upstream of this name: a file for the policy
    /// directory.
    pub fn as_policy_file(&self, upstream: &str) -> String {
        let mut lines = Vec::new();
        let mut in_profile_table = false;
        for line in self.text.lines() {
            if line.starts_with('[') {
                in_profile_table = line == "[profile]";
            }
            if in_profile_table {
                let of_upstream = ["identity_headers", "strip_prefix", "assertion"];
                if of_upstream.iter().any(|key| line.starts_with(key)) {
                    lines.push(format!(
                        "# This belongs to the entry of `{upstream}` in [[upstreams]]:\n# {line}"
                    ));
                }
                continue;
            }
            match line.strip_prefix("name = \"") {
                Some(rest) => {
                    lines.push(format!("name = \"{upstream}.{rest}"));
                    lines.push(format!("upstream = \"{upstream}\""));
                }
                // The gate asks by a route of the same file.
                None => lines.push(line.replace("ask = \"", &format!("ask = \"{upstream}."))),
            }
        }
        lines.join("\n") + "\n"
    }
}
