//! What can be seen of the gate from outside: metrics and the process log.

mod metrics;

pub use metrics::{Metrics, MetricsError, RequestFacts};
