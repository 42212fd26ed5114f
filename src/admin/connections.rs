//! Connections to the admin listener, so many and no more: they take file descriptors that callers need.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// Most connections at once.
const MOST: usize = 1024;

/// How long one may be silent in both directions. A tail tells that it lives more often.
const SILENCE: Duration = Duration::from_secs(60);

/// A listener that accepts while there are places.
#[derive(Debug)]
pub struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Bounded {
    /// Over this listener.
    pub fn over(listener: TcpListener) -> Self {
        Self::with_places(listener, MOST)
    }

    fn with_places(listener: TcpListener, places: usize) -> Self {
        let places = Arc::new(Semaphore::new(places));
        Self { listener, places }
    }
}

impl Listener for Bounded {
    type Io = Held;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Held, SocketAddr) {
        // It is never closed, so that there is a place sooner or later.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let silent = Box::pin(tokio::time::sleep(SILENCE));
        let held = Held {
            stream,
            silent,
            _place: place,
        };
        (held, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that has a place.
#[derive(Debug)]
pub struct Held {
    stream: TcpStream,
    silent: Pin<Box<Sleep>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Held {
    fn speaks(&mut self) {
        self.silent.as_mut().reset(Instant::now() + SILENCE);
    }
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(read) => {
                self.speaks();
                Poll::Ready(read)
            }
            Poll::Pending => match self.silent.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

impl AsyncWrite for Held {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if written.is_ready() {
            self.speaks();
        }
        written
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
    async fn who_comes_when_every_place_is_taken_waits_for_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut bounded = Bounded::with_places(listener, 1);
        let address = Listener::local_addr(&bounded).unwrap();
        let _first = TcpStream::connect(address).await.unwrap();
        let (held, _) = bounded.accept().await;
        let _second = TcpStream::connect(address).await.unwrap();
        let places = Arc::clone(&bounded.places);
        let accepting = tokio::spawn(async move { bounded.accept().await });
        tokio::task::yield_now().await;
        assert!(!accepting.is_finished());
        assert_eq!(places.available_permits(), 0);
        drop(held);
        let (_held, _) = accepting.await.unwrap();
        assert_eq!(places.available_permits(), 0);
    }
}
