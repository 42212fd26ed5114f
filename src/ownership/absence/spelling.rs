//! How an id that was sent comes back in an answer.

use std::fmt::Write;

use memchr::memmem;

use super::uuid::{Form, Uuid};

/// A text of the request that answers may repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The value.
    pub value: String,
    /// As it stands in the target, percent-encoded by whoever wrote it.
    pub written: String,
}

impl Sent {
    /// A value that stands in the request as it is.
    pub fn plain(value: impl Into<String>) -> Self {
        let value = value.into();
        Self {
            written: value.clone(),
            value,
        }
    }
}

/// One way to repeat a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Spelling {
    Raw,
    Written,
    Percent,
    Json,
    JsonAscii,
    Html,
    Lower,
    Upper,
    Uuid { form: Form, upper: bool },
}

impl Spelling {
    /// Every spelling, the plainest first: where two come to the same, the first is meant.
    const ALL: [Self; 12] = [
        Self::Raw,
        Self::Written,
        Self::Percent,
        Self::Json,
        Self::JsonAscii,
        Self::Html,
        Self::Uuid {
            form: Form::Hyphenated,
            upper: false,
        },
        Self::Uuid {
            form: Form::Hyphenated,
            upper: true,
        },
        Self::Uuid {
            form: Form::Simple,
            upper: false,
        },
        Self::Uuid {
            form: Form::Simple,
            upper: true,
        },
        Self::Lower,
        Self::Upper,
    ];

    /// The value in this spelling; `None` where it has none.
    pub(super) fn of(self, sent: &Sent) -> Option<String> {
        let value = &sent.value;
        Some(match self {
            Self::Raw => value.clone(),
            Self::Written => sent.written.clone(),
            Self::Percent => percent(value),
            Self::Json => json(value, false),
            Self::JsonAscii => json(value, true),
            Self::Html => html(value),
            Self::Lower => value.to_lowercase(),
            Self::Upper => value.to_uppercase(),
            Self::Uuid { form, upper } => Uuid::parse(value)?.spelled(form, upper),
        })
    }
}

/// Where a value stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Echo {
    /// Which of the values.
    pub(super) which: usize,
    /// In which spelling.
    pub(super) spelling: Spelling,
}

/// A stretch of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'text> {
    /// What the backend says whatever was asked.
    Text(&'text [u8]),
    /// What it repeats.
    Echo(Echo),
}

/// Shortest text that is looked for: a shorter one turns up by chance.
const SHORTEST: usize = 8;

/// What an answer is searched for.
pub(super) struct Needles(Vec<(Echo, memmem::Finder<'static>)>);

impl Needles {
    pub(super) fn of(sent: &[Sent]) -> Self {
        let mut seen: Vec<String> = Vec::new();
        let mut needles = Vec::new();
        for (which, value) in sent.iter().enumerate() {
            for spelling in Spelling::ALL {
                let Some(text) = spelling.of(value) else {
                    continue;
                };
                if text.len() < SHORTEST || seen.contains(&text) {
                    continue;
                }
                let finder = memmem::Finder::new(text.as_bytes()).into_owned();
                needles.push((Echo { which, spelling }, finder));
                seen.push(text);
            }
        }
        Self(needles)
    }

    /// The text in pieces: what repeats a value, and what is between.
    pub(super) fn cut<'text>(&self, text: &'text [u8]) -> Vec<Piece<'text>> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((at, length, echo)) = self.first_in(rest) {
            let (before, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            if !before.is_empty() {
                pieces.push(Piece::Text(before));
            }
            pieces.push(Piece::Echo(echo));
            rest = from.get(length..).unwrap_or_default();
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest));
        }
        pieces
    }

    /// The first place, and of several there the longest.
    fn first_in(&self, text: &[u8]) -> Option<(usize, usize, Echo)> {
        let found = self.0.iter().filter_map(|(echo, finder)| {
            let at = finder.find(text)?;
            Some((at, finder.needle().len(), *echo))
        });
        found.min_by_key(|(at, length, _)| (*at, usize::MAX - length))
    }
}

/// Puts `asked` where an answer repeats `sent`.
pub(super) fn replaced(text: &[u8], needles: &Needles, asked: &[Sent]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(text.len());
    for piece in needles.cut(text) {
        match piece {
            Piece::Text(text) => whole.extend_from_slice(text),
            Piece::Echo(echo) => push_echo(&mut whole, echo, asked),
        }
    }
    whole
}

pub(super) fn push_echo(whole: &mut Vec<u8>, echo: Echo, asked: &[Sent]) {
    let Some(asked) = asked.get(echo.which) else {
        return;
    };
    // The two have one shape, so what has a spelling as a UUID has it here too.
    let text = echo
        .spelling
        .of(asked)
        .unwrap_or_else(|| asked.value.clone());
    whole.extend_from_slice(text.as_bytes());
}

/// Everything but the unreserved characters encoded (RFC 3986 section 2.3).
pub(super) fn percent(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}

/// The inside of a JSON string (RFC 8259 section 7).
pub(super) fn json(value: &str, ascii: bool) -> String {
    let mut text = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            letter if letter.is_ascii_control() || (ascii && !letter.is_ascii()) => {
                let mut units = [0; 2];
                for unit in letter.encode_utf16(&mut units) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
            letter => text.push(letter),
        }
    }
    text
}

fn html(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\'' => text.push_str("&#39;"),
            letter => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: &str, sent: &Sent, asked: &Sent) -> String {
        let needles = Needles::of(std::slice::from_ref(sent));
        let whole = replaced(answer.as_bytes(), &needles, std::slice::from_ref(asked));
        String::from_utf8(whole).unwrap()
    }

    #[test]
    fn an_echo_is_replaced_in_the_spelling_the_backend_chose() {
        let sent = Sent::plain("{AAAAAAAA-1111-4111-8111-AAAAAAAAAAAA}");
        let asked = Sent::plain("{BBBBBBBB-2222-4222-8222-BBBBBBBBBBBB}");
        for (answer, expected) in [
            (
                "no aaaaaaaa-1111-4111-8111-aaaaaaaaaaaa",
                "no bbbbbbbb-2222-4222-8222-bbbbbbbbbbbb",
            ),
            (
                "AAAAAAAA111141118111AAAAAAAAAAAA.",
                "BBBBBBBB222242228222BBBBBBBBBBBB.",
            ),
            (
                "/t/%7BAAAAAAAA-1111-4111-8111-AAAAAAAAAAAA%7D",
                "/t/%7BBBBBBBBB-2222-4222-8222-BBBBBBBBBBBB%7D",
            ),
        ] {
            assert_eq!(text(answer, &sent, &asked), expected);
        }
    }

    #[test]
    fn an_echo_inside_a_json_string_stays_escaped() {
        let sent = Sent::plain("qwertyui\"op");
        let asked = Sent::plain("asdfghjk\"lz");
        assert_eq!(
            text(r#"{"error":"no qwertyui\"op"}"#, &sent, &asked),
            r#"{"error":"no asdfghjk\"lz"}"#
        );
        assert_eq!(
            text("no qwertyui&quot;op", &sent, &asked),
            "no asdfghjk&quot;lz"
        );
    }

    #[test]
    fn a_spelling_of_the_target_comes_back_as_the_caller_wrote_it() {
        let sent = Sent {
            value: "qwertyui:op".to_owned(),
            written: "qwertyui%3aop".to_owned(),
        };
        let asked = Sent {
            value: "asdfghjk:lz".to_owned(),
            written: "asdfghjk%3alz".to_owned(),
        };
        assert_eq!(
            text("GET /t/qwertyui%3aop", &sent, &asked),
            "GET /t/asdfghjk%3alz"
        );
    }

    #[test]
    fn every_echo_is_replaced_and_nothing_else() {
        let sent = Sent::plain("zzzzzzzzzz");
        let asked = Sent::plain("s1");
        assert_eq!(
            text("zzzzzzzzzz|zzzz|zzzzzzzzzz", &sent, &asked),
            "s1|zzzz|s1"
        );
    }

    #[test]
    fn a_letter_beyond_ascii_is_escaped_as_json_writers_do() {
        assert_eq!(json("é😀\u{1}", true), "\\u00e9\\ud83d\\ude00\\u0001");
    }
}
