//! The only module that knows pingora: connections, callbacks, exchanges with backends.
//!
//! A request takes one of two ways to its backend. Uploads nobody looks at, gRPC and WebSocket go
//! through pingora's proxy loop (the callbacks in [`callbacks`]); everything else goes through the
//! gate's own [`exchange`], which can send a body that was read before the decision and hold an
//! answer until it was judged. [`carrier`] asks the questions both ways share. `docs/decisions/0001-bodies.md` has the reasons and the figures.

mod absence;
mod announced;
mod body;
mod callbacks;
mod carrier;
mod context;
mod deliver;
mod described;
mod exchange;
mod failures;
mod following;
mod forward;
mod head_reader;
mod hop;
mod judge;
mod last_word;
mod lifetime;
mod listener;
mod memory_budget;
mod metered;
mod pages;
mod respond;
mod restore;
mod server;
mod sift;
mod tls;
mod tunnel;
mod upstreams;
mod waiting;
mod watched;
mod wording;

pub use described::{Outgoing, outgoing};
pub use following::follow;
pub use listener::ListenerBounds;
pub use pingora::server::ExecutionPhase;
pub use server::{ListenAddress, ServerError, ServerSettings, serve};
pub use tls::{TlsError, TlsFiles};
pub use upstreams::{UpstreamError, Upstreams};
