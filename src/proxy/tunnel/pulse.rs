//! What passed on a socket, and when something did last.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::inspect::websocket::Sender;

/// How long two sides that said goodbye may take to close their connections.
const LEAVING: Duration = Duration::from_secs(1);

/// Counts bytes, and notices when nothing passes for too long.
#[derive(Debug)]
pub(super) struct Pulse {
    begun: Instant,
    /// Milliseconds from the beginning to the last beat.
    last: AtomicU64,
    longest_pause: Duration,
    up: AtomicU64,
    down: AtomicU64,
    /// Sides whose close frame passed.
    sides_closed: AtomicU64,
    handshake_over: Notify,
}

impl Pulse {
    /// A pulse that stops when nothing passes for `longest_pause`.
    pub(super) fn new(longest_pause: Duration) -> Self {
        Self {
            begun: Instant::now(),
            last: AtomicU64::new(0),
            longest_pause,
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            sides_closed: AtomicU64::new(0),
            handshake_over: Notify::new(),
        }
    }

    /// Something came.
    pub(super) fn beat(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// So many bytes of this side went on.
    pub(super) fn passed(&self, sender: Sender, bytes: usize) {
        let sum = match sender {
            Sender::Client => &self.up,
            Sender::Server => &self.down,
        };
        sum.fetch_add(bytes as u64, Ordering::Relaxed);
        self.beat();
    }

    /// Bytes from the client.
    pub(super) fn up(&self) -> u64 {
        self.up.load(Ordering::Relaxed)
    }

    /// Bytes to the client.
    pub(super) fn down(&self) -> u64 {
        self.down.load(Ordering::Relaxed)
    }

    /// The close frame of one side passed.
    pub(super) fn closed(&self) {
        if self.sides_closed.fetch_add(1, Ordering::Relaxed) > 0 {
            self.handshake_over.notify_one();
        }
    }

    /// Returns when nothing has passed for too long, or both sides said goodbye and neither leaves.
    pub(super) async fn stopped(&self) {
        tokio::select! {
            () = self.paused() => {}
            () = self.handshake_over.notified() => tokio::time::sleep(LEAVING).await,
        }
    }

    async fn paused(&self) {
        loop {
            let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
            let due = self.begun + last + self.longest_pause;
            if Instant::now() >= due {
                return;
            }
            tokio::time::sleep_until(due).await;
        }
    }
}
