//! `POST /v1/memories/prune`: letting go of what is old, weak or unimportant.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::bulk::AskedScope;
use super::problems::invalid;
use super::schema::{PruneAnswer, PruneAsked};
use crate::clock::Timestamp;
use crate::memory::{Caller, PruneRule, writable_scope};
use crate::memory_api::{AppState, ObjectBody, Problem};

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    scope: AskedScope,
    older_than: Option<String>,
    min_importance: Option<u8>,
    min_strength: Option<f64>,
    keep: Option<u64>,
    agent: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

/// Forgets the memories of one scope that fit every part that is said; at least one is.
#[utoipa::path(
    post,
    path = "/v1/memories/prune",
    operation_id = "prune_memories",
    tag = "memories",
    request_body = PruneAsked,
    responses(
        (status = 200, description = "How many, and the first 1000 ids", body = PruneAnswer),
        (status = 403, description = "`role_required`: it is shared memory")
    )
)]
pub(super) async fn run(
    State(state): State<AppState>,
    caller: Caller,
    ObjectBody(body): ObjectBody,
) -> Result<Json<Value>, Problem> {
    let asked: Asked = serde_json::from_value(Value::Object(body))
        .map_err(|error| invalid("body", &error.to_string()))?;
    let of = writable_scope(&caller, Some(asked.scope.into()))?;
    let now = state.memory.now();
    let rule = PruneRule {
        older_than: match &asked.older_than {
            None => None,
            Some(text) => Some(before(text, now)?),
        },
        min_importance: asked.min_importance,
        min_strength: asked.min_strength,
        keep: asked.keep,
        agent: asked.agent,
        dry_run: asked.dry_run,
    };
    let (pruned, ids) = state.memory.prune(&of, &rule).await?;
    if !rule.dry_run {
        state.metrics.deleted(pruned);
    }
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    Ok(Json(
        json!({ "pruned": pruned, "ids": ids, "dry_run": rule.dry_run }),
    ))
}

/// A point in time: RFC 3339, or so many seconds, minutes, hours or days ago (`90s`, `30d`).
fn before(text: &str, now: Timestamp) -> Result<Timestamp, Problem> {
    if let Some(ago) = seconds(text) {
        return Ok(now.plus_seconds(-ago));
    }
    let time: Option<jiff::Timestamp> = text.parse().ok();
    let time = time.map(|time| Timestamp::from_micros(time.as_microsecond()));
    time.ok_or_else(|| {
        invalid(
            "older_than",
            "an RFC 3339 time, or an age such as `30d` or `12h`",
        )
    })
}

fn seconds(text: &str) -> Option<i64> {
    const UNITS: [(&str, i64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let (number, each) = UNITS
        .into_iter()
        .find_map(|(unit, each)| Some((text.strip_suffix(unit)?, each)))?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    number
        .parse::<i64>()
        .ok()
        .filter(|_| digits)?
        .checked_mul(each)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_counted_back_from_now_and_a_time_is_itself() {
        let now = Timestamp::from_seconds(1_000_000_000);
        for (text, expected) in [
            ("90s", Some(999_999_910)),
            ("2m", Some(999_999_880)),
            ("1h", Some(999_996_400)),
            ("30d", Some(997_408_000)),
            ("2001-09-09T01:46:40Z", Some(1_000_000_000)),
            ("2001-09-09T03:46:40+02:00", Some(1_000_000_000)),
            ("30", None),
            ("-30d", None),
            ("+30d", None),
            ("d", None),
            ("30 days", None),
            ("yesterday", None),
            ("2001-09-09", None),
            ("99999999999999999999d", None),
        ] {
            let time = before(text, now).ok();
            assert_eq!(time, expected.map(Timestamp::from_seconds), "{text}");
        }
    }
}
