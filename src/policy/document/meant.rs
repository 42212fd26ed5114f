//! What was probably meant by a value that is refused: a small repair of it that is taken.

use toml::de::DeValue;

use crate::policy::problem::closest;

/// Where extractors look.
const PLACES: [&str; 8] = [
    "path", "query", "header", "body", "form", "event", "claim", "message",
];

/// Words that stand where other texts may stand too.
const WORDS: [&str; 5] = [
    "bearer",
    "api_key",
    "client_certificate",
    "forward",
    "strip",
];

/// Words of other tools for words of this one.
const SYNONYMS: [(&str, &str); 10] = [
    ("deny", "forbid"),
    ("block", "forbid"),
    ("allow", "permit"),
    ("accept", "permit"),
    ("dry-run", "shadow"),
    ("monitor", "shadow"),
    ("audit", "shadow"),
    ("service", "machine"),
    ("person", "user"),
    ("github.com", "github"),
];

/// The first small repair of a text that `is_taken`.
pub(super) fn repaired(text: &str, is_taken: impl Fn(&str) -> bool) -> Option<String> {
    // A URL may hold a secret in its path or query; what is wrong with it the message says.
    if text.contains("://") {
        return None;
    }
    let mut repairs = vec![
        text.trim().to_owned(),
        text.to_lowercase(),
        text.to_uppercase(),
        text.replace('-', "_"),
        text.replace('_', "-"),
        text.replace(' ', "-"),
        format!("/{text}"),
        format!("http://{text}"),
        format!("https://{text}"),
        format!("rolling:{text}"),
        text.strip_suffix("ly").unwrap_or_default().to_owned(),
        text.replace(['$', ' '], ""),
        text.replace(',', "."),
        text.replace(',', ""),
    ];
    repairs.extend(closest(text, WORDS).map(str::to_owned));
    if let Some((kind, rest)) = text.split_once([':', '.', '/'])
        && let Some(kind) = closest(kind, PLACES)
    {
        repairs.push(format!("{kind}:{rest}"));
        repairs.push(format!("{kind}:/{}", rest.replace('.', "/")));
    }
    repairs
        .into_iter()
        .find(|repair| repair != text && !repair.is_empty() && is_taken(repair))
}

/// The word of a closed set that somebody calls otherwise.
pub(super) fn synonym<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let word = word.to_ascii_lowercase();
    let (_, ours) = SYNONYMS.iter().find(|(theirs, _)| *theirs == word)?;
    candidates.into_iter().find(|candidate| candidate == ours)
}

/// How a value is written that has another type than its key. `wanted` is as in messages.
pub(super) fn typed(value: &DeValue<'_>, wanted: &str) -> Option<String> {
    match (value, wanted) {
        (DeValue::String(text), "a list of texts") => {
            let items = text.split([',', ' ']).filter(|item| !item.is_empty());
            let items: Vec<_> = items.map(|item| format!("\"{item}\"")).collect();
            Some(format!("[{}]", items.join(", ")))
        }
        (DeValue::String(text), "a whole number") => {
            text.parse::<u64>().ok().map(|number| number.to_string())
        }
        (DeValue::String(text), "true or false") => match text.as_ref() {
            "yes" | "on" | "true" | "1" => Some("true".to_owned()),
            "no" | "off" | "false" | "0" => Some("false".to_owned()),
            _ => None,
        },
        (DeValue::Integer(number), "a text") => Some(format!("\"{}\"", number.as_str())),
        (DeValue::Float(number), "a text") => Some(format!("\"{}\"", number.as_str())),
        _ => None,
    }
}

/// What a value is, for messages.
pub(super) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::document::values;

    #[test]
    fn a_repair_is_only_named_where_it_is_taken() {
        let method = |text: &str| repaired(text, |text| values::method(text).is_ok());
        assert_eq!(method("get").as_deref(), Some("GET"));
        assert_eq!(method("TRACE"), None);
        let place = |text: &str| repaired(text, |text| values::extractor(text).is_ok());
        assert_eq!(place("paht:id").as_deref(), Some("path:id"));
        assert_eq!(
            place("body.session.id").as_deref(),
            Some("body:/session/id")
        );
        assert_eq!(place("body:sessionId").as_deref(), Some("body:/sessionId"));
        assert_eq!(place("query.id").as_deref(), Some("query:id"));
        assert_eq!(place("cookie:id"), None);
        let url = |text: &str| repaired(text, |text| values::confidential_url(text).is_ok());
        assert_eq!(
            url("idp.example.com/keys").as_deref(),
            Some("https://idp.example.com/keys")
        );
        assert_eq!(url("http://hooks.example.com/services/secret"), None);
    }

    #[test]
    fn a_word_of_another_tool_is_told_in_ours() {
        assert_eq!(synonym("Deny", ["permit", "forbid"]), Some("forbid"));
        assert_eq!(synonym("deny", ["adopt", "pass"]), None);
    }
}
