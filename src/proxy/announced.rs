//! Saying when the public listener listens.
//!
//! pingora calls a service ready before it has bound anything, and nothing else tells. Between that
//! moment and the binding callers are refused, so `/readyz` must not answer yes.

use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use tokio::sync::watch;

/// How often a listener that does not exist yet is looked for; binding takes less.
const POLL: Duration = Duration::from_millis(1);

/// A service that says when it listens.
pub(super) struct Announced<S> {
    pub(super) service: S,
    /// Its address, as pingora was told it.
    pub(super) address: String,
    /// Becomes true, and stays so.
    pub(super) listening: watch::Sender<bool>,
}

#[async_trait]
impl<S: Service> Service for Announced<S> {
    async fn start_service(
        &mut self,
        listeners: Option<ListenFds>,
        shutdown: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        // pingora notes a listener in this table once it is bound and listens.
        let bound = async {
            while listeners
                .as_ref()
                .is_none_or(|table| table.lock().get(&self.address).is_none())
            {
                tokio::time::sleep(POLL).await;
            }
            self.listening.send_replace(true);
        };
        let serving = self
            .service
            .start_service(listeners.clone(), shutdown, listeners_per_fd);
        tokio::join!(serving, bound);
    }

    fn name(&self) -> &str {
        self.service.name()
    }

    fn threads(&self) -> Option<usize> {
        self.service.threads()
    }

    fn listen_addresses(&self) -> Option<Vec<String>> {
        self.service.listen_addresses()
    }
}
