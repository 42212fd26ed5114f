//! The condition of a reading: `(what the caller reaches) AND (what it asks for)`, all of it in the
//! query.

use serde_json::Value;
use tokio_postgres::types::Type;

use super::rows::{Arguments, column, json, uuids};
use crate::clock::Timestamp;
use crate::memory::{Comparison, Condition, Confidentiality, Filter, PathFilter};

/// Of a text of any length, how much of it an index holds (`branch` of the schema), in characters.
const BRANCH: usize = 200;

/// The same for agents (`bot`).
const BOT: usize = 60;

/// Which entries `e` are there at all for a caller: not above the clearance, not past their expiry.
/// Tenant and owner are the query's own to name.
pub(super) fn visible(
    arguments: &mut Arguments,
    clearance: Confidentiality,
    at: Timestamp,
) -> String {
    let rank = arguments.add(i16::from(clearance.rank()), Type::INT2);
    let at = arguments.add(at.as_micros(), Type::INT8);
    format!("e.rank <= {rank} AND (e.expires_at IS NULL OR e.expires_at > {at})")
}

/// Which entries `e` a filter lets through.
pub(super) fn filtered(arguments: &mut Arguments, filter: &Filter) -> String {
    let mut all = Conditions {
        arguments,
        parts: Vec::new(),
    };
    all.parts.push(format!("e.area = {}", {
        all.arguments.add(filter.area.number(), Type::INT2)
    }));
    all.path(&filter.path);
    all.text("e.key", filter.key.as_deref());
    if let Some(ids) = &filter.ids {
        let ids = all.arguments.add(uuids(ids), Type::UUID_ARRAY);
        all.parts.push(format!("e.id = ANY({ids})"));
    }
    if let Some(agent) = &filter.agent {
        // The index holds its beginning only.
        let beginning: String = column(agent).chars().take(BOT).collect();
        let beginning = all.arguments.add(beginning, Type::TEXT);
        all.parts.push(format!("e.bot = {beginning}"));
        all.text("e.agent", Some(agent));
    }
    all.text("e.session", filter.session.as_deref());
    all.text("e.category", filter.category.as_deref());
    all.tags("@>", &filter.tags);
    all.tags("&&", &filter.any_tags);
    all.text(
        "e.memory_type",
        filter.memory_type.map(|kind| kind.as_str()),
    );
    if let Some(least) = filter.min_importance {
        let least = all.arguments.add(i16::from(least), Type::INT2);
        all.parts.push(format!("e.importance >= {least}"));
    }
    for (sign, bound) in [(">=", filter.created_from), ("<", filter.created_before)] {
        if let Some(bound) = bound {
            let bound = all.arguments.add(bound.as_micros(), Type::INT8);
            all.parts.push(format!("e.created_at {sign} {bound}"));
        }
    }
    for condition in &filter.conditions {
        all.condition(condition);
    }
    all.parts.join(" AND ")
}

/// Which entries `e` stand at a path.
pub(super) fn at_path(arguments: &mut Arguments, path: &PathFilter) -> String {
    let mut all = Conditions {
        arguments,
        parts: Vec::new(),
    };
    all.path(path);
    match all.parts.is_empty() {
        true => "true".to_owned(),
        false => all.parts.join(" AND "),
    }
}

struct Conditions<'a> {
    arguments: &'a mut Arguments,
    parts: Vec<String>,
}

impl Conditions<'_> {
    fn text(&mut self, name: &str, wanted: Option<&str>) {
        if let Some(wanted) = wanted {
            let wanted = self.arguments.add(column(wanted).into_owned(), Type::TEXT);
            self.parts.push(format!("{name} = {wanted}"));
        }
    }

    fn tags(&mut self, operator: &str, tags: &[String]) {
        if !tags.is_empty() {
            let tags: Vec<String> = tags.iter().map(|tag| column(tag).into_owned()).collect();
            let tags = self.arguments.add(tags, Type::TEXT_ARRAY);
            self.parts.push(format!("e.tags {operator} {tags}"));
        }
    }

    fn path(&mut self, path: &PathFilter) {
        match path {
            PathFilter::Any => {}
            PathFilter::At(path) => {
                let beginning: String = column(path).chars().take(BRANCH).collect();
                self.text("e.branch", Some(&beginning));
                self.text("e.path", Some(path));
            }
            PathFilter::Under(path) => {
                let beginning: String = column(path).chars().take(BRANCH).collect();
                let beginning = self.arguments.add(beginning, Type::TEXT);
                let path = self.arguments.add(column(path).into_owned(), Type::TEXT);
                // Whatever begins with a text is not less than it, so the range is the index's part.
                self.parts.push(format!(
                    "e.branch >= {beginning} AND e.branch < {beginning} || chr(1114111) \
                     AND starts_with(e.path, {path})"
                ));
            }
        }
    }

    fn condition(&mut self, condition: &Condition) {
        // `->` of a name gives nothing for an array, other than `#>`.
        let mut member = "e.metadata".to_owned();
        for name in &condition.member {
            let name = self.arguments.add(column(name).into_owned(), Type::TEXT);
            member = format!("{member} -> {name}");
        }
        let value = json(&condition.value);
        let sign = match condition.comparison {
            Comparison::Equal => "=",
            Comparison::NotEqual => {
                let value = self.arguments.add(value, Type::JSONB);
                self.parts
                    .push(format!("(({member}) IS DISTINCT FROM {value})"));
                return;
            }
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
        };
        let part = match (condition.comparison, value) {
            (Comparison::Equal, value) => {
                let value = self.arguments.add(value, Type::JSONB);
                format!("({member}) = {value}")
            }
            (_, Value::Number(number)) => {
                let number = self.arguments.add(number.to_string(), Type::TEXT);
                format!(
                    "CASE WHEN jsonb_typeof({member}) = 'number' \
                     THEN (({member}) #>> '{{}}')::numeric {sign} ({number})::numeric END"
                )
            }
            (_, Value::String(text)) => {
                let text = self.arguments.add(text, Type::TEXT);
                format!(
                    "CASE WHEN jsonb_typeof({member}) = 'string' \
                     THEN (({member}) #>> '{{}}') COLLATE \"C\" {sign} {text} END"
                )
            }
            (_, Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                "false".to_owned()
            }
        };
        self.parts.push(part);
    }
}
