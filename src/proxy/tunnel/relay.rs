//! Carrying a socket both ways, byte for byte.
//!
//! What passes is followed frame by frame, for two reasons: what is no WebSocket any more ends, and
//! a connection that has to end can be ended between two frames, with a close frame to both sides.
//! A side that reads slowly holds the other back, as nothing is read before what was read is written.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::watch;
use tokio::time::timeout;

use super::pulse::Pulse;
use crate::decision::Denial;
use crate::inspect::websocket::{
    FrameFault, FrameTracker, GOING_AWAY, POLICY_VIOLATION, PROTOCOL_ERROR, Sender, close_frame,
};

/// Most bytes that are taken from one side before they are given to the other.
const PIECE: usize = 16 * 1024;

/// The same on a socket of which nothing is known.
const FIRST_PIECE: usize = 1024;

/// How long a frame under way may take to end when the connection has to.
const HALF_A_FRAME: Duration = Duration::from_millis(500);

/// How long a side that was sent a close frame may take to answer and leave.
const FAREWELL: Duration = Duration::from_secs(1);

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
    /// This side sent what is no WebSocket frame.
    Broke(Sender, FrameFault),
    /// Nothing passed for too long.
    Silent,
    /// What let it in is gone.
    Withdrawn(Denial),
}

/// What both directions are told to do.
#[derive(Clone, Copy, Debug)]
enum Order {
    GoOn,
    /// Say this, and leave.
    Close(u16, &'static str),
    /// Leave: one side is gone.
    Leave,
}

/// How one direction ended by itself.
#[derive(Clone, Copy, Debug)]
enum FlowEnd {
    /// The sender has no more to say.
    Through,
    /// The sender's connection failed.
    SenderGone,
    /// The receiver's connection failed.
    ReceiverGone,
    Broke(FrameFault),
    /// It was told to.
    Ordered,
}

/// Carries what both ends say until either is through with it, nothing passed for the time that
/// `pulse` allows, or `withdrawn` says why it has to end.
pub(super) async fn relay<C, B>(
    client: End<C>,
    backend: End<B>,
    compresses: bool,
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
    let order = watch::Sender::new(Order::GoOn);
    let first = OnceLock::new();
    let note = |sender, end| first.get_or_init(|| (sender, end));
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
    match (told, first.get().copied()) {
        (Some(Ended::Silent), _) if closed_up && closed_down => Ended::Closed,
        (Some(ended), _) => ended,
        (None, Some((sender, FlowEnd::Broke(fault)))) => Ended::Broke(sender, fault),
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

/// One direction.
struct Flow<'relay, F, T> {
    sender: Sender,
    pulse: &'relay Pulse,
    from: ReadHalf<F>,
    to: WriteHalf<T>,
    buffer: BytesMut,
    /// Bytes one read has room for.
    room: usize,
    /// What was read, to refuse what is no frame before it is passed on.
    read: FrameTracker,
    /// What was written, to know where a frame of the gate's own can stand.
    written: FrameTracker,
}

impl<'relay, F: AsyncRead, T: AsyncWrite> Flow<'relay, F, T> {
    fn new(
        sender: Sender,
        compresses: bool,
        pulse: &'relay Pulse,
        from: ReadHalf<F>,
        to: WriteHalf<T>,
    ) -> Self {
        Self {
            sender,
            pulse,
            from,
            to,
            buffer: BytesMut::new(),
            room: FIRST_PIECE,
            read: FrameTracker::new(sender, compresses),
            written: FrameTracker::new(sender, compresses),
        }
    }

    /// Carries until the sender is through or an order comes; the other direction is told where it
    /// can't go on alone.
    async fn run(&mut self, ahead: BytesMut, orders: &watch::Sender<Order>) -> FlowEnd {
        let mut given = orders.subscribe();
        let end = tokio::select! {
            biased;
            order = ordered(&mut given) => Err(order),
            end = self.carry(ahead) => Ok(end),
        };
        match end {
            Ok(FlowEnd::Through) => {
                // Half of the connection is closed, as the sender closed it.
                if self.to.shutdown().await.is_ok() {
                    return FlowEnd::Through;
                }
                orders.send_replace(Order::Leave);
                FlowEnd::ReceiverGone
            }
            Ok(FlowEnd::Broke(fault)) => {
                orders.send_replace(Order::Close(PROTOCOL_ERROR, "protocol error"));
                self.close(PROTOCOL_ERROR, "protocol error").await;
                FlowEnd::Broke(fault)
            }
            Ok(end) => {
                orders.send_replace(Order::Leave);
                end
            }
            Err(Order::Close(status, reason)) => {
                self.close(status, reason).await;
                FlowEnd::Ordered
            }
            Err(Order::Leave | Order::GoOn) => FlowEnd::Ordered,
        }
    }

    /// Can be dropped at any await: what was written is known, and what was not is in the buffer.
    async fn carry(&mut self, ahead: BytesMut) -> FlowEnd {
        if let Err(fault) = self.read.push(&ahead) {
            return FlowEnd::Broke(fault);
        }
        self.buffer = ahead;
        loop {
            while !self.buffer.is_empty() {
                if self.write(self.buffer.len()).await.is_err() {
                    return FlowEnd::ReceiverGone;
                }
            }
            if self.to.flush().await.is_err() {
                return FlowEnd::ReceiverGone;
            }
            match self.read().await {
                Ok(0) => return FlowEnd::Through,
                Ok(_) => {}
                Err(_) => return FlowEnd::SenderGone,
            }
            if let Err(fault) = self.read.push(&self.buffer) {
                self.buffer.clear();
                return FlowEnd::Broke(fault);
            }
        }
    }

    async fn read(&mut self) -> std::io::Result<usize> {
        // An idle socket holds little; one that has much to say gets room for it.
        self.buffer.reserve(self.room);
        let count = self.from.read_buf(&mut self.buffer).await?;
        if count >= self.room {
            self.room = (self.room * 2).min(PIECE);
        }
        self.pulse.beat();
        Ok(count)
    }

    /// Writes some of the first `length` bytes of the buffer.
    async fn write(&mut self, length: usize) -> std::io::Result<()> {
        let piece = self.buffer.get(..length).unwrap_or_default();
        let count = self.to.write(piece).await?;
        if count == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        // What was read passed, so this does too; the same bytes in the same order.
        let closed = self.written.is_closed();
        let _ = self.written.push(piece.get(..count).unwrap_or_default());
        if self.written.is_closed() && !closed {
            self.pulse.closed();
        }
        self.buffer.advance(count);
        self.pulse.passed(self.sender, count);
        Ok(())
    }

    /// Ends the direction: the frame under way is completed, a close frame written if none was, and
    /// the sender heard until it leaves. Closing with unread input would reset the connection, and
    /// the reset could overtake what was written to it.
    async fn close(&mut self, status: u16, reason: &str) {
        let said = async {
            timeout(HALF_A_FRAME, self.complete_frame())
                .await
                .map_err(std::io::Error::from)??;
            if !self.written.is_closed() {
                let frame = close_frame(status, reason, self.mask());
                self.to.write_all(&frame).await?;
            }
            self.to.flush().await?;
            self.to.shutdown().await
        };
        if let Ok(Ok(())) = timeout(FAREWELL, said).await {
            let heard = async {
                let mut rest = [0_u8; 1024];
                while self.from.read(&mut rest).await.is_ok_and(|count| count > 0) {}
            };
            match timeout(FAREWELL, heard).await {
                Ok(()) | Err(_) => {}
            }
        }
    }

    async fn complete_frame(&mut self) -> std::io::Result<()> {
        while !self.written.is_between_frames() {
            if self.buffer.is_empty() && self.read().await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let rest = self.written.within_frame(self.buffer.len());
            self.write(rest).await?;
        }
        Ok(())
    }

    /// A client masks its frames so that no server reads them for something else; a key that nobody
    /// could have foreseen (RFC 6455 section 10.3).
    fn mask(&self) -> Option<[u8; 4]> {
        match self.sender {
            Sender::Server => None,
            Sender::Client => {
                let mut key = [0; 4];
                // Without random bytes the frame is masked by nothing, which is legible all the same.
                let _ = aws_lc_rs::rand::fill(&mut key);
                Some(key)
            }
        }
    }
}

/// Returns the first order that is not to go on.
async fn ordered(orders: &mut watch::Receiver<Order>) -> Order {
    match orders.wait_for(|order| !matches!(order, Order::GoOn)).await {
        Ok(order) => *order,
        Err(_) => Order::Leave,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};

    use super::super::pulse::Pulse;
    use super::*;
    use crate::decision::DenialCode;

    const HELLO: [u8; 7] = [0x81, 5, b'H', b'e', b'l', b'l', b'o'];

    fn ends() -> (
        (End<DuplexStream>, End<DuplexStream>),
        (DuplexStream, DuplexStream),
    ) {
        let (client, gate_client) = duplex(64);
        let (backend, gate_backend) = duplex(64);
        let end = |stream| End {
            stream,
            ahead: BytesMut::new(),
        };
        ((end(gate_client), end(gate_backend)), (client, backend))
    }

    fn masked(payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x82, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        frame
    }

    async fn read(stream: &mut DuplexStream, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        timeout(Duration::from_secs(5), stream.read_exact(&mut bytes))
            .await
            .expect("bytes within five seconds")
            .unwrap();
        bytes
    }

    async fn rest(mut stream: DuplexStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        timeout(Duration::from_secs(5), stream.read_to_end(&mut bytes))
            .await
            .expect("an end within five seconds")
            .unwrap();
        bytes
    }

    #[tokio::test]
    async fn both_sides_are_told_between_two_frames_why_a_socket_ends() {
        let ((client_end, backend_end), (mut client, mut backend)) = ends();
        let pulse = Pulse::new(Duration::from_secs(60));
        let (withdraw, withdrawn) = tokio::sync::oneshot::channel();
        let carried = relay(client_end, backend_end, false, &pulse, async {
            withdrawn.await.unwrap()
        });
        let story = async {
            // Half a message is under way to the client when the socket has to end.
            backend.write_all(&HELLO[..4]).await.unwrap();
            assert_eq!(read(&mut client, 4).await, HELLO[..4]);
            withdraw
                .send(Denial::new(DenialCode::TokenExpired))
                .unwrap();
            tokio::task::yield_now().await;
            backend.write_all(&HELLO[4..]).await.unwrap();
            let close = close_frame(1008, "token_expired", None);
            let told = [&HELLO[4..], &close].concat();
            assert_eq!(rest(client).await, told);
            let told = rest(backend).await;
            assert_eq!(told[..2], [0x88, 0x80 | (close.len() as u8 - 2)]);
        };
        let (ended, ()) = tokio::join!(carried, story);
        assert!(matches!(ended, Ended::Withdrawn(_)), "{ended:?}");
    }

    #[tokio::test]
    async fn a_frame_that_does_not_end_in_time_is_cut_without_a_close_frame() {
        let ((client_end, backend_end), (mut client, mut backend)) = ends();
        let pulse = Pulse::new(Duration::from_secs(60));
        let denial = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Denial::new(DenialCode::TokenExpired)
        };
        let carried = relay(client_end, backend_end, false, &pulse, denial);
        let story = async {
            backend.write_all(&HELLO[..4]).await.unwrap();
            assert_eq!(read(&mut client, 4).await, HELLO[..4]);
            assert_eq!(
                rest(client).await,
                b"",
                "half a frame and nothing behind it"
            );
        };
        let (_, ()) = tokio::join!(carried, story);
    }

    #[tokio::test]
    async fn half_a_socket_can_be_closed() {
        let ((client_end, backend_end), (mut client, mut backend)) = ends();
        let pulse = Pulse::new(Duration::from_secs(60));
        let carried = relay(client_end, backend_end, false, &pulse, pending());
        let story = async {
            client.write_all(&masked(b"last")).await.unwrap();
            client.shutdown().await.unwrap();
            assert_eq!(read(&mut backend, 10).await, masked(b"last"));
            assert_eq!(
                backend.read(&mut [0]).await.unwrap(),
                0,
                "the end is passed on"
            );
            backend.write_all(&HELLO).await.unwrap();
            drop(backend);
            assert_eq!(rest(client).await, HELLO);
        };
        let (ended, ()) = tokio::join!(carried, story);
        assert!(matches!(ended, Ended::Left(Sender::Client)), "{ended:?}");
        assert_eq!((pulse.up(), pulse.down()), (10, 7));
    }

    #[tokio::test]
    async fn what_is_no_frame_reaches_nobody_and_ends_the_socket() {
        let ((client_end, backend_end), (mut client, backend)) = ends();
        let pulse = Pulse::new(Duration::from_secs(60));
        let carried = relay(client_end, backend_end, false, &pulse, pending());
        let story = async {
            client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            let to_client = rest(client).await;
            assert_eq!(to_client, close_frame(1002, "protocol error", None));
            let to_backend = rest(backend).await;
            assert_eq!(to_backend[0], 0x88, "a close frame and nothing else");
        };
        let (ended, ()) = tokio::join!(carried, story);
        assert!(
            matches!(ended, Ended::Broke(Sender::Client, _)),
            "{ended:?}"
        );
    }

    #[tokio::test]
    async fn silence_ends_a_socket_and_a_word_in_time_does_not() {
        let ((client_end, backend_end), (mut client, mut backend)) = ends();
        let pulse = Pulse::new(Duration::from_millis(300));
        let carried = relay(client_end, backend_end, false, &pulse, pending());
        let story = async {
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_millis(150)).await;
                client.write_all(&masked(b"x")).await.unwrap();
                read(&mut backend, 7).await;
            }
            assert_eq!(rest(client).await, close_frame(1001, "idle", None));
            drop(backend);
        };
        let (ended, ()) = tokio::join!(carried, story);
        assert!(matches!(ended, Ended::Silent), "{ended:?}");
    }

    #[tokio::test]
    async fn behind_the_closing_handshake_nobody_is_waited_for_long() {
        let ((client_end, backend_end), (mut client, mut backend)) = ends();
        let pulse = Pulse::new(Duration::from_secs(3600));
        let carried = relay(client_end, backend_end, false, &pulse, pending());
        let story = async {
            let (to_backend, to_client) = (
                close_frame(1000, "", Some([0; 4])),
                close_frame(1000, "", None),
            );
            client.write_all(&to_backend).await.unwrap();
            backend.write_all(&to_client).await.unwrap();
            assert_eq!(rest(client).await, to_client);
            assert_eq!(rest(backend).await, to_backend);
        };
        let (ended, ()) = tokio::join!(carried, story);
        assert!(matches!(ended, Ended::Closed), "{ended:?}");
    }

    #[tokio::test]
    async fn a_side_that_does_not_read_holds_the_other_back() {
        let ((client_end, backend_end), (client, mut backend)) = ends();
        let pulse = Pulse::new(Duration::from_secs(60));
        let carried = relay(client_end, backend_end, false, &pulse, pending());
        let flood = async {
            let mut sent = 0;
            while timeout(Duration::from_millis(100), backend.write_all(&HELLO))
                .await
                .is_ok()
            {
                sent += HELLO.len();
            }
            assert!(
                sent < 2 * PIECE,
                "{sent} bytes were taken that nobody reads"
            );
            drop((client, backend));
        };
        tokio::join!(carried, flood);
    }
}
