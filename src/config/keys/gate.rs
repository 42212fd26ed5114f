//! `config/gate.toml`.

use super::{ADDRESS, LISTEN_ADDRESS, PATH, TLS};
use crate::keys::Value::{Flag, Integer, Text, Texts};
use crate::keys::{File, Grammar, Key, Shape, Table};
use crate::policy::document::keys::grammars::SECRET;

/// The gate's own settings.
pub static GATE_FILE: File = File {
    name: "gate",
    title: "Configuration of the gate",
    says: "What the process of Fabric Gate is told at start: `config/gate.toml`, or the file that `--config` or \
           `FABRIC_GATE_CONFIG` names. A change needs a restart or an upgrade in place. Relative paths begin at the \
           working directory.",
    root: &ROOT,
};

const DIRECTORY: Shape = Shape::Text(Grammar::any("folder"));

const ANY_PATH: Shape = PATH;

static ROOT: Table = Table {
    name: "gate",
    keys: &[
        Key::new("listen", Shape::Table(&LISTEN), "Where callers come in."),
        Key::new(
            "admin",
            Shape::Table(&ADMIN),
            "Health, metrics, console and admin API: a listener of its own, so that no route can ever lead there.",
        ),
        Key::new(
            "policies",
            Shape::Table(&POLICIES),
            "Where the policies are.",
        ),
        Key::new("state", Shape::Table(&STATE), "Who owns what."),
        Key::new(
            "ledger",
            Shape::Table(&LEDGER),
            "Who spent what: the folder `data/gate.ledger` beside the state `data/gate.db`.",
        ),
        Key::new("audit", Shape::Table(&AUDIT), "The audit log."),
        Key::new(
            "assertion",
            Shape::Table(&ASSERTION),
            "The key that signs `X-Fabric-Assertion`.",
        ),
        Key::new(
            "secrets",
            Shape::Table(&SECRETS),
            "Where credentials of backends are.",
        ),
        Key::new(
            "limits",
            Shape::Table(&LIMITS),
            "Limits of the whole process.",
        ),
        Key::new("shutdown", Shape::Table(&SHUTDOWN), "How the process ends."),
        Key::new(
            "upgrade",
            Shape::Table(&UPGRADE),
            "How the listeners are handed to the next process.",
        ),
        Key::new("metrics", Shape::Table(&METRICS), "What metrics say."),
        Key::new(
            "telemetry",
            Shape::Table(&super::telemetry::TELEMETRY),
            "Traces and logs for OpenTelemetry, by OTLP over HTTP.",
        ),
    ],
    ..Table::EMPTY
};

static LISTEN: Table = Table {
    name: "listen",
    says: "Where callers come in.",
    keys: &[
        Key::new(
            "address",
            Shape::Text(LISTEN_ADDRESS),
            "Where it listens. Port 0 lets the system choose.",
        )
        .default(Text("127.0.0.1:8080")),
        Key::new("tls", Shape::Table(&TLS), "TLS 1.2 and 1.3.").otherwise("plain HTTP"),
        Key::new(
            "http2",
            Shape::Flag,
            "HTTP/2: by ALPN on TLS, by prior knowledge on plain connections.",
        )
        .default(Flag(true)),
        Key::new(
            "threads",
            Shape::Integer(1, 1_024),
            "Threads that serve requests.",
        )
        .otherwise("one for each processor"),
        Key::new(
            "connections",
            Shape::Integer(1, 1_000_000),
            "Most connections at once; beyond it is 503 (`overloaded`).",
        )
        .default(Integer(10_000)),
        Key::new(
            "header_timeout_seconds",
            Shape::Integer(1, 300),
            "Total time for a request's head to arrive.",
        )
        .default(Integer(10)),
        Key::new(
            "idle_timeout_seconds",
            Shape::Integer(1, 3_600),
            "How long a connection may stay silent between requests.",
        )
        .default(Integer(60)),
        Key::new(
            "hosts",
            Shape::Some(&Shape::Text(Grammar::matching(
                "host",
                r"^[A-Za-z0-9._:\[\]-]+$",
            ))),
            "`Host` names that are served, without port.",
        )
        .otherwise("any")
        .examples(&[Texts(&["agents.example.com"])]),
    ],
    ..Table::EMPTY
};

static ADMIN: Table = Table {
    name: "admin",
    says: "The operators' listener.",
    keys: &[
        Key::new(
            "address",
            Shape::Text(ADDRESS),
            "Where it listens; never where callers come in.",
        )
        .default(Text("127.0.0.1:9901")),
        Key::new(
            "token",
            Shape::Text(SECRET),
            "Where the bearer secret of the admin API is.",
        )
        .otherwise(
            "all but `/livez`, `/readyz`, `/metrics`, the console's page and the keys of assertions \
             is refused",
        ),
        Key::new(
            "hosts",
            Shape::List(&Shape::Text(Grammar::matching(
                "host",
                r"^[A-Za-z0-9._:\[\]-]+$",
            ))),
            "Names under which browsers may open the console, without port.",
        )
        .otherwise("only addresses and `localhost`, which always are")
        .examples(&[Texts(&["gate.internal.example"])]),
    ],
    ..Table::EMPTY
};

static POLICIES: Table = Table {
    name: "policies",
    says: "Where the policies are.",
    keys: &[Key::new(
        "directory",
        DIRECTORY,
        "The policy folder: every `*.toml` in it, reloaded when it changes.",
    )
    .default(Text("policies"))],
    ..Table::EMPTY
};

static STATE: Table = Table {
    name: "state",
    says: "Who owns what.",
    keys: &[
        Key::new(
            "url",
            Shape::Text(
                Grammar::matching("`sqlite:PATH`", r"^sqlite:[\s\S]+$"),
            ),
            "Where it is kept: an SQLite file on a local disk. The ledger and the gate's own keys are beside it.",
        )
        .default(Text("sqlite:data/gate.db")),
        Key::new(
            "retention_days",
            Shape::Integer(1, 36_500),
            "Days after which what nobody used loses its owner.",
        )
        .otherwise("never"),
        Key::new(
            "cached_owners",
            Shape::Integer(1, 100_000_000),
            "Most resources whose owners are kept in memory; the rest is looked up.",
        )
        .default(Integer(1_000_000)),
    ],
    ..Table::EMPTY
};

static LEDGER: Table = Table {
    name: "ledger",
    says: "Who spent what.",
    keys: &[
        Key::new(
            "sync_milliseconds",
            Shape::Integer(1, 60_000),
            "Longest time between two writes to disk: what a power failure can lose of what was spent.",
        )
        .default(Integer(100)),
        Key::new(
            "crash_grace_seconds",
            Shape::Integer(0, 3_600),
            "How long the money of a process that died is held before it is charged.",
        )
        .default(Integer(30)),
        Key::new(
            "retention_days",
            Shape::Integer(32, 36_500),
            "Days for which single charges are kept.",
        )
        .default(Integer(400)),
        Key::new(
            "lines_per_tenant",
            Shape::Integer(100, 10_000_000),
            "How many users, agents, routes and sessions of a tenant are told apart.",
        )
        .default(Integer(100_000)),
    ],
    ..Table::EMPTY
};

static AUDIT: Table = Table {
    name: "audit",
    says: "The audit log: one record for each request, chained by a keyed hash.",
    keys: &[
        Key::new("directory", DIRECTORY, "Where the log files are.").default(Text("data/audit")),
        Key::new(
            "on_failure",
            Shape::Choice(&[
                ("deny", "No record, no service (`audit_unavailable`)."),
                ("allow", "It is served, and the loss is counted."),
            ]),
            "What becomes of a request whose record can't be written.",
        )
        .default(Text("deny")),
        Key::new(
            "durability",
            Shape::Choice(&[
                ("batch", "On disk within `flush_milliseconds`."),
                ("sync", "The answer waits for the disk."),
            ]),
            "When a record counts as written.",
        )
        .default(Text("batch")),
        Key::new(
            "flush_milliseconds",
            Shape::Integer(1, 10_000),
            "Longest time between two writes to disk.",
        )
        .default(Integer(100)),
        Key::new(
            "key",
            Shape::Text(SECRET),
            "Where the secret of the hash chain is: 64 hexadecimal digits.",
        )
        .otherwise("the file `<directory>.key`, made at the first start"),
        Key::new(
            "checkpoints",
            ANY_PATH,
            "Where signed checkpoints go. They show that a log was cut off: best where the log's owner can't write.",
        )
        .otherwise("`<directory>-checkpoints.jsonl`"),
        Key::new(
            "rotate_megabytes",
            Shape::Integer(1, 65_536),
            "Size at which a log file is closed and the next one begun.",
        )
        .default(Integer(256)),
    ],
    ..Table::EMPTY
};

static ASSERTION: Table = Table {
    name: "assertion",
    says: "The key that signs `X-Fabric-Assertion`.",
    keys: &[
        Key::new(
            "key",
            Shape::Text(SECRET),
            "Where the key is: Ed25519, PKCS #8 in PEM.",
        )
        .otherwise("a file beside the state (`data/gate.assertion.key`), made at the first start"),
        Key::new(
            "previous",
            Shape::List(&Shape::Text(SECRET)),
            "Where further keys are, either half of each: published beside it, so that what they signed is \
             believed while it lasts.",
        ),
    ],
    ..Table::EMPTY
};

static SECRETS: Table = Table {
    name: "secrets",
    says: "Where credentials of backends are.",
    keys: &[Key::new(
        "directory",
        DIRECTORY,
        "What `authorization = \"handle:…\"` of an upstream is below. It doesn't have to exist.",
    )
    .default(Text("/run/secrets/fabric"))],
    ..Table::EMPTY
};

static LIMITS: Table = Table {
    name: "limits",
    says: "Limits of the whole process.",
    keys: &[
        Key::new(
            "body_memory_megabytes",
            Shape::Integer(1, 1_048_576),
            "Memory that all bodies share that are held back.",
        )
        .default(Integer(256)),
        Key::new(
            "response_body_bytes",
            Shape::Integer(1, 1 << 32),
            "Largest answer that is read whole before it is sent, in bytes (`upstream_unreadable`).",
        )
        .default(Integer(10 * 1024 * 1024)),
        Key::new(
            "body_timeout_seconds",
            Shape::Integer(1, 3_600),
            "For a whole request body that is read before the decision. What a slower one may do at most shrinks \
             with it.",
        )
        .default(Integer(60)),
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

static UPGRADE: Table = Table {
    name: "upgrade",
    says: "How the listeners are handed to the next process.",
    keys: &[
        Key::new(
            "socket",
            ANY_PATH,
            "The unix socket they are handed over by.",
        )
        .default(Text("data/upgrade.sock")),
        Key::new(
            "pid_file",
            ANY_PATH,
            "The file with the id of the running process.",
        )
        .default(Text("data/gate.pid")),
    ],
    ..Table::EMPTY
};

static METRICS: Table = Table {
    name: "metrics",
    says: "What metrics say.",
    keys: &[Key::new(
        "tenant_labels",
        Shape::Integer(0, 10_000),
        "Most values of the label `tenant`; the rest is `__other__`.",
    )
    .default(Integer(100))],
    ..Table::EMPTY
};
