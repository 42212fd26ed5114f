//! A reader's question held against what is declared of the key.

use std::ops::RangeInclusive;

use super::{Absent, Key, Shape, Table, Value};

/// How a reader asks for a key.
#[derive(Debug)]
pub enum Asked<'a> {
    /// Whether it is there.
    Presence,
    /// That it be there.
    Required,
    /// As a text.
    Text,
    /// As a text out of these.
    Choice(&'a [&'static str]),
    /// As a list of texts.
    Texts,
    /// As a list of texts that is not empty.
    SomeTexts,
    /// As one text or a list of them.
    OneOrMoreTexts,
    /// As true or false, and what it is where it is absent.
    Flag(bool),
    /// As a whole number.
    Integer(&'a RangeInclusive<u64>),
    /// As one of these.
    IntegerOf(&'a [u16]),
    /// As a number as it is written.
    Decimal,
    /// As a list of such.
    Decimals,
    /// As a point in time.
    Timestamp,
    /// As a table.
    Table,
    /// As one table or a list of them.
    Tables,
    /// As a list of tables.
    Entries,
    /// As whatever it is.
    Anything,
}

impl Asked<'_> {
    /// Whether the key is declared as what it is asked for.
    pub fn fits(&self, key: &Key) -> bool {
        let default = match key.absent {
            Absent::Means(Value::Flag(flag)) => flag,
            Absent::Refused | Absent::None | Absent::Says(_) | Absent::Means(_) => false,
        };
        match self {
            Self::Presence => true,
            // A key that is required here and there only is required by a rule of its table.
            Self::Required => !matches!(key.absent, Absent::Means(_)),
            Self::Flag(flag) => *flag == default && self.fits_shape(&key.shape),
            _ => self.fits_shape(&key.shape),
        }
    }

    fn fits_shape(&self, shape: &Shape) -> bool {
        match (self, shape) {
            (_, Shape::Either(shapes)) => shapes.iter().any(|shape| self.fits_shape(shape)),
            (Self::Presence | Self::Required, _)
            | (Self::Anything, Shape::Anything)
            | (Self::Text, Shape::Text(_) | Shape::Choice(_))
            | (Self::Flag(_), Shape::Flag)
            | (Self::Decimal, Shape::Decimal(_))
            | (Self::Decimals, Shape::Decimals)
            | (Self::Timestamp, Shape::Timestamp)
            | (Self::Table, Shape::Table(_)) => true,
            (Self::Choice(asked), Shape::Choice(words)) => {
                let words = words.iter().map(|(word, _)| *word);
                words.eq(asked.iter().copied())
            }
            // The texts of a list are chosen one by one.
            (Self::Choice(_), Shape::List(inner) | Shape::Some(inner)) => self.fits_shape(inner),
            (Self::Integer(asked), Shape::Integer(least, most)) => **asked == (*least..=*most),
            (Self::IntegerOf(asked), Shape::IntegerOf(numbers)) => asked == numbers,
            // A list that may not be empty is asked for as a list first.
            (Self::Texts, Shape::List(inner) | Shape::Some(inner) | Shape::OneOrMore(inner))
            | (Self::SomeTexts, Shape::Some(inner))
            | (Self::OneOrMoreTexts, Shape::OneOrMore(inner)) => Self::Text.fits_shape(inner),
            (Self::Tables, Shape::OneOrMore(inner) | Shape::List(inner))
            | (Self::Entries, Shape::List(inner)) => Self::Table.fits_shape(inner),
            // A list of tables is asked for as one of them where it is none.
            (Self::Table, Shape::OneOrMore(inner) | Shape::List(inner)) => self.fits_shape(inner),
            _ => false,
        }
    }
}

impl Table {
    /// Whether a reader may ask for a key in this way.
    pub fn answers(&self, key: &str, asked: &Asked<'_>) -> bool {
        self.key(key).is_some_and(|key| asked.fits(key))
    }
}
