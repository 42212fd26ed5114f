//! The scanner: recursive descent over a string, one frame per level of nesting.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{JsonFault, Limits, Scalar};

/// Up to so many members, names are compared one by one; beyond, they are hashed.
const FEW: usize = 12;

/// Whether the value about to be scanned lies on the pointer, and what is left of it.
type Path<'pointer> = Option<&'pointer [String]>;

pub(super) struct Scanner<'text> {
    rest: &'text [u8],
    limits: Limits,
    depth: usize,
    open_members: usize,
    found: Vec<Scalar>,
}

impl<'text> Scanner<'text> {
    pub(super) fn new(text: &'text str, limits: &Limits) -> Self {
        Self {
            rest: text.as_bytes(),
            limits: *limits,
            depth: 0,
            open_members: 0,
            found: Vec::new(),
        }
    }

    pub(super) fn run(mut self, pointer: &[String]) -> Result<Vec<Scalar>, JsonFault> {
        self.value(Some(pointer))?;
        self.end()?;
        Ok(self.found)
    }

    /// Checks the whole document and collects nothing.
    pub(super) fn check(mut self) -> Result<(), JsonFault> {
        self.value(None)?;
        self.end()
    }

    pub(super) fn value(&mut self, path: Path<'_>) -> Result<(), JsonFault> {
        self.skip_blanks();
        // Readers that want a list take what is no list for its only element.
        let path = match (path, self.rest.first()) {
            (Some([every]), Some(first)) if every == "*" && !matches!(first, b'[' | b'n') => {
                Some([].as_slice())
            }
            (path, _) => path,
        };
        let wanted = path.is_some_and(<[String]>::is_empty);
        match self.rest.first() {
            Some(b'{') => self.nested(wanted, |scanner| scanner.object(path)),
            Some(b'[') => self.nested(wanted, |scanner| scanner.array(path)),
            Some(b'"') => {
                let raw = self.string()?;
                if wanted {
                    let text = unescape(raw)?.into_owned();
                    self.keep(Scalar::Text(text))?;
                }
                Ok(())
            }
            Some(b't') => self.literal(b"true", wanted.then_some(Scalar::Bool(true))),
            Some(b'f') => self.literal(b"false", wanted.then_some(Scalar::Bool(false))),
            Some(b'n') => self.literal(b"null", wanted.then_some(Scalar::Null)),
            Some(_) => {
                let text = self.number()?;
                if wanted {
                    let text = String::from_utf8_lossy(text).into_owned();
                    self.keep(Scalar::Number(text))?;
                }
                Ok(())
            }
            None => Err(JsonFault::Syntax),
        }
    }

    fn nested(
        &mut self,
        wanted: bool,
        scan: impl FnOnce(&mut Self) -> Result<(), JsonFault>,
    ) -> Result<(), JsonFault> {
        if wanted {
            self.keep(Scalar::Container)?;
        }
        self.enter()?;
        scan(self)?;
        self.leave();
        Ok(())
    }

    /// Steps over the beginning of a container.
    pub(super) fn enter(&mut self) -> Result<(), JsonFault> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(JsonFault::TooDeep);
        }
        self.advance(1);
        Ok(())
    }

    /// The container is over.
    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    fn object(&mut self, path: Path<'_>) -> Result<(), JsonFault> {
        let step = path.and_then(<[String]>::split_first);
        let mut names = Names::default();
        let mut next = Next::FirstOrEnd;
        while self.another(b'}', &mut next)? {
            self.skip_blanks();
            let name = unescape(self.string()?)?;
            self.skip_blanks();
            self.expect(b':')?;
            let inner = match step {
                Some((wanted, rest)) if *wanted == name => Some(rest),
                Some((wanted, _)) if same_but_for_case(wanted, &name) => {
                    return Err(JsonFault::NameCase);
                }
                Some(_) | None => None,
            };
            self.open_member(&mut names, name)?;
            self.value(inner)?;
        }
        self.close_members(&names);
        Ok(())
    }

    /// Takes note of a member of the object that is open.
    pub(super) fn open_member(
        &mut self,
        names: &mut Names<'text>,
        name: Cow<'text, str>,
    ) -> Result<(), JsonFault> {
        self.open_members += 1;
        if self.open_members > self.limits.open_members {
            return Err(JsonFault::TooMany);
        }
        if names.insert(name) {
            Ok(())
        } else {
            Err(JsonFault::DuplicateName)
        }
    }

    /// The object is over.
    pub(super) fn close_members(&mut self, names: &Names<'text>) {
        self.open_members -= names.len();
    }

    /// What was not scanned yet.
    pub(super) fn rest(&self) -> &'text [u8] {
        self.rest
    }

    /// Fails unless nothing but blanks is left.
    pub(super) fn end(&mut self) -> Result<(), JsonFault> {
        self.skip_blanks();
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(JsonFault::Syntax)
        }
    }

    fn array(&mut self, path: Path<'_>) -> Result<(), JsonFault> {
        let step = path.and_then(<[String]>::split_first);
        let index = step.and_then(|(token, _)| array_index(token));
        let mut at = 0;
        let mut next = Next::FirstOrEnd;
        while self.another(b']', &mut next)? {
            let inner = step
                .filter(|(token, _)| *token == "*" || index == Some(at))
                .map(|(_, rest)| rest);
            self.value(inner)?;
            at += 1;
        }
        Ok(())
    }

    /// Steps over the comma before a further element, or over the end of the container.
    pub(super) fn another(&mut self, end: u8, next: &mut Next) -> Result<bool, JsonFault> {
        self.skip_blanks();
        let first = std::mem::replace(next, Next::CommaOrEnd) == Next::FirstOrEnd;
        match self.rest.first() {
            Some(byte) if *byte == end => {
                self.advance(1);
                Ok(false)
            }
            Some(b',') if !first => {
                self.advance(1);
                Ok(true)
            }
            Some(_) if first => Ok(true),
            Some(_) | None => Err(JsonFault::Syntax),
        }
    }

    /// Steps over a string and returns what is between its quotes, escapes and all.
    pub(super) fn string(&mut self) -> Result<&'text [u8], JsonFault> {
        self.expect(b'"')?;
        let text = self.rest;
        let mut end = 0;
        loop {
            let ahead = text.get(end..).ok_or(JsonFault::Syntax)?;
            end += ahead
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))
                .ok_or(JsonFault::Syntax)?;
            match text.get(end) {
                Some(b'"') => break,
                // Whatever is escaped is no end of the string; `unescape` judges what it is.
                Some(b'\\') => end += 2,
                Some(_) | None => return Err(JsonFault::Syntax),
            }
        }
        let (inside, _) = text.split_at_checked(end).ok_or(JsonFault::Syntax)?;
        self.advance(end + 1);
        if memchr::memchr(b'\\', inside).is_some() {
            check_escapes(inside)?;
        }
        Ok(inside)
    }

    /// `[ "-" ] int [ frac ] [ exp ]` (RFC 8259 section 6).
    fn number(&mut self) -> Result<&'text [u8], JsonFault> {
        let start = self.rest;
        self.skip_one(b"-");
        match self.rest.first() {
            Some(b'0') => self.advance(1),
            Some(b'1'..=b'9') => self.digits()?,
            Some(_) | None => return Err(JsonFault::Syntax),
        }
        if self.skip_one(b".") {
            self.digits()?;
        }
        if self.skip_one(b"eE") {
            self.skip_one(b"+-");
            self.digits()?;
        }
        start
            .get(..start.len() - self.rest.len())
            .ok_or(JsonFault::Syntax)
    }

    fn digits(&mut self) -> Result<(), JsonFault> {
        let count = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.advance(count);
        if count == 0 {
            Err(JsonFault::Syntax)
        } else {
            Ok(())
        }
    }

    pub(super) fn literal(&mut self, word: &[u8], value: Option<Scalar>) -> Result<(), JsonFault> {
        self.rest = self.rest.strip_prefix(word).ok_or(JsonFault::Syntax)?;
        value.map_or(Ok(()), |value| self.keep(value))
    }

    fn keep(&mut self, value: Scalar) -> Result<(), JsonFault> {
        if self.found.len() == self.limits.values {
            return Err(JsonFault::TooMany);
        }
        self.found.push(value);
        Ok(())
    }

    pub(super) fn skip_blanks(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn skip_one(&mut self, any_of: &[u8]) -> bool {
        match self.rest.split_first() {
            Some((byte, rest)) if any_of.contains(byte) => {
                self.rest = rest;
                true
            }
            Some(_) | None => false,
        }
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), JsonFault> {
        if self.skip_one(&[byte]) {
            Ok(())
        } else {
            Err(JsonFault::Syntax)
        }
    }

    fn advance(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }
}

/// What may come next in a container.
#[derive(PartialEq, Eq)]
pub(super) enum Next {
    FirstOrEnd,
    CommaOrEnd,
}

/// The names of one open object.
#[derive(Default)]
pub(super) struct Names<'text> {
    few: Vec<Cow<'text, str>>,
    many: HashSet<Cow<'text, str>>,
}

impl<'text> Names<'text> {
    /// Whether the name was not there yet.
    pub(super) fn insert(&mut self, name: Cow<'text, str>) -> bool {
        if self.few.contains(&name) {
            return false;
        }
        if self.few.len() < FEW {
            self.few.push(name);
            return true;
        }
        self.many.insert(name)
    }

    pub(super) fn len(&self) -> usize {
        self.few.len() + self.many.len()
    }
}

/// An array index (RFC 6901 section 4): digits without a leading zero.
pub(crate) fn array_index(token: &str) -> Option<usize> {
    let canonical = token == "0" || !token.starts_with('0');
    let digits = token.bytes().all(|byte| byte.is_ascii_digit());
    (canonical && digits).then(|| token.parse().ok()).flatten()
}

/// Whether two different names are one to a decoder that folds case.
pub(crate) fn same_but_for_case(wanted: &str, name: &str) -> bool {
    if wanted.is_ascii() && name.is_ascii() {
        return wanted.eq_ignore_ascii_case(name);
    }
    let fold = |text: &str| {
        text.chars()
            .flat_map(char::to_uppercase)
            .flat_map(char::to_lowercase)
            .collect::<String>()
    };
    fold(wanted) == fold(name)
}

/// Checks the escapes of a string that is not decoded.
fn check_escapes(inside: &[u8]) -> Result<(), JsonFault> {
    unescape(inside).map(drop)
}

/// Decodes the inside of a string (RFC 8259 section 7).
///
/// # Errors
/// An unknown escape, or half of a surrogate pair: readers differ on what it is.
pub(crate) fn unescape(inside: &[u8]) -> Result<Cow<'_, str>, JsonFault> {
    let text = std::str::from_utf8(inside).map_err(|_| JsonFault::Syntax)?;
    if !text.contains('\\') {
        return Ok(Cow::Borrowed(text));
    }
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        decoded.push_str(plain);
        let mut letters = escape.chars();
        let character = match letters.next() {
            Some('"') => '"',
            Some('\\') => '\\',
            Some('/') => '/',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let (character, after) = unicode_escape(letters.as_str())?;
                letters = after.chars();
                character
            }
            Some(_) | None => return Err(JsonFault::Syntax),
        };
        decoded.push(character);
        rest = letters.as_str();
    }
    decoded.push_str(rest);
    Ok(Cow::Owned(decoded))
}

/// The character of `XXXX` or `XXXX\uXXXX`, and what follows it.
fn unicode_escape(text: &str) -> Result<(char, &str), JsonFault> {
    let (unit, rest) = four_digits(text)?;
    if let Some(character) = char::from_u32(unit) {
        return Ok((character, rest));
    }
    let (low, rest) = four_digits(rest.strip_prefix("\\u").ok_or(JsonFault::Syntax)?)?;
    let pair = (0xd800..0xdc00).contains(&unit) && (0xdc00..0xe000).contains(&low);
    let code = 0x1_0000 + ((unit & 0x3ff) << 10) + (low & 0x3ff);
    pair.then(|| char::from_u32(code))
        .flatten()
        .map(|character| (character, rest))
        .ok_or(JsonFault::Syntax)
}

fn four_digits(text: &str) -> Result<(u32, &str), JsonFault> {
    let (digits, rest) = text.split_at_checked(4).ok_or(JsonFault::Syntax)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(JsonFault::Syntax);
    }
    let unit = u32::from_str_radix(digits, 16).map_err(|_| JsonFault::Syntax)?;
    Ok((unit, rest))
}
