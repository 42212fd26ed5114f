//! Request ids and W3C Trace Context (Recommendation of 23 November 2021).
//!
//! A request id is minted here for every request, never taken from the caller: it names one line of
//! the audit log. A trace is continued when the caller sends one well-formed `traceparent`, as it
//! only says what belongs together; otherwise a trace is begun.

use std::cell::RefCell;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;

use http::{HeaderMap, HeaderValue};

use crate::telemetry::otlp::TraceIds;

/// Length of a `traceparent` of version 00.
const TRACEPARENT_BYTES: usize = 55;

/// A request's id: 128 unpredictable bits as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 32]);

impl RequestId {
    /// An id that no one else has.
    pub fn mint() -> Self {
        Self(hexadecimal(random::<16>()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The digits as a header value.
    pub fn header_value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or(HeaderValue::from_static(""))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RequestId({self})")
    }
}

/// Whether the trace came from the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// The caller's: its `tracestate` belongs to it and is passed on.
    Continued,
    /// Begun here: a `tracestate` in the request belongs to no trace and is removed
    /// (section 3.3 of the Recommendation: it can't be interpreted without its parent).
    Begun,
}

/// The `traceparent` a request goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    traceparent: [u8; TRACEPARENT_BYTES],
    /// The id of the caller's span, which no backend is told.
    caller: Option<[u8; 16]>,
    /// Where the trace came from.
    pub origin: Trace,
}

impl TraceContext {
    /// Continues the trace of a request under a parent id of our own, or begins one.
    ///
    /// Several `traceparent` fields, malformed ones and the invalid version `ff` begin a trace. Of
    /// versions above 00 the first 55 bytes are read (section 3.2.4); what goes on is version 00.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut fields = headers.get_all("traceparent").iter();
        let received = match (fields.next(), fields.next()) {
            (Some(only), None) => received(only.as_bytes()),
            (None, _) | (Some(_), Some(_)) => None,
        };
        let (trace_id, caller, flags, origin) = match received {
            Some((trace_id, caller, flags)) => (trace_id, Some(caller), flags, Trace::Continued),
            None => (hexadecimal(random_id::<16>()), None, *b"00", Trace::Begun),
        };
        let parent_id: [u8; 16] = hexadecimal(random_id::<8>());
        let mut traceparent = [b'-'; TRACEPARENT_BYTES];
        let pieces = [
            (0, &b"00"[..]),
            (3, &trace_id),
            (36, &parent_id),
            (53, &flags),
        ];
        for (at, piece) in pieces {
            for (place, byte) in traceparent.iter_mut().skip(at).zip(piece) {
                *place = *byte;
            }
        }
        Self {
            traceparent,
            caller,
            origin,
        }
    }

    /// Whether the caller samples the trace; `None` where the trace is none of the caller's.
    pub fn parent_sampled(&self) -> Option<bool> {
        match self.origin {
            Trace::Continued => Some(self.is_sampled()),
            Trace::Begun => None,
        }
    }

    /// Whether the backend is told that the trace is sampled.
    pub fn is_sampled(&self) -> bool {
        self.traceparent.ends_with(b"1")
    }

    /// The backend is told whether the trace is sampled, whatever the caller said.
    pub fn sample(&mut self, sampled: bool) {
        if let Some(flag) = self.traceparent.last_mut() {
            *flag = if sampled { b'1' } else { b'0' };
        }
    }

    /// The ids of the request's spans, in bytes. That of the gate's own is drawn here: nobody is told
    /// of it but who collects the spans.
    pub fn ids(&self) -> TraceIds {
        let digits = |from: usize, to: usize| self.traceparent.get(from..to).unwrap_or_default();
        TraceIds {
            trace: bytes(digits(3, 35)),
            caller: self.caller.as_ref().map(|caller| bytes(caller)),
            gate: random_id(),
            upstream: bytes(digits(36, 52)),
            sampled: self.is_sampled(),
        }
    }

    /// The whole field value.
    pub fn traceparent(&self) -> &str {
        std::str::from_utf8(&self.traceparent).unwrap_or_default()
    }

    /// The trace id: 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.traceparent().get(3..35).unwrap_or_default()
    }

    /// The field value, ready to be set.
    pub fn header_value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.traceparent).unwrap_or(HeaderValue::from_static(""))
    }
}

/// A number that nobody can foresee.
pub(super) fn draw() -> u64 {
    u64::from_le_bytes(random())
}

/// Trace id, span id and flags of a valid field.
type Received = ([u8; 32], [u8; 16], [u8; 2]);

fn received(value: &[u8]) -> Option<Received> {
    let (known, beyond) = value.split_at_checked(TRACEPARENT_BYTES)?;
    let version = known.first_chunk::<2>()?;
    let extended = matches!(beyond, [b'-', ..]) && version != b"00";
    if !(beyond.is_empty() || extended) || version == b"ff" {
        return None;
    }
    let mut parts = known.split(|byte| *byte == b'-');
    let (version, trace_id, parent_id, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lower_hex = |part: &[u8], length: usize| {
        part.len() == length
            && part
                .iter()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
    let valid = parts.next().is_none()
        && lower_hex(version, 2)
        && lower_hex(trace_id, 32)
        && lower_hex(parent_id, 16)
        && lower_hex(flags, 2)
        && !zero(trace_id)
        && !zero(parent_id);
    if !valid {
        return None;
    }
    // Version 00 defines the lowest bit only; the others must not be passed on (section 3.2.2.5).
    let sampled = matches!(
        flags.last()?,
        b'1' | b'3' | b'5' | b'7' | b'9' | b'b' | b'd' | b'f'
    );
    let flags = if sampled { *b"01" } else { *b"00" };
    Some((trace_id.try_into().ok()?, parent_id.try_into().ok()?, flags))
}

/// All zeroes is no valid id (sections 3.2.2.3 and 3.2.2.4).
fn random_id<const BYTES: usize>() -> [u8; BYTES] {
    let mut drawn = random();
    if drawn == [0; BYTES]
        && let Some(last) = drawn.last_mut()
    {
        *last = 1;
    }
    drawn
}

/// What digits of ours, or ones that were found valid, stand for.
fn bytes<const BYTES: usize>(digits: &[u8]) -> [u8; BYTES] {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => 0,
    };
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        if let [high, low] = pair {
            *byte = value(*high) << 4 | value(*low);
        }
    }
    bytes
}

fn hexadecimal<const BYTES: usize, const DIGITS: usize>(bytes: [u8; BYTES]) -> [u8; DIGITS] {
    let digit = |value: u8| {
        if value < 10 {
            b'0' + value
        } else {
            b'a' + value - 10
        }
    };
    let mut digits = [b'0'; DIGITS];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        if let [high, low] = pair {
            *high = digit(byte >> 4);
            *low = digit(byte & 15);
        }
    }
    digits
}

/// Unpredictable bytes: the next of this thread's stream.
fn random<const BYTES: usize>() -> [u8; BYTES] {
    STREAM.with_borrow_mut(Stream::take)
}

thread_local! {
    static STREAM: RefCell<Stream> = RefCell::new(Stream::seeded());
}

/// The output of BLAKE3 under a key of this thread, drawn in blocks: no lock and no system call per
/// request, and what was seen of it does not tell what comes.
struct Stream {
    output: blake3::OutputReader,
    block: [u8; 1024],
    used: usize,
}

impl Stream {
    /// The key stretches the 128 bits that the operating system gave this thread.
    fn seeded() -> Self {
        let system = RandomState::new();
        let mut key = [0; 32];
        for (index, part) in key.chunks_exact_mut(8).enumerate() {
            part.copy_from_slice(&system.hash_one(index).to_le_bytes());
        }
        let output = blake3::Hasher::new_keyed(&key).finalize_xof();
        let block = [0; 1024];
        let used = block.len();
        Self {
            output,
            block,
            used,
        }
    }

    fn take<const BYTES: usize>(&mut self) -> [u8; BYTES] {
        if self.used + BYTES > self.block.len() {
            self.output.fill(&mut self.block);
            self.used = 0;
        }
        let taken = self
            .block
            .get(self.used..)
            .and_then(<[u8]>::first_chunk::<BYTES>)
            .copied();
        self.used += BYTES;
        taken.unwrap_or([0; BYTES])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn after(fields: &[&str]) -> TraceContext {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append("traceparent", field.parse().unwrap());
        }
        TraceContext::of(&headers)
    }

    #[test]
    fn a_valid_trace_goes_on_under_a_parent_of_our_own() {
        let context = after(&[VALID]);
        assert_eq!(context.origin, Trace::Continued);
        assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(context.traceparent().ends_with("-01"));
        assert!(!context.traceparent().contains("00f067aa0ba902b7"));
        let future = after(&[&format!("{}-what-comes", VALID.replacen("00", "cc", 1))]);
        assert_eq!(future.trace_id(), context.trace_id());
        assert!(future.traceparent().starts_with("00-"));
        let flags = after(&[&VALID.replace("-01", "-fe")]);
        assert!(
            flags.traceparent().ends_with("-00"),
            "unknown flags are not passed on"
        );
    }

    #[test]
    fn spans_have_the_ids_that_were_told_and_one_of_their_own() {
        let context = after(&[VALID]);
        let ids = context.ids();
        assert_eq!(
            hexadecimal::<16, 32>(ids.trace),
            *context.trace_id().as_bytes()
        );
        assert_eq!(ids.caller.map(hexadecimal), Some(*b"00f067aa0ba902b7"));
        let told = context.traceparent().split('-').nth(2).unwrap().to_owned();
        assert_eq!(hexadecimal::<8, 16>(ids.upstream), *told.as_bytes());
        assert_ne!(ids.gate, ids.upstream);
        assert_ne!(ids.gate, context.ids().gate);
        assert_eq!(after(&[]).ids().caller, None);
    }

    #[test]
    fn the_gates_decision_replaces_the_callers_flag() {
        for (field, parent) in [
            (VALID.to_owned(), Some(true)),
            (VALID.replace("-01", "-00"), Some(false)),
            (String::new(), None),
        ] {
            let mut context = after(&[&field]);
            assert_eq!(context.parent_sampled(), parent);
            for sampled in [true, false] {
                context.sample(sampled);
                assert_eq!(context.is_sampled(), sampled);
                assert_eq!(
                    after(&[context.traceparent()]).parent_sampled(),
                    Some(sampled)
                );
            }
        }
    }

    #[test]
    fn anything_else_begins_a_trace() {
        for field in [
            "",
            "x",
            "00",
            &VALID.to_uppercase(),
            VALID.strip_suffix('1').unwrap(),
            &format!("{VALID}-x"),
            &format!("{VALID}0"),
            &VALID.replacen("00", "ff", 1),
            &VALID.replace('-', "_"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        ] {
            let context = after(&[field]);
            assert_eq!(context.origin, Trace::Begun, "`{field}`");
            assert_eq!(after(&[context.traceparent()]).origin, Trace::Continued);
        }
        assert_eq!(after(&[VALID, VALID]).origin, Trace::Begun);
        assert_eq!(after(&[]).origin, Trace::Begun);
    }

    #[test]
    fn ids_are_hexadecimal_and_do_not_repeat_across_threads() {
        let minted = (0..4)
            .map(|_| {
                std::thread::spawn(|| (0..5_000).map(|_| RequestId::mint()).collect::<Vec<_>>())
            })
            .collect::<Vec<_>>()
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect::<HashSet<_>>();
        assert_eq!(minted.len(), 20_000);
        for id in &minted {
            let text = id.as_str();
            assert_eq!(text.len(), 32);
            assert!(text.bytes().all(|byte| b"0123456789abcdef".contains(&byte)));
            assert_eq!(id.header_value(), text);
        }
    }
}
