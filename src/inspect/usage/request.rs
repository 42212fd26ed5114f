//! Asking for the usage of a stream that would not say it.

use bytes::Bytes;

use crate::inspect::json::{Cursor, JsonFault};

/// Whether what is asked for at this path takes `stream_options.include_usage`: OpenAI's chat and
/// legacy completions do, and what speaks like them. Others refuse a member they don't know.
pub fn takes_usage_option(path: &str) -> bool {
    path.trim_end_matches('/').ends_with("/completions")
}

/// The body with `stream_options.include_usage` set, where it asks for a stream and not for its
/// usage; every other byte stays, other stream options too. A client that said `false` is overruled:
/// the usage is hidden from it.
///
/// Nothing where there is nothing to change, or the body can't be understood: members that stand
/// twice are left to whoever judges them.
pub fn with_usage_asked(body: &[u8]) -> Option<Bytes> {
    let asked = changed(body).ok().flatten();
    asked.map(Bytes::from)
}

const ASKED: &str = "{\"include_usage\":true}";

fn changed(body: &[u8]) -> Result<Option<Vec<u8>>, JsonFault> {
    let top = members(body, 0, ["stream", "stream_options"])?;
    let [stream, options] = top.found;
    let streams = stream.is_some_and(|(start, end)| body.get(start..end) == Some(b"true"));
    if !streams {
        return Ok(None);
    }
    let Some((start, end)) = options else {
        return Ok(Some(spliced(
            body,
            (top.close, top.close),
            &format!(",\"stream_options\":{ASKED}"),
        )));
    };
    if body.get(start) != Some(&b'{') {
        return Ok(Some(spliced(body, (start, end), ASKED)));
    }
    let inner = members(body, start, ["include_usage"])?;
    Ok(match inner.found {
        [Some((start, end))] if body.get(start..end) == Some(b"true") => None,
        [Some(place)] => Some(spliced(body, place, "true")),
        [None] => {
            let comma = if inner.is_empty { "" } else { "," };
            let member = format!("{comma}\"include_usage\":true");
            Some(spliced(body, (inner.close, inner.close), &member))
        }
    })
}

struct Members<const N: usize> {
    found: [Option<(usize, usize)>; N],
    /// Behind the last member.
    close: usize,
    is_empty: bool,
}

/// Where the values of these names stand in the object that begins at `start`.
fn members<const N: usize>(
    body: &[u8],
    start: usize,
    names: [&str; N],
) -> Result<Members<N>, JsonFault> {
    let mut cursor = Cursor::new(body.get(start..).unwrap_or_default())?;
    cursor.expect(b'{')?;
    let mut members = Members {
        found: [None; N],
        close: start + cursor.at(),
        is_empty: true,
    };
    while cursor.another(members.is_empty, b'}')? {
        members.is_empty = false;
        let name = cursor.name()?;
        let value = cursor.skip()?;
        members.close = start + value.end;
        let wanted = names.iter().position(|wanted| *wanted == name);
        if let Some(slot) = wanted.and_then(|at| members.found.get_mut(at)) {
            let place = (start + value.start, start + value.end);
            if slot.replace(place).is_some() {
                return Err(JsonFault::DuplicateName);
            }
        }
    }
    if start == 0 && !cursor.is_at_end() {
        return Err(JsonFault::Syntax);
    }
    Ok(members)
}

fn spliced(body: &[u8], (start, end): (usize, usize), text: &str) -> Vec<u8> {
    let head = body.get(..start).unwrap_or_default();
    let tail = body.get(end..).unwrap_or_default();
    [head, text.as_bytes(), tail].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: &str) -> Option<String> {
        with_usage_asked(body.as_bytes()).map(|body| String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn a_stream_is_asked_for_its_usage_and_every_other_byte_stays() {
        for (body, expected) in [
            (
                r#"{"model":"m", "stream":true }"#,
                r#"{"model":"m", "stream":true,"stream_options":{"include_usage":true} }"#,
            ),
            (
                r#"{"stream_options":null,"stream":true}"#,
                r#"{"stream_options":{"include_usage":true},"stream":true}"#,
            ),
            (
                r#"{"stream":true,"stream_options":{"include_obfuscation":false}}"#,
                r#"{"stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true}}"#,
            ),
            (
                r#"{"stream":true,"stream_options":{}}"#,
                r#"{"stream":true,"stream_options":{"include_usage":true}}"#,
            ),
            (
                r#"{"stream_options":{"include_usage": false},"stream":true}"#,
                r#"{"stream_options":{"include_usage": true},"stream":true}"#,
            ),
            (
                "\n{\"\\u0073tream\": true}\n",
                "\n{\"\\u0073tream\": true,\"stream_options\":{\"include_usage\":true}}\n",
            ),
        ] {
            assert_eq!(asked(body).as_deref(), Some(expected), "{body}");
            assert_eq!(asked(expected), None, "asked twice: {expected}");
        }
    }

    #[test]
    fn what_is_no_stream_or_not_understood_stays_as_it_is() {
        for body in [
            r#"{"model":"m"}"#,
            r#"{"stream":false}"#,
            r#"{"stream":"true"}"#,
            r#"{"nested":{"stream":true}}"#,
            r#"{"stream":true,"stream":true}"#,
            r#"{"stream":true,"stream_options":{"include_usage":false,"include_usage":true}}"#,
            r#"{"stream":true"#,
            r#"{"stream":true} x"#,
            r#"["stream",true]"#,
            "",
        ] {
            assert_eq!(asked(body), None, "{body}");
        }
    }

    #[test]
    fn only_completions_take_the_option() {
        for path in [
            "/v1/chat/completions",
            "/v1/completions/",
            "/openai/deployments/d/chat/completions",
        ] {
            assert!(takes_usage_option(path), "{path}");
        }
        for path in [
            "/v1/responses",
            "/v1/messages",
            "/v1/embeddings",
            "/completionsx",
        ] {
            assert!(!takes_usage_option(path), "{path}");
        }
    }
}
