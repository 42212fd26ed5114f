//! What stands in a journal: one record for each step, and those that a generation begins with.
//!
//! A record's bytes begin with its kind. A kind that was released never changes its meaning; what
//! is to be said otherwise gets a kind of its own.

use std::borrow::Cow;

use super::charge::{Adjustment, ChargeFacts, How, Kept};
use super::codec::{Damage, Reader, Writer};
use super::history::{History, Minute};
use crate::budget::ceiling::{CeilingScope, Spender};
use crate::clock::Timestamp;
use crate::money::NanoUsd;
use crate::tenant::TenantId;

/// A reservation as it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opening<'a> {
    /// Its number in the shard: one more than the one before.
    pub(super) id: u64,
    /// The process that answers for it.
    pub(super) process: u64,
    pub(super) request_id: Cow<'a, str>,
    pub(super) at: Timestamp,
    pub(super) spender: Spender,
    pub(super) amount: NanoUsd,
    /// A bit for each scope in which a ceiling without end is on it.
    pub(super) for_good: u8,
}

/// A line as a generation finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WholeLine<'a> {
    pub(super) tenant: TenantId,
    pub(super) scope: CeilingScope,
    pub(super) value: Cow<'a, str>,
    pub(super) for_good: bool,
    pub(super) history: Cow<'a, History>,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// Money is reserved.
    Reserve(Opening<'a>),
    /// More of it is.
    Grow { id: u64, amount: NanoUsd },
    /// A reservation ends.
    Settle {
        id: u64,
        cost: NanoUsd,
        how: How,
        at: Timestamp,
        facts: Cow<'a, ChargeFacts>,
    },
    /// A reservation outlives its request.
    Keep { id: u64, kept: Cow<'a, Kept> },
    /// An operator books by hand.
    Adjust(Cow<'a, Adjustment>),
    /// The lines of a tenant in a scope go on which nothing happened since a minute began.
    Forget {
        tenant: TenantId,
        scope: CeilingScope,
        before: Minute,
    },
    /// At the head of a generation: a line,
    Line(WholeLine<'a>),
    /// a reservation that is open,
    Open(Opening<'a>),
    /// an adjustment that was booked,
    Adjusted { id: Cow<'a, str> },
    /// and that this was all, with the number of the next reservation.
    Whole { next: u64 },
}

const RESERVE: u8 = b'R';
const GROW: u8 = b'G';
const SETTLE: u8 = b'S';
const KEEP: u8 = b'K';
const ADJUST: u8 = b'J';
const FORGET: u8 = b'F';
const LINE: u8 = b'L';
const OPEN: u8 = b'O';
const ADJUSTED: u8 = b'A';
const WHOLE: u8 = b'W';

impl<'a> Record<'a> {
    /// Appends the record's bytes.
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        let to = &mut Writer(to);
        match self {
            Self::Reserve(opening) => write_opening(to, RESERVE, opening),
            Self::Open(opening) => write_opening(to, OPEN, opening),
            Self::Grow { id, amount } => {
                to.byte(GROW);
                to.number(*id);
                to.amount(*amount);
            }
            Self::Settle {
                id,
                cost,
                how,
                at,
                facts,
            } => {
                to.byte(SETTLE);
                to.number(*id);
                to.amount(*cost);
                to.byte(how.code());
                to.time(*at);
                facts.write(to);
            }
            Self::Keep { id, kept } => {
                to.byte(KEEP);
                to.number(*id);
                to.text(&kept.key);
                to.time(kept.deadline);
                to.bytes(&kept.detail);
            }
            Self::Adjust(adjustment) => {
                to.byte(ADJUST);
                to.text(adjustment.tenant.as_str());
                write_scope(to, adjustment.scope);
                to.text(&adjustment.value);
                to.signed(adjustment.amount);
                to.time(adjustment.at);
                to.text(&adjustment.by);
                to.text(&adjustment.reason);
                to.text(&adjustment.id);
            }
            Self::Forget {
                tenant,
                scope,
                before,
            } => {
                to.byte(FORGET);
                to.text(tenant.as_str());
                write_scope(to, *scope);
                to.number(u64::from(before.0));
            }
            Self::Line(line) => write_line(to, line),
            Self::Adjusted { id } => {
                to.byte(ADJUSTED);
                to.text(id);
            }
            Self::Whole { next } => {
                to.byte(WHOLE);
                to.number(*next);
            }
        }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// This version writes no such record.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Damage> {
        let mut from = Reader(bytes);
        let record = match from.byte()? {
            RESERVE => Self::Reserve(read_opening(&mut from)?),
            OPEN => Self::Open(read_opening(&mut from)?),
            GROW => Self::Grow {
                id: from.number()?,
                amount: from.amount()?,
            },
            SETTLE => Self::Settle {
                id: from.number()?,
                cost: from.amount()?,
                how: How::of_code(from.byte()?)?,
                at: from.time()?,
                facts: Cow::Owned(ChargeFacts::read(&mut from)?),
            },
            KEEP => Self::Keep {
                id: from.number()?,
                kept: Cow::Owned(Kept {
                    key: from.text()?.into(),
                    deadline: from.time()?,
                    detail: from.bytes()?.into(),
                }),
            },
            ADJUST => Self::Adjust(Cow::Owned(Adjustment {
                tenant: read_tenant(&mut from)?,
                scope: read_scope(&mut from)?,
                value: from.text()?.into(),
                amount: from.signed()?,
                at: from.time()?,
                by: from.text()?.into(),
                reason: from.text()?.into(),
                id: from.text()?.into(),
            })),
            FORGET => Self::Forget {
                tenant: read_tenant(&mut from)?,
                scope: read_scope(&mut from)?,
                before: read_minute(&mut from)?,
            },
            LINE => Self::Line(read_line(&mut from)?),
            ADJUSTED => Self::Adjusted {
                id: Cow::Borrowed(from.text()?),
            },
            WHOLE => Self::Whole {
                next: from.number()?,
            },
            _ => return Err(Damage),
        };
        from.end()?;
        Ok(record)
    }
}

fn write_opening(to: &mut Writer<'_>, kind: u8, opening: &Opening<'_>) {
    to.byte(kind);
    to.number(opening.id);
    to.number(opening.process);
    to.text(&opening.request_id);
    to.time(opening.at);
    to.text(opening.spender.tenant.as_str());
    for value in [
        &opening.spender.user,
        &opening.spender.agent,
        &opening.spender.route,
        &opening.spender.session,
    ] {
        to.text(value);
    }
    to.amount(opening.amount);
    to.byte(opening.for_good);
}

fn read_opening<'a>(from: &mut Reader<'a>) -> Result<Opening<'a>, Damage> {
    Ok(Opening {
        id: from.number()?,
        process: from.number()?,
        request_id: Cow::Borrowed(from.text()?),
        at: from.time()?,
        spender: Spender {
            tenant: read_tenant(from)?,
            user: from.text()?.into(),
            agent: from.text()?.into(),
            route: from.text()?.into(),
            session: from.text()?.into(),
        },
        amount: from.amount()?,
        for_good: from.byte()?,
    })
}

fn write_line(to: &mut Writer<'_>, line: &WholeLine<'_>) {
    to.byte(LINE);
    to.text(line.tenant.as_str());
    write_scope(to, line.scope);
    to.text(&line.value);
    to.byte(u8::from(line.for_good));
    let (folded, buckets) = line.history.parts();
    to.wide(folded);
    to.number(buckets.len() as u64);
    for (minute, upto) in buckets {
        to.number(u64::from(minute.0));
        to.wide(upto);
    }
}

fn read_line<'a>(from: &mut Reader<'a>) -> Result<WholeLine<'a>, Damage> {
    let tenant = read_tenant(from)?;
    let scope = read_scope(from)?;
    let value = Cow::Borrowed(from.text()?);
    let for_good = from.byte()? != 0;
    let folded = from.wide()?;
    let count = from.number()?;
    let mut buckets = Vec::new();
    for _bucket in 0..count {
        buckets.push((read_minute(from)?, from.wide()?));
    }
    let history = History::from_parts(folded, buckets.into_iter()).ok_or(Damage)?;
    Ok(WholeLine {
        tenant,
        scope,
        value,
        for_good,
        history: Cow::Owned(history),
    })
}

fn read_minute(from: &mut Reader<'_>) -> Result<Minute, Damage> {
    let minute = u32::try_from(from.number()?).map_err(|_| Damage)?;
    Ok(Minute(minute))
}

fn read_tenant(from: &mut Reader<'_>) -> Result<TenantId, Damage> {
    TenantId::kept(from.text()?).map_err(|_| Damage)
}

/// The letter of a scope.
const fn letter(scope: CeilingScope) -> u8 {
    match scope {
        CeilingScope::Tenant => b't',
        CeilingScope::User => b'u',
        CeilingScope::Agent => b'a',
        CeilingScope::Route => b'r',
        CeilingScope::Session => b's',
    }
}

fn write_scope(to: &mut Writer<'_>, scope: CeilingScope) {
    to.byte(letter(scope));
}

fn read_scope(from: &mut Reader<'_>) -> Result<CeilingScope, Damage> {
    let read = from.byte()?;
    CeilingScope::ALL
        .into_iter()
        .find(|scope| letter(*scope) == read)
        .ok_or(Damage)
}

/// A spender's texts, each shared with nobody: what a test or a replay makes one of.
#[cfg(test)]
pub(super) fn spender(texts: [&str; 5]) -> Spender {
    let [tenant, user, agent, route, session] = texts;
    Spender {
        tenant: tenant.parse().unwrap(),
        user: std::sync::Arc::from(user),
        agent: std::sync::Arc::from(agent),
        route: std::sync::Arc::from(route),
        session: std::sync::Arc::from(session),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn opening(request_id: &str, id: u64, amount: u64) -> Opening<'static> {
        Opening {
            id,
            process: id.wrapping_mul(3),
            request_id: Cow::Owned(request_id.to_owned()),
            at: Timestamp::from_micros(-5),
            spender: spender(["acme", "ann", "", "route.é", request_id]),
            amount: NanoUsd::from_nanos(amount),
            for_good: 0b10001,
        }
    }

    fn every_kind(text: &str, number: u64) -> Vec<Record<'static>> {
        let facts = ChargeFacts {
            model: Some(text.into()),
            input: Some(number),
            output: Some(0),
            ..ChargeFacts::default()
        };
        let at = Timestamp::from_micros(number as i64);
        let mut history = History::default();
        history.add(Minute(7), -i128::from(number));
        history.fold(Minute(8));
        history.add(Minute(9), i128::from(number) * 3);
        let text = || Cow::Owned(text.to_owned());
        let amount = NanoUsd::from_nanos(number);
        vec![
            Record::Reserve(opening(&text(), number, number)),
            Record::Open(opening("r", number, 0)),
            Record::Grow { id: number, amount },
            Record::Settle {
                id: 0,
                cost: amount,
                how: How::Recovered,
                at,
                facts: Cow::Owned(facts),
            },
            Record::Settle {
                id: 0,
                cost: amount,
                how: How::Settled,
                at,
                facts: Cow::default(),
            },
            Record::Keep {
                id: 1,
                kept: Cow::Owned(Kept {
                    key: (*text()).into(),
                    deadline: at,
                    detail: [0, 255].into(),
                }),
            },
            Record::Adjust(Cow::Owned(Adjustment {
                tenant: "acme".parse().unwrap(),
                scope: CeilingScope::Session,
                value: (*text()).into(),
                amount: (number as i64).wrapping_neg(),
                at,
                by: "ann".into(),
                reason: (*text()).into(),
                id: "x".into(),
            })),
            Record::Forget {
                tenant: "acme".parse().unwrap(),
                scope: CeilingScope::Session,
                before: Minute(number as u32),
            },
            Record::Line(WholeLine {
                tenant: "acme".parse().unwrap(),
                scope: CeilingScope::Agent,
                value: text(),
                for_good: true,
                history: Cow::Owned(history),
            }),
            Record::Adjusted { id: text() },
            Record::Whole { next: number },
        ]
    }

    proptest! {
        #[test]
        fn every_record_is_read_as_it_was_written(text in ".{0,40}", number: u64) {
            for record in every_kind(&text, number) {
                let mut bytes = Vec::new();
                record.write(&mut bytes);
                prop_assert_eq!(Record::read(&bytes), Ok(record));
            }
        }

        #[test]
        fn a_record_that_lost_or_gained_a_byte_is_refused(number: u64, cut in 1_usize..200) {
            for record in every_kind("some text", number) {
                let mut bytes = Vec::new();
                record.write(&mut bytes);
                let short = &bytes[..bytes.len().saturating_sub(cut)];
                prop_assert_eq!(Record::read(short), Err(Damage));
                bytes.push(0);
                prop_assert_eq!(Record::read(&bytes), Err(Damage));
            }
        }

        #[test]
        fn bytes_of_anybody_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(Record::read(&bytes));
        }
    }
}
