//! Files of settings that are no policies, read by the same rules: every mistake told at once, with
//! its place, and no key skipped that nobody asked for.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use toml::de::DeTable;

use super::sections::{Parsed, Sections};
use super::{issuers, read, tenants};
use crate::identity::settings::IssuerSettings;
use crate::keys::Table;
use crate::policy::Problem;
use crate::policy::problem::{Place, ProblemKind, Report, SourceText};
use crate::tenant::TenantGrammar;

/// Reads the text of a file with these sections, which is called `path` in problems. Whatever `read` answers counts only
/// if nothing was reported.
///
/// # Errors
/// Everything that was reported: no TOML, sections and keys that `read` did not ask for, and what it
/// reported itself.
pub(crate) fn read_settings<T>(
    path: &str,
    text: &str,
    keys: &'static Table,
    read: impl FnOnce(&Sections<'_>) -> Option<T>,
) -> Result<T, Vec<Problem>> {
    let source = Arc::new(SourceText {
        path: path.to_owned(),
        text: text.to_owned(),
    });
    let report = Report::default();
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    for error in &errors {
        let place = Place {
            source: Arc::clone(&source),
            offset: error.span().map_or(0, |span| span.start),
            section: "".into(),
            key: "",
        };
        report.add(&place, ProblemKind::Syntax, error.message());
    }
    let settings = if errors.is_empty() {
        let files = [Parsed {
            source: &source,
            table,
        }];
        let sections = Sections::new(&report, keys, &files);
        read(&sections)
    } else {
        None
    };
    match settings {
        Some(settings) if report.is_clean() => Ok(settings),
        _ => Err(report.into_problems()),
    }
}

/// `[[issuers]]`, as policies have them; relative files are taken from `base`. No two have one name,
/// and none is called or is what is `reserved`.
pub(crate) fn issuers_of(
    sections: &Sections<'_>,
    base: &Path,
    reserved: &str,
) -> Vec<IssuerSettings> {
    let mut seen: HashMap<Arc<str>, Place> = HashMap::new();
    let mut settings = Vec::new();
    for entry in read(sections, "issuers", |fields| {
        let issuer = issuers::issuer(fields, base)?;
        if issuer.issuer == reserved || issuer.name == reserved {
            let message = format!("`{reserved}` is the gate's own; it is no other issuer's");
            fields
                .report()
                .add(fields.place(), ProblemKind::Conflict, message);
        }
        Some(issuer)
    }) {
        let first = seen.insert(Arc::clone(&entry.name.value), entry.name.place.clone());
        if let Some(first) = first {
            let message = format!("the name stands in {} too", first.short());
            let report = sections.report();
            report.add(&entry.name.place, ProblemKind::Duplicate, message);
        }
        settings.extend(entry.value);
    }
    settings
}

/// The grammar of tenant ids: `[tenancy] id_pattern`, as policies have it.
pub(crate) fn tenant_grammar(sections: &Sections<'_>) -> TenantGrammar {
    let fields = sections.plain("tenancy");
    tenants::grammar(fields.as_ref())
}
