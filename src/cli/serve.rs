//! `fabric-gate serve`: everything put together.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use clap::Args;
use secrecy::ExposeSecret;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{broadcast, watch};

use super::reloads::{loaded, reloaded};
use super::{CommandError, ConfigArgument, log_to_stderr};
use crate::admin::{AdminState, AdminToken, Bounded, keep_series, router};
use crate::audit::{
    AuditLog, Durability, LogSecret, OnFailure, SecretSource, Settings as AuditSettings,
};
use crate::budget::models::settings::TenantSettings;
use crate::budget::{Ledger, LedgerSettings};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{
    AuditDurability, AuditFailure, Config, ListenAddress as ConfiguredAddress, StateLocation,
};
use crate::identity::assertion::Assertions;
use crate::identity::jwks::{JwksSettings, KeySetRegistry};
use crate::identity::signing_key::{PublicKey, SigningKey};
use crate::identity::{DEFAULT_REPLAY_CAPACITY, DEFAULT_TOKEN_CAPACITY, ReplayGuard, TokenCache};
use crate::ownership::{OwnershipStore, Registry};
use crate::pipeline::{CredentialHandles, Gate, GateParts, GateSettings};
use crate::policy::reload::{PolicyLoader, PolicyWatch, ReloadOutcome, WatchSettings};
use crate::proxy::{
    ExecutionPhase, ListenAddress, ListenerBounds, ServerSettings, TlsFiles, Upstreams, follow,
    serve,
};
use crate::secret::SecretResolver;
use crate::state::{SqliteStore, open_ledger};
use crate::telemetry::Metrics;
use crate::telemetry::otlp::{Exporter, LogTap};

/// How often the names of backends are looked up again.
const RESOLVE: Duration = Duration::from_secs(10);

/// How long the last spans and log records may take to be sent when the process ends.
const FLUSH: Duration = Duration::from_secs(5);

/// How long a process that takes over waits for the admin address.
const ADMIN_HAND_OVER: Duration = Duration::from_secs(30);

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # With config/gate.toml of the folder one is in
  fabric-gate serve

  # Let a new version, or a new configuration, take over from the process that runs
  fabric-gate serve --upgrade --config /etc/fabric-gate/gate.toml

SIGTERM lets requests finish, SIGINT stops at once, SIGHUP reads the policies anew. RUST_LOG says what
is logged.")]
pub(super) struct ServeArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Take over from the running process: it hands its listeners over, finishes its requests and ends.
    #[arg(long)]
    upgrade: bool,
}

pub(super) fn run(arguments: &ServeArguments) -> Result<(), CommandError> {
    let tap = log_to_stderr();
    let config = arguments.config.load()?;
    let control = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(|error| CommandError::unusable("the control runtime", &error))?;
    let (assembled, exporter) = Assembled::new(&config, control.handle(), &tap)?;
    let exporter = Mutex::new(exporter);
    let _watch = PolicyWatch::start(Arc::clone(&assembled.policies), WatchSettings::default())
        .map_err(|error| CommandError::unusable("watching the policies", &error))?;
    reload_on_hangup(control.handle(), Arc::clone(&assembled.policies));
    resolve_names(control.handle(), Arc::clone(&assembled.upstreams));
    let settings = server_settings(&config, arguments.upgrade);
    let gate = Arc::clone(&assembled.gate);
    control.spawn(follow(Arc::clone(&gate), Arc::clone(&assembled.upstreams)));
    let registry = Arc::clone(gate.registry());
    control.spawn(registry.keep_up(config.state.retention_days));
    control.spawn(keep_series(Arc::clone(&gate)));
    super::money::keep(control.handle(), &config, &gate, &assembled.audit)?;
    let runtime = control.handle().clone();
    serve(
        Arc::clone(&assembled.gate),
        Arc::clone(&assembled.upstreams),
        &settings,
        |phases, listening| {
            serve_admin(
                &control,
                &config,
                &assembled,
                arguments.upgrade,
                phases,
                listening,
            );
        },
        move || {
            gate.ledger().close();
            if gate.audit().shutdown().is_err() {
                tracing::error!("the last audit records could not be written");
            }
            runtime.block_on(gate.registry().close());
            let exporter = exporter
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(exporter) = exporter {
                exporter.stop(FLUSH);
            }
        },
    )
    .map_err(|error| CommandError::unusable("serving", &error))
}

/// The parts of a running gate.
struct Assembled {
    gate: Arc<Gate>,
    policies: Arc<PolicyLoader>,
    upstreams: Arc<Upstreams>,
    audit: AuditSettings,
}

impl Assembled {
    fn new(
        config: &Config,
        control: &Handle,
        tap: &LogTap,
    ) -> Result<(Self, Option<Exporter>), CommandError> {
        let clock: SharedClock = Arc::new(SystemClock);
        let audit = audit_settings(config)?;
        let log = AuditLog::open(&audit, Arc::clone(&clock))
            .map_err(|error| CommandError::unusable("the audit log", &error))?;
        let metrics = Metrics::new(config.tenant_labels)
            .map_err(|error| CommandError::unusable("the metrics", &error))?;
        let metrics = Arc::new(metrics);
        let (telemetry, exporter) = super::telemetry::start(config, control, &metrics, tap)?;
        let keys =
            KeySetRegistry::new(control.clone(), JwksSettings::default(), Arc::clone(&clock))
                .map_err(|error| CommandError::unusable("the issuers' keys", &error))?;
        let store = store(config)?;
        let parts = GateParts {
            settings: GateSettings {
                tenant_header_required: config.tenant_header_forced,
                on_loopback: config.listens_on_loopback(),
                hosts: config.listen.hosts.clone(),
            },
            audit: log,
            metrics,
            telemetry,
            clock: Arc::clone(&clock),
            keys,
            tokens: Arc::new(TokenCache::new(DEFAULT_TOKEN_CAPACITY)),
            replays: ReplayGuard::new(DEFAULT_REPLAY_CAPACITY),
            assertions: assertions(config, Arc::clone(&clock))?,
            handles: CredentialHandles::new(&config.secrets_directory),
            registry: Registry::new(
                Arc::clone(&store) as Arc<dyn OwnershipStore>,
                clock.clone(),
                config.state.cached_owners,
            ),
            models: models(control, store)?,
            ledger: ledger(config, clock.clone())?,
        };
        let upstreams = Arc::new(Upstreams::default());
        let (gate, policies) = with_policies(config, parts, &upstreams, clock)?;
        let assembled = Self {
            gate,
            policies,
            upstreams,
            audit,
        };
        Ok((assembled, exporter))
    }
}

/// Opens the state.
fn store(config: &Config) -> Result<Arc<SqliteStore>, CommandError> {
    let StateLocation::Sqlite(path) = &config.state.location;
    let store =
        SqliteStore::open(path).map_err(|error| CommandError::unusable("[state]", &error))?;
    Ok(Arc::new(store))
}

/// What tenants chose for their models, read once before any request: without it a tenant would have
/// all that the policy files let it have.
fn models(control: &Handle, store: Arc<SqliteStore>) -> Result<Arc<TenantSettings>, CommandError> {
    let models = TenantSettings::new(store);
    control
        .block_on(models.refresh())
        .map_err(|error| CommandError::unusable("[state]", &error))?;
    control.spawn(Arc::clone(&models).keep_up());
    Ok(models)
}

/// What signs assertions. The key is there from the first start on, whether a policy asks for any: one
/// that does can be put in force at any time, and its backend has to know the key by then.
fn assertions(config: &Config, clock: SharedClock) -> Result<Arc<Assertions>, CommandError> {
    let settings = &config.assertion;
    let key = match &settings.key {
        Some(pem) => SigningKey::from_pem(pem.expose_secret().as_bytes())
            .map_err(|error| CommandError::unusable("[assertion] key", &error)),
        None => {
            let path = config.state.location.assertion_key();
            SigningKey::load_or_create(&path).map_err(|error| {
                let what = format!("the key of assertions, `{}`,", path.display());
                CommandError::unusable(&what, &error)
            })
        }
    }?;
    let previous = settings.previous.iter();
    let previous = previous
        .map(|pem| PublicKey::from_pem(pem.expose_secret().as_bytes()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| CommandError::unusable("[assertion] previous", &error))?;
    let assertions = Assertions::new(key, previous, clock)
        .map_err(|error| CommandError::unusable("[assertion]", &error))?;
    Ok(Arc::new(assertions))
}

/// Opens the ledger, which is beside the state.
pub(super) fn ledger(config: &Config, clock: SharedClock) -> Result<Arc<Ledger>, CommandError> {
    let settings = LedgerSettings {
        sync: config.ledger.sync,
        crash_grace: config.ledger.crash_grace,
        retention: Duration::from_secs(u64::from(config.ledger.retention_days) * 86_400),
        lines_per_tenant: config.ledger.lines_per_tenant,
        ..LedgerSettings::default()
    };
    open_ledger(&config.state.location.ledger(), settings, clock)
        .map_err(|error| CommandError::unusable("the ledger", &error))
}

/// Loads the policies, which makes the gate, and keeps them loaded into it.
fn with_policies(
    config: &Config,
    parts: GateParts,
    upstreams: &Arc<Upstreams>,
    clock: SharedClock,
) -> Result<(Arc<Gate>, Arc<PolicyLoader>), CommandError> {
    let gate: Arc<OnceLock<Arc<Gate>>> = Arc::default();
    let parts = Mutex::new(Some(parts));
    let install = {
        let gate = Arc::clone(&gate);
        let upstreams = Arc::clone(upstreams);
        move |snapshot| {
            upstreams
                .install(&snapshot)
                .map_err(|error| error.to_string())?;
            match (
                gate.get(),
                parts.lock().unwrap_or_else(PoisonError::into_inner).take(),
            ) {
                (Some(gate), _) => gate.install(snapshot).map_err(|error| error.to_string()),
                (None, Some(parts)) => {
                    let made = Gate::new(parts, snapshot).map_err(|error| error.to_string())?;
                    loaded(&made);
                    gate.set(made)
                        .map_err(|_made| "two gates were made".to_owned())
                }
                (None, None) => Err("the gate could not be made before".to_owned()),
            }
        }
    };
    let observe = {
        let gate = Arc::clone(&gate);
        move |outcome: &ReloadOutcome| {
            if let Some(gate) = gate.get() {
                reloaded(gate, outcome);
            }
        }
    };
    let environment = SecretResolver::from_process();
    let policies = PolicyLoader::start(
        &config.policies_directory,
        environment,
        clock,
        Box::new(install),
        Box::new(observe),
    )
    .map_err(CommandError::Problems)?;
    let gate = gate
        .get()
        .cloned()
        .ok_or_else(|| CommandError::Unusable("no gate was made".to_owned()))?;
    Ok((gate, Arc::new(policies)))
}

/// The audit log's settings, as the configuration has them.
pub(super) fn audit_settings(config: &Config) -> Result<AuditSettings, CommandError> {
    let mut settings = AuditSettings::new(&config.audit.directory);
    if let Some(key) = &config.audit.key {
        let secret = LogSecret::parse(key.expose_secret())
            .map_err(|error| CommandError::unusable("[audit] key", &error))?;
        settings.secret = SecretSource::Given(secret);
    }
    settings.checkpoints.clone_from(&config.audit.checkpoints);
    settings.on_failure = match config.audit.on_failure {
        AuditFailure::Deny => OnFailure::Deny,
        AuditFailure::Allow => OnFailure::Allow,
    };
    settings.durability = match config.audit.durability {
        AuditDurability::Batch => Durability::Batch,
        AuditDurability::Sync => Durability::Sync,
    };
    settings.flush = config.audit.flush_interval;
    settings.rotate_bytes = config.audit.rotate_bytes;
    settings.instance = instance().into();
    Ok(settings)
}

/// Host name and process id: which process wrote a record.
pub(super) fn instance() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() {
        "gate"
    } else {
        host.trim()
    };
    format!("{host}-{}", std::process::id())
}

fn server_settings(config: &Config, upgrade: bool) -> ServerSettings {
    ServerSettings {
        address: match &config.listen.address {
            ConfiguredAddress::Tcp(address) => ListenAddress::Tcp(address.to_string()),
            ConfiguredAddress::Unix(path) => ListenAddress::Unix(path.clone()),
        },
        tls: config.listen.tls.as_ref().map(|tls| TlsFiles {
            certificate: tls.certificate.clone(),
            private_key: tls.private_key.clone(),
            client_ca: tls.client_ca.clone(),
            http2: config.listen.http2,
        }),
        bounds: ListenerBounds {
            connections: config.listen.connections,
            header: config.listen.header_timeout,
            idle: config.listen.idle_timeout,
            h2c: config.listen.http2,
        },
        threads: config.listen.threads,
        answer_bytes: config.limits.response_body_bytes as u64,
        body_memory: config.limits.body_memory_bytes as u64,
        body_timeout: config.limits.body_timeout,
        grace: config.shutdown_grace,
        upgrade_socket: config.upgrade.socket.clone(),
        pid_file: config.upgrade.pid_file.clone(),
        upgrade,
    }
}

/// Serves the admin listener on the control runtime. A process that takes over waits until its
/// predecessor has let go of the address; a process that is relieved lets go when its listeners
/// have changed hands.
fn serve_admin(
    control: &Runtime,
    config: &Config,
    assembled: &Assembled,
    upgrade: bool,
    mut phases: broadcast::Receiver<ExecutionPhase>,
    listening: watch::Receiver<bool>,
) {
    let state = Arc::new(AdminState {
        gate: Arc::clone(&assembled.gate),
        policies: Arc::clone(&assembled.policies),
        audit: assembled.audit.clone(),
        charges_kept_days: config.ledger.retention_days,
        token: config.admin.token.as_ref().map(AdminToken::new),
        hosts: config.admin.hosts.clone(),
        listening,
    });
    let address = config.admin.address;
    let released = async move {
        loop {
            match phases.recv().await {
                Ok(
                    ExecutionPhase::GracefulUpgradeCloseTimeout | ExecutionPhase::ShutdownRuntimes,
                ) => return,
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    };
    control.spawn(async move {
        let wait = if upgrade {
            ADMIN_HAND_OVER
        } else {
            Duration::ZERO
        };
        let listener = match bind(address, wait).await {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%address, %error, "the admin listener can't be had");
                std::process::exit(2);
            }
        };
        tracing::info!(%address, "the admin listener is up");
        let serving = axum::serve(Bounded::over(listener), router(state));
        tokio::select! {
            served = async { serving.await } => {
                if let Err(error) = served {
                    tracing::error!(%error, "the admin listener ended");
                }
            }
            () = released => tracing::info!("the admin listener is released"),
        }
    });
}

async fn bind(address: SocketAddr, wait: Duration) -> io::Result<tokio::net::TcpListener> {
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        match tokio::net::TcpListener::bind(address).await {
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse
                    && tokio::time::Instant::now() < deadline =>
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            bound => return bound,
        }
    }
}

/// SIGHUP reads the policies anew.
fn reload_on_hangup(control: &Handle, policies: Arc<PolicyLoader>) {
    control.spawn(async move {
        let mut hangups = match signal(SignalKind::hangup()) {
            Ok(hangups) => hangups,
            Err(error) => {
                tracing::error!(%error, "SIGHUP can't be heard; policies are reloaded on change only");
                return;
            }
        };
        while hangups.recv().await.is_some() {
            let policies = Arc::clone(&policies);
            // What came of it is logged, counted and recorded by the loader's observer.
            let reload = tokio::task::spawn_blocking(move || policies.reload_now());
            if let Err(error) = reload.await {
                tracing::error!(%error, "a policy reload did not end");
            }
        }
    });
}

/// Looks up the names of backends now and then; addresses written as numbers need none.
fn resolve_names(control: &Handle, upstreams: Arc<Upstreams>) {
    control.spawn(async move {
        loop {
            upstreams.refresh().await;
            tokio::time::sleep(RESOLVE).await;
        }
    });
}
