//! `fabric-memory serve`: everything put together.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{CommandError, ConfigArgument, store};
use crate::cli::log_to_stderr;
use crate::clock::{SharedClock, SystemClock};
use crate::config::ListenAddress;
use crate::config::memory::{MemoryConfig, MemoryRules};
use crate::identity::jwks::{JwksSettings, KeySetRegistry};
use crate::memory::{Confidentiality, Rules};
use crate::memory_api::server::{Server, ServerAddress, ServerSettings, TlsFiles};
use crate::memory_api::{
    ApiLimits, ApiParts, AppState, Authenticator, MemoryMetrics, Stopping, assertion_issuer,
    operations_router, router,
};

/// Bytes of large answers that are held at once for slow peers.
const ANSWER_BYTES: usize = 256 << 20;

pub(super) fn run(arguments: &ConfigArgument) -> Result<(), CommandError> {
    let _no_export = log_to_stderr();
    let config = arguments.load()?;
    let runtime = Runtime::new().map_err(|error| CommandError::unusable("the runtime", &error))?;
    runtime.block_on(serve(&config))
}

async fn serve(config: &MemoryConfig) -> Result<(), CommandError> {
    let metrics = MemoryMetrics::new()
        .map_err(|error| CommandError::unusable("the metrics", &error))
        .map(Arc::new)?;
    let (stop, stopping) = Stopping::new();
    let memory = store::memory(config, store::open(&config.store).await?);
    let (end_tending, tending_ends) = Stopping::new();
    let tending = tokio::spawn(Arc::clone(&memory).tend(tending_ends.begun()));
    let state = AppState::new(ApiParts {
        authenticator: authenticator(config)?,
        rules: rules(&config.rules)?,
        memory: Arc::clone(&memory),
        limits: limits(config),
        metrics: Arc::clone(&metrics),
        clock: Arc::new(SystemClock),
        stopping: stopping.clone(),
    });
    let public = bind(listen_settings(config), &metrics)?;
    let operations = match config.operations {
        Some(address) => {
            let settings = ServerSettings {
                address: ServerAddress::Tcp(address),
                tls: None,
                grace: Duration::from_secs(1),
                ..listen_settings(config)
            };
            // Scrapes are no callers' connections.
            let own = MemoryMetrics::new()
                .map_err(|error| CommandError::unusable("the metrics", &error))?;
            Some(bind(settings, &Arc::new(own))?)
        }
        None => None,
    };
    stop_on_signals(stop)?;
    tracing::info!(address = %public.address(), "fabric-memory serves");
    let operations = operations.map(|server| {
        tracing::info!(address = %server.address(), "health and metrics");
        // It tells that the service is about to end until it has.
        let (end, ended) = Stopping::new();
        (
            end,
            tokio::spawn(server.serve(operations_router(&state), ended)),
        )
    });
    public.serve(router(&state), stopping).await;
    if let Some((end, operations)) = operations {
        end.send_replace(true);
        if let Err(error) = operations.await {
            tracing::error!(%error, "the operators' listener did not end well");
        }
    }
    // Recalls that wait are counted before the store is let go of.
    end_tending.send_replace(true);
    if let Err(error) = tending.await {
        tracing::error!(%error, "the work in the background did not end well");
    }
    memory.store().close().await;
    tracing::info!("fabric-memory has ended");
    Ok(())
}

fn bind(settings: ServerSettings, metrics: &Arc<MemoryMetrics>) -> Result<Server, CommandError> {
    Server::bind(settings, Arc::clone(metrics))
        .map_err(|error| CommandError::unusable("serving", &error))
}

fn authenticator(config: &MemoryConfig) -> Result<Authenticator, CommandError> {
    let clock: SharedClock = Arc::new(SystemClock);
    let registry = KeySetRegistry::new(
        Handle::current(),
        JwksSettings::default(),
        Arc::clone(&clock),
    )
    .map_err(|error| CommandError::unusable("the issuers' keys", &error))?;
    let identity = &config.identity;
    let assertions = identity
        .assertion_keys
        .clone()
        .map(|keys| assertion_issuer(keys, identity.assertion_audience.clone()));
    Ok(Authenticator::new(
        assertions,
        &identity.issuers,
        &identity.grammar,
        &registry,
        &clock,
    ))
}

fn rules(config: &MemoryRules) -> Result<Rules, CommandError> {
    let clearance = |word: &str| {
        word.parse::<Confidentiality>()
            .map_err(|error| CommandError::unusable("[memory] clearance", &error))
    };
    let clearances = config.clearances.iter();
    Ok(Rules {
        shared_write_roles: config.shared_write_roles.clone(),
        tenant_admin_roles: config.tenant_admin_roles.clone(),
        default_clearance: clearance(config.default_clearance)?,
        clearances: clearances
            .map(|(role, word)| Ok((role.clone(), clearance(word)?)))
            .collect::<Result<_, CommandError>>()?,
    })
}

fn limits(config: &MemoryConfig) -> ApiLimits {
    ApiLimits {
        body_bytes: config.limits.body_bytes,
        import_bytes: config.limits.import_bytes,
        requests_at_once: config.limits.requests_at_once,
        streams_at_once: config.limits.streams_at_once,
        answer_bytes: ANSWER_BYTES,
        request_timeout: config.limits.request_timeout,
        bulk_timeout: config.limits.bulk_timeout,
    }
}

fn listen_settings(config: &MemoryConfig) -> ServerSettings {
    let listen = &config.listen;
    ServerSettings {
        address: match &listen.address {
            ListenAddress::Tcp(address) => ServerAddress::Tcp(*address),
            ListenAddress::Unix(path) => ServerAddress::Unix(path.clone()),
        },
        tls: listen.tls.as_ref().map(|tls| TlsFiles {
            certificate: tls.certificate.clone(),
            private_key: tls.private_key.clone(),
            client_ca: tls.client_ca.clone(),
        }),
        connections: listen.connections,
        header_timeout: listen.header_timeout,
        idle_timeout: listen.idle_timeout,
        grace: config.shutdown_grace,
    }
}

/// SIGTERM and SIGINT begin the stop; requests under way have the grace.
fn stop_on_signals(stop: watch::Sender<bool>) -> Result<(), CommandError> {
    let heard =
        |kind| signal(kind).map_err(|error| CommandError::unusable("hearing signals", &error));
    let mut terminate = heard(SignalKind::terminate())?;
    let mut interrupt = heard(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to end");
        stop.send_replace(true);
        // A receiver that comes later still finds the signal given.
        stop.closed().await;
    });
    Ok(())
}
