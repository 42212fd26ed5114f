//! Every key of the process's own files: what it takes, what holds without it, what it means.
//!
//! `config/gate.toml` is read by types of its own, `config/memory.toml` by the reader of policies. Both
//! have a table here, because what an editor has to know beside a type (ranges, what holds without a
//! key, how texts look) no type says. Tests hold each table against its reader: names, types, ranges
//! and defaults.

mod gate;
mod memory;
mod telemetry;

#[cfg(test)]
mod tests;

pub use self::gate::GATE_FILE;
pub use self::memory::MEMORY_FILE;
use crate::keys::{Grammar, Key, Shape, Table};
use crate::policy::document::keys::grammars::FILE;

const ADDRESS: Grammar =
    Grammar::matching("`IP:PORT`", r"^(?:[0-9.]+|\[[0-9A-Fa-f:.%a-z]+\]):[0-9]+$")
        .like(&["127.0.0.1:8080", "[::1]:8080"]);

const LISTEN_ADDRESS: Grammar = Grammar::matching(
    "`IP:PORT`, or `unix:PATH`",
    r"^(?:(?:[0-9.]+|\[[0-9A-Fa-f:.%a-z]+\]):[0-9]+|unix:[\s\S]+)$",
)
.like(&["0.0.0.0:8080", "unix:/run/fabric/gate.sock"]);

const PATH: Shape = Shape::Text(FILE);

static TLS: Table = Table {
    name: "listen.tls",
    says: "PEM files, read at start.",
    keys: &[
        Key::new("certificate", PATH, "The certificate chain.").required(),
        Key::new("private_key", PATH, "Its key.").required(),
        Key::new(
            "client_ca",
            PATH,
            "Roots that client certificates are checked against: switches on mutual TLS.",
        ),
    ],
    ..Table::EMPTY
};
