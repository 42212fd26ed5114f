//! Where the backends are: `[[upstreams]]`.

use super::super::upstreams::CONNECT_TIMEOUT_SECONDS;
use super::costs::COST;
use super::grammars::{
    AUTHORIZATION, HEADER, NAME, PREFIX, ROUTE_PATTERN, SCOPE, UPSTREAM_URL, URL, WORKSPACE,
};
use super::identity::PEM;
use crate::keys::Value::{Flag, Integer, Text, Texts};
use crate::keys::{Key, Names, Shape, Table};
use crate::policy::profiles::PROFILE_NAMES;

/// `[[upstreams]]`.
pub(super) static UPSTREAM: Table = Table {
    name: "upstream",
    says: "A backend, and what it gets of the caller's credential.",
    keys: &[
        Key::new(
            "name",
            Shape::Text(NAME),
            "Its name in routes, records and assertions. Who owns what is known by it: another name forgets it.",
        )
        .required(),
        Key::new(
            "url",
            Shape::Text(UPSTREAM_URL),
            "Where it is: `http://`, `https://` or `unix:/path`, without path and query.",
        )
        .required(),
        Key::new(
            "http2",
            Shape::Flag,
            "HTTP/2 to the backend: by ALPN on TLS, by prior knowledge otherwise.",
        )
        .default(Flag(false)),
        Key::new(
            "authorization",
            Shape::Text(AUTHORIZATION),
            "What becomes of the caller's credential: `\"strip\"`, `\"forward\"`, or \
             `\"handle:tenant/{tenant}/name\"`, a secret under `[secrets] directory` in its place.",
        )
        .default(Text("strip")),
        Key::new(
            "assertion",
            Shape::Flag,
            "Every request carries `X-Fabric-Assertion`, who calls under the gate's signature (EdDSA).",
        )
        .otherwise("the profile's, or `false`"),
        Key::new(
            "strip_prefix",
            Shape::Text(PREFIX),
            "The beginning of a path that only the gate knows: every path of the upstream's routes has it, \
             and it is taken off before a request goes on. What an answer says of paths (`Location`) is not \
             changed.",
        )
        .otherwise("the profile's, or none"),
        Key::new(
            "ca",
            PEM,
            "PEM file that its certificate is checked against, for https. A relative path begins at the \
             policy folder.",
        )
        .otherwise("the system's roots"),
        Key::new(
            "connect_timeout_seconds",
            Shape::Integer(1, 60),
            "Longest wait for a connection.",
        )
        .default(Integer(CONNECT_TIMEOUT_SECONDS)),
        Key::new(
            "workspace",
            Shape::Text(WORKSPACE),
            "The folder in which every user has one: requests carry `X-Fabric-Workspace: \
             {root}/{tenant}/{user}`.",
        ),
        Key::new(
            "profile",
            Shape::Choice(&PROFILE_NAMES),
            "The known backend it is, whose routes it brings; `fabric-gate profile show NAME` prints them.",
        ),
        Key::new(
            "costs",
            Shape::Table(&COSTS),
            "What the routes of its profile cost, over what the profile says.",
        )
        .otherwise("what the profile says"),
        Key::new(
            "identity_headers",
            Shape::List(&Shape::Text(HEADER)),
            "Further headers that the backend believes about who calls. No caller may send them, in any \
             spelling.",
        )
        .otherwise("the profile's alone"),
        Key::new(
            "protected_resource",
            Shape::Table(&PROTECTED_RESOURCE),
            "What clients that need a token are told (RFC 9728), as MCP's are.",
        ),
    ],
    ..Table::EMPTY
};

static COSTS: Table = Table {
    name: "upstream.costs",
    says: "Costs by the name that a route has in the profile, or the start of some and `*`; the longer name \
           counts first. `false` takes away what the profile says.",
    names: Some(Names {
        name: ROUTE_PATTERN,
        value: &Shape::Either(&[Shape::Table(&COST), Shape::False]),
    }),
    ..Table::EMPTY
};

static PROTECTED_RESOURCE: Table = Table {
    name: "upstream.protected_resource",
    says: "The metadata served at `/.well-known/oauth-protected-resource` and named in 401 answers.",
    keys: &[
        Key::new(
            "resource",
            Shape::Text(URL),
            "What clients connect to, which is the gate's own public address: https, or http on loopback, \
             without query.",
        )
        .required()
        .examples(&[Text("https://agents.example.com/mcp")]),
        Key::new(
            "authorization_servers",
            Shape::Some(&Shape::Text(URL)),
            "Where tokens are had: issuers of OAuth 2.0 (RFC 8414).",
        )
        .required(),
        Key::new(
            "scopes_supported",
            Shape::List(&Shape::Text(SCOPE)),
            "Scopes to ask for.",
        )
        .examples(&[Texts(&["mcp:tools"])]),
    ],
    ..Table::EMPTY
};

/// `[profile]` of a profile's own file.
pub(super) static PROFILE: Table = Table {
    name: "profile",
    says: "What is true of the backend as a whole.",
    keys: &[
        Key::new(
            "identity_headers",
            Shape::List(&Shape::Text(HEADER)),
            "Headers that the backend believes about who calls.",
        ),
        Key::new(
            "strip_prefix",
            Shape::Text(PREFIX),
            "The beginning of a path that only the gate knows.",
        ),
        Key::new(
            "assertion",
            Shape::Flag,
            "Whether requests carry `X-Fabric-Assertion`.",
        ),
    ],
    ..Table::EMPTY
};
