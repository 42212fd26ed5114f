//! Rules about the query.

use super::{TargetFault, decode};

/// Checks the text after `?`. It may hold what browsers leave unescaped there (`{`, `|`, `[`), as
/// nobody decides access by its shape; what it means is read by `inspect::query`.
///
/// # Errors
/// Bytes outside of 0x21 to 0x7e, `#`, a malformed escape, or escapes that decode to controls or
/// to something that is no UTF-8.
pub(super) fn inspect(query: &str) -> Result<(), TargetFault> {
    let mut escapes = false;
    for byte in query.bytes() {
        match byte {
            b'#' => return Err(TargetFault::Character),
            b'%' => escapes = true,
            0x21..=0x7e => {}
            _ => return Err(TargetFault::Character),
        }
    }
    if !escapes {
        return Ok(());
    }
    let decoded = decode(query.as_bytes())?;
    if decoded.iter().any(u8::is_ascii_control) {
        return Err(TargetFault::EscapedCharacter);
    }
    match std::str::from_utf8(&decoded) {
        Ok(_) => Ok(()),
        Err(_) => Err(TargetFault::NotUtf8),
    }
}
