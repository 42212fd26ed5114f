//! What differs between two answers to the same question.
//!
//! Request ids differ at random, and another one at random is as good. Times and counters differ
//! with reason: whoever makes them up is found out. A text that holds such a one can't be told from
//! memory, and the backend is asked each time.

use std::ops::Range;

use super::draw::Draw;
use crate::clock::Timestamp;

/// A stretch of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stretch {
    /// The same in both.
    Constant(Vec<u8>),
    /// At random in both.
    Chance(Mask),
}

/// What is fixed and what is chance in a random token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mask {
    /// A letter where it is fixed.
    places: Vec<Option<u8>>,
    alphabet: &'static str,
}

impl Mask {
    pub(super) fn push_drawn(&self, whole: &mut Vec<u8>, draw: &mut Draw) {
        whole.extend(
            self.places
                .iter()
                .map(|place| place.unwrap_or_else(|| draw.letter(self.alphabet) as u8)),
        );
    }
}

/// Shortest token that differs by chance.
const SHORTEST: usize = 8;

/// Longest beginning that two random tokens have in common by chance.
const COMMON: usize = 3;

/// The two texts as one; `None` where they differ in a way that nobody can continue.
pub(super) fn merged(one: &[u8], other: &[u8]) -> Option<Vec<Stretch>> {
    if one == other {
        return Some(vec![Stretch::Constant(one.to_vec())]);
    }
    let (ones, others) = (tokens(one), tokens(other));
    if ones.len() != others.len() {
        return None;
    }
    let mut stretches: Vec<Stretch> = Vec::new();
    for (one, other) in ones.into_iter().zip(others) {
        if one == other {
            match stretches.last_mut() {
                Some(Stretch::Constant(text)) => text.extend_from_slice(one),
                Some(Stretch::Chance(_)) | None => {
                    stretches.push(Stretch::Constant(one.to_vec()));
                }
            }
        } else {
            stretches.push(Stretch::Chance(mask(one, other)?));
        }
    }
    Some(stretches)
}

/// The text in runs of letters, digits, hyphens and underscores, and what is between them.
fn tokens(text: &[u8]) -> Vec<&[u8]> {
    text.chunk_by(|one, other| in_token(*one) == in_token(*other))
        .collect()
}

fn in_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn mask(one: &[u8], other: &[u8]) -> Option<Mask> {
    let letters = || one.iter().chain(other);
    let all = |test: fn(&u8) -> bool| {
        letters()
            .filter(|byte| byte.is_ascii_alphanumeric())
            .all(test)
    };
    let is_random = one.len() == other.len()
        && one.len() >= SHORTEST
        && letters().all(|byte| in_token(*byte))
        // Digits alone are a time or a count.
        && [one, other]
            .iter()
            .all(|text| text.iter().any(u8::is_ascii_alphabetic));
    if !is_random {
        return None;
    }
    let fixed = kind_prefix(one, other);
    let rest = || one.iter().zip(other).skip(fixed);
    // Ids that begin with the time (UUIDv7, ULID) look alike at first.
    let alike = rest().take_while(|(one, other)| one == other).count();
    if alike > COMMON {
        return None;
    }
    let alphabet = if all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte)) {
        "0123456789abcdef"
    } else if all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(byte)) {
        "0123456789ABCDEF"
    } else if all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()) {
        "0123456789abcdefghijklmnopqrstuvwxyz"
    } else if all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()) {
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    } else {
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    };
    let version = uuid_version(one, other);
    let mut places = Vec::with_capacity(one.len());
    for (place, (one, other)) in one.iter().zip(other).enumerate() {
        let punctuation = !one.is_ascii_alphanumeric() || !other.is_ascii_alphanumeric();
        if punctuation && one != other {
            return None;
        }
        let keep = punctuation || place < fixed || version == Some(place);
        places.push(keep.then_some(*one));
    }
    Some(Mask { places, alphabet })
}

/// Length of what two tokens have in common up to a hyphen or underscore: `req_`.
fn kind_prefix(one: &[u8], other: &[u8]) -> usize {
    let common: Vec<u8> = one
        .iter()
        .zip(other)
        .take_while(|(one, other)| one == other)
        .map(|(one, _)| *one)
        .collect();
    common
        .iter()
        .rposition(|byte| *byte == b'_' || *byte == b'-')
        // With digits in it, it is a time rather than a name.
        .filter(|at| !common.iter().take(*at).any(u8::is_ascii_digit))
        .map_or(0, |at| at + 1)
}

/// Where two UUIDs name the same version.
fn uuid_version(one: &[u8], other: &[u8]) -> Option<usize> {
    let place = 14;
    let hyphens = |text: &[u8]| {
        text.len() == 36
            && [8, 13, 18, 23]
                .iter()
                .all(|place| text.get(*place) == Some(&b'-'))
    };
    (hyphens(one) && hyphens(other) && one.get(place) == other.get(place)).then_some(place)
}

/// Whether a text names the hour: two answers within one second say the same, and a third does not.
pub(super) fn names_the_present(text: &[u8], now: Timestamp) -> bool {
    let days = day_range(now);
    let dates = days.clone().filter_map(|day| {
        let text = Timestamp::from_seconds(day * DAY).to_string();
        text.get(..10).map(str::to_owned)
    });
    let dated = dates
        .into_iter()
        .any(|date| memchr::memmem::find(text, date.as_bytes()).is_some());
    let counted = text
        .chunk_by(|one, other| one.is_ascii_digit() == other.is_ascii_digit())
        .filter_map(|run| std::str::from_utf8(run).ok()?.parse::<i64>().ok())
        .any(|number| {
            [1, 1_000, 1_000_000, 1_000_000_000]
                .iter()
                .any(|unit| days.contains(&(number / unit).div_euclid(DAY)))
        });
    dated || counted
}

const DAY: i64 = 86_400;

/// Yesterday, today and tomorrow: the backend's clock and time zone are its own.
fn day_range(now: Timestamp) -> Range<i64> {
    let today = now.as_seconds().div_euclid(DAY);
    today - 1..today + 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ownership::absence::draw::Secret;

    fn third(one: &str, other: &str) -> Option<String> {
        let mut draw = Secret::new([1; 32]).draw(&[]);
        let mut whole = Vec::new();
        for stretch in merged(one.as_bytes(), other.as_bytes())? {
            match stretch {
                Stretch::Constant(text) => whole.extend(text),
                Stretch::Chance(mask) => mask.push_drawn(&mut whole, &mut draw),
            }
        }
        Some(String::from_utf8(whole).unwrap())
    }

    #[test]
    fn a_request_id_is_continued_in_its_own_letters() {
        let third = third(
            r#"{"request_id":"req_8fk2Ls0aQm1","ok":false}"#,
            r#"{"request_id":"req_Zm3P0x1vT9k","ok":false}"#,
        )
        .unwrap();
        let (before, rest) = third.split_at(19);
        assert_eq!(before, r#"{"request_id":"req_"#);
        let (drawn, rest) = rest.split_at(11);
        assert!(drawn.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(rest, r#"","ok":false}"#);
    }

    #[test]
    fn a_random_uuid_keeps_its_version() {
        let third = third(
            "d9428888-122b-41e1-b85c-61fab8b1a2c3",
            "0c34a2f1-9c3b-4b1d-a45e-7710c02a4bde",
        )
        .unwrap();
        assert_eq!((third.len(), third.as_bytes()[14]), (36, b'4'));
    }

    #[test]
    fn times_and_counters_are_not_made_up() {
        for (one, other) in [
            ("took 0.0012 s", "took 0.0013 s"),
            ("request 41", "request 42"),
            ("2026-11-22T05:23:01Z", "2026-11-22T05:23:02Z"),
            ("1795324981123", "1795324981223"),
            // UUIDv7 and ULID begin with the time.
            (
                "0190c1f2-7b3a-7cde-8f01-23456789abcd",
                "0190c1f2-7b4f-7abc-9f01-a3456789abcd",
            ),
            ("01JD9Z1C8PA5M1P8Q4Z0M6T7X2", "01JD9Z1C9QV3B0A7M2Z4K8H1T0"),
            ("short ab1", "short cd2"),
            ("one", "two words"),
        ] {
            assert_eq!(third(one, other), None, "{one} | {other}");
        }
    }

    #[test]
    fn a_text_that_names_today_is_known_for_it() {
        let now = Timestamp::from_seconds(1_795_324_981);
        for text in [
            "at 2026-11-22T05:23:01Z",
            "\"ts\":1795324981",
            "\"ts\":1795324981123",
        ] {
            assert!(names_the_present(text.as_bytes(), now), "{text}");
        }
        for text in ["no such task", "since 2019-01-01", "error 1795", ""] {
            assert!(!names_the_present(text.as_bytes(), now), "{text}");
        }
    }
}
