//! The sections of all files as one document: table arrays joined, plain tables unique, and no
//! section skipped that nobody asked for.

use std::cell::RefCell;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::held::hold_against;
use super::homes;
use super::meant::type_name;
use super::reader::Fields;
use crate::keys::{Asked, Table};
use crate::policy::problem::{Place, ProblemKind, Report, SourceText, closest};

/// A parsed file.
pub(crate) struct Parsed<'a> {
    pub(crate) source: &'a Arc<SourceText>,
    pub(crate) table: Spanned<DeTable<'a>>,
}

/// The sections of all files together.
pub(crate) struct Sections<'a> {
    report: &'a Report,
    keys: &'static Table,
    files: &'a [Parsed<'a>],
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Sections<'a> {
    /// The sections of these files, which are declared in `keys`.
    pub(crate) fn new(report: &'a Report, keys: &'static Table, files: &'a [Parsed<'a>]) -> Self {
        Self {
            report,
            keys,
            files,
            asked: RefCell::default(),
        }
    }

    /// Where problems go.
    pub(super) fn report(&self) -> &'a Report {
        self.report
    }

    /// A `[section]`, which one file only may have.
    pub(crate) fn plain(&self, name: &'static str) -> Option<Fields<'a>> {
        hold_against(self.keys, name, &Asked::Table);
        let mut found: Option<Fields<'a>> = None;
        for (source, value) in self.values(name) {
            let place = section_place(source, value.span().start, format!("[{name}]"));
            match (&found, value.get_ref()) {
                (Some(first), _) => self.report.add(
                    &place,
                    ProblemKind::Duplicate,
                    format!(
                        "the section stands in {} too; only one file may have it",
                        first.place().short()
                    ),
                ),
                (None, DeValue::Table(table)) => {
                    let Place {
                        offset, section, ..
                    } = place;
                    let keys = self.keys.below(name);
                    found = Some(Fields::new(
                        self.report,
                        keys,
                        table,
                        source,
                        offset,
                        section,
                    ));
                }
                (None, other) => self.report.add(
                    &place,
                    ProblemKind::WrongType,
                    format!(
                        "this has to be written `[{name}]`, and once only; it is {}",
                        type_name(other)
                    ),
                ),
            }
        }
        found
    }

    /// The entries of `[[section]]` in every file, each called by the text under `named_by`.
    pub(crate) fn entries(&self, name: &'static str, named_by: &str) -> Vec<Fields<'a>> {
        hold_against(self.keys, name, &Asked::Entries);
        let mut entries = Vec::new();
        for (source, value) in self.values(name) {
            let misplaced = |value: &Spanned<DeValue<'_>>| {
                self.report.add(
                    &section_place(source, value.span().start, format!("[[{name}]]")),
                    ProblemKind::WrongType,
                    format!(
                        "this has to be written `[[{name}]]`, once for each entry; it is {}",
                        type_name(value.get_ref())
                    ),
                );
            };
            let DeValue::Array(items) = value.get_ref() else {
                misplaced(value);
                continue;
            };
            for item in items.iter() {
                let DeValue::Table(table) = item.get_ref() else {
                    misplaced(item);
                    continue;
                };
                let called = table
                    .iter()
                    .find(|(key, _)| key.get_ref() == named_by)
                    .and_then(|(_, value)| value.get_ref().as_str());
                let section = match called {
                    Some(called) => format!("[[{name}]] {called:?}"),
                    None => format!("[[{name}]]"),
                };
                let offset = item.span().start;
                entries.push(Fields::new(
                    self.report,
                    self.keys.below(name),
                    table,
                    source,
                    offset,
                    section.into(),
                ));
            }
        }
        entries
    }

    /// Reports that something is missing from the whole of the files, under the name of a section.
    pub(crate) fn missing(&self, section: &str, message: &str) {
        if let Some(file) = self.files.first() {
            let place = section_place(file.source, 0, section.to_owned());
            self.report.add(&place, ProblemKind::Missing, message);
        }
    }

    fn values(
        &self,
        name: &'static str,
    ) -> impl Iterator<Item = (&'a Arc<SourceText>, &'a Spanned<DeValue<'a>>)> + use<'a> {
        self.asked.borrow_mut().push(name);
        self.files.iter().filter_map(move |file| {
            let (_, value) = file
                .table
                .get_ref()
                .iter()
                .find(|(key, _)| key.get_ref() == name)?;
            Some((file.source, value))
        })
    }
}

impl Drop for Sections<'_> {
    fn drop(&mut self) {
        let asked = self.asked.get_mut();
        for file in self.files {
            for (key, _) in file.table.get_ref() {
                let name: &str = key.get_ref();
                if !asked.contains(&name) {
                    let meant = closest(name, asked.iter().copied());
                    let message = match (meant, homes::of_section(name)) {
                        (None, Some(home)) => {
                            format!("unknown section `{name}`; it belongs to {home}")
                        }
                        (Some(_), _) | (None, None) => format!("unknown section `{name}`"),
                    };
                    self.report.add_suggesting(
                        &section_place(file.source, key.span().start, String::new()),
                        ProblemKind::UnknownKey,
                        message,
                        meant,
                    );
                }
            }
        }
    }
}

fn section_place(source: &Arc<SourceText>, offset: usize, section: String) -> Place {
    Place {
        source: Arc::clone(source),
        offset,
        section: section.into(),
        key: "",
    }
}
