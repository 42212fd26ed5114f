//! What happens on a connection, so that a slow or silent one can be told from a busy one.
//!
//! hyper has a timeout for a request's head that also ends idle connections, which are to live
//! longer; so both are watched here, on the bytes that come and go.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
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
    answers: Mutex<Vec<Weak<Mutex<Left>>>>,
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
            answers: Mutex::default(),
        })
    }

    /// A request began; it ends when what is answered is dropped.
    pub(super) fn request(self: &Arc<Self>) -> InFlight {
        self.requests.fetch_add(1, Ordering::AcqRel);
        self.head_since.store(0, Ordering::Release);
        InFlight(Arc::clone(self))
    }

    /// The body of an answer, which is let go of if the peer leaves it lying.
    pub(super) fn answer(&self, body: Body) -> Body {
        let left = Arc::new(Mutex::new(Left {
            body: Some(body),
            since: Some(Instant::now()),
        }));
        locked(&self.answers).push(Arc::downgrade(&left));
        Body::new(Answer(left))
    }

    /// Lets go of answers that the peer has not asked on for so long, with all that they hold. On
    /// HTTP/2 a stream without a window holds up neither the connection's bytes nor its pings.
    pub(super) fn let_go(&self, limit: Duration) {
        locked(&self.answers).retain(|left| {
            let Some(left) = left.upgrade() else {
                return false;
            };
            let gone = {
                let mut left = locked(&left);
                match left.since {
                    Some(since) if since.elapsed() > limit => left.body.take(),
                    Some(_) | None => return true,
                }
            };
            drop(gone);
            false
        });
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

/// An answer's body, and since when the peer could have more of it.
#[derive(Debug)]
struct Left {
    body: Option<Body>,
    since: Option<Instant>,
}

struct Answer(Arc<Mutex<Left>>);

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut left = locked(&self.0);
        let Some(body) = &mut left.body else {
            let late = io::Error::from(io::ErrorKind::TimedOut);
            return Poll::Ready(Some(Err(axum::Error::new(late))));
        };
        let polled = Pin::new(body).poll_frame(context);
        // What is pending is waited for by the peer, not left.
        left.since = matches!(polled, Poll::Ready(Some(Ok(_)))).then(Instant::now);
        polled
    }

    fn is_end_stream(&self) -> bool {
        let left = locked(&self.0);
        left.body.as_ref().is_some_and(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let left = locked(&self.0);
        left.body
            .as_ref()
            .map_or_else(SizeHint::default, |body| body.size_hint())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_that_is_left_lying_is_let_go_of_and_one_that_is_taken_is_not() {
        let activity = Activity::new();
        let [taken, left] = ["taken", "left"].map(|text| activity.answer(Body::from(text)));
        activity.let_go(Duration::from_secs(60));
        assert_eq!(axum::body::to_bytes(taken, 100).await.unwrap(), "taken");
        std::thread::sleep(Duration::from_millis(2));
        activity.let_go(Duration::ZERO);
        assert!(axum::body::to_bytes(left, 100).await.is_err());
        assert!(locked(&activity.answers).is_empty());
    }
}
