//! Requests, refusals and charges over the last hour and day, in memory.
//!
//! For whoever looks at the gate without a Prometheus beside it. Counting is one addition to an
//! atomic number; what was added since the last look is put into its bucket by [`Series::look`],
//! which somebody has to call every few seconds. A restart begins anew.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

use crate::clock::Timestamp;
use crate::money::NanoUsd;
use crate::tenant::TenantId;

/// Room for codes of refusals; the list of them is closed and shorter.
const MOST_CODES: usize = 64;
/// Tenants whose charges are kept apart; what further ones are charged is not shown.
const MOST_TENANTS: usize = 1_000;

/// How far back is looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// One hour: requests in steps of 10 seconds, charges in steps of a minute.
    Hour,
    /// One day: requests in steps of a minute, charges in steps of 15 minutes.
    Day,
}

/// Requests by how they ended, each list one number a step, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestSeries {
    /// Seconds of a step.
    pub step: u32,
    /// When the first step begins.
    pub from: Timestamp,
    /// Requests that were not refused.
    pub permitted: Vec<u64>,
    /// Requests that were, by the refusal's code; none of those that nobody met.
    pub refused: BTreeMap<&'static str, Vec<u64>>,
}

/// What tenants were charged, each list one amount a step, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargeSeries {
    /// Seconds of a step.
    pub step: u32,
    /// When the first step begins.
    pub from: Timestamp,
    /// The tenants that were charged anything.
    pub tenants: BTreeMap<TenantId, Vec<NanoUsd>>,
}

/// Counts, and what was counted when.
pub struct Series {
    permitted: AtomicU64,
    refused: [Refused; MOST_CODES],
    charged: RwLock<HashMap<TenantId, AtomicU64>>,
    kept: Mutex<Kept>,
}

/// How often one code was met. The first request that meets a code takes the next place for it.
#[derive(Default)]
struct Refused {
    code: OnceLock<&'static str>,
    count: AtomicU64,
}

/// What the looks have found.
struct Kept {
    begun: Timestamp,
    looked: Timestamp,
    /// Counts at the last look: permitted, then refused by place.
    counts: Vec<u64>,
    charged: HashMap<TenantId, u64>,
    requests: [Ring<Vec<u64>>; 2],
    charges: [Ring<HashMap<TenantId, u64>>; 2],
}

impl Series {
    /// Empty from `now` on.
    pub fn new(now: Timestamp) -> Self {
        Self {
            permitted: AtomicU64::new(0),
            refused: std::array::from_fn(|_| Refused::default()),
            charged: RwLock::default(),
            kept: Mutex::new(Kept {
                begun: now,
                looked: now,
                counts: Vec::new(),
                charged: HashMap::new(),
                requests: [Ring::new(10, 360), Ring::new(60, 1_440)],
                charges: [Ring::new(60, 60), Ring::new(900, 96)],
            }),
        }
    }

    /// Counts a request that has ended, with the code of its refusal if it met one.
    pub fn request(&self, refusal: Option<&'static str>) {
        let Some(code) = refusal else {
            self.permitted.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let place = |refused: &&Refused| *refused.code.get_or_init(|| code) == code;
        if let Some(refused) = self.refused.iter().find(place) {
            refused.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Adds what a tenant was charged.
    pub fn charged(&self, tenant: &TenantId, cost: NanoUsd) {
        {
            let charged = self.charged.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(sum) = charged.get(tenant) {
                sum.fetch_add(cost.nanos(), Ordering::Relaxed);
                return;
            }
            // Tenants only ever come. Without this every charge of a further one would shut all out.
            if charged.len() >= MOST_TENANTS {
                return;
            }
        }
        let mut charged = self.charged.write().unwrap_or_else(PoisonError::into_inner);
        if charged.len() < MOST_TENANTS || charged.contains_key(tenant) {
            let sum = charged.entry(tenant.clone()).or_default();
            sum.fetch_add(cost.nanos(), Ordering::Relaxed);
        }
    }

    /// Puts what was counted since the last look into the buckets of that look. A look at the
    /// beginning of each step keeps the steps apart.
    pub fn look(&self, now: Timestamp) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        self.look_into(&mut kept, now);
    }

    /// Requests over a span of time that ends now.
    pub fn requests(&self, span: Span, now: Timestamp) -> RequestSeries {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        self.look_into(&mut kept, now);
        let [hour, day] = &kept.requests;
        let ring = match span {
            Span::Hour => hour,
            Span::Day => day,
        };
        let steps = ring.steps(kept.begun, now);
        let mut permitted = vec![0; steps.count];
        let mut refused = BTreeMap::new();
        for (at, counts) in ring.within(&steps) {
            let mut counts = counts.iter();
            add(&mut permitted, at, counts.next());
            for (place, count) in self.refused.iter().zip(counts) {
                if let (Some(code), 1..) = (place.code.get(), *count) {
                    let of_code = refused.entry(*code).or_insert_with(|| vec![0; steps.count]);
                    add(of_code, at, Some(count));
                }
            }
        }
        RequestSeries {
            step: ring.step,
            from: steps.from,
            permitted,
            refused,
        }
    }

    /// Charges over a span of time that ends now.
    pub fn charges(&self, span: Span, now: Timestamp) -> ChargeSeries {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        self.look_into(&mut kept, now);
        let [hour, day] = &kept.charges;
        let ring = match span {
            Span::Hour => hour,
            Span::Day => day,
        };
        let steps = ring.steps(kept.begun, now);
        let mut tenants: BTreeMap<TenantId, Vec<NanoUsd>> = BTreeMap::new();
        for (at, charged) in ring.within(&steps) {
            for (tenant, nanos) in charged {
                let amounts = tenants
                    .entry(tenant.clone())
                    .or_insert_with(|| vec![NanoUsd::ZERO; steps.count]);
                if let Some(amount) = amounts.get_mut(at) {
                    *amount = amount.plus(NanoUsd::from_nanos(*nanos));
                }
            }
        }
        ChargeSeries {
            step: ring.step,
            from: steps.from,
            tenants,
        }
    }

    fn look_into(&self, kept: &mut Kept, now: Timestamp) {
        let at = kept.looked;
        kept.looked = now;
        let counts: Vec<u64> = std::iter::once(&self.permitted)
            .chain(
                self.refused
                    .iter()
                    .take_while(|refused| refused.code.get().is_some())
                    .map(|refused| &refused.count),
            )
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        let before = kept.counts.iter().copied().chain(std::iter::repeat(0));
        let added: Vec<u64> = counts
            .iter()
            .zip(before)
            .map(|(count, before)| count.saturating_sub(before))
            .collect();
        kept.counts = counts;
        if added.iter().any(|added| *added > 0) {
            for ring in &mut kept.requests {
                ring.add(at, |bucket| {
                    bucket.resize(bucket.len().max(added.len()), 0);
                    for (sum, added) in bucket.iter_mut().zip(&added) {
                        *sum += added;
                    }
                });
            }
        }
        let charged = self.charged.read().unwrap_or_else(PoisonError::into_inner);
        for (tenant, sum) in charged.iter() {
            let sum = sum.load(Ordering::Relaxed);
            let before = match kept.charged.get_mut(tenant) {
                Some(before) => std::mem::replace(before, sum),
                None => kept.charged.insert(tenant.clone(), sum).unwrap_or(0),
            };
            if sum > before {
                for ring in &mut kept.charges {
                    ring.add(at, |bucket| {
                        *bucket.entry(tenant.clone()).or_default() += sum - before;
                    });
                }
            }
        }
    }
}

fn add(counts: &mut [u64], at: usize, count: Option<&u64>) {
    if let (Some(sum), Some(count)) = (counts.get_mut(at), count) {
        *sum += count;
    }
}

/// Buckets of one width, by the number of the step; steps in which nothing happened have none.
struct Ring<T> {
    step: u32,
    most: i64,
    buckets: VecDeque<(i64, T)>,
}

/// The steps that are shown.
struct Steps {
    first: i64,
    from: Timestamp,
    count: usize,
}

impl<T: Default> Ring<T> {
    fn new(step: u32, most: i64) -> Self {
        Self {
            step,
            most,
            buckets: VecDeque::new(),
        }
    }

    fn number(&self, at: Timestamp) -> i64 {
        at.as_seconds().div_euclid(self.step.into())
    }

    /// Adds to the bucket of a time. A clock that was set back adds to the newest one.
    fn add(&mut self, at: Timestamp, add: impl FnOnce(&mut T)) {
        let wanted = self.number(at);
        let newest = self.buckets.back().map(|(newest, _)| *newest);
        let number = newest.map_or(wanted, |newest| newest.max(wanted));
        if newest != Some(number) {
            self.buckets.push_back((number, T::default()));
        }
        let oldest = number - self.most + 1;
        while self
            .buckets
            .front()
            .is_some_and(|(first, _)| *first < oldest)
        {
            self.buckets.pop_front();
        }
        if let Some((_, bucket)) = self.buckets.back_mut() {
            add(bucket);
        }
    }

    fn steps(&self, begun: Timestamp, now: Timestamp) -> Steps {
        let last = self.number(now);
        let first = self.number(begun).clamp(last - self.most + 1, last);
        Steps {
            first,
            from: Timestamp::from_seconds(first.saturating_mul(self.step.into())),
            count: usize::try_from(last - first + 1).unwrap_or(1),
        }
    }

    /// The buckets of these steps, each with its place among them.
    fn within(&self, steps: &Steps) -> impl Iterator<Item = (usize, &T)> {
        self.buckets.iter().filter_map(|(number, bucket)| {
            let at = usize::try_from(number - steps.first).ok()?;
            Some((at.min(steps.count - 1), bucket))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{DenialCode, FailureCode};

    const START: i64 = 1_800_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(START + seconds)
    }

    #[test]
    fn what_was_counted_between_two_looks_is_in_the_step_of_the_first() {
        let series = Series::new(at(0));
        series.request(None);
        series.request(Some("not_found"));
        series.look(at(10));
        series.request(None);
        series.request(None);
        let shown = series.requests(Span::Hour, at(25));
        assert_eq!((shown.step, shown.from), (10, at(0)));
        assert_eq!(shown.permitted, [1, 2, 0]);
        assert_eq!(
            shown.refused,
            BTreeMap::from([("not_found", vec![1, 0, 0])])
        );
        let day = series.requests(Span::Day, at(65));
        assert_eq!(
            (day.step, day.permitted.as_slice()),
            (60, [3, 0].as_slice())
        );
    }

    #[test]
    fn nothing_is_older_than_its_span_and_the_memory_does_not_grow() {
        let series = Series::new(at(0));
        let tenant: TenantId = "acme".parse().unwrap();
        for step in 0..20_000 {
            series.request(None);
            series.charged(&tenant, NanoUsd::from_nanos(5));
            series.look(at(step * 10));
        }
        let now = at(19_999 * 10);
        let hour = series.requests(Span::Hour, now);
        assert_eq!(hour.permitted.len(), 360);
        assert_eq!(
            hour.permitted.iter().sum::<u64>(),
            359,
            "the newest step is empty"
        );
        assert_eq!(series.requests(Span::Day, now).permitted.len(), 1_440);
        let charges = series.charges(Span::Hour, now);
        assert_eq!(charges.tenants[&tenant].len(), 60);
        assert_eq!(charges.tenants[&tenant][58], NanoUsd::from_nanos(30));
        let kept = series.kept.lock().unwrap();
        let longest = |lengths: [usize; 2]| lengths.into_iter().max();
        assert_eq!(
            longest([0, 1].map(|ring| kept.requests[ring].buckets.len())),
            Some(1_440)
        );
        assert!(longest([0, 1].map(|ring| kept.charges[ring].buckets.len())) <= Some(96));
    }

    #[test]
    fn every_code_of_a_refusal_has_its_place() {
        let series = Series::new(at(0));
        let denials = DenialCode::ALL.map(|code| code.facts().code);
        let failures = FailureCode::ALL.map(|code| code.facts().code);
        let mut codes: Vec<_> = denials.into_iter().chain(failures).collect();
        for code in &codes {
            series.request(Some(code));
        }
        codes.sort_unstable();
        codes.dedup();
        let shown = series.requests(Span::Hour, at(1));
        let keys: Vec<_> = shown.refused.keys().copied().collect();
        assert_eq!(keys, codes);
    }

    #[test]
    fn a_stranger_with_many_tenants_takes_no_more_than_the_room_there_is() {
        let series = Series::new(at(0));
        for number in 0..3_000 {
            let tenant: TenantId = format!("tenant-{number}").parse().unwrap();
            series.charged(&tenant, NanoUsd::from_nanos(1));
        }
        let first: TenantId = "tenant-0".parse().unwrap();
        series.charged(&first, NanoUsd::from_nanos(1));
        let shown = series.charges(Span::Hour, at(1));
        assert_eq!(shown.tenants.len(), MOST_TENANTS);
        assert_eq!(shown.tenants[&first], [NanoUsd::from_nanos(2)]);
    }

    #[test]
    fn a_tenant_beyond_the_room_waits_for_nobody_who_reads() {
        let series = Series::new(at(0));
        for number in 0..MOST_TENANTS {
            let tenant: TenantId = format!("tenant-{number}").parse().unwrap();
            series.charged(&tenant, NanoUsd::from_nanos(1));
        }
        let one_more: TenantId = "one-more".parse().unwrap();
        let reading = series.charged.read().unwrap();
        // It would wait for ever if it wanted the map for itself.
        series.charged(&one_more, NanoUsd::from_nanos(1));
        drop(reading);
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing() {
        let series = Series::new(at(100));
        series.request(None);
        series.look(at(110));
        series.request(None);
        series.look(at(30));
        series.request(None);
        let shown = series.requests(Span::Hour, at(35));
        assert_eq!(shown.permitted.iter().sum::<u64>(), 3);
    }
}
