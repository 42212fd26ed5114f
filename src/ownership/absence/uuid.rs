//! The spellings of one UUID that backends take for the same thing.

/// The digits of a UUID, and how it was spelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Uuid {
    /// 32 hexadecimal digits in lower case.
    digits: String,
    form: Form,
    upper: bool,
}

/// Where hyphens and brackets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// `8-4-4-4-12`.
    Hyphenated,
    /// 32 digits.
    Simple,
    /// `{8-4-4-4-12}`.
    Braced,
    /// `urn:uuid:8-4-4-4-12` (RFC 9562 section 4).
    Urn,
}

const URN: &str = "urn:uuid:";

impl Uuid {
    /// Reads any of the spellings.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (form, inner) = if let Some(inner) = text
            .strip_prefix('{')
            .and_then(|inner| inner.strip_suffix('}'))
        {
            (Form::Braced, inner)
        } else if let Some(inner) = strip_urn(text) {
            (Form::Urn, inner)
        } else if text.len() == 32 {
            (Form::Simple, text)
        } else {
            (Form::Hyphenated, text)
        };
        let digits: String = match form {
            Form::Simple => inner.to_owned(),
            Form::Hyphenated | Form::Braced | Form::Urn => {
                let groups: Vec<&str> = inner.split('-').collect();
                let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
                if lengths != [8, 4, 4, 4, 12] {
                    return None;
                }
                groups.concat()
            }
        };
        digits
            .bytes()
            .all(|digit| digit.is_ascii_hexdigit())
            .then(|| Self {
                upper: digits.bytes().any(|digit| digit.is_ascii_uppercase()),
                digits: digits.to_ascii_lowercase(),
                form,
            })
    }

    /// How it is spelled, in a word.
    pub(super) fn spelling(&self) -> &'static str {
        match (self.form, self.upper) {
            (Form::Hyphenated, false) => "uuid",
            (Form::Hyphenated, true) => "uuid upper",
            (Form::Simple, false) => "uuid simple",
            (Form::Simple, true) => "uuid simple upper",
            (Form::Braced, false) => "uuid braced",
            (Form::Braced, true) => "uuid braced upper",
            (Form::Urn, false) => "uuid urn",
            (Form::Urn, true) => "uuid urn upper",
        }
    }

    /// The same spelling of other digits; `other` is asked for each digit with its place.
    pub(super) fn with_digits(&self, mut other: impl FnMut(usize, char) -> char) -> Self {
        Self {
            digits: self
                .digits
                .chars()
                .enumerate()
                .map(|(place, digit)| other(place, digit))
                .collect(),
            form: self.form,
            upper: self.upper,
        }
    }

    /// As it was spelled.
    pub(super) fn text(&self) -> String {
        self.spelled(self.form, self.upper)
    }

    /// In another spelling.
    pub(super) fn spelled(&self, form: Form, upper: bool) -> String {
        let digits = if upper {
            self.digits.to_ascii_uppercase()
        } else {
            self.digits.clone()
        };
        if form == Form::Simple {
            return digits;
        }
        let mut text = match form {
            Form::Braced => "{".to_owned(),
            Form::Urn => URN.to_owned(),
            Form::Hyphenated | Form::Simple => String::new(),
        };
        for (place, digit) in digits.chars().enumerate() {
            if [8, 12, 16, 20].contains(&place) {
                text.push('-');
            }
            text.push(digit);
        }
        if form == Form::Braced {
            text.push('}');
        }
        text
    }
}

fn strip_urn(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_at_checked(URN.len())?;
    scheme.eq_ignore_ascii_case(URN).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read_and_written_back_as_it_was() {
        for text in [
            "0190c1f2-7b3a-7cde-8f01-23456789abcd",
            "0190C1F2-7B3A-7CDE-8F01-23456789ABCD",
            "0190c1f27b3a7cde8f0123456789abcd",
            "{0190c1f2-7b3a-7cde-8f01-23456789abcd}",
            "urn:uuid:0190c1f2-7b3a-7cde-8f01-23456789abcd",
        ] {
            let uuid = Uuid::parse(text).unwrap();
            assert_eq!(uuid.text(), text);
            assert_eq!(
                uuid.spelled(Form::Hyphenated, false),
                "0190c1f2-7b3a-7cde-8f01-23456789abcd"
            );
        }
    }

    #[test]
    fn what_is_no_uuid_is_not_read_as_one() {
        for text in [
            "",
            "0190c1f2",
            "0190c1f2-7b3a-7cde-8f01-23456789abcg",
            "0190c1f-27b3a-7cde-8f01-23456789abcd",
            "0190c1f27b3a7cde8f0123456789abcdé",
            "urn:uuid:",
        ] {
            assert_eq!(Uuid::parse(text), None, "{text}");
        }
    }
}
