//! One pass over an event: how much text it carries, and whether it is worth reading.
//!
//! Most events of a stream carry a few letters of text and nothing that is metered. They are not
//! parsed: the pass goes from string to string and looks at what stands behind a name. A quote
//! inside a string is escaped, so no text can pass for a name.

/// What one pass over a document shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Skim {
    /// Bytes of generated text, tool arguments and reasoning, escapes as they are written: never
    /// less than the bytes of the text itself.
    pub(super) text: u64,
    /// A member is there that metering has to read.
    pub(super) telling: bool,
    /// A member `usage` is there, be it `null`.
    pub(super) usage: bool,
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
    while let Some((inside, after)) = next_string(document, at) {
        at = after;
        let Some(value) = behind_colon(document, after) else {
            continue;
        };
        let ahead = document.get(value..).unwrap_or_default();
        let is_null = ahead.starts_with(b"n");
        let name = named(inside);
        match name {
            Name::Usage => {
                seen.usage = true;
                seen.telling |= !is_null;
            }
            Name::Telling => seen.telling |= !is_null,
            Name::Text | Name::Delta | Name::Type if ahead.starts_with(b"\"") => {
                let Some((text, after)) = next_string(document, value) else {
                    break;
                };
                at = after;
                match name {
                    Name::Text => seen.text += text.len() as u64,
                    Name::Delta => deltas += text.len() as u64,
                    _ => {
                        only_deltas |= text.starts_with(b"response.");
                        seen.telling |= matches!(text, b"message_start" | b"message_stop");
                    }
                }
            }
            Name::Text | Name::Delta | Name::Type | Name::Other => at = value,
        }
    }
    seen.text = match only_deltas {
        true => deltas,
        false => seen.text + deltas,
    };
    seen
}

/// The inside of the next string from `at` on, and where it ends.
fn next_string(document: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let start = at + memchr::memchr(b'"', document.get(at..)?)? + 1;
    let mut end = start;
    loop {
        end += memchr::memchr2(b'"', b'\\', document.get(end..)?)?;
        if document.get(end) == Some(&b'"') {
            return Some((document.get(start..end)?, end + 1));
        }
        end += 2;
    }
}

/// Where the value begins whose name ends at `at`; nothing where that was no name.
fn behind_colon(document: &[u8], at: usize) -> Option<usize> {
    let colon = after_blanks(document, at);
    (document.get(colon) == Some(&b':')).then(|| after_blanks(document, colon + 1))
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
        let seen = skim(br#"{"usage":null}"#);
        assert!(seen.usage && !seen.telling);
    }

    #[test]
    fn what_breaks_off_ends_the_pass() {
        for document in [
            "{\"usage\"",
            "{\"content\":\"a",
            "{\"a\\",
            "\"\\\"",
            "{\"content\":",
        ] {
            assert_eq!(skim(document.as_bytes()), Skim::default(), "{document}");
        }
    }
}
