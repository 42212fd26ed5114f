//! Reads TOML tables without stopping at a mistake and without skipping a key.
//!
//! A [`Fields`] remembers every key it was asked for. What is in the table and was never asked for
//! is reported when it is dropped, so a section's reader can't forget to refuse unknown keys. Every
//! question is held against what is declared of the key, so neither can go without the other.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::held::hold_against;
use super::homes;
use super::meant::{self, type_name};
use crate::clock::Timestamp;
use crate::keys::{Asked, Table};
use crate::policy::problem::{Located, Place, ProblemKind, Report, SourceText, closest, missing};

/// One table of one file, being read.
pub(crate) struct Fields<'a> {
    report: &'a Report,
    keys: &'static Table,
    table: &'a DeTable<'a>,
    place: Place,
    asked: RefCell<Vec<&'static str>>,
    /// Its keys are names, whatever they are.
    free: Cell<bool>,
}

impl<'a> Fields<'a> {
    /// The fields of a table with the declared `keys` that stands at `offset` and is called
    /// `section` in messages.
    pub(crate) fn new(
        report: &'a Report,
        keys: &'static Table,
        table: &'a DeTable<'a>,
        source: &Arc<SourceText>,
        offset: usize,
        section: Arc<str>,
    ) -> Self {
        let place = Place {
            source: Arc::clone(source),
            offset,
            section,
            key: "",
        };
        Self {
            report,
            keys,
            table,
            place,
            asked: RefCell::default(),
            free: Cell::default(),
        }
    }

    /// Where the table stands.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Where problems go.
    pub(crate) fn report(&self) -> &'a Report {
        self.report
    }

    /// Whether the key is there, whatever its value.
    pub(crate) fn has(&self, key: &'static str) -> bool {
        self.find(key, Asked::Presence).is_some()
    }

    /// Reports the key when it is not there.
    pub(crate) fn require(&self, key: &'static str) {
        if self.find(key, Asked::Required).is_none() {
            self.report
                .add(&self.place, ProblemKind::Missing, missing(key));
        }
    }

    /// A text.
    pub(crate) fn text(&self, key: &'static str) -> Option<Located<&'a str>> {
        self.as_text(self.find(key, Asked::Text)?)
    }

    /// A text that means something.
    pub(crate) fn parsed<T, E: Display>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Located<T>> {
        self.parse(self.text(key)?, parse)
    }

    /// A text out of a closed set.
    pub(crate) fn choice<T: Copy>(
        &self,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        self.choose(&self.text(key)?, choices)
    }

    /// A list of texts; `None` when the key is absent.
    pub(crate) fn texts(&self, key: &'static str) -> Option<Vec<Located<&'a str>>> {
        let found = self.find(key, Asked::Texts)?;
        let DeValue::Array(items) = found.value else {
            self.wrong_type(&found, "a list of texts");
            return None;
        };
        let texts = items.iter().filter_map(|item| {
            let mut place = found.place.clone();
            place.offset = item.span().start;
            self.as_text(Located {
                value: item.get_ref(),
                place,
            })
        });
        Some(texts.collect())
    }

    /// A list of texts that mean something. An empty list is reported: as a condition it could
    /// never hold, and as a grant it would not say whether nobody or everybody is meant.
    pub(crate) fn some_parsed<T, E: Display>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<Located<T>>> {
        let found = self.find(key, Asked::SomeTexts)?;
        let texts = self.texts(key)?;
        if texts.is_empty() {
            self.report.add(
                &found.place,
                ProblemKind::NeverMatches,
                "an empty list matches nothing",
            );
        }
        Some(self.parse_all(texts, parse))
    }

    /// A list of texts that mean something; absent is empty.
    pub(crate) fn all_parsed<T, E: Display>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<Located<T>> {
        let texts = self.texts(key).unwrap_or_default();
        self.parse_all(texts, parse)
    }

    /// One text or a list of them; absent is empty.
    pub(crate) fn one_or_more(&self, key: &'static str) -> Vec<Located<&'a str>> {
        match self.find(key, Asked::OneOrMoreTexts) {
            Some(Located {
                value: DeValue::Array(_),
                ..
            }) => self.texts(key).unwrap_or_default(),
            Some(found) => self.as_text(found).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Yes or no.
    pub(crate) fn flag(&self, key: &'static str, default: bool) -> bool {
        match self.find(key, Asked::Flag(default)) {
            Some(Located {
                value: DeValue::Boolean(flag),
                ..
            }) => *flag,
            Some(found) => {
                self.wrong_type(&found, "true or false");
                default
            }
            None => default,
        }
    }

    /// Yes or no, where it is said.
    pub(super) fn stated_flag(&self, key: &'static str) -> Option<bool> {
        self.has(key).then(|| self.flag(key, false))
    }

    /// A whole number within `range`.
    pub(crate) fn integer(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let found = self.find(key, Asked::Integer(&range))?;
        let DeValue::Integer(integer) = found.value else {
            self.wrong_type(&found, "a whole number");
            return None;
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let message = format!(
                "`{integer}` is not between {} and {}",
                range.start(),
                range.end()
            );
            self.report
                .add(&found.place, ProblemKind::BadValue, message);
        }
        number
    }

    /// A whole number out of a short list.
    pub(crate) fn integer_of(&self, key: &'static str, choices: &[u16]) -> Option<u16> {
        let found = self.find(key, Asked::IntegerOf(choices))?;
        let number = match found.value {
            DeValue::Integer(integer) => u16::from_str_radix(integer.as_str(), integer.radix()),
            _ => {
                self.wrong_type(&found, "a whole number");
                return None;
            }
        };
        let number = number.ok().filter(|number| choices.contains(number));
        if number.is_none() {
            let list: Vec<_> = choices.iter().map(u16::to_string).collect();
            let message = format!("this number is none of {}", list.join(", "));
            self.report
                .add(&found.place, ProblemKind::BadValue, message);
        }
        number
    }

    /// A number, as it is written, in quotes or without.
    pub(crate) fn decimal(&self, key: &'static str) -> Option<Located<&'a str>> {
        let found = self.find(key, Asked::Decimal)?;
        match found.value {
            DeValue::Float(float) => Some(found.with(float.as_str())),
            DeValue::Integer(integer) => Some(found.with(integer.as_str())),
            DeValue::String(text) => Some(found.with(text.as_ref())),
            _ => {
                self.wrong_type(&found, "a number");
                None
            }
        }
    }

    /// A list of numbers, each as it is written; absent is empty.
    pub(crate) fn decimals(&self, key: &'static str) -> Vec<Located<&'a str>> {
        let Some(found) = self.find(key, Asked::Decimals) else {
            return Vec::new();
        };
        let DeValue::Array(items) = found.value else {
            self.wrong_type(&found, "a list of numbers");
            return Vec::new();
        };
        let mut numbers = Vec::new();
        for item in items.iter() {
            let mut place = found.place.clone();
            place.offset = item.span().start;
            let value = item.get_ref();
            match value {
                DeValue::Float(float) => numbers.push(Located {
                    value: float.as_str(),
                    place,
                }),
                DeValue::Integer(integer) => numbers.push(Located {
                    value: integer.as_str(),
                    place,
                }),
                _ => self.wrong_type(&Located { value, place }, "a number"),
            }
        }
        numbers
    }

    /// A point in time, which has to say its offset from UTC.
    pub(crate) fn timestamp(&self, key: &'static str) -> Option<Timestamp> {
        let found = self.find(key, Asked::Timestamp)?;
        let DeValue::Datetime(datetime) = found.value else {
            self.wrong_type(&found, "a date and time such as 2027-01-01T00:00:00Z");
            return None;
        };
        match datetime.to_string().parse::<jiff::Timestamp>() {
            Ok(timestamp) => Some(Timestamp::from_micros(timestamp.as_microsecond())),
            Err(_) => {
                let message = "a date and time with its offset is needed, such as \
                               2027-01-01T00:00:00Z";
                self.report
                    .add(&found.place, ProblemKind::BadValue, message);
                None
            }
        }
    }

    /// Whether a table stands under the key.
    pub(crate) fn is_table(&self, key: &'static str) -> bool {
        self.find(key, Asked::Presence)
            .is_some_and(|found| matches!(found.value, DeValue::Table(_)))
    }

    /// A nested table.
    pub(crate) fn table(&self, key: &'static str) -> Option<Fields<'a>> {
        let found = self.find(key, Asked::Table)?;
        let DeValue::Table(table) = found.value else {
            self.wrong_type(&found, "a table");
            return None;
        };
        Some(self.inner(key, table, &found.place))
    }

    /// A value of any type.
    pub(crate) fn value(&self, key: &'static str) -> Option<Located<&'a DeValue<'a>>> {
        self.find(key, Asked::Anything)
    }

    /// One nested table or a list of them; absent is empty.
    pub(crate) fn tables(&self, key: &'static str) -> Vec<Fields<'a>> {
        let Some(found) = self.find(key, Asked::Tables) else {
            return Vec::new();
        };
        let DeValue::Array(items) = found.value else {
            return self.table(key).into_iter().collect();
        };
        let mut tables = Vec::new();
        for item in items.iter() {
            let mut place = found.place.clone();
            place.offset = item.span().start;
            let item = Located {
                value: item.get_ref(),
                place,
            };
            match item.value {
                DeValue::Table(table) => tables.push(self.inner(key, table, &item.place)),
                _ => self.wrong_type(&item, "a table"),
            }
        }
        tables
    }

    /// The tables of a table whose keys are names that the writer chose, `None` where one is `false`.
    /// Every key is known then.
    pub(crate) fn named_tables(&self) -> Vec<(Located<&'a str>, Option<Fields<'a>>)> {
        let mut tables = Vec::new();
        for (name, found) in self.named_values() {
            match found.value {
                DeValue::Table(table) => {
                    let inner = self.inner(name, table, &found.place);
                    tables.push((found.with(name), Some(inner)));
                }
                DeValue::Boolean(false) => tables.push((found.with(name), None)),
                _ => self.wrong_type(&found, "a table or `false`"),
            }
        }
        tables
    }

    /// The texts of a table whose keys are names that the writer chose. Every key is known then.
    pub(crate) fn named_texts(&self) -> Vec<(Located<&'a str>, Located<&'a str>)> {
        let named = self.named_values().into_iter();
        named
            .filter_map(|(name, found)| Some((found.with(name), self.as_text(found)?)))
            .collect()
    }

    /// The values of a table whose keys are names that the writer chose. Every key is known then.
    pub(crate) fn named_values(&self) -> Vec<(&'a str, Located<&'a DeValue<'a>>)> {
        self.free.set(true);
        let named = self.table.iter().map(|(name, value)| {
            let mut place = self.place.clone();
            place.offset = value.span().start;
            let value = value.get_ref();
            (&**name.get_ref(), Located { value, place })
        });
        named.collect()
    }

    fn inner(&self, key: &str, table: &'a DeTable<'a>, place: &Place) -> Fields<'a> {
        Fields::new(
            self.report,
            self.keys.below(key),
            table,
            &place.source,
            place.offset,
            format!("{} {key}", self.place.section).into(),
        )
    }

    /// Reads a text as something, reporting why it is not.
    pub(crate) fn parse<T, E: Display>(
        &self,
        text: Located<&str>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Located<T>> {
        match parse(text.value) {
            Ok(value) => Some(text.with(value)),
            Err(error) => {
                let repair = meant::repaired(text.value, |repair| parse(repair).is_ok());
                self.report.add_suggesting(
                    &text.place,
                    ProblemKind::BadValue,
                    error.to_string(),
                    repair.as_deref(),
                );
                None
            }
        }
    }

    /// Finds a text in a closed set, reporting when it is not there.
    pub(crate) fn choose<T: Copy>(
        &self,
        text: &Located<&str>,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let names = || choices.iter().map(|(name, _)| *name);
        if !text.place.key.is_empty() {
            let words: Vec<_> = names().collect();
            hold_against(self.keys, text.place.key, &Asked::Choice(&words));
        }
        let chosen = choices.iter().find(|(name, _)| *name == text.value);
        if chosen.is_none() {
            let list: Vec<_> = names().map(|name| format!("`{name}`")).collect();
            let message = format!("`{}` is none of {}", text.value, list.join(", "));
            let suggestion =
                closest(text.value, names()).or_else(|| meant::synonym(text.value, names()));
            self.report
                .add_suggesting(&text.place, ProblemKind::BadValue, message, suggestion);
        }
        chosen.map(|(_, value)| *value)
    }

    fn parse_all<T, E: Display>(
        &self,
        texts: Vec<Located<&str>>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<Located<T>> {
        texts
            .into_iter()
            .filter_map(|text| self.parse(text, &parse))
            .collect()
    }

    fn find(&self, key: &'static str, as_what: Asked<'_>) -> Option<Located<&'a DeValue<'a>>> {
        hold_against(self.keys, key, &as_what);
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        let (_, value) = self.table.iter().find(|(name, _)| name.get_ref() == key)?;
        let mut place = self.place.clone();
        place.offset = value.span().start;
        place.key = key;
        Some(Located {
            value: value.get_ref(),
            place,
        })
    }

    fn as_text(&self, found: Located<&'a DeValue<'a>>) -> Option<Located<&'a str>> {
        match found.value {
            DeValue::String(text) => Some(found.with(text.as_ref())),
            _ => {
                self.wrong_type(&found, "a text");
                None
            }
        }
    }

    fn wrong_type(&self, found: &Located<&DeValue<'_>>, wanted: &str) {
        let message = format!("{wanted} is needed, not {}", type_name(found.value));
        // What stands where a secret's reference should may be the secret.
        let meant = match found.place.key {
            "secret" | "sha256" | "authorization" => None,
            _ => meant::typed(found.value, wanted),
        };
        self.report.add_suggesting(
            &found.place,
            ProblemKind::WrongType,
            message,
            meant.as_deref(),
        );
    }
}

impl Drop for Fields<'_> {
    fn drop(&mut self) {
        if self.free.get() {
            return;
        }
        let asked = self.asked.get_mut();
        homes::report_unknown(self.report, &self.place, self.keys, self.table, asked);
    }
}
