//! For whom: `[tenancy]`, `[defaults]`, `[[tenants]]` and `[memory]`.

use super::super::limits::MOST;
use super::super::tenants::{BODY_BYTES, MAX_BODY_BYTES};
use super::grammars::{
    ID_PATTERN, MODEL, MODEL_PATTERN, PER_SECOND, ROLE, TEMPERATURE, TENANT, TIMEZONE, USD, WINDOW,
};
use crate::budget::models::settings::MAX_OUTPUT_TOKENS;
use crate::keys::Value::{Decimal, Decimals, Flag, Integer, Text, Texts};
use crate::keys::{Key, Shape, Table};
use crate::tenant::DEFAULT_PATTERN;

/// `[tenancy]`.
pub(super) static TENANCY: Table = Table {
    name: "tenancy",
    says: "What a tenant is.",
    keys: &[
        TENANT_PATTERN,
        Key::new(
            "unknown",
            Shape::Choice(&[
                ("deny", "It is refused (`tenant_unknown`)."),
                ("provision", "It is let in with what `[defaults]` say."),
            ]),
            "What becomes of a good credential whose tenant is not listed in `[[tenants]]`.",
        )
        .default(Text("deny")),
        Key::new(
            "header_required",
            Shape::Flag,
            "Hardened mode: `X-Fabric-Tenant` has to be there and no route is public but the health ones. \
             `FABRIC_HARNESS_TENANT_REQUIRED=1` in the environment forces it on.",
        )
        .default(Flag(false)),
    ],
    ..Table::EMPTY
};

/// `[tenancy] id_pattern`, which the memory service has too.
pub(crate) const TENANT_PATTERN: Key = Key::new(
    "id_pattern",
    Shape::Text(ID_PATTERN),
    "The grammar of tenant ids: anchored by `^` and `$`. Whatever it says, an id is 1 to 63 ASCII \
     letters, digits, `_` and `-`.",
)
.default(Text(DEFAULT_PATTERN));

const CEILINGS: Shape = Shape::List(&Shape::Table(&CEILING));

/// `[defaults]`.
pub(super) static DEFAULTS: Table = Table {
    name: "defaults",
    says: "What holds for every tenant that doesn't say otherwise.",
    keys: &[
        Key::new(
            "limits",
            Shape::Table(&LIMITS),
            "What all callers of a tenant together are held to.",
        )
        .otherwise("`body_bytes = 10485760`, and no more"),
        Key::new(
            "user_limits",
            Shape::Table(&LIMITS),
            "What each user of a tenant is held to.",
        ),
        Key::new(
            "ceilings",
            CEILINGS,
            "The most that a tenant may spend that states no ceilings of its own.",
        ),
        Key::new(
            "models",
            Shape::Table(&MODELS),
            "Which models tenants use, key by key where they don't say themselves.",
        ),
    ],
    ..Table::EMPTY
};

/// `[[tenants]]`.
pub(super) static TENANT_ENTRY: Table = Table {
    name: "tenant",
    says: "A tenant: the boundary of isolation.",
    keys: &[
        Key::new("id", Shape::Text(TENANT), "Its id, as credentials say it.").required(),
        Key::new(
            "suspended",
            Shape::Flag,
            "Nothing of it gets through, however good its credentials are (`tenant_suspended`).",
        )
        .default(Flag(false)),
        Key::new(
            "limits",
            Shape::Table(&LIMITS),
            "What all of its callers together are held to.",
        )
        .otherwise("key by key what `[defaults]` say"),
        Key::new(
            "user_limits",
            Shape::Table(&LIMITS),
            "What each of its users is held to.",
        )
        .otherwise("key by key what `[defaults]` say"),
        Key::new(
            "ceilings",
            CEILINGS,
            "The most that it may spend. `[]` is none, whatever the defaults say.",
        )
        .otherwise("those of `[defaults]`"),
        Key::new("models", Shape::Table(&MODELS), "Which models it uses.")
            .otherwise("key by key what `[defaults]` say"),
    ],
    ..Table::EMPTY
};

static LIMITS: Table = Table {
    name: "limits",
    says: "So many a second, so many at a time. Beyond it is 429, `rate_limited` or `concurrency_limited`. \
           Limits are those of one process; 0 is for `body_bytes` only, `suspended = true` shuts a tenant out.",
    keys: &[
        Key::new(
            "requests_per_second",
            Shape::Decimal(PER_SECOND),
            "Requests in a second, 0.000001 to 1000000 with up to six places. One below 1 is best written \
             in quotes.",
        )
        .examples(&[Integer(50), Text("0.5")]),
        Key::new(
            "burst",
            Shape::Integer(1, MOST),
            "How many requests may come at once after a rest (GCRA). It needs `requests_per_second`, here \
             or in the defaults.",
        )
        .otherwise("what a second gives, rounded up"),
        Key::new(
            "concurrent_requests",
            Shape::Integer(1, MOST),
            "Requests under way at once, streams among them.",
        ),
        Key::new(
            "open_streams",
            Shape::Integer(1, MOST),
            "Sockets and streamed answers at once: `text/event-stream`, `application/x-ndjson`, \
             `application/jsonl` and `application/vnd.amazon.eventstream`. Not gRPC, whose single answers look \
             the same.",
        ),
        Key::new(
            "body_bytes",
            Shape::Integer(0, MAX_BODY_BYTES),
            "Largest request body, in bytes (`body_too_large`). The smallest of the route's, the tenant's \
             and the user's counts.",
        )
        .otherwise(BODY_BYTES_OTHERWISE),
    ],
    ..Table::EMPTY
};

/// Said of a default that a place far above the key has.
const BODY_BYTES_OTHERWISE: &str = match BODY_BYTES {
    10_485_760 => "10485760 for a tenant, no limit of its own for a user",
    _ => "",
};

static CEILING: Table = Table {
    name: "ceiling",
    says: "The most that may be spent over a window. Money is held before the backend is asked; what does \
           not fit is refused (`budget_exceeded`). No two of a list have the same `scope` and `window`, and \
           one that no route with a `cost` could reach is an error.",
    keys: &[
        Key::new(
            "scope",
            Shape::Choice(&[
                ("tenant", "The tenant as a whole."),
                ("user", "Each of its users."),
                ("agent", "Each agent: `cost.agent`, else the outermost actor of the token."),
                ("route", "Each route."),
                ("session", "Each session: `cost.session`, else the first resource of the request."),
            ]),
            "Over what it adds up: each value has a line of its own.",
        )
        .required(),
        Key::new(
            "window",
            Shape::Text(WINDOW),
            "How long: `\"hour\"`, `\"day\"`, `\"week\"` (from Monday), `\"month\"`, `\"total\"`, or the time \
             just past, `\"rolling:24h\"` (`m`, `h` or `d`; a minute to 31 days).",
        )
        .required(),
        Key::new(
            "usd",
            Shape::Text(USD),
            "The most, in US dollars: decimal text with up to nine places, never a number.",
        )
        .required()
        .examples(&[Text("250.00")]),
        Key::new(
            "timezone",
            Shape::Text(TIMEZONE),
            "Whose midnight begins a day, a week or a month. Only for windows of the calendar.",
        )
        .otherwise("UTC"),
        Key::new(
            "warn_at",
            Shape::Decimals,
            "Shares of it at which somebody is told (`[costs] alerts`, the audit log, an answer's header): \
             above 0, at most 1, up to three places.",
        )
        .examples(&[Decimals(&["0.5", "0.8"])]),
    ],
    ..Table::EMPTY
};

static MODELS: Table = Table {
    name: "models",
    says: "Which models may be used (`model_forbidden`), and what requests say that say nothing. It holds on \
           every route whose `cost` has a `usage` or a `model`.",
    keys: &[
        Key::new(
            "allow",
            Shape::Some(&Shape::Text(MODEL_PATTERN)),
            "Models that may be used: names, `*` for any run of characters, compared byte for byte.",
        )
        .otherwise("every model")
        .examples(&[Texts(&["gpt-4o", "claude-*"])]),
        Key::new(
            "default",
            Shape::Text(MODEL),
            "The model of a request that names none. It has to be an allowed one.",
        )
        .otherwise("such a request goes on as it is, or is refused where there is an `allow`"),
        Key::new(
            "default_temperature",
            Shape::Decimal(TEMPERATURE),
            "The temperature of a request that says none, 0 to 2, written as it stands here.",
        )
        .examples(&[Decimal("0.7")]),
        Key::new(
            "max_output_tokens",
            Shape::Integer(1, MAX_OUTPUT_TOKENS),
            "The most output a request may ask for, in tokens, and what one that says nothing is given. A \
             larger cap is refused, not lowered.",
        ),
    ],
    ..Table::EMPTY
};

/// `[memory]`.
pub(super) static MEMORY: Table = Table {
    name: "memory",
    says: "What a whole tenant shares.",
    keys: &[Key::new(
        "shared_write_roles",
        Shape::Some(&Shape::Text(ROLE)),
        "Who may use routes with `shared_memory_write`, any of these: what is written there every agent \
         of the tenant believes.",
    )
    .required()
    .examples(&[Texts(&["admin", "lead"])])],
    ..Table::EMPTY
};
