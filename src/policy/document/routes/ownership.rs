//! `resource`, `creates`, `list` and their kin: what a route says about owned resources.

use std::sync::Arc;

use http::Method;

use super::{extractor, list, parameters};
use crate::policy::document::reader::Fields;
use crate::policy::document::{bare, values};
use crate::policy::problem::{Located, ProblemKind, closest};
use crate::policy::{
    Access, CreatesRule, ErrorShape, Extractor, IdForm, ListRule, MCP_SESSION, OwnerScope,
    ResourceRule, StatedAbsence, UnknownResource,
};

/// Everything a route says about ownership.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnershipKeys {
    pub(super) resources: Vec<ResourceRule>,
    pub(super) unknown: UnknownResource,
    pub(super) creates: Vec<CreatesRule>,
    pub(super) deletes: bool,
    pub(super) list: Option<ListRule>,
    pub(super) not_found: Option<StatedAbsence>,
    pub(super) errors: ErrorShape,
}

impl OwnershipKeys {
    /// Adds what `mcp = true` says of sessions: the id belongs to the user it was minted for, a
    /// request need not have one (the first has none, and 2026-07-28 knows no sessions), and DELETE
    /// ends it.
    pub(super) fn with_mcp_sessions(mut self, fields: &Fields<'_>, methods: &[Method]) -> Self {
        let kind: Arc<str> = MCP_SESSION.kind.into();
        let ids = vec![Extractor::Header(MCP_SESSION.header.to_owned())];
        let access = Access {
            scope: OwnerScope::User,
            unless_roles: Vec::new(),
        };
        if methods.contains(&Method::DELETE) {
            self.deletes = true;
        }
        if methods.contains(&Method::POST) {
            self.creates.push(CreatesRule {
                kind: Arc::clone(&kind),
                ids: ids.clone(),
                form: IdForm::Exact,
                access: access.clone(),
            });
        }
        self.resources.push(ResourceRule {
            kind,
            ids,
            form: IdForm::Exact,
            claim: false,
            optional: true,
            objects: false,
            access,
        });
        if !fields.has("errors") {
            self.errors = ErrorShape::JsonRpc;
        }
        self
    }
}

/// Reads the keys of one route.
pub(super) fn ownership(
    fields: &Fields<'_>,
    path: Option<&Located<Arc<str>>>,
    methods: &[Method],
) -> OwnershipKeys {
    let resources: Vec<_> = fields
        .tables("resource")
        .iter()
        .filter_map(|table| resource(table, path))
        .collect();
    let unknown = fields.choice(
        "unknown",
        &[
            ("deny", UnknownResource::Deny),
            ("adopt", UnknownResource::Adopt),
            ("pass", UnknownResource::Pass),
        ],
    );
    let creates: Vec<_> = fields
        .tables("creates")
        .iter()
        .filter_map(creates)
        .collect();
    let deletes = fields.flag("deletes", false);
    let list = fields.table("list").as_ref().and_then(list::list);
    let refuse = |message: &str| {
        fields
            .report()
            .add(fields.place(), ProblemKind::Conflict, message);
    };
    if fields.has("unknown") && !fields.has("resource") && !fields.has("list") {
        refuse("`unknown` says what becomes of ids, and neither `resource` nor `list` names any");
    }
    if deletes && !fields.has("resource") {
        refuse("`deletes` releases the ids of the request, and `resource` names none");
    }
    // What an owned thing made later (the results of a batch) is told by reading that thing.
    if !creates.is_empty() && resources.is_empty() && methods.iter().all(Method::is_safe) {
        refuse("`creates` is for methods that make something, or for reading an owned `resource`");
    }
    OwnershipKeys {
        resources,
        unknown: unknown.unwrap_or_default(),
        creates,
        deletes,
        list,
        not_found: not_found(fields),
        errors: errors(fields),
    }
}

fn resource(table: &Fields<'_>, path: Option<&Located<Arc<str>>>) -> Option<ResourceRule> {
    table.require("kind");
    table.require("id");
    let kind = table.parsed("kind", values::name);
    let ids: Vec<_> = table
        .one_or_more("id")
        .into_iter()
        .filter_map(|text| extractor(table, text))
        .collect();
    for id in &ids {
        let wrong = match &id.value {
            Extractor::Path(name) => {
                check_parameter(table, id, name, path);
                false
            }
            Extractor::Query(_)
            | Extractor::Header(_)
            | Extractor::Body(_)
            | Extractor::Form(_)
            | Extractor::Claim(_)
            | Extractor::Message(_) => false,
            Extractor::Event(_) => true,
        };
        if wrong {
            table.report().add(
                &id.place,
                ProblemKind::BadValue,
                "an id of a request is at `path:`, `query:`, `header:`, `body:`, `form:`, `claim:` or \
                 `message:`",
            );
        }
    }
    let rule = ResourceRule {
        form: form(table),
        claim: table.flag("claim", false),
        optional: table.flag("optional", false),
        objects: table.flag("objects", false),
        access: access(table),
        kind: kind?.value,
        ids: bare(ids),
    };
    (!rule.ids.is_empty()).then_some(rule)
}

fn creates(table: &Fields<'_>) -> Option<CreatesRule> {
    table.require("kind");
    table.require("id");
    let kind = table.parsed("kind", values::name);
    let ids: Vec<_> = table
        .one_or_more("id")
        .into_iter()
        .filter_map(|text| extractor(table, text))
        .collect();
    for id in &ids {
        if !matches!(
            id.value,
            Extractor::Body(_) | Extractor::Header(_) | Extractor::Event(_)
        ) {
            table.report().add(
                &id.place,
                ProblemKind::BadValue,
                "an answer has the id at `body:/json/pointer`, `header:NAME` or `event:/json/pointer`",
            );
        }
    }
    let rule = CreatesRule {
        form: form(table),
        access: access(table),
        kind: kind?.value,
        ids: bare(ids),
    };
    (!rule.ids.is_empty()).then_some(rule)
}

pub(super) fn form(table: &Fields<'_>) -> IdForm {
    table
        .choice(
            "as",
            &[
                ("exact", IdForm::Exact),
                ("uuid", IdForm::Uuid),
                ("uuid-or-name", IdForm::UuidOrName),
            ],
        )
        .unwrap_or_default()
}

pub(super) fn access(table: &Fields<'_>) -> Access {
    let scope = table.choice(
        "owner",
        &[("tenant", OwnerScope::Tenant), ("user", OwnerScope::User)],
    );
    let scope = scope.unwrap_or_default();
    if scope == OwnerScope::Tenant && table.has("unless_roles") {
        table.report().add(
            table.place(),
            ProblemKind::Conflict,
            "`unless_roles` excepts from `owner = \"user\"`, which is not said",
        );
    }
    Access {
        scope,
        unless_roles: bare(table.all_parsed("unless_roles", values::role)),
    }
}

fn not_found(fields: &Fields<'_>) -> Option<StatedAbsence> {
    let table = fields.table("not_found")?;
    for key in ["status", "content_type", "body"] {
        table.require(key);
    }
    let status = table.integer("status", 200..=499);
    let content_type = table.parsed("content_type", media_type);
    let body = table.text("body");
    Some(StatedAbsence {
        status: status.and_then(|status| u16::try_from(status).ok())?,
        content_type: content_type?.value,
        body: body?.value.into(),
    })
}

fn media_type(text: &str) -> Result<Arc<str>, values::ValueError> {
    let visible = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if visible && text.contains('/') {
        Ok(text.into())
    } else {
        Err(values::ValueError::MediaType)
    }
}

fn errors(fields: &Fields<'_>) -> ErrorShape {
    fields
        .choice(
            "errors",
            &[
                ("problem", ErrorShape::Problem),
                ("json-rpc", ErrorShape::JsonRpc),
                ("openai", ErrorShape::OpenAi),
                ("anthropic", ErrorShape::Anthropic),
            ],
        )
        .unwrap_or_default()
}

/// Reports a `path:` extractor whose parameter the template does not have.
pub(super) fn check_parameter(
    fields: &Fields<'_>,
    extractor: &Located<Extractor>,
    name: &str,
    path: Option<&Located<Arc<str>>>,
) {
    let Some(path) = path else {
        return;
    };
    let names = parameters(&path.value);
    if !names.iter().any(|found| found == name) {
        let colon = path
            .value
            .split('/')
            .any(|it| it.strip_prefix(':') == Some(name));
        let message = match (colon, names.as_slice()) {
            (true, _) => format!(
                "the path has no parameter `{{{name}}}`: it is written so, and not `:{name}`"
            ),
            (false, []) => format!("the path has no parameter `{{{name}}}`, nor any other"),
            (false, [first, ..]) => {
                format!("the path has no parameter `{{{name}}}`, as `{{{first}}}` is one")
            }
        };
        fields.report().add_suggesting(
            &extractor.place,
            ProblemKind::NothingThere,
            message,
            closest(name, names.iter().map(String::as_str)),
        );
    }
}
