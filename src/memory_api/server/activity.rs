//! What happens on a connection, so that a slow or silent one can be told from a busy one.
//!
//! hyper has a timeout for a request's head that also ends idle connections, which are to live
//! longer; so both are watched here, on the bytes that come and go.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::ConnectionSettings;

/// How an HTTP/2 connection begins (RFC 9113 section 3.4).
const HTTP2_BEGINS: &[u8] = b"PRI ";

/// What is known of one connection. Times are milliseconds since it began, plus one: zero is never.
#[derive(Debug)]
pub(super) struct Activity {
    begun: Instant,
    requests: AtomicUsize,
    last: AtomicU64,
    head_since: AtomicU64,
    stuck_since: AtomicU64,
    http2: AtomicBool,
    begun_reading: AtomicBool,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            requests: AtomicUsize::new(0),
            last: AtomicU64::new(1),
            head_since: AtomicU64::new(0),
            stuck_since: AtomicU64::new(0),
            http2: AtomicBool::new(false),
            begun_reading: AtomicBool::new(false),
        })
    }

    /// A request began; it ends when what is answered is dropped.
    pub(super) fn request(self: &Arc<Self>) -> InFlight {
        self.requests.fetch_add(1, Ordering::AcqRel);
        self.head_since.store(0, Ordering::Release);
        InFlight(Arc::clone(self))
    }

    /// Whether the connection has been silent, or slow with a head or with taking its answer, for
    /// longer than it may.
    ///
    /// A head of HTTP/2 can't be told from its other frames here. A connection with it that has no
    /// request under way counts as idle, whatever frames it sends.
    pub(super) fn is_expired(&self, settings: &ConnectionSettings) -> bool {
        let now = self.now();
        let longer = |since: u64, limit: Duration| {
            since != 0 && u128::from(now.saturating_sub(since)) > limit.as_millis()
        };
        if longer(self.stuck_since.load(Ordering::Acquire), settings.idle) {
            return true;
        }
        if self.requests.load(Ordering::Acquire) > 0 {
            return false;
        }
        longer(self.head_since.load(Ordering::Acquire), settings.header)
            || longer(self.last.load(Ordering::Acquire), settings.idle)
    }

    fn now(&self) -> u64 {
        let elapsed = self.begun.elapsed().as_millis();
        u64::try_from(elapsed).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn read(&self, bytes: &[u8]) {
        if !self.begun_reading.swap(true, Ordering::AcqRel) {
            self.http2
                .store(bytes.starts_with(HTTP2_BEGINS), Ordering::Release);
        }
        if self.http2.load(Ordering::Acquire) || self.requests.load(Ordering::Acquire) > 0 {
            return;
        }
        let now = self.now();
        let _ = self
            .head_since
            .compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire);
    }

    fn stuck(&self) {
        let now = self.now();
        let _ = self
            .stuck_since
            .compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire);
    }

    fn moved(&self) {
        self.stuck_since.store(0, Ordering::Release);
    }
}

/// A request under way.
pub(super) struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        let activity = &self.0;
        activity.head_since.store(0, Ordering::Release);
        activity.last.store(activity.now(), Ordering::Release);
        activity.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A stream whose activity is seen.
pub(super) struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    fn wrote(&self, polled: &Poll<io::Result<usize>>) {
        match polled {
            Poll::Pending => self.activity.stuck(),
            Poll::Ready(_) => self.activity.moved(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if let Some(bytes) = buffer.filled().get(before..)
            && !bytes.is_empty()
        {
            self.activity.read(bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.wrote(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
