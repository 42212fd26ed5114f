//! What two parties could read differently in a head is refused before anything else happens.
//!
//! A request is smuggled, and an identity forged, where the gate and a backend disagree about where
//! a line, a field or a message ends. So the head is inspected as the bytes that came, before a
//! parser can mend them: the parser of the proxy takes bare line feeds, requests without `Host`,
//! and `Transfer-Encoding` beside `Content-Length` (which it drops before a filter can see it).
//! Nothing is repaired here. What RFC 9112 lets a recipient either take or refuse is refused.
//!
//! [`inspect`] reads an HTTP/1 head, [`inspect_fields`] the fields of an HTTP/2 request; the rules
//! about single fields are one piece of code for both.

mod authority;
mod fault;
mod fields;

use authority::split_once;
use fields::Singles;

pub use fault::FramingFault;
pub use fields::{FieldFacts, inspect_fields, is_served_method};

/// Most bytes of a head, the empty line included.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Most header fields.
pub const MAX_FIELDS: usize = 100;

/// Most bytes of a request target.
pub const MAX_TARGET_BYTES: usize = 8 * 1024;

/// The two versions of HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http1Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// How the end of an HTTP/1 body is known (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is no body.
    None,
    /// So many bytes.
    Length(u64),
    /// By its last chunk.
    Chunked,
}

/// What an accepted HTTP/1 head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawHead<'head> {
    /// One of the served methods.
    pub method: &'head str,
    /// Path and query as sent: without scheme and authority if the target had them.
    pub target: &'head str,
    /// The target was in absolute-form (RFC 9112 section 3.2.2), so what is forwarded has to be
    /// cut down to [`target`](Self::target).
    pub absolute_form: bool,
    /// The version.
    pub version: Http1Version,
    /// Host and port as sent; HTTP/1.0 may come without.
    pub host: Option<&'head str>,
    /// The body to come.
    pub body: BodyFraming,
    /// The caller waits for `100 Continue` before it sends the body; never on HTTP/1.0, where the
    /// expectation has to be ignored (RFC 9110 section 10.1.1).
    pub expects_continue: bool,
    /// The caller asks to leave HTTP.
    pub upgrade: bool,
}

/// Inspects an HTTP/1 head: every byte from the method up to and including the empty line.
///
/// # Errors
/// The first thing found that is refused.
pub fn inspect(head: &[u8]) -> Result<RawHead<'_>, FramingFault> {
    if head.len() > MAX_HEAD_BYTES {
        return Err(FramingFault::HeadTooLarge);
    }
    let mut lines = Lines::of(head);
    let request_line = lines.next().ok_or(FramingFault::NotTerminated)??;
    let mut taken = 1;
    let mut singles = Singles::default();
    loop {
        let line = lines.next().ok_or(FramingFault::NotTerminated)??;
        taken += 1;
        if line.is_empty() {
            break;
        }
        if taken > MAX_FIELDS + 1 {
            return Err(FramingFault::TooManyFields);
        }
        let (name, value) = field(line)?;
        singles.take(name, value)?;
    }
    if lines.next().is_some() {
        return Err(FramingFault::NotTerminated);
    }
    // INVARIANT: each line was ended by one CR and one LF; any further control is one too many.
    if count_controls(head) != 2 * taken {
        return Err(name_control(head));
    }
    assemble(request_line, &singles)
}

fn assemble<'head>(
    request_line: &'head [u8],
    singles: &Singles<'head>,
) -> Result<RawHead<'head>, FramingFault> {
    let (method, rest) = split_once(request_line, b' ').ok_or(FramingFault::RequestLine)?;
    let (target, version) = split_once(rest, b' ').ok_or(FramingFault::RequestLine)?;
    let version = match version {
        b"HTTP/1.1" => Http1Version::Http11,
        b"HTTP/1.0" => Http1Version::Http10,
        other if other.starts_with(b"HTTP/") && !other.contains(&b' ') => {
            return Err(FramingFault::Version);
        }
        _ => return Err(FramingFault::RequestLine),
    };
    if !is_served_method(method) {
        return Err(FramingFault::Method);
    }
    let method = std::str::from_utf8(method).map_err(|_| FramingFault::Method)?;
    if target.len() > MAX_TARGET_BYTES {
        return Err(FramingFault::TargetTooLong);
    }
    if !target.is_ascii() || !is_target_text(target) {
        return Err(FramingFault::RequestLine);
    }
    let target = std::str::from_utf8(target).map_err(|_| FramingFault::RequestLine)?;
    let (of_target, origin_form) = if target.starts_with('/') {
        (None, target)
    } else {
        let (authority, path) = absolute_form(target).ok_or(FramingFault::TargetForm)?;
        (Some(authority.as_bytes()), path)
    };
    let host = singles.authority(of_target)?;
    // RFC 9112 section 3.2: an absolute-form target does not stand in for the field.
    if version == Http1Version::Http11 && singles.host.is_none() {
        return Err(FramingFault::HostMissing);
    }
    Ok(RawHead {
        method,
        target: origin_form,
        absolute_form: of_target.is_some(),
        version,
        host,
        body: body_framing(version, singles)?,
        expects_continue: singles.expects_continue()? && version == Http1Version::Http11,
        upgrade: singles.upgrade,
    })
}

/// Whether the proxy's parser leaves the target as it is.
///
/// INVARIANT: what passes here parses there. It would cut off a fragment, which is no part of a
/// target (RFC 9112 section 3.2), and answer by itself, without an audit record, what it can't take.
fn is_target_text(target: &[u8]) -> bool {
    let backtick = memchr::memchr(b'`', target);
    memchr::memchr2(b'\t', b'#', target).is_none()
        && memchr::memchr3(b'"', b'<', b'>', target).is_none()
        && backtick.is_none_or(|at| memchr::memchr(b'?', target).is_some_and(|query| query < at))
}

fn body_framing(version: Http1Version, singles: &Singles<'_>) -> Result<BodyFraming, FramingFault> {
    match (singles.transfer_encoding, singles.body_length()?) {
        (Some(_), Some(_)) => Err(FramingFault::TwoLengths),
        (Some(coding), None)
            if version == Http1Version::Http11 && coding.eq_ignore_ascii_case(b"chunked") =>
        {
            Ok(BodyFraming::Chunked)
        }
        (Some(_), None) => Err(FramingFault::TransferEncoding),
        (None, Some(length)) => Ok(BodyFraming::Length(length)),
        (None, None) => Ok(BodyFraming::None),
    }
}

/// Authority, and path with query, of an `http` or `https` URI that has a path.
fn absolute_form(target: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = target.split_once("://")?;
    let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    if !known {
        return None;
    }
    let (authority, path) = rest.split_at_checked(rest.find('/')?)?;
    Some((authority, path))
}

/// Name and trimmed value of a field line.
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), FramingFault> {
    let end = line
        .iter()
        .position(|byte| !is_token_byte(*byte))
        .ok_or(FramingFault::FieldName)?;
    let (name, rest) = line.split_at_checked(end).ok_or(FramingFault::FieldName)?;
    match rest {
        [b':', ..] if name.is_empty() => Err(FramingFault::EmptyName),
        [b':', value @ ..] => Ok((name, trim_blanks(value))),
        [b' ' | b'\t', ..] if name.is_empty() => Err(FramingFault::Folded),
        [b' ' | b'\t', ..] if rest.trim_ascii_start().starts_with(b":") => {
            Err(FramingFault::BlankBeforeColon)
        }
        _ => Err(FramingFault::FieldName),
    }
}

/// OWS is SP and HTAB (RFC 9110 section 5.6.3); no other control can be here.
fn trim_blanks(value: &[u8]) -> &[u8] {
    match value {
        // Nearly every client writes `Name: value` and nothing after it.
        [b' ', inner @ ..]
            if !matches!(inner.first(), Some(b' ' | b'\t'))
                && !matches!(inner.last(), Some(b' ' | b'\t')) =>
        {
            inner
        }
        _ => value.trim_ascii(),
    }
}

/// How many controls other than tabs there are: one pass without branches, which the compiler turns
/// into vector instructions.
fn count_controls(head: &[u8]) -> usize {
    let is_control = |byte: u8| ((byte < 0x20) & (byte != b'\t')) | (byte == 0x7f);
    // A byte counts to 255, which is why the head is taken in pieces.
    head.chunks(128)
        .map(|piece| {
            let counted = piece
                .iter()
                .fold(0_u8, |count, byte| count + u8::from(is_control(*byte)));
            usize::from(counted)
        })
        .sum()
}

/// Which fault it is when the controls do not add up.
fn name_control(head: &[u8]) -> FramingFault {
    let other = |byte: &u8| byte.is_ascii_control() && !b"\t\r\n".contains(byte);
    if head.iter().any(other) {
        FramingFault::ControlByte
    } else {
        FramingFault::BareCarriageReturn
    }
}

/// The lines of a head, without their CRLF.
struct Lines<'head> {
    head: &'head [u8],
    line_feeds: memchr::Memchr<'head>,
    start: usize,
}

impl<'head> Lines<'head> {
    fn of(head: &'head [u8]) -> Self {
        Self {
            head,
            line_feeds: memchr::memchr_iter(b'\n', head),
            start: 0,
        }
    }
}

impl<'head> Iterator for Lines<'head> {
    type Item = Result<&'head [u8], FramingFault>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some(end) = self.line_feeds.next() else {
            let unfinished = self.head.len() > self.start;
            self.start = self.head.len();
            return unfinished.then_some(Err(FramingFault::NotTerminated));
        };
        let line = self.head.get(self.start..end)?;
        self.start = end + 1;
        Some(line.strip_suffix(b"\r").ok_or(FramingFault::BareLineFeed))
    }
}

/// Whether the byte may stand in a token (RFC 9110 section 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES
        .get(usize::from(byte))
        .is_some_and(|token| *token)
}

/// One entry for every byte.
static TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let character = byte as u8;
        #[expect(clippy::indexing_slicing, reason = "evaluated when compiled")]
        {
            table[byte] = character.is_ascii_alphanumeric()
                || matches!(
                    character,
                    b'!' | b'#'
                        | b'$'
                        | b'%'
                        | b'&'
                        | b'\''
                        | b'*'
                        | b'+'
                        | b'-'
                        | b'.'
                        | b'^'
                        | b'_'
                        | b'`'
                        | b'|'
                        | b'~'
                );
        }
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests;
