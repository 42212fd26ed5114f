//! Where things stand in the files: what a lint needs beside the compiled policy, which knows no
//! places.

use std::collections::HashMap;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::policy::PolicyDirectory;
use crate::policy::problem::{Place, SourceText};

/// The tables of all files.
pub(super) struct Places<'d> {
    files: Vec<(&'d Arc<SourceText>, DeTable<'d>)>,
    /// By section and name, the file and the item of an entry: there may be thousands of tenants.
    named: HashMap<String, HashMap<String, (usize, usize)>>,
}

impl<'d> Places<'d> {
    /// The places of files that compile.
    pub(super) fn of(directory: &'d PolicyDirectory) -> Self {
        let files = directory.files().iter().map(|file| {
            let (table, _sound) = DeTable::parse_recoverable(&file.source.text);
            (&file.source, table.into_inner())
        });
        let files: Vec<_> = files.collect();
        let mut named: HashMap<String, HashMap<String, (usize, usize)>> = HashMap::new();
        for (file, (_, table)) in files.iter().enumerate() {
            for (section, value) in table {
                let section: &str = section.get_ref();
                let items = value.get_ref().as_array().map(|items| items.iter());
                for (item, value) in items.into_iter().flatten().enumerate() {
                    if let Some(name) = text(value.get_ref(), named_by(section)) {
                        let entries = named.entry(section.to_owned()).or_default();
                        entries.insert(name.to_owned(), (file, item));
                    }
                }
            }
        }
        Self { files, named }
    }

    /// The start of each file, and whether it has any section.
    pub(super) fn files(&self) -> impl Iterator<Item = (Place, bool)> {
        let files = self.files.iter();
        files.map(|(source, table)| (start_of(source), !table.is_empty()))
    }

    /// The section `[name]`.
    pub(super) fn plain(&self, name: &'static str) -> Option<Spot<'_>> {
        let (source, value) = self.values(name).next()?;
        Some(Spot::new(source, value, format!("[{name}]")))
    }

    /// Every `[[name]]`, in order.
    pub(super) fn entries(&self, name: &'static str) -> impl Iterator<Item = Spot<'_>> {
        self.values(name).flat_map(move |(source, value)| {
            let items = value.get_ref().as_array().map(|items| items.iter());
            let items = items.into_iter().flatten();
            items.map(move |item| Spot::of_entry(source, item, name))
        })
    }

    /// The entry of `[[section]]` that is called `name`.
    pub(super) fn entry(&self, section: &'static str, name: &str) -> Option<Spot<'_>> {
        let (file, item) = *self.named.get(section)?.get(name)?;
        let (source, table) = self.files.get(file)?;
        let (_, value) = table.iter().find(|(key, _)| key.get_ref() == section)?;
        let item = value.get_ref().as_array()?.get(item)?;
        Some(Spot::of_entry(source, item, section))
    }

    fn values(
        &self,
        name: &'static str,
    ) -> impl Iterator<Item = (&Arc<SourceText>, &Spanned<DeValue<'d>>)> {
        self.files.iter().filter_map(move |(source, table)| {
            let (_, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
            Some((*source, value))
        })
    }
}

fn start_of(source: &Arc<SourceText>) -> Place {
    Place {
        source: Arc::clone(source),
        offset: 0,
        section: "".into(),
        key: "",
    }
}

/// The key by which the entries of a section are told apart.
fn named_by(section: &str) -> &'static str {
    match section {
        "tenants" => "id",
        "prices" => "model",
        _ => "name",
    }
}

fn find<'v>(value: &'v DeValue<'_>, key: &str) -> Option<&'v Spanned<DeValue<'v>>> {
    let table = value.as_table()?;
    let (_, value) = table.iter().find(|(name, _)| name.get_ref() == key)?;
    Some(value)
}

fn text<'v>(value: &'v DeValue<'_>, key: &str) -> Option<&'v str> {
    find(value, key)?.get_ref().as_str()
}

/// One value of a file, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Spot<'p> {
    place: Place,
    value: &'p DeValue<'p>,
}

impl<'p> Spot<'p> {
    fn new(source: &Arc<SourceText>, value: &'p Spanned<DeValue<'_>>, section: String) -> Self {
        Self {
            place: Place {
                source: Arc::clone(source),
                offset: value.span().start,
                section: section.into(),
                key: "",
            },
            value: value.get_ref(),
        }
    }

    fn of_entry(
        source: &Arc<SourceText>,
        value: &'p Spanned<DeValue<'_>>,
        name: &'static str,
    ) -> Self {
        let section = match text(value.get_ref(), named_by(name)) {
            Some(called) => format!("[[{name}]] {called:?}"),
            None => format!("[[{name}]]"),
        };
        Self::new(source, value, section)
    }

    /// Where it stands.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The value under a key; the table itself where it has no such key.
    #[must_use]
    pub(super) fn key(self, key: &'static str) -> Self {
        let Some(found) = find(self.value, key) else {
            return self;
        };
        Self {
            place: Place {
                offset: found.span().start,
                key,
                ..self.place
            },
            value: found.get_ref(),
        }
    }

    /// The item of a list; the value itself where it is no list or has no such item.
    #[must_use]
    pub(super) fn item(self, index: usize) -> Self {
        let item = self.value.as_array().and_then(|items| items.get(index));
        self.moved(item)
    }

    /// The item of a list that is this text; the value itself where there is none.
    #[must_use]
    pub(super) fn item_that_is(self, text: &str) -> Self {
        let mut items = self.value.as_array().into_iter().flat_map(|it| it.iter());
        let item = items.find(|item| item.get_ref().as_str() == Some(text));
        self.moved(item)
    }

    /// The text under a key.
    pub(super) fn text(&self, key: &str) -> Option<&'p str> {
        text(self.value, key)
    }

    /// Whether a key says `true`.
    pub(super) fn flag(&self, key: &str) -> bool {
        find(self.value, key).is_some_and(|value| value.get_ref().as_bool() == Some(true))
    }

    fn moved(self, item: Option<&'p Spanned<DeValue<'p>>>) -> Self {
        match item {
            Some(item) => Self {
                place: Place {
                    offset: item.span().start,
                    ..self.place
                },
                value: item.get_ref(),
            },
            None => self,
        }
    }
}
