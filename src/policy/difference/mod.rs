//! Two policies compared, in words: what opens access before what closes it.
//!
//! What is compared is what the files come to, not how they are written: a comment, another order or
//! a route that a profile brings in the same form is no difference.

mod identity;
mod money;
mod routes;
mod rules;
mod tenants;
mod text;

use serde::Serialize;

use super::PolicySnapshot;

pub use text::render;

/// What a difference does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Somebody may do what nobody of the kind could, or spend more.
    Opens,
    /// It has to be looked at: it may do either.
    Unclear,
    /// Somebody may do less.
    Closes,
    /// Neither.
    Other,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it does.
    pub risk: Risk,
    /// The section of the policy files: `routes`, `rules`.
    pub section: &'static str,
    /// The entry.
    pub name: String,
    /// What is different, in words.
    pub says: String,
}

/// Every difference between two policies, the riskiest first.
pub fn differences(old: &PolicySnapshot, new: &PolicySnapshot) -> Vec<Difference> {
    let mut found = Found::default();
    tenants::compare(old, new, &mut found);
    identity::compare(old, new, &mut found);
    routes::compare(old, new, &mut found);
    rules::compare(old, new, &mut found);
    money::compare(old, new, &mut found);
    found.0.sort_by(|one, other| {
        let rank = |it: &Difference| (it.risk, it.section);
        rank(one)
            .cmp(&rank(other))
            .then_with(|| one.name.cmp(&other.name))
    });
    found.0
}

#[derive(Default)]
struct Found(Vec<Difference>);

impl Found {
    fn put(&mut self, risk: Risk, section: &'static str, name: &str, says: impl Into<String>) {
        self.0.push(Difference {
            risk,
            section,
            name: name.to_owned(),
            says: says.into(),
        });
    }

    /// A value that is another.
    fn changed<T: PartialEq + std::fmt::Display>(
        &mut self,
        risk: Risk,
        (section, name): (&'static str, &str),
        what: &str,
        (old, new): (T, T),
    ) {
        if old != new {
            self.put(risk, section, name, format!("{what}: {old} -> {new}"));
        }
    }

    /// A list of which more lets more pass, or less.
    fn list(
        &mut self,
        (more, fewer): (Risk, Risk),
        (section, name): (&'static str, &str),
        what: &str,
        (old, new): (&[String], &[String]),
    ) {
        let beyond = |these: &[String], those: &[String]| -> Vec<String> {
            let extra = these.iter().filter(|it| !those.contains(it));
            extra.cloned().collect()
        };
        for (risk, verb, names) in [
            (more, "gains", beyond(new, old)),
            (fewer, "loses", beyond(old, new)),
        ] {
            if !names.is_empty() {
                self.put(
                    risk,
                    section,
                    name,
                    format!("{what} {verb} {}", names.join(", ")),
                );
            }
        }
    }
}

/// The entries of two lists by name: those that are new, those that are gone, and pairs.
fn paired<'entries, T>(
    old: &'entries [T],
    new: &'entries [T],
    name: impl Fn(&T) -> &str,
) -> (
    Vec<&'entries T>,
    Vec<&'entries T>,
    Vec<(&'entries T, &'entries T)>,
) {
    let find = |list: &'entries [T], wanted: &str| list.iter().find(|it| name(it) == wanted);
    let added = new.iter().filter(|it| find(old, name(it)).is_none());
    let gone = old.iter().filter(|it| find(new, name(it)).is_none());
    let pairs = old.iter().filter_map(|it| Some((it, find(new, name(it))?)));
    (added.collect(), gone.collect(), pairs.collect())
}

fn texts<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

/// Names in words; none is `nobody` or whatever stands for it.
fn listed(names: &[String], none: &str) -> String {
    match names.is_empty() {
        true => none.to_owned(),
        false => names.join(", "),
    }
}
