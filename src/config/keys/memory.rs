//! `config/memory.toml`.

use super::{ADDRESS, LISTEN_ADDRESS, TLS};
use crate::keys::Value::{Flag, Integer, Text, Texts};
use crate::keys::{File, Grammar, Key, Names, Rule, Shape, Table};
use crate::policy::document::keys::grammars::{ROLE, SOMETHING, URL};
use crate::policy::document::keys::{ISSUER, TENANT_PATTERN};

/// The memory service's own settings.
pub static MEMORY_FILE: File = File {
    name: "memory",
    title: "Configuration of the memory service",
    says: "What the process of `fabric-memory` is told at start: `config/memory.toml`, or the file that `--config` or \
           `FABRIC_MEMORY_CONFIG` names. A change needs a restart. Relative paths begin at the working directory. \
           Everything has a default but who is believed: `[identity]` names the gate's keys, or there are \
           `[[issuers]]`.",
    root: &ROOT,
};

static ROOT: Table = Table {
    name: "memory file",
    keys: &[
        Key::new("listen", Shape::Table(&LISTEN), "Where the gate comes in."),
        Key::new(
            "operations",
            Shape::Table(&OPERATIONS),
            "Health and metrics, on an address of their own that no route of the gate leads to.",
        ),
        Key::new(
            "identity",
            Shape::Table(&IDENTITY),
            "Whose assertions are believed: the gate's.",
        ),
        Key::new(
            "issuers",
            Shape::List(&Shape::Table(&ISSUER)),
            "Callers that come with a token of their own, as in policy files.",
        ),
        Key::new(
            "tenancy",
            Shape::Table(&TENANCY),
            "What a tenant is, as the gate's policies say it.",
        ),
        Key::new("store", Shape::Table(&STORE), "Where entries are kept."),
        Key::new("memory", Shape::Table(&MEMORY), "Which roles may do what."),
        Key::new("quotas", Shape::Table(&QUOTAS), "How much may be kept."),
        Key::new("limits", Shape::Table(&LIMITS), "Bounds of requests."),
        Key::new("shutdown", Shape::Table(&SHUTDOWN), "How the process ends."),
    ],
    ..Table::EMPTY
};

static LISTEN: Table = Table {
    name: "listen",
    says: "Where the gate comes in.",
    keys: &[
        Key::new(
            "address",
            Shape::Text(LISTEN_ADDRESS),
            "Where it listens. A unix socket is for owner and group (mode 0660).",
        )
        .default(Text("127.0.0.1:8090")),
        Key::new(
            "tls",
            Shape::Table(&TLS),
            "TLS 1.2 and 1.3. With `client_ca` nobody connects without a certificate of it.",
        )
        .otherwise("plain HTTP"),
        Key::new(
            "connections",
            Shape::Integer(1, 1_000_000),
            "Most connections at once; beyond it one is closed at once.",
        )
        .default(Integer(10_000)),
        Key::new(
            "header_timeout_seconds",
            Shape::Integer(1, 300),
            "For a request's whole head, and for a TLS handshake.",
        )
        .default(Integer(10)),
        Key::new(
            "idle_timeout_seconds",
            Shape::Integer(1, 3_600),
            "Between requests, and for a peer that takes nothing of its answer.",
        )
        .default(Integer(75)),
    ],
    ..Table::EMPTY
};

static OPERATIONS: Table = Table {
    name: "operations",
    says: "Health and metrics.",
    keys: &[
        Key::new("enabled", Shape::Flag, "Whether there is such a listener.").default(Flag(true)),
        Key::new("address", Shape::Text(ADDRESS), "Where it listens.")
            .default(Text("127.0.0.1:9902")),
    ],
    ..Table::EMPTY
};

static IDENTITY: Table = Table {
    name: "identity",
    says: "Whose assertions are believed.",
    keys: &[
        Key::new(
            "assertion_jwks_url",
            Shape::Text(URL),
            "Where the gate's keys are fetched: https, or http on loopback.",
        )
        .examples(&[Text("http://127.0.0.1:9901/.well-known/jwks.json")]),
        Key::new(
            "assertion_jwks_file",
            Shape::Text(Grammar {
                what: "file",
                ..SOMETHING
            }),
            "A file with the gate's keys, a JWK set.",
        ),
        Key::new(
            "assertion_audience",
            Shape::Text(SOMETHING),
            "The name of this service among the gate's upstreams, which assertions are made out to.",
        )
        .default(Text("memory")),
    ],
    rules: &[Rule::Apart("assertion_jwks_url", "assertion_jwks_file")],
    ..Table::EMPTY
};

static TENANCY: Table = Table {
    name: "tenancy",
    says: "What a tenant is.",
    keys: &[TENANT_PATTERN],
    ..Table::EMPTY
};

const STORE_URL: Grammar = Grammar::matching(
    "URL, or secret reference",
    r"^(?:sqlite:[\s\S]+|postgres(?:ql)?://[\s\S]*|env:[^=\u0000]+|file:[^\u0000]+)$",
)
.like(&[
    "sqlite:data/memory",
    "postgres://fabric_memory@db.example.com/memory",
    "env:MEMORY_URL",
]);

const OWNER_URL: Grammar = Grammar::matching(
    "URL, or secret reference",
    r"^(?:postgres(?:ql)?://[\s\S]*|env:[^=\u0000]+|file:[^\u0000]+)$",
)
.like(&["env:MEMORY_OWNER_URL"]);

static STORE: Table = Table {
    name: "store",
    says: "Where entries are kept.",
    keys: &[
        Key::new(
            "url",
            Shape::Text(STORE_URL),
            "`sqlite:FOLDER`, one database for each tenant, or `postgres://…`. A URL with a password is a secret: \
             `file:PATH` or `env:NAME`.",
        )
        .default(Text("sqlite:data/memory")),
        Key::new(
            "owner_url",
            Shape::Text(OWNER_URL),
            "PostgreSQL: as the role that owns the tables, for `fabric-memory migrate` only.",
        )
        .otherwise("`url`"),
        Key::new(
            "open_tenants",
            Shape::Integer(1, 100_000),
            "SQLite: most databases that are open at once.",
        )
        .default(Integer(512)),
        Key::new("pool_size", Shape::Integer(1, 1_000), "PostgreSQL: most connections.")
            .default(Integer(16)),
        Key::new(
            "pool_wait_seconds",
            Shape::Integer(1, 60),
            "PostgreSQL: how long a request waits for a connection.",
        )
        .default(Integer(5)),
        Key::new(
            "statement_timeout_seconds",
            Shape::Integer(1, 3_600),
            "How long a statement may take.",
        )
        .default(Integer(10)),
    ],
    rules: &[Rule::Needs("owner_url", "url")],
    ..Table::EMPTY
};

const LEVEL: Shape = Shape::Choice(&[
    ("public", "The least confidential."),
    ("internal", "Above `public`."),
    ("confidential", "Above `internal`."),
    ("restricted", "The most confidential."),
]);

const ROLES: Shape = Shape::List(&Shape::Text(ROLE));

static MEMORY: Table = Table {
    name: "memory",
    says: "Which roles may do what.",
    keys: &[
        Key::new(
            "shared_write_roles",
            ROLES,
            "Who writes, changes, deletes and promotes what all of a tenant read (`role_required`).",
        )
        .default(Texts(&["admin", "lead"])),
        Key::new(
            "tenant_admin_roles",
            ROLES,
            "Who erases users and the tenant.",
        )
        .default(Texts(&["tenant-admin"])),
        Key::new(
            "default_clearance",
            LEVEL,
            "How confidential the entries are that a caller sees whose roles have no clearance.",
        )
        .default(Text("internal")),
        Key::new(
            "clearance",
            Shape::Table(&CLEARANCE),
            "What the holders of a role see instead; of several roles the highest counts.",
        ),
        Key::new(
            "history_versions",
            Shape::Integer(1, 1_000),
            "Most versions kept of an entry.",
        )
        .default(Integer(20)),
    ],
    ..Table::EMPTY
};

static CLEARANCE: Table = Table {
    name: "memory.clearance",
    says: "How confidential the entries are that the holders of a role see.",
    names: Some(Names {
        name: ROLE,
        value: &LEVEL,
    }),
    ..Table::EMPTY
};

/// As many as SQLite and PostgreSQL count.
const MOST: u64 = i64::MAX.unsigned_abs();

static QUOTAS: Table = Table {
    name: "quotas",
    says: "How much may be kept.",
    keys: &[
        Key::new(
            "bytes_per_tenant",
            Shape::Integer(1, MOST),
            "Bytes of a tenant: of texts, metadata and embeddings, and 512 for each entry and each earlier \
             version that is kept.",
        )
        .default(Integer(1 << 30)),
        Key::new(
            "entries_per_tenant",
            Shape::Integer(1, MOST),
            "Entries of a tenant.",
        )
        .otherwise("no limit of its own"),
        Key::new(
            "bytes_per_user",
            Shape::Integer(1, MOST),
            "Bytes of a user, counted in the same way.",
        )
        .otherwise("no limit of its own"),
        Key::new(
            "entries_per_user",
            Shape::Integer(1, MOST),
            "Entries of a user.",
        )
        .default(Integer(100_000)),
        Key::new(
            "entry_bytes",
            Shape::Integer(1_024, 1 << 26),
            "The largest entry, in bytes. Not more than `[limits] body_bytes`.",
        )
        .default(Integer(256 << 10)),
    ],
    ..Table::EMPTY
};

static LIMITS: Table = Table {
    name: "limits",
    says: "Bounds of requests.",
    keys: &[
        Key::new(
            "body_bytes",
            Shape::Integer(1_024, 1 << 30),
            "Largest request body, in bytes.",
        )
        .default(Integer(4 << 20)),
        Key::new(
            "import_bytes",
            Shape::Integer(1_024, 1 << 40),
            "Largest body of an import, in bytes.",
        )
        .default(Integer(256 << 20)),
        Key::new(
            "requests_at_once",
            Shape::Integer(1, 100_000),
            "Most requests at once, half of them for one tenant at most; beyond it is 503 (`overloaded`).",
        )
        .default(Integer(512)),
        Key::new(
            "streams_at_once",
            Shape::Integer(1, 100_000),
            "Most event streams at once, half of them for one tenant at most.",
        )
        .default(Integer(1_024)),
        Key::new(
            "request_timeout_seconds",
            Shape::Integer(1, 3_600),
            "For a request to be answered.",
        )
        .default(Integer(30)),
        Key::new(
            "bulk_timeout_seconds",
            Shape::Integer(1, 86_400),
            "The same for import, export and erasure.",
        )
        .default(Integer(600)),
    ],
    ..Table::EMPTY
};

static SHUTDOWN: Table = Table {
    name: "shutdown",
    says: "How the process ends.",
    keys: &[Key::new(
        "grace_seconds",
        Shape::Integer(0, 3_600),
        "How long requests under way may take to end.",
    )
    .default(Integer(30))],
    ..Table::EMPTY
};
