//! To what: `[[routes]]`.

use super::super::line::{MAX_QUEUE, MAX_WAIT_SECONDS, QUEUE, WAIT_SECONDS};
use super::super::routes::{MAX_SECONDS, NOT_PUBLIC, STREAM_IDLE_SECONDS, TIMEOUT_SECONDS};
use super::super::tenants::MAX_BODY_BYTES;
use super::costs::COST;
use super::grammars::{
    ANYTHING, BODY_PLACE, CALL_PLACE, CREDENTIAL, FILLED_IN, MEDIA_TYPE, METHOD, NAME,
    REQUEST_PLACE, ROLE, RPC_METHOD, SCOPE, TEMPLATE,
};
use super::ownership::{CREATES, LIST, RESOURCE};
use crate::keys::Value::{Flag, Integer, Text, Texts};
use crate::keys::{Key, Rule, Shape, Table};

const PLACES: Shape = Shape::List(&Shape::Text(REQUEST_PLACE));

/// `[[routes]]`.
pub(super) static ROUTE: Table = Table {
    name: "route",
    says: "A path and methods that are served, by whom and for whom. A request that matches no route is 404 and \
           reaches no backend.",
    keys: &[
        Key::new(
            "name",
            Shape::Text(NAME),
            "Its name in rules, records and metrics.",
        )
        .required()
        .examples(&[Text("task.read")]),
        Key::new(
            "upstream",
            Shape::Text(NAME),
            "The name of one of `[[upstreams]]`.",
        )
        .required(),
        Key::new(
            "methods",
            Shape::Some(&Shape::Text(METHOD)),
            "Methods in capital letters, without TRACE and CONNECT. GET serves HEAD too.",
        )
        .otherwise("GET, where the route is public; else it is required")
        .examples(&[Texts(&["GET"])]),
        Key::new(
            "path",
            Shape::Text(TEMPLATE),
            "The path: `{name}` is a segment or a part of one, `{*rest}` the tail, `{{` a brace.",
        )
        .required(),
        Key::new(
            "roles",
            Shape::List(&Shape::Text(ROLE)),
            "The caller has to have any of these (`role_required`).",
        )
        .otherwise("every caller of a known tenant"),
        Key::new(
            "scopes",
            Shape::List(&Shape::Text(SCOPE)),
            "The caller has to have all of these (`scope_required`).",
        ),
        Key::new(
            "public",
            Shape::Flag,
            "No credential is asked, and no identity is passed on.",
        )
        .default(Flag(false)),
        Key::new(
            "health",
            Shape::Flag,
            "A public route that stays public in hardened mode.",
        )
        .otherwise(
            "`true` for a GET of `/health`, `/healthz`, `/live`, `/livez`, `/ready` or `/readyz`, else `false`",
        ),
        Key::new(
            "credentials",
            Shape::Some(&Shape::Text(CREDENTIAL)),
            "Where a credential may be: `\"bearer\"`, `\"api_key\"` (`X-Api-Key`), `\"client_certificate\"`, \
             `\"query:NAME\"` (removed before the request goes on).",
        )
        .default(Texts(&["bearer", "api_key", "client_certificate"])),
        Key::new(
            "action",
            Shape::Text(NAME),
            "The word for it in records.",
        )
        .otherwise("by method: `read`, `write` or `delete`"),
        Key::new(
            "tenant_from",
            Shape::List(&Shape::Text(CALL_PLACE)),
            "Further places that name the tenant. They have to name the credential's (`tenant_mismatch`).",
        )
        .examples(&[Texts(&["path:tenant", "body:/tenantId"])]),
        Key::new(
            "guard",
            Shape::Table(&GUARD),
            "An answer that names another tenant becomes a 404: where a GET or HEAD names its `resource`, the \
             backend's own. Reading, no conditions and no `Range` go to the backend, and a HEAD goes as a GET.",
        ),
        Key::new(
            "resource",
            Shape::OneOrMore(&Shape::Table(&RESOURCE)),
            "Ids in the request, each of which has to be the caller's. A list is for several kinds.",
        ),
        Key::new(
            "unknown",
            Shape::Choice(&[
                ("deny", "To everybody it doesn't exist."),
                ("adopt", "It is the caller's from now on."),
                ("pass", "It is nobody's, and everybody may use it."),
            ]),
            "What becomes of an id without a known owner.",
        )
        .default(Text("deny")),
        Key::new(
            "creates",
            Shape::OneOrMore(&Shape::Table(&CREATES)),
            "A success makes the caller the owner of an id in the answer, on disk before the caller sees it.",
        ),
        Key::new(
            "deletes",
            Shape::Flag,
            "A success releases the ids of the request.",
        )
        .default(Flag(false)),
        Key::new(
            "list",
            Shape::Table(&LIST),
            "The answer names many: items that are not the caller's leave it.",
        ),
        Key::new(
            "not_found",
            Shape::Table(&NOT_FOUND),
            "The backend's words for what is not there, stated instead of learned.",
        )
        .otherwise("learned from the backend"),
        Key::new(
            "errors",
            Shape::Choice(&[
                ("problem", "`application/problem+json` (RFC 9457)."),
                ("json-rpc", "An error object of JSON-RPC 2.0."),
                ("openai", "OpenAI's error object."),
                ("anthropic", "Anthropic's error object."),
            ]),
            "In whose words refusals are.",
        )
        .otherwise("`\"problem\"`; with `mcp` `\"json-rpc\"`"),
        Key::new(
            "rpc_methods",
            Shape::Some(&Shape::Text(RPC_METHOD)),
            "The JSON-RPC methods it is for, where several routes share path and method.",
        )
        .otherwise("every method"),
        Key::new(
            "mcp",
            Shape::Flag,
            "Bodies are MCP's: sessions, tools, prompts and resources are decided from them.",
        )
        .default(Flag(false)),
        Key::new(
            "websocket",
            Shape::Flag,
            "WebSocket handshakes pass; no other upgrade does.",
        )
        .default(Flag(false)),
        Key::new(
            "set",
            Shape::OneOrMore(&Shape::Table(&SET)),
            "A value stands there once, whatever the caller sent, and where the caller sent nothing.",
        ),
        Key::new(
            "prefix",
            Shape::OneOrMore(&Shape::Table(&PREFIX)),
            "What the caller sent moves into the caller's own space; the prefix comes off again in answers.",
        ),
        Key::new(
            "remove",
            PLACES,
            "What a caller may not choose goes. Not a part of the path.",
        )
        .examples(&[Texts(&["body:/story_id"])]),
        Key::new(
            "scoped",
            PLACES,
            "A value becomes a digest of tenant and value, so that no two tenants share one.",
        )
        .examples(&[Texts(&["header:idempotency-key"])]),
        Key::new(
            "workspace_paths",
            PLACES,
            "Places that hold paths of files: one outside of the caller's workspace is refused (400).",
        )
        .examples(&[Texts(&["body:/cwd"])]),
        Key::new(
            "shared_memory_write",
            Shape::Either(&[Shape::Flag, Shape::Table(&SHARED_MEMORY_WRITE)]),
            "It writes memory that the whole tenant shares: for `[memory] shared_write_roles` only. A table \
             tells by the request whether it does.",
        )
        .default(Flag(false)),
        Key::new(
            "cost",
            Shape::Table(&COST),
            "How what its requests cost is known.",
        )
        .otherwise("neither held nor charged"),
        Key::new(
            "serialize",
            Shape::Table(&SERIALIZE),
            "One request at a time, the rest in line.",
        ),
        Key::new(
            "path_allows",
            Shape::List(&Shape::Choice(&[
                ("encoded-slash", "`%2F`."),
                ("semicolon", "`;`."),
                ("double-slash", "`//`."),
                ("encoded-percent", "`%25`."),
                ("needless-escape", "An escape of what needs none, as `%61`."),
            ])),
            "Spellings of a path that are refused elsewhere, because two parties read them differently.",
        ),
        Key::new(
            "timeout_seconds",
            Shape::Integer(1, MAX_SECONDS),
            "Longest wait for the answer to begin (`upstream_timeout`).",
        )
        .default(Integer(TIMEOUT_SECONDS)),
        Key::new(
            "stream_idle_seconds",
            Shape::Integer(1, MAX_SECONDS),
            "Longest silence inside an answer or on a socket.",
        )
        .default(Integer(STREAM_IDLE_SECONDS)),
        Key::new(
            "body_bytes",
            Shape::Integer(0, MAX_BODY_BYTES),
            "Largest request body, in bytes. The smallest of the route's, the tenant's and the user's counts.",
        )
        .otherwise("the tenant's"),
    ],
    rules: &[
        Rule::RequiredUnless("methods", "public"),
        Rule::Needs("health", "public"),
        Rule::Voids("public", &NOT_PUBLIC),
        Rule::Apart("websocket", "mcp"),
        Rule::Apart("websocket", "cost"),
        Rule::Needs("deletes", "resource"),
    ],
    ..Table::EMPTY
};

static GUARD: Table = Table {
    name: "route.guard",
    says: "What an answer has to say.",
    keys: &[Key::new(
        "tenant",
        Shape::OneOrMore(&Shape::Text(BODY_PLACE)),
        "Where the answer names its tenant.",
    )
    .required()
    .examples(&[Text("body:/tenantId")])],
    ..Table::EMPTY
};

static NOT_FOUND: Table = Table {
    name: "route.not_found",
    says: "An answer about what is not there.",
    keys: &[
        Key::new("status", Shape::Integer(200, 499), "Its status.").required(),
        Key::new(
            "content_type",
            Shape::Text(MEDIA_TYPE),
            "Its `Content-Type`.",
        )
        .required(),
        Key::new(
            "body",
            Shape::Text(ANYTHING),
            "Its body, in which `{id}` and `{rpc_id}` are filled in.",
        )
        .required(),
    ],
    ..Table::EMPTY
};

static SET: Table = Table {
    name: "route.set",
    says: "A value that the gate writes. A place in a JSON body is added where it is absent.",
    keys: &[
        Key::new(
            "at",
            Shape::Text(REQUEST_PLACE),
            "Where; `*` in a pointer is every element of an array.",
        )
        .required(),
        Key::new(
            "value",
            Shape::Text(FILLED_IN),
            "What: `{tenant}`, `{user}`, `{roles}` (comma-separated), `{agent}` (the outermost actor) and \
             `{namespace}` (`tenant:{tid}:user:{uid}:`) are filled in.",
        )
        .required(),
    ],
    ..Table::EMPTY
};

static PREFIX: Table = Table {
    name: "route.prefix",
    says: "A value that is moved into the caller's own space.",
    keys: &[
        Key::new("at", Shape::Text(REQUEST_PLACE), "Where.").required(),
        Key::new(
            "with",
            Shape::Text(FILLED_IN),
            "What stands before it: placeholders as in `set` without `{roles}`, `{tenant}` or `{namespace}` \
             among them. One that two callers could share is refused.",
        )
        .required()
        .examples(&[Text("{namespace}"), Text("{tenant}.{user}")]),
        Key::new(
            "element",
            Shape::Flag,
            "`at` is an array of a JSON body, and the prefix an element of its own in front of the others.",
        )
        .default(Flag(false)),
        Key::new(
            "absent",
            Shape::Choice(&[
                ("deny", "It is refused (400)."),
                ("insert", "The prefix alone: the whole of the caller's space."),
                ("leave", "It goes on without."),
            ]),
            "What becomes of a request without a value there.",
        )
        .default(Text("deny")),
    ],
    ..Table::EMPTY
};

static SHARED_MEMORY_WRITE: Table = Table {
    name: "route.shared_memory_write",
    says: "Where a request says that it writes memory of the tenant. Anything but the word at that place asks \
           for the role; nothing there does not.",
    keys: &[
        Key::new(
            "at",
            Shape::OneOrMore(&Shape::Text(REQUEST_PLACE)),
            "Where; `*` in a pointer is every element of an array.",
        )
        .required()
        .examples(&[Text("body:/scope")]),
        Key::new(
            "unless",
            Shape::Text(ANYTHING),
            "The word for what is the caller's own.",
        )
        .required()
        .examples(&[Text("user")]),
    ],
    ..Table::EMPTY
};

static SERIALIZE: Table = Table {
    name: "route.serialize",
    says: "For backends that two requests at once would break. Who comes first goes first; lines are those of one \
           process.",
    keys: &[
        Key::new(
            "scope",
            Shape::Choice(&[
                (
                    "tenant",
                    "Those of one tenant, on all routes of the upstream that say so.",
                ),
                ("user", "Those of one user, likewise."),
                ("route", "Everybody on this route."),
                (
                    "resource",
                    "Those about one resource, the first that the route names.",
                ),
            ]),
            "Who shares a line.",
        )
        .required(),
        Key::new(
            "queue",
            Shape::Integer(0, MAX_QUEUE),
            "How many wait; the next is refused (`queue_full`).",
        )
        .default(Integer(QUEUE)),
        Key::new(
            "wait_seconds",
            Shape::Integer(1, MAX_WAIT_SECONDS),
            "Longest wait for one's turn (`queue_full`).",
        )
        .default(Integer(WAIT_SECONDS)),
    ],
    ..Table::EMPTY
};
