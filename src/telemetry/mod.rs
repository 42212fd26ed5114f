//! What can be seen of the gate from outside: metrics, the process log, and alerts to operators.

mod metrics;
mod money;
mod open_stream;
pub mod warnings;

pub use metrics::{Metrics, MetricsError, RequestFacts};
pub use money::StandingFacts;
pub use open_stream::OpenStream;
