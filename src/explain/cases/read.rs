//! Reading `*.cases.toml`, every mistake at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::case::{Case, Expectation, ExpectedBackend, OwnedFixture, SpentFixture};
use crate::explain::described::OneOrMore;
use crate::explain::{Described, DescribedCaller};
use crate::money::NanoUsd;
use crate::policy::document::reader::Fields;
use crate::policy::document::{Parsed, Sections};
use crate::policy::problem::{Place, Problem, ProblemKind, Report, SourceText};
use crate::policy::{CASES_FILE, MAX_FILE_BYTES};

const DECISIONS: [(&str, &str); 2] = [("permit", "permit"), ("deny", "deny")];
const KINDS: [(&str, &str); 2] = [("user", "user"), ("machine", "machine")];
const SCOPES: [(&str, &str); 5] = [
    ("tenant", "tenant"),
    ("user", "user"),
    ("agent", "agent"),
    ("route", "route"),
    ("session", "session"),
];

/// The files of cases in a directory, in order of name. Names with a leading dot are none.
///
/// # Errors
/// The directory can't be read.
pub fn cases_in(directory: &Path) -> Result<Vec<PathBuf>, Vec<Problem>> {
    let unreadable = |error: std::io::Error| vec![of_file(directory, &error.to_string())];
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".cases.toml") && !name.starts_with('.') {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The cases in these files.
///
/// # Errors
/// Every mistake in them.
pub fn read(files: &[PathBuf]) -> Result<Vec<Case>, Vec<Problem>> {
    let report = Report::default();
    let mut cases = Vec::new();
    let mut unreadable = Vec::new();
    for path in files {
        match text_of(path) {
            Ok(text) => {
                let source = Arc::new(SourceText {
                    path: path.display().to_string(),
                    text,
                });
                cases.extend(of_text(&source, &report));
            }
            Err(why) => unreadable.push(of_file(path, &why)),
        }
    }
    unreadable.extend(report.into_problems());
    match unreadable.is_empty() {
        true => Ok(cases),
        false => Err(unreadable),
    }
}

fn of_file(path: &Path, why: &str) -> Problem {
    Problem::of_file(path.display().to_string(), ProblemKind::Unreadable, why)
}

fn text_of(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path)
        .map_err(|error| error.to_string())?
        .len();
    if size > MAX_FILE_BYTES {
        return Err(format!(
            "the file is larger than {} MiB",
            MAX_FILE_BYTES >> 20
        ));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

fn of_text(source: &Arc<SourceText>, report: &Report) -> Vec<Case> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    for error in &errors {
        let place = Place {
            source: Arc::clone(source),
            offset: error.span().map_or(0, |span| span.start),
            section: "".into(),
            key: "",
        };
        report.add(&place, ProblemKind::Syntax, error.message());
    }
    if !errors.is_empty() {
        return Vec::new();
    }
    let files = [Parsed { source, table }];
    let sections = Sections::new(report, CASES_FILE.root, &files);
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut cases = Vec::new();
    for fields in sections.entries("cases", "name") {
        let Some(case) = case(&fields) else { continue };
        match names.get(&case.name) {
            Some(first) => {
                let message = format!("the name stands at {first} too");
                report.add(fields.place(), ProblemKind::Duplicate, message);
            }
            None => {
                names.insert(case.name.clone(), case.at.clone());
            }
        }
        cases.push(case);
    }
    cases
}

fn case(fields: &Fields<'_>) -> Option<Case> {
    fields.require("name");
    fields.require("request");
    fields.require("expect");
    let name = fields.text("name").map(|name| name.value.to_owned());
    let caller = fields.table("as").map(|fields| caller(&fields));
    let request = fields.table("request").map(|fields| request(&fields));
    let owned = fields.tables("owned").iter().filter_map(owned).collect();
    let tenant = caller.as_ref().map(|caller| caller.tenant.clone());
    let tenant = tenant.unwrap_or_default();
    let spent = fields.tables("spent");
    let spent = spent
        .iter()
        .filter_map(|it| spent_by(it, &tenant))
        .collect();
    let expect = fields.table("expect").map(|fields| expectation(&fields));
    Some(Case {
        name: name?,
        at: fields.place().short(),
        described: Described { caller, ..request? },
        owned,
        spent,
        expect: expect?,
    })
}

fn caller(fields: &Fields<'_>) -> DescribedCaller {
    fields.require("tenant");
    fields.require("user");
    let text = |key| fields.text(key).map(|it| it.value.to_owned());
    let texts = |key| {
        let texts = fields.texts(key).unwrap_or_default();
        texts.into_iter().map(|it| it.value.to_owned()).collect()
    };
    DescribedCaller {
        tenant: text("tenant").unwrap_or_default(),
        user: text("user").unwrap_or_default(),
        roles: texts("roles"),
        scopes: texts("scopes"),
        kind: fields.choice("kind", &KINDS).map(str::to_owned),
        claims: fields
            .table("claims")
            .map(|fields| claims(&fields))
            .unwrap_or_default(),
    }
}

fn claims(fields: &Fields<'_>) -> Map<String, Value> {
    let named = fields.named_values().into_iter();
    named
        .map(|(name, found)| (name.to_owned(), json(found.value)))
        .collect()
}

fn request(fields: &Fields<'_>) -> Described {
    fields.require("method");
    fields.require("path");
    let text = |key| fields.text(key).map(|it| it.value.to_owned());
    let headers = fields.table("headers").map(|headers| {
        let named = headers.named_texts().into_iter();
        named
            .map(|(name, value)| {
                (
                    name.value.to_owned(),
                    OneOrMore::One(value.value.to_owned()),
                )
            })
            .collect()
    });
    Described {
        method: text("method").unwrap_or_default(),
        path: text("path").unwrap_or_default(),
        headers: headers.unwrap_or_default(),
        body: fields.value("body").map(|it| json(it.value)),
        caller: None,
    }
}

fn owned(fields: &Fields<'_>) -> Option<OwnedFixture> {
    for key in ["kind", "id", "tenant"] {
        fields.require(key);
    }
    let text = |key| fields.text(key).map(|it| it.value.to_owned());
    let fixture = (
        text("upstream"),
        text("kind"),
        text("id"),
        text("tenant"),
        text("user"),
    );
    let (upstream, kind, id, tenant, user) = fixture;
    Some(OwnedFixture {
        upstream,
        kind: kind?,
        id: id?,
        tenant: tenant?,
        user: user.unwrap_or_else(|| "somebody".to_owned()),
    })
}

fn spent_by(fields: &Fields<'_>, tenant: &str) -> Option<SpentFixture> {
    fields.require("usd");
    let text = |key| fields.text(key).map(|it| it.value.to_owned());
    let scope = fields.choice("scope", &SCOPES).unwrap_or("tenant");
    let (value, of) = (text("value"), text("tenant"));
    let amount = fields.parsed("usd", str::parse::<NanoUsd>);
    if value.is_none() && scope != "tenant" {
        let message = format!("which {scope} is meant? the key `value` is missing");
        fields
            .report()
            .add(fields.place(), ProblemKind::Missing, message);
    }
    Some(SpentFixture {
        tenant: of.unwrap_or_else(|| tenant.to_owned()),
        scope: scope.to_owned(),
        value: value.unwrap_or_default(),
        amount: amount?.value,
    })
}

fn expectation(fields: &Fields<'_>) -> Expectation {
    let text = |key| fields.text(key).map(|it| it.value.to_owned());
    let texts = |key| {
        let texts = fields.texts(key)?;
        Some(texts.into_iter().map(|it| it.value.to_owned()).collect())
    };
    let status = fields.integer("status", 100..=599);
    let expect = Expectation {
        decision: fields.choice("decision", &DECISIONS).map(str::to_owned),
        status: status.and_then(|status| u16::try_from(status).ok()),
        code: text("code"),
        route: text("route"),
        rule: text("rule"),
        would_deny: texts("would_deny"),
        tenant: text("tenant"),
        user: text("user"),
        model: text("model"),
        reserve_usd: fields
            .parsed("reserve_usd", str::parse::<NanoUsd>)
            .map(|it| it.value),
        backend: fields.table("backend").map(|fields| backend(&fields)),
    };
    if expect.decision.is_none() && expect.code.is_none() && expect.status.is_none() {
        let message = "a case expects a `decision`, a `code` or a `status` at least";
        fields
            .report()
            .add(fields.place(), ProblemKind::Missing, message);
    }
    expect
}

fn backend(fields: &Fields<'_>) -> ExpectedBackend {
    let text = |key| fields.text(key).map(|it| it.value.to_owned());
    let headers = fields.table("headers").map(|headers| {
        let named = headers.named_texts().into_iter();
        named
            .map(|(name, value)| (name.value.to_owned(), value.value.to_owned()))
            .collect()
    });
    let absent = fields.texts("absent").unwrap_or_default();
    ExpectedBackend {
        method: text("method"),
        target: text("target"),
        headers: headers.unwrap_or_default(),
        absent: absent.into_iter().map(|it| it.value.to_owned()).collect(),
        body: fields.value("body").map(|it| json(it.value)),
    }
}

/// A TOML value as JSON; a date as its text.
fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(integer) => {
            let number = i64::from_str_radix(integer.as_str(), integer.radix());
            number.map_or_else(|_| Value::from(integer.as_str()), Value::from)
        }
        DeValue::Float(float) => {
            let number = float.as_str().parse::<f64>();
            number.map_or_else(|_| Value::from(float.as_str()), Value::from)
        }
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Datetime(at) => Value::from(at.to_string()),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            let members = table.iter();
            let members: Map<String, Value> = members
                .map(|(name, value)| (name.get_ref().to_string(), json(value.get_ref())))
                .collect();
            Value::Object(members)
        }
    }
}
