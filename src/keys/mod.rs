//! What keys a file may have and what each means, declared once beside the code that reads them.
//!
//! Out of the declarations come the JSON Schema that editors complete keys by ([`schema()`]) and the
//! pages under `docs/reference` ([`page()`]). Nothing is read by them: readers stay as they are written,
//! and are held to the tables as they run (see `policy::document::reader`) and by tests that try each
//! key, range and default on them.

mod asked;
mod page;
mod schema;

pub use asked::Asked;
pub use page::page;
pub use schema::schema;

/// A kind of file.
#[derive(Debug)]
pub struct File {
    /// The name of its schema and its page: `policy`.
    pub name: &'static str,
    /// A heading.
    pub title: &'static str,
    /// What the file is for, as Markdown.
    pub says: &'static str,
    /// Its sections.
    pub root: &'static Table,
}

/// A table of a file.
#[derive(Debug)]
pub struct Table {
    /// What it is called among the definitions of a schema. No two tables of a file share one.
    pub name: &'static str,
    /// What it is for, as Markdown.
    pub says: &'static str,
    /// Its keys, in the order in which they are best learned.
    pub keys: &'static [Key],
    /// What its keys are where the writer chooses them.
    pub names: Option<Names>,
    /// What holds between its keys.
    pub rules: &'static [Rule],
}

impl Table {
    /// A table without a key, to state the rest of one by.
    pub const EMPTY: Self = Self {
        name: "",
        says: "",
        keys: &[],
        names: None,
        rules: &[],
    };

    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The table that stands under a key, in a list or alone. Without one it is [`Table::EMPTY`].
    pub fn below(&self, name: &str) -> &'static Table {
        let shape = match (self.key(name), &self.names) {
            (Some(key), _) => Some(&key.shape),
            (None, Some(names)) => Some(names.value),
            (None, None) => None,
        };
        shape.and_then(Shape::table).unwrap_or(&Table::EMPTY)
    }
}

/// Keys that the writer chooses.
#[derive(Debug)]
pub struct Names {
    /// What a key is.
    pub name: Grammar,
    /// What stands under it.
    pub value: &'static Shape,
}

/// A key of a table.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub shape: Shape,
    /// What holds where it is absent.
    pub absent: Absent,
    /// What it means, as Markdown: a sentence or two, without the range and the default.
    pub says: &'static str,
    /// Values to take as a pattern, beside those of its grammar.
    pub examples: &'static [Value],
}

impl Key {
    /// A key that may be absent, and means nothing then.
    pub const fn new(name: &'static str, shape: Shape, says: &'static str) -> Self {
        Self {
            name,
            shape,
            absent: Absent::None,
            says,
            examples: &[],
        }
    }

    /// It has to be there.
    pub const fn required(self) -> Self {
        Self {
            absent: Absent::Refused,
            ..self
        }
    }

    /// The same as this value where it is absent.
    pub const fn default(self, value: Value) -> Self {
        Self {
            absent: Absent::Means(value),
            ..self
        }
    }

    /// What holds where it is absent, in words: no value of the key says the same.
    pub const fn otherwise(self, says: &'static str) -> Self {
        Self {
            absent: Absent::Says(says),
            ..self
        }
    }

    /// With values to take as a pattern.
    pub const fn examples(self, examples: &'static [Value]) -> Self {
        Self { examples, ..self }
    }
}

/// What holds where a key is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// The file is refused.
    Refused,
    /// Nothing of what the key is about.
    None,
    /// The same as with this value.
    Means(Value),
    /// What no value of the key says.
    Says(&'static str),
}

/// A value as it may stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(&'static str),
    /// A whole number.
    Integer(u64),
    /// A number as it is written.
    Decimal(&'static str),
    /// True or false.
    Flag(bool),
    /// A list of texts.
    Texts(&'static [&'static str]),
    /// A list of numbers as they are written.
    Decimals(&'static [&'static str]),
}

/// What a key takes.
#[derive(Debug)]
pub enum Shape {
    /// A text.
    Text(Grammar),
    /// A text out of a closed set, each with what it means.
    Choice(&'static [(&'static str, &'static str)]),
    /// True or false.
    Flag,
    /// A whole number between two, both included.
    Integer(u64, u64),
    /// A whole number out of a short list.
    IntegerOf(&'static [u16]),
    /// A number as it is written, in quotes or without.
    Decimal(Grammar),
    /// A list of numbers.
    Decimals,
    /// A point in time with its offset from UTC.
    Timestamp,
    /// A table.
    Table(&'static Table),
    /// A list.
    List(&'static Shape),
    /// A list that is not empty.
    Some(&'static Shape),
    /// One, or a list of them.
    OneOrMore(&'static Shape),
    /// Any of these.
    Either(&'static [Shape]),
    /// `false`, and never `true`.
    False,
    /// A share of a whole: a number from 0 to 1.
    Share,
    /// Whatever TOML can say.
    Anything,
}

impl Shape {
    /// The table in it.
    pub fn table(&self) -> Option<&'static Table> {
        match self {
            Self::Table(table) => Some(table),
            Self::List(shape) | Self::Some(shape) | Self::OneOrMore(shape) => shape.table(),
            Self::Either(shapes) => shapes.iter().find_map(Self::table),
            Self::Text(_)
            | Self::Choice(_)
            | Self::Flag
            | Self::Integer(..)
            | Self::IntegerOf(_)
            | Self::Decimal(_)
            | Self::Decimals
            | Self::Timestamp
            | Self::False
            | Self::Share
            | Self::Anything => None,
        }
    }
}

/// What a text has to look like.
#[derive(Clone, Copy, Debug)]
pub struct Grammar {
    /// What it is, in a word or two.
    pub what: &'static str,
    /// A regular expression that every text the reader takes matches (ECMA-262, the part of it that
    /// all engines share). Most match nothing else; where one is wider the reader has the last word.
    pub pattern: Option<&'static str>,
    /// Texts that mean something by themselves, for editors to offer.
    pub words: &'static [&'static str],
    /// Texts to take as a pattern.
    pub examples: &'static [&'static str],
}

impl Grammar {
    /// A text of any kind.
    pub const fn any(what: &'static str) -> Self {
        Self {
            what,
            pattern: None,
            words: &[],
            examples: &[],
        }
    }

    /// A text that matches.
    pub const fn matching(what: &'static str, pattern: &'static str) -> Self {
        Self {
            pattern: Some(pattern),
            ..Self::any(what)
        }
    }

    /// With words for editors to offer.
    pub const fn words(self, words: &'static [&'static str]) -> Self {
        Self { words, ..self }
    }

    /// With texts to take as a pattern.
    pub const fn like(self, examples: &'static [&'static str]) -> Self {
        Self { examples, ..self }
    }
}

/// What holds between the keys of a table. A flag counts where it is true.
#[derive(Debug)]
pub enum Rule {
    /// Exactly one of these groups is there, a group being there with any key of it.
    ExactlyOne(&'static [&'static [&'static str]]),
    /// One of these keys is there, or several.
    AtLeastOne(&'static [&'static str]),
    /// The first key needs the second.
    Needs(&'static str, &'static str),
    /// These two are never there together.
    Apart(&'static str, &'static str),
    /// The first key is required, unless the second is true.
    RequiredUnless(&'static str, &'static str),
    /// Where the first key is true none of the others may be there.
    Voids(&'static str, &'static [&'static str]),
}
