//! A response body that holds something until it is through, and may be told to end.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};

/// Ends a stream that would not end by itself.
type Ending = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The body, and what is let go of with its last byte or when the peer has gone.
pub(super) struct Held<G> {
    body: Body,
    guard: Option<G>,
    ending: Option<Ending>,
}

impl<G: Send + Unpin + 'static> Held<G> {
    /// Holds `guard` while `body` is under way.
    pub(super) fn new(body: Body, guard: G) -> Self {
        Self {
            body,
            guard: Some(guard),
            ending: None,
        }
    }

    /// The same, cut short in good order once `ending` is over.
    pub(super) fn until(mut self, ending: impl Future<Output = ()> + Send + 'static) -> Self {
        self.ending = Some(Box::pin(ending));
        self
    }
}

impl<G: Send + Unpin + 'static> hyper::body::Body for Held<G> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(ending) = &mut self.ending
            && ending.as_mut().poll(context).is_ready()
        {
            self.ending = None;
            self.guard = None;
            self.body = Body::empty();
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.guard = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::to_bytes;
    use futures_util::stream;
    use hyper::body::Body as _;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_is_held_is_let_go_of_with_the_last_byte_and_not_before() {
        let held = Arc::new(());
        let body = Held::new(Body::from("text"), Arc::clone(&held));
        assert_eq!(body.size_hint().exact(), Some(4), "the length stays known");
        let body = Body::new(body);
        assert_eq!(Arc::strong_count(&held), 2);
        assert_eq!(to_bytes(body, 10).await.unwrap(), "text");
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[tokio::test]
    async fn an_endless_stream_ends_in_good_order_when_it_is_told_to() {
        let (end, ended) = oneshot::channel::<()>();
        let endless = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let held = Arc::new(());
        let body = Held::new(endless, Arc::clone(&held)).until(async {
            let _ = ended.await;
        });
        let reading = tokio::spawn(to_bytes(Body::new(body), 10));
        end.send(()).unwrap();
        assert!(reading.await.unwrap().unwrap().is_empty());
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
