//! What can be seen of the gate from outside: metrics and the process log.

mod metrics;
mod open_stream;

pub use metrics::{Metrics, MetricsError, RequestFacts};
pub use open_stream::OpenStream;
