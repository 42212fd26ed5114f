//! Ending what pingora's loop carries.
//!
//! Its callbacks run when a piece passes and at no other time, so a stream that is silent, or flows
//! one way only, could not be ended from them. The loop is run beside a watch instead, and dropped
//! when the watch says so: an HTTP/1 connection closes with its answer unfinished, an HTTP/2 stream
//! is reset. A gRPC client takes that for a cancelled call; trailers with a status can't be sent
//! from outside of the loop.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use tokio::sync::oneshot;

use super::callbacks::Callbacks;
use super::lifetime::Lifetime;
use crate::decision::Denial;

tokio::task_local! {
    /// The watch over the request that this task carries.
    static WATCH: Watch;
}

/// pingora's loop with a watch over each request.
pub(super) struct Watched(pub(super) Arc<HttpProxy<Callbacks>>);

/// What a request and the watch over it share.
#[derive(Clone)]
pub(super) struct Watch(Arc<Shared>);

struct Shared {
    begin: Mutex<Option<oneshot::Sender<Lifetime>>>,
    withdrawn: OnceLock<Denial>,
}

impl Watch {
    /// The watch over the request that this task carries, if it has one.
    pub(super) fn current() -> Option<Self> {
        WATCH.try_with(Self::clone).ok()
    }

    /// From here on the loop carries the request for as long as `lifetime` says.
    pub(super) fn begin(&self, lifetime: Lifetime) {
        let mut begin = self.0.begin.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(begin) = begin.take() {
            // Who listens is the future that runs this.
            let _ = begin.send(lifetime);
        }
    }

    /// Why the request was ended, if it was.
    pub(super) fn withdrawn(&self) -> Option<&Denial> {
        self.0.withdrawn.get()
    }
}

#[async_trait]
impl HttpServerApp for Watched {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let (begin, begun) = oneshot::channel();
        let watch = Watch(Arc::new(Shared {
            begin: Mutex::new(Some(begin)),
            withdrawn: OnceLock::new(),
        }));
        let carried = WATCH.scope(watch.clone(), self.0.process_new_http(session, shutdown));
        let ended = async {
            match begun.await {
                Ok(mut lifetime) => {
                    let denial = lifetime.ended().await;
                    // INVARIANT: said before the loop is dropped, for its context then writes the
                    // record.
                    let _ = watch.0.withdrawn.set(denial);
                }
                // The request ends without the loop having carried it anywhere.
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            reused = carried => reused,
            () = ended => None,
        }
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.0.h2_options()
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.0.server_options()
    }

    async fn http_cleanup(&self) {
        self.0.http_cleanup().await;
    }
}
