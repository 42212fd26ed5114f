//! The policy files as written: read in full, typed, with the place of everything that a later
//! check may have to point at.
//!
//! One file per group of sections; [`reader`] walks a table, [`sections`] the files. What can be judged from one entry
//! alone is judged here; what takes two (a reference, a name given twice) is for `compile`.

mod alerts;
mod ceilings;
mod costs;
mod credentials;
mod held;
mod homes;
mod issuers;
pub(crate) mod keys;
mod limits;
mod line;
pub(super) mod llm;
mod meant;
mod models;
mod prices;
mod profiles;
mod protected_resource;
pub(crate) mod reader;
mod routes;
mod rules;
mod sections;
mod settings;
mod tenants;
mod upstreams;
pub(crate) mod values;

use std::path::Path;
use std::sync::Arc;

use toml::de::DeTable;

use self::alerts::AlertsEntry;
pub(super) use self::credentials::{ApiKeyEntry, CertificateEntry, DevelopmentEntry, WebhookEntry};
pub(super) use self::models::ModelsEntry;
pub use self::prices::built_in_prices;
pub(super) use self::prices::{PriceEntry, PriceSettings, listed};
use self::reader::Fields;
pub(super) use self::routes::RouteEntry;
pub(super) use self::rules::RuleEntry;
pub(crate) use self::sections::{Parsed, Sections};
pub(crate) use self::settings::{issuers_of, read_settings, tenant_grammar};
pub(super) use self::tenants::{Defaults, TenantEntry};
use super::problem::{Located, Place, ProblemKind, Report};
use super::{CostSettings, PolicyDirectory, Tenancy, UpstreamPolicy};
use crate::identity::settings::IssuerSettings;

/// One entry of a table array. The name is there even when the rest is not, so that a reference to
/// a broken entry is not reported as one to nothing.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) name: Located<Arc<str>>,
    pub(super) value: Option<T>,
}

/// All sections of all files.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) issuers: Vec<Entry<IssuerSettings>>,
    pub(super) api_keys: Vec<Entry<ApiKeyEntry>>,
    pub(super) webhooks: Vec<Entry<WebhookEntry>>,
    pub(super) client_certificates: Vec<Entry<CertificateEntry>>,
    pub(super) development: Option<DevelopmentEntry>,
    pub(super) tenancy: Tenancy,
    pub(super) defaults: Defaults,
    pub(super) costs: CostSettings,
    pub(super) alerts: Option<AlertsEntry>,
    pub(super) llm_admin_roles: Vec<Located<Arc<str>>>,
    pub(super) price_settings: PriceSettings,
    pub(super) prices: Vec<PriceEntry>,
    pub(super) tenants: Vec<TenantEntry>,
    pub(super) upstreams: Vec<Entry<UpstreamPolicy>>,
    pub(super) routes: Vec<Entry<RouteEntry>>,
    pub(super) rules: Vec<Entry<RuleEntry>>,
    pub(super) shared_write_roles: Vec<Arc<str>>,
}

impl Document {
    /// Reads the files. The document is whole only if nothing was reported; `None` means that a
    /// file is not TOML, so that nothing can be said about what refers to what.
    pub(super) fn read(directory: &PolicyDirectory, report: &Report) -> Option<Self> {
        let mut files = Vec::new();
        let mut sound = true;
        for file in directory.files() {
            let (table, errors) = DeTable::parse_recoverable(&file.source.text);
            for error in &errors {
                let place = Place {
                    source: Arc::clone(&file.source),
                    offset: error.span().map_or(0, |span| span.start),
                    section: "".into(),
                    key: "",
                };
                report.add(&place, ProblemKind::Syntax, error.message());
            }
            if errors.is_empty() {
                let source = &file.source;
                files.push(Parsed { source, table });
            } else {
                sound = false;
            }
        }
        let document = Self::of(&files, directory.path(), report);
        sound.then_some(document)
    }

    fn of(files: &[Parsed<'_>], base: &Path, report: &Report) -> Self {
        let sections = Sections::new(report, &keys::POLICY, files);
        let tenancy = tenants::tenancy(sections.plain("tenancy"));
        let costs = sections.plain("costs");
        let grammar = &tenancy.grammar;
        let defaults = tenants::defaults(sections.plain("defaults").as_ref());
        let limits = defaults.limits;
        let mut upstreams = read(&sections, "upstreams", |fields| {
            upstreams::upstream(fields, base)
        });
        let mut routes = read(&sections, "routes", routes::route);
        profiles::bring(&mut upstreams, &mut routes, report);
        Self {
            issuers: read(&sections, "issuers", |fields| issuers::issuer(fields, base)),
            api_keys: read(&sections, "api_keys", |fields| {
                credentials::api_key(fields, grammar)
            }),
            webhooks: read(&sections, "webhooks", |fields| {
                credentials::webhook(fields, grammar, base)
            }),
            client_certificates: read(&sections, "client_certificates", |fields| {
                credentials::client_certificate(fields, grammar)
            }),
            development: sections
                .plain("development")
                .and_then(|fields| credentials::development(&fields, grammar)),
            defaults,
            costs: costs::costs(costs.as_ref()),
            alerts: alerts::alerts(costs.as_ref(), base),
            llm_admin_roles: llm::llm_admin_roles(costs.as_ref()),
            price_settings: prices::settings(costs.as_ref()),
            prices: sections
                .entries("prices", "model")
                .iter()
                .map(prices::price)
                .collect(),
            tenants: sections
                .entries("tenants", "id")
                .iter()
                .filter_map(|fields| tenants::tenant(fields, grammar, limits))
                .collect(),
            upstreams,
            routes,
            rules: sections
                .entries("rules", "name")
                .iter()
                .filter_map(|fields| {
                    fields.require("name");
                    let name = fields.parsed("name", values::title);
                    let value = rules::rule(fields, grammar);
                    Some(Entry { name: name?, value })
                })
                .collect(),
            shared_write_roles: tenants::shared_write_roles(sections.plain("memory")),
            tenancy,
        }
    }
}

/// Reads every entry of a table array whose entries have a `name`. An entry is read to its end even
/// when its name is bad, so that its other mistakes are reported too.
fn read<T>(
    sections: &Sections<'_>,
    section: &'static str,
    entry: impl Fn(&Fields<'_>) -> Option<T>,
) -> Vec<Entry<T>> {
    sections
        .entries(section, "name")
        .iter()
        .filter_map(|fields| {
            fields.require("name");
            let name = fields.parsed("name", values::name);
            let value = entry(fields);
            Some(Entry { name: name?, value })
        })
        .collect()
}

/// The values without their places.
fn bare<T>(located: Vec<Located<T>>) -> Vec<T> {
    located.into_iter().map(|item| item.value).collect()
}
