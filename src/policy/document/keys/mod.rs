//! Every key of a policy file: what it takes, what holds without it, what it means.
//!
//! A key's range and default are those its reader has, by the same constant where there is one. That
//! a reader asks for what stands here, and that it asks for all of it, is tried as it reads:
//! [`Fields`](super::reader::Fields) holds each question against its table.

mod cases;
mod costs;
pub(crate) mod grammars;
mod identity;
mod ownership;
mod prices;
mod routes;
mod rules;
mod tenants;
mod upstreams;

#[cfg(test)]
mod tests;

pub use self::cases::CASES_FILE;
pub(crate) use self::identity::ISSUER;
pub(crate) use self::tenants::TENANT_PATTERN;
use crate::keys::{File, Key, Shape, Table};

/// Policy files: all `*.toml` of a policy folder.
pub static POLICY_FILE: File = File {
    name: "policy",
    title: "Policy files",
    says: "All `*.toml` files of the policy folder of Fabric Gate are one document: who calls, for whom, to what, \
           and what may be spent.\n\nA place in a request is `path:NAME` (a parameter of the route's path), `query:NAME`, \
           `header:NAME`, `form:NAME` (url-encoded or in parts) or `body:/json/pointer` (RFC 6901; `*` is every \
           element of an array). What a claim of the caller's token says is at `claim:NAME`, or `claim:/json/pointer`. An answer has `body:`, `header:` and `event:/json/pointer` (a server-sent event), a \
           message on a socket `message:/json/pointer`.",
    root: &POLICY,
};

/// The sections of a policy file.
pub(super) static POLICY: Table = Table {
    name: "policy",
    keys: &[
        Key::new(
            "issuers",
            Shape::List(&Shape::Table(&ISSUER)),
            "Whose JSON Web Tokens are believed, and how they are read.",
        ),
        Key::new(
            "api_keys",
            Shape::List(&Shape::Table(&identity::API_KEY)),
            "Keys that programs present in `X-Api-Key` or as a bearer.",
        ),
        Key::new(
            "webhooks",
            Shape::List(&Shape::Table(&identity::WEBHOOK)),
            "Deliveries that their sender signs. One is taken once; one that the backend failed to take may \
             come again.",
        ),
        Key::new(
            "client_certificates",
            Shape::List(&Shape::Table(&identity::CLIENT_CERTIFICATE)),
            "Whom a certificate stands for that TLS verified against `[listen] tls.client_ca`.",
        ),
        Key::new(
            "development",
            Shape::Table(&identity::DEVELOPMENT),
            "Who calls where a request carries no credential at all. Refused unless the listener is on \
             loopback or a unix socket.",
        ),
        Key::new(
            "tenancy",
            Shape::Table(&tenants::TENANCY),
            "What a tenant is, and what becomes of one that is not listed.",
        ),
        Key::new(
            "defaults",
            Shape::Table(&tenants::DEFAULTS),
            "What holds for every tenant that doesn't say otherwise.",
        ),
        Key::new(
            "tenants",
            Shape::List(&Shape::Table(&tenants::TENANT_ENTRY)),
            "The tenants: the boundaries of isolation.",
        ),
        Key::new(
            "upstreams",
            Shape::List(&Shape::Table(&upstreams::UPSTREAM)),
            "Where the backends are, and what they get of the caller's credential.",
        ),
        Key::new(
            "routes",
            Shape::List(&Shape::Table(&routes::ROUTE)),
            "What is served, by whom and for whom. A request that matches no route is 404 and reaches no backend.",
        ),
        Key::new(
            "memory",
            Shape::Table(&tenants::MEMORY),
            "What a whole tenant shares, on routes with `shared_memory_write`.",
        ),
        Key::new(
            "rules",
            Shape::List(&Shape::Table(&rules::RULE)),
            "What holds beyond the roles of a route. Each condition is a list of alternatives; all conditions that \
             are there have to hold.",
        ),
        Key::new(
            "costs",
            Shape::Table(&costs::COSTS),
            "What holds for the cost of all requests.",
        ),
        Key::new(
            "prices",
            Shape::List(&Shape::Table(&prices::PRICE_ENTRY)),
            "What models cost, before the prices that are built in. Rates are US dollars for a million tokens, as \
             text.",
        ),
    ],
    ..Table::EMPTY
};

/// The sections of a profile's file.
pub(super) static PROFILE: Table = Table {
    name: "profile file",
    keys: &[
        Key::new(
            "profile",
            Shape::Table(&upstreams::PROFILE),
            "What is true of the backend as a whole.",
        ),
        Key::new(
            "routes",
            Shape::List(&Shape::Table(&routes::ROUTE)),
            "Its routes.",
        ),
    ],
    ..Table::EMPTY
};

#[cfg(test)]
pub(super) use self::tests::heard;
