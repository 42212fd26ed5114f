//! One pass over an event: how much text it carries, and whether it is worth reading.
//!
//! Most events of a stream carry a few letters of text and nothing that is metered. They are not
//! parsed: the pass goes from colon to colon and looks at the names before them. A quote inside a
//! string is escaped, so no text can pass for a name.

/// What one pass over a document shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Skim {
    /// Bytes of generated text, tool arguments and reasoning, escapes as they are written: never
    /// less than the bytes of the text itself.
    pub(super) text: u64,
    /// A member is there that metering has to read.
    pub(super) telling: bool,
    /// Where a member `usage` begins, be it `null`; the last one, where there are several.
    pub(super) usage: Option<usize>,
}

/// What follows a name says about the document.
enum Name {
    /// The text that was generated.
    Text,
    /// Text where it is a string; an object with further members otherwise.
    Delta,
    /// Which event it is.
    Type,
    Usage,
    /// Decides where it is not `null`.
    Telling,
    Other,
}

fn named(name: &[u8]) -> Name {
    match name {
        b"content" | b"text" | b"reasoning_content" | b"reasoning" | b"refusal" | b"arguments"
        | b"thinking" | b"partial_json" | b"signature" | b"input" | b"transcript"
        | b"generation" | b"outputText" | b"completion" => Name::Text,
        b"delta" => Name::Delta,
        b"type" => Name::Type,
        b"usage" => Name::Usage,
        b"usageMetadata" | b"error" | b"amazon-bedrock-invocationMetrics" => Name::Telling,
        _ => Name::Other,
    }
}

/// Goes through a document once.
pub(super) fn skim(document: &[u8]) -> Skim {
    let mut seen = Skim::default();
    // OpenAI's Responses repeat each text whole behind its deltas; only the deltas count there.
    let (mut deltas, mut only_deltas) = (0, false);
    let mut at = 0;
    while let Some(found) = memchr::memchr(b':', document.get(at..).unwrap_or_default()) {
        let colon = at + found;
        at = after_blanks(document, colon + 1);
        let Some(name) = name_before(document, colon) else {
            continue;
        };
        let ahead = document.get(at..).unwrap_or_default();
        let is_null = ahead.first() == Some(&b'n');
        let kind = named(name);
        match kind {
            Name::Usage => {
                seen.usage = colon.checked_sub(name.len() + 2);
                seen.telling |= !is_null;
            }
            Name::Telling => seen.telling |= !is_null,
            Name::Text | Name::Delta | Name::Type if ahead.first() == Some(&b'"') => {
                let Some((text, after)) = string(document, at) else {
                    break;
                };
                at = after;
                match kind {
                    Name::Text => seen.text += text.len() as u64,
                    Name::Delta => deltas += text.len() as u64,
                    _ => {
                        only_deltas |= text.starts_with(b"response.");
                        seen.telling |= matches!(text, b"message_start" | b"message_stop");
                    }
                }
            }
            Name::Text | Name::Delta | Name::Type | Name::Other => {}
        }
    }
    seen.text = match only_deltas {
        true => deltas,
        false => seen.text + deltas,
    };
    seen
}

/// Longest name that is looked at.
const LONGEST_NAME: usize = 40;

/// The name that ends before a colon; nothing where none does.
///
/// A colon in the middle of a string has no quote before it that is not escaped, but at the end of a
/// name. Of a name with an escaped quote in it only the end is seen: what is metered has none.
fn name_before(document: &[u8], colon: usize) -> Option<&[u8]> {
    let before = document.get(..colon)?.trim_ascii_end();
    let before = before.strip_suffix(b"\"")?;
    if before.last() == Some(&b'\\') {
        return None;
    }
    let from = before.len().saturating_sub(LONGEST_NAME);
    let near = before.get(from..)?;
    let quote = near.iter().rposition(|byte| *byte == b'"')?;
    near.get(quote + 1..)
}

/// The inside of the string that begins at `at`, and where it ends.
fn string(document: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let start = at + 1;
    let mut end = start;
    loop {
        end += memchr::memchr2(b'"', b'\\', document.get(end..)?)?;
        if document.get(end) == Some(&b'"') {
            return Some((document.get(start..end)?, end + 1));
        }
        end += 2;
    }
}

fn after_blanks(document: &[u8], at: usize) -> usize {
    let rest = document.get(at..).unwrap_or_default();
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    at + rest
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(document: &str) -> u64 {
        skim(document.as_bytes()).text
    }

    #[test]
    fn generated_text_is_counted_in_every_dialect() {
        for (document, bytes) in [
            (r#"{"id":"x","choices":[{"delta":{"content":"Hello"}}]}"#, 5),
            (
                r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{\"a\""}}]}}]}"#,
                6,
            ),
            (r#"{"choices":[{"text":"abc","logprobs":null}]}"#, 3),
            (
                r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"Hi"}}"#,
                2,
            ),
            (
                r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"hm"}}"#,
                2,
            ),
            (
                r#"{"contentBlockDelta":{"delta":{"toolUse":{"input":"{}"}}}}"#,
                2,
            ),
            (
                r#"{"candidates":[{"content":{"parts":[{"text":"abcd"}]}}]}"#,
                4,
            ),
            (r#"{"content" : "a\u00e9"}"#, 7),
        ] {
            assert_eq!(text(document), bytes, "{document}");
        }
    }

    #[test]
    fn text_that_responses_say_again_is_not_counted_again() {
        assert_eq!(
            text(r#"{"type":"response.output_text.delta","delta":"Hello","obfuscation":"xyz"}"#),
            5
        );
        assert_eq!(
            text(r#"{"delta":"Hello","type":"response.output_text.delta"}"#),
            5
        );
        assert_eq!(
            text(r#"{"type":"response.output_text.done","text":"Hello"}"#),
            0
        );
    }

    #[test]
    fn only_what_is_said_of_usage_is_worth_reading() {
        let telling = |document: &str| skim(document.as_bytes()).telling;
        assert!(telling(r#"{"usage":{"prompt_tokens":1}}"#));
        assert!(telling(r#"{"error" : {}}"#));
        assert!(telling(r#"{"type":"message_stop"}"#));
        assert!(!telling(r#"{"usage": null,"error":null}"#));
        assert!(!telling(r#"{"content":"the \"usage\":{}"}"#));
        assert!(!telling(r#"{"content":"usage"}"#));
        let seen = skim(br#"{"a":1,"usage":null}"#);
        assert_eq!(seen.usage, Some(7));
        assert!(!seen.telling);
    }

    #[test]
    fn no_text_passes_for_a_name() {
        for document in [
            r#"{"a":"\"usage\":{"}"#,
            r#"{"a":"usage\":{"}"#,
            r#"{"a":"usage:{"}"#,
            r#"{"a":["usage",{"b":{}}]}"#,
            r#"{"a":"\\","b":": usage"}"#,
        ] {
            assert_eq!(skim(document.as_bytes()), Skim::default(), "{document}");
        }
        assert!(skim(br#"{"a":"\\","usage" : {}}"#).telling);
    }

    #[test]
    fn what_breaks_off_ends_the_pass() {
        for document in [
            "{\"usage",
            ":",
            "\":",
            "{\"content\":\"a",
            "{\"a\\",
            "\"\\\"",
            "{\"content\":",
        ] {
            assert_eq!(skim(document.as_bytes()), Skim::default(), "{document}");
        }
    }
}
