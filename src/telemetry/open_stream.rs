//! Answers that go on.

use prometheus::IntGauge;

/// Counts one open stream for as long as it is held.
#[derive(Debug)]
#[must_use]
pub struct OpenStream(IntGauge);

impl OpenStream {
    /// Counts one more. The gauge is kept: which label a tenant has may change while a stream is
    /// open, and what was added to one must not be taken from another.
    pub(super) fn counted_by(gauge: IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}
