//! Attributes of OTLP.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};

/// Longest text of an attribute, in bytes.
const LONGEST: usize = 2_048;

/// Attributes, one after another.
#[derive(Debug, Default)]
pub(super) struct Attributes(Vec<KeyValue>);

impl Attributes {
    /// A text, cut short.
    pub(super) fn text(&mut self, key: &str, text: impl AsRef<str>) {
        self.push(key, Value::StringValue(shortened(text.as_ref())));
    }

    /// A text, where there is one.
    pub(super) fn optional(&mut self, key: &str, text: Option<impl AsRef<str>>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    /// A number.
    pub(super) fn number(&mut self, key: &str, number: u64) {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        self.push(key, Value::IntValue(number));
    }

    /// Texts, where there are any.
    pub(super) fn texts<T: AsRef<str>>(&mut self, key: &str, texts: &[T]) {
        if texts.is_empty() {
            return;
        }
        let values = texts
            .iter()
            .map(|text| AnyValue {
                value: Some(Value::StringValue(shortened(text.as_ref()))),
            })
            .collect();
        self.push(key, Value::ArrayValue(ArrayValue { values }));
    }

    /// All of them.
    pub(super) fn into_inner(self) -> Vec<KeyValue> {
        self.0
    }

    fn push(&mut self, key: &str, value: Value) {
        self.0.push(KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        });
    }
}

/// The beginning of a text that is too long.
pub(super) fn shortened(text: &str) -> String {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
