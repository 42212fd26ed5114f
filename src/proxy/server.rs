//! The public listener as a pingora server: services, signals, graceful stop, upgrade in place.

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pingora::apps::HttpServerOptions;
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;
use pingora::protocols::http::v2::server::default_h2_options;
use pingora::proxy::http_proxy;
use pingora::server::configuration::{Opt, ServerConf};
use pingora::server::{ExecutionPhase, RunArgs, Server};
use pingora::services::listening::Service;
use tokio::sync::Semaphore;
use tokio::sync::{broadcast, watch};

use super::announced::Announced;
use super::body::BodyPace;
use super::callbacks::Callbacks;
use super::carrier::Carrier;
use super::exchange::Exchanger;
use super::listener::{ConnectionApp, ListenerBounds};
use super::memory_budget::MemoryBudget;
use super::tls::{self, TlsError, TlsFiles};
use super::upstreams::Upstreams;
use super::watched::Watched;
use crate::ownership::absence::Absences;
use crate::pipeline::Gate;

/// Idle connections to backends that are kept. Below the peak concurrency every request beyond it
/// opens a connection of its own.
const POOLED_CONNECTIONS: usize = 4_096;

/// How often a draining server looks whether it is through.
const DRAIN_POLL: Duration = Duration::from_millis(50);

/// How long requests that were cut off may take to hand over their records.
const CUT_OFF: Duration = Duration::from_secs(5);

/// How long the process that is relieved may take to be ready to hand over.
const HAND_OVER: Duration = Duration::from_secs(10);

/// Where the public listener is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// Host and port.
    Tcp(String),
    /// A unix socket.
    Unix(PathBuf),
}

/// Everything the server is told.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Where it listens.
    pub address: ListenAddress,
    /// TLS, if any.
    pub tls: Option<TlsFiles>,
    /// Bounds on connections.
    pub bounds: ListenerBounds,
    /// Threads that serve requests.
    pub threads: usize,
    /// Largest answer that is read whole, in bytes.
    pub answer_bytes: u64,
    /// Memory for all buffered bodies, in bytes.
    pub body_memory: u64,
    /// For one buffered request body; other bodies are held to a pace that follows from it.
    pub body_timeout: Duration,
    /// How long a stop waits for requests under way.
    pub grace: Duration,
    /// Socket over which listeners change hands.
    pub upgrade_socket: PathBuf,
    /// Where the process id is kept.
    pub pid_file: PathBuf,
    /// Take over from the process in the pid file.
    pub upgrade: bool,
}

/// The server can't start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// TLS files.
    #[error("TLS")]
    Tls(#[from] TlsError),
    /// The pid file.
    #[error("the pid file `{}`", path.display())]
    PidFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// `--upgrade` without a process to relieve.
    #[error("there is no running process to relieve: `{}` names none", .0.display())]
    NobodyToRelieve(PathBuf),
    /// The address is taken or can't be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The system has no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomBytes,
}

/// Serves until a signal ends it: SIGTERM drains, SIGINT stops at once, SIGQUIT hands the listeners
/// to a successor and drains. `phases` is given the server's phases, and whether it listens, before
/// it does. `ended` runs once, when the last request is through.
///
/// # Errors
/// The server can't start.
pub fn serve(
    gate: Arc<Gate>,
    upstreams: Arc<Upstreams>,
    settings: &ServerSettings,
    phases: impl FnOnce(broadcast::Receiver<ExecutionPhase>, watch::Receiver<bool>),
    ended: impl Fn() + Send + Sync + 'static,
) -> Result<(), ServerError> {
    let predecessor = if settings.upgrade {
        Some(running(&settings.pid_file)?)
    } else {
        None
    };
    if predecessor.is_none() {
        probe(&settings.address)?;
    }
    let options = Opt {
        upgrade: settings.upgrade,
        ..Opt::default()
    };
    let mut server = Server::new_with_opt_and_conf(options, server_conf(settings));
    let budget = MemoryBudget::new(settings.body_memory);
    let connector = Connector::new(Some(ConnectorOptions::from_server_conf(
        &server.configuration,
    )));
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| ServerError::NoRandomBytes)?;
    let carrier = Arc::new(Carrier {
        gate: Arc::clone(&gate),
        upstreams,
        exchanger: Exchanger {
            connector,
            answer_bytes: settings.answer_bytes,
            budget,
            absences: Absences::new(key),
        },
        pace: BodyPace::within(settings.body_timeout),
    });
    let mut proxy = http_proxy(&server.configuration, Callbacks(Arc::clone(&carrier)));
    let mut options = HttpServerOptions::default();
    options.h2c = settings.bounds.h2c;
    options.h2_idle_timeout = Some(settings.bounds.idle);
    proxy.server_options = Some(options);
    // Beginning from pingora's own options keeps its bound on concurrent streams.
    let mut h2 = default_h2_options();
    h2.max_header_list_size(64 * 1024);
    proxy.h2_options = Some(h2);

    let places = Arc::new(Semaphore::new(settings.bounds.connections));
    let app = ConnectionApp {
        gate: Arc::clone(&gate),
        carrier,
        proxy: Arc::new(Watched(Arc::new(proxy))),
        bounds: settings.bounds,
        places: Arc::clone(&places),
    };
    let mut service = Service::new("gate".to_owned(), app);
    service.threads = Some(settings.threads);
    let address = match (&settings.address, &settings.tls) {
        (ListenAddress::Tcp(address), None) => {
            service.add_tcp(address);
            address.clone()
        }
        (ListenAddress::Tcp(address), Some(files)) => {
            service.add_tls_with_settings(address, None, tls::settings(files)?);
            address.clone()
        }
        (ListenAddress::Unix(path), _) => {
            service.add_uds(&path.to_string_lossy(), None);
            path.to_string_lossy().into_owned()
        }
    };
    let listening = watch::Sender::new(false);
    let listens = listening.subscribe();
    server.add_service(Announced {
        service,
        address,
        listening,
    });
    phases(server.watch_execution_phase(), listens);
    let connections = settings.bounds.connections;
    // A stream of HTTP/2 has a task of its own, which can outlive its connection's.
    let is_through = move || places.available_permits() >= connections && gate.under_way() == 0;
    let drained = watch_drain(
        server.watch_execution_phase(),
        Arc::new(is_through),
        settings,
        ended,
    );

    if let Some(pid) = predecessor {
        relieve(pid, settings.upgrade_socket.clone());
    }
    server.bootstrap();
    let _running = write_pid(&settings.pid_file)?;
    server.run(RunArgs::default());
    drained();
    Ok(())
}

fn server_conf(settings: &ServerSettings) -> ServerConf {
    ServerConf {
        threads: settings.threads,
        upgrade_sock: settings.upgrade_socket.to_string_lossy().into_owned(),
        pid_file: settings.pid_file.to_string_lossy().into_owned(),
        grace_period_seconds: Some(settings.grace.as_secs()),
        graceful_shutdown_timeout_seconds: Some(1),
        upstream_keepalive_pool_size: POOLED_CONNECTIONS,
        max_retries: 2,
        ..ServerConf::default()
    }
}

/// Finds out before anything else starts whether the address can be had: pingora panics later.
fn probe(address: &ListenAddress) -> Result<(), ServerError> {
    let ListenAddress::Tcp(address) = address else {
        return Ok(());
    };
    match std::net::TcpListener::bind(address) {
        Ok(listener) => {
            drop(listener);
            Ok(())
        }
        Err(source) => Err(ServerError::Listen {
            address: address.clone(),
            source,
        }),
    }
}

/// The process in the pid file, if it runs: it holds a lock on the file then. After a crash the
/// number may be another program's by now, which must not be sent a signal.
fn running(pid_file: &Path) -> Result<Pid, ServerError> {
    let nobody = || ServerError::NobodyToRelieve(pid_file.to_owned());
    let mut file = File::open(pid_file).map_err(|_error| nobody())?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {}
        Ok(()) | Err(TryLockError::Error(_)) => return Err(nobody()),
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|_error| nobody())?;
    text.trim()
        .parse()
        .map(Pid::from_raw)
        .map_err(|_error| nobody())
}

/// Asks the predecessor for its listeners as soon as this process waits for them.
fn relieve(predecessor: Pid, socket: PathBuf) {
    if let Err(error) = std::fs::remove_file(&socket)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(socket = %socket.display(), %error, "an old upgrade socket is in the way");
    }
    thread::spawn(move || {
        let begun = Instant::now();
        while !socket.exists() && begun.elapsed() < HAND_OVER {
            thread::sleep(DRAIN_POLL);
        }
        if let Err(error) = kill(predecessor, Signal::SIGQUIT) {
            tracing::error!(%error, "the running process can't be asked to hand over");
        }
    });
}

/// Writes the pid file; it says that this process runs for as long as the answer is held.
fn write_pid(path: &Path) -> Result<File, ServerError> {
    let written = || {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let fresh = path.with_extension("pid-new");
        let mut file = File::create(&fresh)?;
        file.lock()?;
        writeln!(file, "{}", std::process::id())?;
        std::fs::rename(&fresh, path)?;
        Ok(file)
    };
    written().map_err(|source| ServerError::PidFile {
        path: path.to_owned(),
        source,
    })
}

/// Ends the process when a stop has begun and it is through with every connection and request: pingora
/// would sleep through the whole grace period. Returns what to call when `Server::run` itself returns.
fn watch_drain(
    mut phases: broadcast::Receiver<ExecutionPhase>,
    is_through: Arc<dyn Fn() -> bool + Send + Sync>,
    settings: &ServerSettings,
    ended: impl Fn() + Send + Sync + 'static,
) -> impl FnOnce() {
    let pid_file = settings.pid_file.clone();
    let socket = match &settings.address {
        ListenAddress::Unix(path) => Some(path.clone()),
        ListenAddress::Tcp(_) => None,
    };
    let once = Once::new();
    let work = move || {
        ended();
        let ours = std::fs::read_to_string(&pid_file)
            .is_ok_and(|text| text.trim() == std::process::id().to_string());
        // Whoever took over has the listeners, and both files are his.
        for path in [Some(&pid_file), socket.as_ref()].into_iter().flatten() {
            if ours && let Err(error) = std::fs::remove_file(path) {
                tracing::warn!(path = %path.display(), %error, "a file stays behind");
            }
        }
    };
    // At the end of the grace the drain and pingora come here together. Who is second waits: the
    // process must not end while the first still writes the last records.
    let finish = Arc::new(move || once.call_once(&work));
    let at_drain = Arc::clone(&finish);
    let through_at_end = Arc::clone(&is_through);
    thread::spawn(move || {
        loop {
            match phases.blocking_recv() {
                Ok(ExecutionPhase::ShutdownGracePeriod) => break,
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
        while !is_through() {
            thread::sleep(DRAIN_POLL);
        }
        at_drain();
        std::process::exit(0);
    });
    move || {
        // pingora's `run` returns while its threads still drop what they were at, and each request
        // hands its record over when it is dropped.
        let begun = Instant::now();
        while !through_at_end() && begun.elapsed() < CUT_OFF {
            thread::sleep(Duration::from_millis(5));
        }
        finish();
    }
}
