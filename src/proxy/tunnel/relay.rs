//! Carrying a socket both ways, byte for byte.
//!
//! What passes is followed frame by frame, for two reasons: what is no WebSocket any more ends, and
//! a connection that has to end can be ended between two frames, with a close frame to both sides.
//! A side that reads slowly holds the other back, as nothing is read before what was read is written.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::OnceLock;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::sync::watch;

use super::flow::{Flow, FlowEnd, Order};
use super::messages::{MessageCheck, Stop};
use super::pulse::Pulse;
use crate::decision::Denial;
use crate::inspect::websocket::{GOING_AWAY, POLICY_VIOLATION, Sender};

/// One end of a socket, with what was read of it before.
pub(super) struct End<S> {
    /// The connection.
    pub(super) stream: S,
    /// What the other side is owed from it already.
    pub(super) ahead: BytesMut,
}

/// How a socket ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// As WebSockets do, with a close frame.
    Closed,
    /// This side went without one.
    Left(Sender),
    /// This side may not go on.
    Stopped(Sender, Stop),
    /// Nothing passed for too long.
    Silent,
    /// What let it in is gone.
    Withdrawn(Denial),
}

/// Carries what both ends say until either is through with it, nothing passed for the time that
/// `pulse` allows, or `withdrawn` says why it has to end.
pub(super) async fn relay<C, B>(
    client: End<C>,
    backend: End<B>,
    compresses: bool,
    check: Option<MessageCheck>,
    pulse: &Pulse,
    withdrawn: impl Future<Output = Denial>,
) -> Ended
where
    C: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let (from_client, to_client) = split(client.stream);
    let (from_backend, to_backend) = split(backend.stream);
    let mut up = Flow::new(Sender::Client, compresses, pulse, from_client, to_backend);
    let mut down = Flow::new(Sender::Server, compresses, pulse, from_backend, to_client);
    up.checked_by(check);
    let order = watch::Sender::new(Order::GoOn);
    let first = OnceLock::new();
    let note = |sender, end| match end {
        // The other direction ended by itself, and this one because of it.
        FlowEnd::Ordered => {}
        end => {
            first.get_or_init(|| (sender, end));
        }
    };
    let mut told = None;
    let (closed_up, closed_down) = {
        let carried = async {
            tokio::join!(
                async {
                    note(Sender::Client, up.run(client.ahead, &order).await);
                    up.written.is_closed()
                },
                async {
                    note(Sender::Server, down.run(backend.ahead, &order).await);
                    down.written.is_closed()
                },
            )
        };
        let mut carried = pin!(carried);
        let watched = async {
            tokio::select! {
                denial = withdrawn => Ended::Withdrawn(denial),
                () = pulse.stopped() => Ended::Silent,
            }
        };
        let mut watched = pin!(watched);
        loop {
            let watching = async {
                match told {
                    None => watched.as_mut().await,
                    Some(_) => pending().await,
                }
            };
            tokio::select! {
                biased;
                closed = carried.as_mut() => break closed,
                ended = watching => {
                    let close = match &ended {
                        Ended::Withdrawn(denial) => {
                            Order::Close(POLICY_VIOLATION, denial.code.facts().code)
                        }
                        _ => Order::Close(GOING_AWAY, "idle"),
                    };
                    order.send_replace(close);
                    told = Some(ended);
                }
            }
        }
    };
    match (told, first.get().cloned()) {
        (Some(Ended::Silent), _) if closed_up && closed_down => Ended::Closed,
        (Some(ended), _) => ended,
        (None, Some((sender, FlowEnd::Stopped(stop)))) => Ended::Stopped(sender, stop),
        (None, _) if closed_up || closed_down => Ended::Closed,
        (None, Some((sender, FlowEnd::ReceiverGone))) => Ended::Left(other(sender)),
        (None, Some((sender, _))) => Ended::Left(sender),
        (None, None) => Ended::Closed,
    }
}

fn other(sender: Sender) -> Sender {
    match sender {
        Sender::Client => Sender::Server,
        Sender::Server => Sender::Client,
    }
}

#[cfg(test)]
mod tests;
