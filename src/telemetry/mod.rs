//! What can be seen of the gate from outside: metrics, traces and the process log, and alerts to
//! operators.

mod exported;
mod metrics;
mod money;
mod open_stream;
pub mod otlp;
pub mod series;
pub mod warnings;

pub use metrics::{Metrics, MetricsError, RequestFacts};
pub use money::StandingFacts;
pub use open_stream::OpenStream;
