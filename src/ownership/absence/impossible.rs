//! Ids that name nothing, in the shape of one that was asked for.
//!
//! A backend reads an id before it looks for it: a UUID of eight letters is malformed (422), one
//! that begins otherwise than its kind does is refused (400), and only a well-formed one is not found
//! (404). So the id the backend is asked about in another's place has the kind of letters that the
//! asked one has, in the same places.

use super::draw::{Draw, Secret};
use super::uuid::Uuid;

const DIGITS: &str = "0123456789";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const ALPHANUMERIC: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &str = "0123456789abcdef";
const HEX_UPPER: &str = "0123456789ABCDEF";

/// Fewest bits by chance that an id keeps its length with; a shorter one is made longer.
const ENOUGH: u32 = 40;

/// Bits by chance of an id that is made longer.
const PLENTY: u32 = 104;

/// Longest beginning (`thread_`, `chatcmpl-`) that is taken for the name of a kind.
const MAX_PREFIX: usize = 24;

/// Shortest rest behind such a beginning.
const MIN_REST: usize = 8;

/// An id that names nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impossible {
    /// The id.
    pub text: String,
    /// How many of its bits are chance.
    pub bits: u32,
    /// Whether every backend reads it as one name: no list of several, no pattern and no range.
    pub is_one: bool,
}

impl Impossible {
    /// Whether the id can be meant for nothing that exists even by accident (RFC 9562 section 6.9
    /// asks as much of a UUID).
    pub fn is_certain(&self) -> bool {
        self.is_one && self.bits >= 90
    }
}

/// What the backend is asked about in place of `id`: the same for the same id, so that what a
/// backend makes of it (a digest, say) is the same each time. Another `variant` is another id.
pub(super) fn in_place_of(id: &str, variant: u64, secret: &Secret) -> Impossible {
    let mut draw = secret.draw(&[b"impossible", id.as_bytes(), &variant.to_le_bytes()]);
    if let Some(uuid) = Uuid::parse(id) {
        // Version and variant stay (RFC 9562 section 4): some backends look at them.
        let other = uuid.with_digits(|place, digit| match place {
            12 | 16 => digit,
            _ => draw.letter(HEX),
        });
        return Impossible {
            text: other.text(),
            bits: 120,
            is_one: true,
        };
    }
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return number(id, &mut draw);
    }
    other(id, &mut draw)
}

/// A number. One that may be read into 32 bits stays readable so, and beyond what counting reaches.
fn number(id: &str, draw: &mut Draw) -> Impossible {
    if id.len() <= 10 {
        return Impossible {
            text: (2_000_000_000 + draw.below(147_483_647)).to_string(),
            bits: 27,
            is_one: true,
        };
    }
    let text: String = id
        .chars()
        .enumerate()
        .map(|(place, digit)| match (place, digit) {
            // Not beyond 64 bits where the asked one is not.
            (0, '9') => '8',
            (0, digit) => digit,
            _ => draw.letter(DIGITS),
        })
        .collect();
    Impossible {
        bits: tenths(text.len() - 1, 33),
        text,
        is_one: true,
    }
}

fn other(id: &str, draw: &mut Draw) -> Impossible {
    // What is drawn for a few letters may be those very letters.
    (0..8)
        .map(|_| drawn(id, draw))
        .find(|made| !made.text.starts_with(id))
        .unwrap_or_else(|| drawn(id, draw))
}

fn drawn(id: &str, draw: &mut Draw) -> Impossible {
    let (prefix, rest) = split(id);
    let hex = rest.len() >= MIN_REST && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let upper = rest.bytes().any(|byte| byte.is_ascii_uppercase());
    let mut text = prefix.to_owned();
    let mut bits = 0;
    for letter in rest.chars() {
        let (letter, worth) = match letter {
            _ if hex => (draw.letter(if upper { HEX_UPPER } else { HEX }), 40),
            'a'..='z' => (draw.letter(LOWER), 47),
            'A'..='Z' => (draw.letter(UPPER), 47),
            '0'..='9' => (draw.letter(DIGITS), 33),
            kept => (kept, 0),
        };
        text.push(letter);
        bits += worth;
    }
    if bits < ENOUGH * 10 {
        while bits < PLENTY * 10 {
            text.push(draw.letter(ALPHANUMERIC));
            bits += 51;
        }
    }
    Impossible {
        bits: bits / 10,
        is_one: is_one(&text),
        text,
    }
}

/// Whether a text is the name of one thing everywhere. Some backends take `1,2` for two names, `*`
/// for all of them and `100-200` for what lies between: chance in each part makes the whole unlikely,
/// and the parts not at all.
fn is_one(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

fn tenths(places: usize, worth: u32) -> u32 {
    u32::try_from(places).unwrap_or(u32::MAX / worth) * worth / 10
}

/// What an id has in common with those it is taken for one of: they are answered alike.
pub(super) fn shape(id: &str) -> String {
    if let Some(uuid) = Uuid::parse(id) {
        return uuid.spelling().to_owned();
    }
    let length = match id.len() {
        0..=64 => 64,
        long => long.next_power_of_two(),
    };
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("digits {}", if id.len() <= 10 { 10 } else { id.len() });
    }
    let (prefix, rest) = split(id);
    let mut kinds: Vec<char> = rest
        .chars()
        .map(|letter| match letter {
            'a'..='z' => 'a',
            'A'..='Z' => 'A',
            '0'..='9' => '0',
            kept => kept,
        })
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    let kinds: String = kinds.into_iter().collect();
    format!("text {length} {prefix:?} {kinds:?}")
}

/// An id's beginning that names its kind, and the rest.
fn split(id: &str) -> (&str, &str) {
    id.char_indices()
        .filter(|(_, letter)| "_-:./".contains(*letter))
        .filter_map(|(place, _)| id.split_at_checked(place + 1))
        .take_while(|(prefix, rest)| {
            prefix.len() <= MAX_PREFIX
                && rest.len() >= MIN_REST
                && !prefix.bytes().any(|byte| byte.is_ascii_digit())
        })
        .last()
        .unwrap_or(("", id))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret() -> Secret {
        Secret::new([7; 32])
    }

    fn made(id: &str) -> Impossible {
        in_place_of(id, 0, &secret())
    }

    #[test]
    fn a_uuid_is_replaced_by_one_of_the_same_spelling_and_version() {
        let id = "{0190C1F2-7B3A-7CDE-8F01-23456789ABCD}";
        let made = made(id);
        let uuid = Uuid::parse(&made.text).unwrap();
        assert_eq!(uuid.spelling(), "uuid braced upper");
        assert_eq!(
            (made.text.as_bytes()[15], made.text.as_bytes()[20]),
            (b'7', b'8')
        );
        assert!(made.is_certain() && made.text != id);
    }

    #[test]
    fn a_number_stays_one_that_its_backend_can_read() {
        for id in ["7", "1234567890"] {
            assert!(made(id).text.parse::<i32>().unwrap() >= 2_000_000_000);
        }
        assert!(made("9223372036854775807").text.parse::<i64>().is_ok());
        assert!(!made("7").is_certain(), "a number may be one that exists");
    }

    #[test]
    fn the_beginning_that_names_a_kind_stays() {
        let made = made("thread_abc123XYZ456");
        assert!(made.text.starts_with("thread_") && made.text.len() == 19);
        assert_ne!(made.text, "thread_abc123XYZ456");
        assert_eq!(super::split("my-session-1"), ("my-", "session-1"));
    }

    #[test]
    fn a_short_name_is_made_longer_until_nobody_can_have_it() {
        for id in ["", "a", "s-1", "ab_c"] {
            assert!(made(id).is_certain(), "{id:?}: {:?}", made(id));
        }
        assert!(made("日本").bits >= 90);
    }

    #[test]
    fn what_some_backend_reads_as_several_names_is_not_certain_to_name_nothing() {
        let digits = "1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9";
        let range = "100000000000000-999999999999999";
        for id in [digits, range, "*,a", "logs-*", "a|b", "a b", "a，b"] {
            assert!(!made(id).is_certain(), "{id:?}: {:?}", made(id));
        }
    }

    #[test]
    fn what_stands_in_place_of_a_short_name_does_not_begin_with_it() {
        for variant in 0..2_000 {
            let made = in_place_of("s-1", variant, &secret()).text;
            assert!(!made.starts_with("s-1"), "{made}");
        }
    }

    #[test]
    fn the_same_id_is_replaced_by_the_same_one_and_only_here() {
        let other = Secret::new([8; 32]);
        assert_eq!(made("session-77"), made("session-77"));
        assert_ne!(made("session-77"), in_place_of("session-77", 0, &other));
        assert_ne!(made("session-77"), in_place_of("session-77", 1, &secret()));
    }

    #[test]
    fn ids_of_unlike_shape_are_told_apart() {
        let ids = [
            "0190c1f2-7b3a-7cde-8f01-23456789abcd",
            "0190C1F2-7B3A-7CDE-8F01-23456789ABCD",
            "7",
            "12345678901",
            "abcdefgh",
            "abcdefgh!",
            "run_abcdefgh",
            "thread_abcdefgh",
        ];
        let mut shapes: Vec<String> = ids.iter().map(|id| shape(id)).collect();
        shapes.sort();
        shapes.dedup();
        assert_eq!(shapes.len(), ids.len());
    }

    proptest! {
        #[test]
        fn what_stands_in_place_of_an_id_has_its_shape_and_is_another(id in "\\PC{1,40}") {
            let made = made(&id);
            prop_assert_ne!(&made.text, &id);
            let punctuation = |text: &str| -> String {
                text.chars().filter(|letter| !letter.is_ascii_alphanumeric()).collect()
            };
            prop_assert_eq!(punctuation(&made.text), punctuation(&id));
            prop_assert!(made.bits >= 27);
        }
    }
}
