//! `serialize` of a route: one request at a time, the rest in line.

use std::time::Duration;

use super::reader::Fields;
use crate::policy::problem::ProblemKind;
use crate::policy::{LinePolicy, LineScope};

/// Most requests that can be configured to wait in one line.
pub(super) const MAX_QUEUE: u64 = 100_000;

/// Most that wait when the file does not say.
pub(super) const QUEUE: u64 = 64;

/// Longest wait that can be configured, in seconds: one hour.
pub(super) const MAX_WAIT_SECONDS: u64 = 3_600;

/// Longest wait when the file does not say, in seconds.
pub(super) const WAIT_SECONDS: u64 = 30;

/// Reads the key of one route.
pub(super) fn line(fields: &Fields<'_>, public: bool) -> Option<LinePolicy> {
    let table = fields.table("serialize")?;
    table.require("scope");
    let scope = table.choice(
        "scope",
        &[
            ("tenant", LineScope::Tenant),
            ("user", LineScope::User),
            ("route", LineScope::Route),
            ("resource", LineScope::Resource),
        ],
    );
    let queue = table.integer("queue", 0..=MAX_QUEUE).unwrap_or(QUEUE);
    let wait = table.integer("wait_seconds", 1..=MAX_WAIT_SECONDS);
    let refuse = |message: &str| {
        table
            .report()
            .add(table.place(), ProblemKind::Conflict, message);
    };
    let scope = scope?;
    match scope {
        LineScope::Tenant | LineScope::User if public => {
            refuse("a public route knows no caller, so its requests stand in line by `route`");
        }
        LineScope::Resource if !fields.has("resource") => {
            refuse("the route names no `resource` to stand in line for");
        }
        LineScope::Tenant | LineScope::User | LineScope::Route | LineScope::Resource => {}
    }
    Some(LinePolicy {
        scope,
        queue: usize::try_from(queue).unwrap_or(usize::MAX),
        wait: Duration::from_secs(wait.unwrap_or(WAIT_SECONDS)),
    })
}
