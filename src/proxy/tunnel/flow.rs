//! One direction of a socket.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::timeout;

use super::messages::{MessageCheck, Stop};
use super::pulse::Pulse;
use crate::inspect::websocket::{FrameTracker, Sender, close_frame};

/// Most bytes that are taken from one side before they are given to the other.
pub(super) const PIECE: usize = 16 * 1024;

/// The same on a socket of which nothing is known.
const FIRST_PIECE: usize = 1024;

/// How long a frame under way may take to end when the connection has to.
const HALF_A_FRAME: Duration = Duration::from_millis(500);

/// How long a side that was sent a close frame may take to answer and leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// What both directions are told to do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// Nothing else.
    GoOn,
    /// Say this, and leave.
    Close(u16, &'static str),
    /// Leave: one side is gone.
    Leave,
}

/// How one direction ended by itself.
#[derive(Clone, Debug)]
pub(super) enum FlowEnd {
    /// The sender has no more to say.
    Through,
    /// The sender's connection failed.
    SenderGone,
    /// The receiver's connection failed.
    ReceiverGone,
    /// The sender may not go on.
    Stopped(Stop),
    /// It was told to.
    Ordered,
}

/// One direction.
pub(super) struct Flow<'relay, F, T> {
    sender: Sender,
    pulse: &'relay Pulse,
    from: ReadHalf<F>,
    to: WriteHalf<T>,
    buffer: BytesMut,
    /// Bytes one read has room for.
    room: usize,
    /// Looks into what the sender says.
    check: Option<MessageCheck>,
    /// What was read, to refuse what is no frame before it is passed on.
    read: FrameTracker,
    /// What was written, to know where a frame of the gate's own can stand.
    pub(super) written: FrameTracker,
}

impl<'relay, F: AsyncRead, T: AsyncWrite> Flow<'relay, F, T> {
    pub(super) fn new(
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
            check: None,
            read: FrameTracker::new(sender, compresses),
            written: FrameTracker::new(sender, compresses),
        }
    }

    /// Has every message of the sender judged before it goes on.
    pub(super) fn checked_by(&mut self, check: Option<MessageCheck>) {
        self.check = check;
    }

    /// Carries until the sender is through or an order comes; the other direction is told where it
    /// can't go on alone.
    pub(super) async fn run(&mut self, ahead: BytesMut, orders: &watch::Sender<Order>) -> FlowEnd {
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
            Ok(FlowEnd::Stopped(stop)) => {
                let (status, reason) = stop.close();
                orders.send_replace(Order::Close(status, reason));
                self.close(status, reason).await;
                FlowEnd::Stopped(stop)
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
        self.buffer = ahead;
        loop {
            let stop = self.inspect().await;
            while !self.buffer.is_empty() {
                if self.write(self.buffer.len()).await.is_err() {
                    return FlowEnd::ReceiverGone;
                }
            }
            if self.to.flush().await.is_err() {
                return FlowEnd::ReceiverGone;
            }
            if let Some(stop) = stop {
                return FlowEnd::Stopped(stop);
            }
            match self.read().await {
                Ok(0) => return FlowEnd::Through,
                Ok(_) => {}
                Err(_) => return FlowEnd::SenderGone,
            }
        }
    }

    /// Leaves in the buffer what of it may go on.
    async fn inspect(&mut self) -> Option<Stop> {
        if let Some(check) = &mut self.check {
            let came = self.buffer.split();
            let (passed, stop) = check.pass(&came).await;
            self.buffer = passed;
            return stop;
        }
        let fault = self.read.push(&self.buffer).err()?;
        self.buffer.clear();
        Some(Stop::Broke(fault))
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
