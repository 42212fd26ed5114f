//! What the program logs, as log records of OTLP beside the lines on standard error.

use std::fmt;
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::record::{LogLine, Severity};
use super::request::nanos;
use super::{Dropped, Signal};
use crate::clock::{Clock, SystemClock};
use crate::telemetry::Metrics;

/// Who is at work while a log record is sent: what they log would never end.
const OWN: [&str; 5] = [
    "fabric_gate::telemetry::otlp",
    "h2",
    "hyper",
    "reqwest",
    "rustls",
];

/// Hears what is logged. It is part of the log from the start, and passes nothing on until export
/// begins.
///
/// Nothing below `INFO` goes out, whatever `RUST_LOG` says: crates below this one log whole messages
/// there, with their headers.
#[derive(Clone, Default)]
pub struct LogTap(Arc<OnceLock<Sink>>);

struct Sink {
    lines: mpsc::Sender<LogLine>,
    metrics: Arc<Metrics>,
}

impl LogTap {
    /// From here on what is logged goes into this queue.
    pub(super) fn open(&self, lines: mpsc::Sender<LogLine>, metrics: Arc<Metrics>) {
        // A second queue would belong to a second exporter, and there is one.
        let _first = self.0.set(Sink { lines, metrics });
    }
}

impl<S: Subscriber> Layer<S> for LogTap {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let Some(sink) = self.0.get() else {
            return;
        };
        let about = event.metadata();
        let Some(severity) = Severity::of(*about.level()) else {
            return;
        };
        if OWN.iter().any(|own| about.target().starts_with(own)) {
            return;
        }
        let mut line = LogLine {
            at: nanos(SystemClock.now()),
            severity,
            target: about.target(),
            ..LogLine::default()
        };
        event.record(&mut Fields(&mut line));
        if sink.lines.try_send(line).is_err() {
            let (signal, reason) = (Signal::Logs, Dropped::QueueFull);
            sink.metrics.telemetry_dropped(signal, reason, 1);
        }
    }
}

/// Writes an event's fields into a line.
struct Fields<'line>(&'line mut LogLine);

impl Fields<'_> {
    fn put(&mut self, field: &Field, text: String) {
        match field.name() {
            "message" => self.0.body = text,
            "trace_id" => self.0.trace = hexadecimal(&text).map(|trace| (trace, None)),
            name => self.0.fields.push((name, text)),
        }
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }
}

/// The bytes of an id, if it is one.
fn hexadecimal<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    if text.len() != BYTES * 2 {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}
