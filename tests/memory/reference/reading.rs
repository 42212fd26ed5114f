//! What a reach sees, sorted and cut.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use fabric_gate::clock::Timestamp;
use fabric_gate::memory::{
    Area, Entry, Filter, Order, Owner, Page, Partition, PathFilter, Reach, Scored,
};

use super::matching::{fits, path_fits};
use super::{Row, Tenant};

impl Tenant {
    /// The rows that are there for a reach.
    pub(super) fn visible(&self, of: &Reach, at: Timestamp) -> Vec<Row> {
        let namespaces = of.namespaces();
        let there = |row: &&Row| {
            namespaces.iter().any(|it| *it.owner() == row.entry.owner)
                && row.entry.fields.confidentiality <= of.clearance()
                && !row.expired(at)
        };
        self.rows.iter().filter(there).cloned().collect()
    }

    fn fitting(&self, of: &Reach, filter: &Filter, at: Timestamp) -> Vec<Entry> {
        let there = self.visible(of, at).into_iter().map(|row| row.entry);
        there.filter(|entry| fits(filter, entry)).collect()
    }

    pub(super) fn list(
        &self,
        of: &Reach,
        filter: &Filter,
        page: &Page,
        at: Timestamp,
    ) -> Vec<Entry> {
        let mut found = self.fitting(of, filter, at);
        match page.order {
            Order::NewestFirst => found.sort_by_key(|it| Reverse((it.created_at, it.id))),
            Order::LastWrittenFirst => found.sort_by_key(|it| Reverse((it.updated_at, it.id))),
            Order::ByAddress => found.sort_by(|one, other| {
                let key = |it: &Entry| (it.address.path.clone(), it.address.key.clone(), it.id);
                key(one).cmp(&key(other))
            }),
        }
        if let Some(after) = page.after {
            found.retain(|it| (it.created_at, it.id) < (after.created_at, after.id));
        }
        let rest = found.into_iter().skip(page.skip as usize);
        rest.take(page.limit as usize).collect()
    }

    /// The best of those that fit and have a score.
    pub(super) fn best(
        &self,
        of: &Reach,
        filter: &Filter,
        limit: u32,
        at: Timestamp,
        score: impl Fn(&Entry) -> Option<f64>,
    ) -> Vec<Scored> {
        let fitting = self.fitting(of, filter, at).into_iter();
        let scored = fitting.filter_map(|entry| {
            let score = score(&entry)?;
            Some(Scored { entry, score })
        });
        let mut scored: Vec<_> = scored.collect();
        scored.sort_by(|one, other| {
            let by_score = other.score.total_cmp(&one.score);
            by_score.then(one.entry.id.cmp(&other.entry.id))
        });
        scored.truncate(limit as usize);
        scored
    }

    pub(super) fn paths(
        &self,
        of: &Reach,
        area: Area,
        paths: &PathFilter,
        at: Timestamp,
    ) -> Vec<String> {
        let there = self
            .visible(of, at)
            .into_iter()
            .map(|row| row.entry.address);
        let fitting = there.filter(|it| it.area == area && path_fits(paths, &it.path));
        let different: BTreeSet<_> = fitting.map(|address| address.path).collect();
        different.into_iter().collect()
    }

    pub(super) fn partitions(&self, of: &Reach, at: Timestamp) -> Vec<Partition> {
        let mut counts: BTreeMap<_, u64> = BTreeMap::new();
        for row in self.visible(of, at) {
            if row.entry.address.area == Area::Memories {
                let fields = row.entry.fields;
                let shared = row.entry.owner == Owner::Shared;
                *counts
                    .entry((shared, fields.agent, fields.session))
                    .or_default() += 1;
            }
        }
        let owner_of = |shared: bool| {
            let mut owners = of.namespaces().into_iter().map(|it| it.owner().clone());
            owners.find(|owner| (*owner == Owner::Shared) == shared)
        };
        counts
            .into_iter()
            .filter_map(|((shared, agent, session), entries)| {
                Some(Partition {
                    owner: owner_of(shared)?,
                    agent,
                    session,
                    entries,
                })
            })
            .collect()
    }
}
