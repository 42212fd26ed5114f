//! WebSocket as it passes (RFC 6455): frames followed without being kept, messages read whole where
//! they have to be judged, and the close frame the gate writes itself.

mod frame;
mod handshake;
mod messages;
mod track;

pub use frame::{FrameFault, FrameHeader, Opcode, Sender, close_frame};
pub use handshake::{accept_of, is_key, only_deflate};
pub use messages::{MessageFault, MessageReader, Unit};
pub use track::FrameTracker;

/// Status of a close frame (RFC 6455 section 7.4.1): one side leaves.
pub const GOING_AWAY: u16 = 1001;
/// The peer broke the protocol.
pub const PROTOCOL_ERROR: u16 = 1002;
/// A kind of data the endpoint can't accept.
pub const UNSUPPORTED_DATA: u16 = 1003;
/// The peer's message violates the endpoint's policy.
pub const POLICY_VIOLATION: u16 = 1008;
/// The server could not do what was asked.
pub const INTERNAL_ERROR: u16 = 1011;
/// A message too large to be read.
pub const MESSAGE_TOO_BIG: u16 = 1009;
