//! The header section of a part, and the boundary.

use std::borrow::Cow;

use memchr::memmem;

use super::{FormFault, MAX_HEAD_BYTES};

/// What a part says of itself.
#[derive(Debug)]
pub(super) struct Head<'body> {
    pub(super) name: Cow<'body, str>,
    /// No file, no transfer coding, no other character set: the content is the value.
    pub(super) plain: bool,
}

/// The boundary that a content type names (RFC 2046 section 5.1.1): 1 to 70 characters, without the
/// blanks the RFC allows inside.
pub(super) fn boundary(content_type: &str) -> Result<String, FormFault> {
    let (kind, parameters) = content_type.split_once(';').ok_or(FormFault::Boundary)?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Err(FormFault::Boundary);
    }
    let mut boundary = None;
    for (name, value) in self::parameters(parameters).ok_or(FormFault::Boundary)? {
        match name.as_str() {
            "boundary" if boundary.is_none() => boundary = Some(value),
            "charset" if is_utf8(value) => {}
            _ => return Err(FormFault::Boundary),
        }
    }
    let boundary = boundary.ok_or(FormFault::Boundary)?;
    let fits = (1..=70).contains(&boundary.len())
        && boundary
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte));
    if fits {
        Ok(boundary.to_owned())
    } else {
        Err(FormFault::Boundary)
    }
}

/// Splits a part into its header section and its content.
pub(super) fn split(part: &[u8]) -> Result<(Head<'_>, &[u8]), FormFault> {
    let searched = part.get(..part.len().min(MAX_HEAD_BYTES));
    let end = memmem::find(searched.unwrap_or_default(), b"\r\n\r\n").ok_or(FormFault::Head)?;
    let (section, content) = part.split_at_checked(end).ok_or(FormFault::Head)?;
    let content = content.get(4..).unwrap_or_default();
    let section = std::str::from_utf8(section).map_err(|_| FormFault::Head)?;
    let mut name = None;
    let mut plain = true;
    for line in section.split("\r\n") {
        // Controls include the bare CR and LF that some parsers take for the end of a line.
        if line.starts_with([' ', '\t']) || line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(FormFault::Head);
        }
        let (field, value) = line.split_once(':').ok_or(FormFault::Head)?;
        if field.is_empty() || !field.bytes().all(is_token) {
            return Err(FormFault::Head);
        }
        let is = |name: &str| field.replace('_', "-").eq_ignore_ascii_case(name);
        if is("content-disposition") {
            if name.is_some() {
                return Err(FormFault::Name);
            }
            let (found, file) = disposition(value)?;
            name = Some(found);
            plain &= !file;
        } else if is("content-transfer-encoding") {
            let coding = value.trim();
            plain &= ["7bit", "8bit", "binary"]
                .iter()
                .any(|identity| coding.eq_ignore_ascii_case(identity));
        } else if is("content-type") {
            plain &= is_plain_text(value);
        }
    }
    let name = name.ok_or(FormFault::Name)?;
    // RFC 7578 section 4.6: this field changes how all others are read.
    if name.eq_ignore_ascii_case("_charset_") && !is_utf8(&String::from_utf8_lossy(content)) {
        return Err(FormFault::NotText);
    }
    Ok((Head { name, plain }, content))
}

/// The name in a `Content-Disposition`, and whether the part is a file.
fn disposition(value: &str) -> Result<(Cow<'_, str>, bool), FormFault> {
    let (kind, rest) = value.split_once(';').ok_or(FormFault::Name)?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err(FormFault::Name);
    }
    let mut name = None;
    let mut file = false;
    for (parameter, value) in parameters(rest).ok_or(FormFault::Name)? {
        match parameter.as_str() {
            "name" if name.is_none() => name = Some(value),
            "filename" | "filename*" => file = true,
            // `name*` and a second `name` are what some parsers prefer to the first; a parameter
            // that begins with it (`name*0`, RFC 2231) is a piece of one to others.
            _ => return Err(FormFault::Name),
        }
    }
    match name {
        Some(name) if is_plain_name(name) => Ok((Cow::Borrowed(name), file)),
        Some(_) | None => Err(FormFault::Name),
    }
}

/// Whether a name can stand between quotes and every parser reads it the same.
pub(super) fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['"', '\\']) && !name.chars().any(char::is_control)
}

/// `name=value; name="value"`, names in lower case. Nothing when it is anything else.
fn parameters(text: &str) -> Option<Vec<(String, &str)>> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return None;
        }
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, after) = quoted.split_once('"')?;
                // An escaped quote ends the value to one parser and not to the next.
                if value.ends_with('\\') {
                    return None;
                }
                (value, after)
            }
            None => {
                let end = after.find(|c: char| c == ';' || c.is_ascii_whitespace());
                let (value, after) = after.split_at_checked(end.unwrap_or(after.len()))?;
                if value.is_empty() || !value.bytes().all(is_token) {
                    return None;
                }
                (value, after)
            }
        };
        found.push((name.to_ascii_lowercase(), value));
        let after = after.trim_start();
        rest = match after.strip_prefix(';') {
            Some(after) => after.trim_start(),
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(found)
}

fn is_plain_text(content_type: &str) -> bool {
    let (kind, rest) = content_type.split_once(';').unwrap_or((content_type, ""));
    // A part may be text of any kind, or JSON; what is a container of parts or a file is no value.
    let kind = kind.trim().to_ascii_lowercase();
    let textual = kind.starts_with("text/") || kind == "application/json";
    textual
        && parameters(rest).is_some_and(|parameters| {
            parameters
                .iter()
                .all(|(name, value)| name != "charset" || is_utf8(value))
        })
}

fn is_utf8(charset: &str) -> bool {
    ["utf-8", "utf8", "us-ascii"]
        .iter()
        .any(|name| charset.trim().eq_ignore_ascii_case(name))
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
