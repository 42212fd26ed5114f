//! Which memories a rule lets go of.

use std::cmp::Reverse;

use fabric_gate::clock::Timestamp;
use fabric_gate::memory::{Area, Entry, EntryId, PruneRule, Writable};

use super::Tenant;

impl Tenant {
    pub(super) fn let_go(&self, of: &Writable, rule: &PruneRule, at: Timestamp) -> Vec<EntryId> {
        let others = (rule.older_than, rule.min_importance, rule.min_strength);
        if others == (None, None, None) && rule.keep.is_none() {
            return Vec::new();
        }
        let rows = self.rows.iter().filter(|row| {
            row.entry.owner == *of.namespace().owner()
                && row.entry.fields.confidentiality <= of.clearance()
                && !row.expired(at)
        });
        let mut entries: Vec<_> = rows.map(|row| &row.entry).collect();
        entries.retain(|entry| {
            entry.address.area == Area::Memories
                && (rule.agent.is_none() || entry.fields.agent == rule.agent)
        });
        entries.sort_by(|one, other| {
            let by_strength = strength(other, at).total_cmp(&strength(one, at));
            let rest = |it: &Entry| Reverse((it.fields.importance, it.created_at, it.id));
            by_strength.then(rest(one).cmp(&rest(other)))
        });
        let stays = usize::try_from(rule.keep.unwrap_or(0)).unwrap();
        let rest = entries.into_iter().skip(stays);
        rest.filter(|entry| goes(rule, entry, at))
            .map(|entry| entry.id)
            .collect()
    }
}

/// Whether all parts that are said fit, `keep` apart.
fn goes(rule: &PruneRule, entry: &Entry, at: Timestamp) -> bool {
    rule.older_than.is_none_or(|since| last_used(entry) < since)
        && rule
            .min_importance
            .is_none_or(|least| entry.fields.importance.get() < least)
        && rule
            .min_strength
            .is_none_or(|least| strength(entry, at) < least)
}

fn last_used(entry: &Entry) -> Timestamp {
    entry.last_accessed.max(entry.updated_at)
}

/// How well an entry is remembered by now.
fn strength(entry: &Entry, at: Timestamp) -> f64 {
    let unused = (at.as_micros() - last_used(entry).as_micros()).max(0) as f64 / 1e6;
    entry.fields.strength * 0.5_f64.powf(unused / PruneRule::STRENGTH_HALF_LIFE as f64)
}
