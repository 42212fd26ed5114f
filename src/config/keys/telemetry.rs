//! `[telemetry]` of `config/gate.toml`.

use crate::keys::Value::{Flag, Integer, Text};
use crate::keys::{Grammar, Key, Names, Shape, Table};
use crate::policy::document::keys::grammars::{SECRET, SOMETHING, URL};

/// The section.
pub(super) static TELEMETRY: Table = Table {
    name: "telemetry",
    says: "Traces and logs for OpenTelemetry, by OTLP over HTTP. What the file says holds over `OTEL_*` in the \
           environment.",
    keys: &[
        Key::new(
            "otlp_endpoint",
            Shape::Text(URL),
            "Base address of the receiver; `/v1/traces` and `/v1/logs` are below it.",
        )
        .otherwise("`OTEL_EXPORTER_OTLP_ENDPOINT`; without either nothing is exported")
        .examples(&[Text("http://127.0.0.1:4318")]),
        Key::new(
            "headers",
            Shape::Table(&HEADERS),
            "Header fields of what is sent, each a reference to its value.",
        )
        .otherwise("`OTEL_EXPORTER_OTLP_HEADERS`"),
        Key::new("traces", Shape::Flag, "Whether spans are exported.").default(Flag(true)),
        Key::new(
            "logs",
            Shape::Flag,
            "Whether what is logged is exported beside the lines on standard error.",
        )
        .default(Flag(false)),
        Key::new("sample_ratio", Shape::Share, "Share of requests that are traced.")
            .otherwise("`OTEL_TRACES_SAMPLER`, or 1"),
        Key::new(
            "sample_refusals",
            Shape::Flag,
            "Whether refused and failed requests are exported though they were not sampled.",
        )
        .default(Flag(true)),
        Key::new(
            "refusals_per_second",
            Shape::Integer(0, 1_000_000),
            "Most of those a second.",
        )
        .default(Integer(50)),
        Key::new(
            "trust_parent",
            Shape::Flag,
            "Whether a caller's `traceparent` decides if its request is sampled.",
        )
        .default(Flag(false)),
        Key::new("service_name", Shape::Text(SOMETHING), "The attribute `service.name`.")
            .otherwise("`OTEL_SERVICE_NAME`, or `fabric-gate`"),
        Key::new(
            "attributes",
            Shape::Table(&ATTRIBUTES),
            "Further attributes of the resource.",
        )
        .otherwise("`OTEL_RESOURCE_ATTRIBUTES`"),
        Key::new(
            "gen_ai",
            Shape::Flag,
            "Whether spans say which model was asked, and what it used.",
        )
        .default(Flag(false)),
        Key::new("users", Shape::Flag, "Whether spans say which user called.").default(Flag(false)),
        Key::new(
            "timeout_seconds",
            Shape::Integer(1, 60),
            "Longest wait for an answer of the receiver.",
        )
        .otherwise("`OTEL_EXPORTER_OTLP_TIMEOUT`, or 10"),
        Key::new(
            "queue",
            Shape::Integer(16, 1_048_576),
            "Most spans, and most log records, that wait to be sent; what comes beyond them is dropped.",
        )
        .default(Integer(2_048)),
    ],
    ..Table::EMPTY
};

static HEADERS: Table = Table {
    name: "telemetry.headers",
    says: "Where the value of each header field is.",
    names: Some(Names {
        name: Grammar {
            what: "header",
            ..SOMETHING
        },
        value: &Shape::Text(SECRET),
    }),
    ..Table::EMPTY
};

static ATTRIBUTES: Table = Table {
    name: "telemetry.attributes",
    says: "The value of each attribute.",
    names: Some(Names {
        name: Grammar {
            what: "attribute",
            ..SOMETHING
        },
        value: &Shape::Text(Grammar {
            what: "text",
            pattern: None,
            ..SOMETHING
        }),
    }),
    ..Table::EMPTY
};
