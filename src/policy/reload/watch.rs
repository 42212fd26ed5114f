//! Notices that the policy directory changed, and when the change is complete.
//!
//! File events come early, late, or not at all: a mounted ConfigMap changes by a symlink swap, a
//! network file system reports nothing, and a directory that is replaced takes the watch with it.
//! So an event only says "look now", and the thread looks every [`WatchSettings::interval`] anyway.
//! What decides is the content: two looks [`WatchSettings::settle`] apart have to agree, because
//! an editor that truncates and writes shows a half-written directory in between.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::{Digest, PolicyLoader};

/// How often to look and how long content has to hold still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchSettings {
    /// Longest time between two looks (default 1 s).
    pub interval: Duration,
    /// How long the content has to stay the same before it counts (default 150 ms).
    pub settle: Duration,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            settle: Duration::from_millis(150),
        }
    }
}

/// The watching thread. Dropping this ends it, after a reload that is under way.
#[derive(Debug)]
pub struct PolicyWatch {
    stop: Arc<AtomicBool>,
    wake: SyncSender<()>,
    thread: Option<JoinHandle<()>>,
    /// Dropped last of all by [`Drop`], so no event is sent to a thread that has ended.
    _events: Option<RecommendedWatcher>,
}

impl PolicyWatch {
    /// Watches the loader's directory from a thread of its own.
    ///
    /// # Errors
    /// The thread can't be started. Missing file events are no error: the thread looks anyway.
    pub fn start(loader: Arc<PolicyLoader>, settings: WatchSettings) -> std::io::Result<Self> {
        // One waiting wake-up is enough, however many events there were.
        let (wake, woken) = mpsc::sync_channel(1);
        let events = file_events(loader.directory(), wake.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let watching = Watching {
            loader,
            settings,
            woken,
            stop: Arc::clone(&stop),
        };
        let thread = thread::Builder::new()
            .name("policy-watch".to_owned())
            .spawn(move || watching.run())?;
        Ok(Self {
            stop,
            wake,
            thread: Some(thread),
            _events: events,
        })
    }
}

impl Drop for PolicyWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // A full channel means that a wake-up is waiting already.
        let _ = self.wake.try_send(());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the policy watch had panicked; policies were no longer reloaded");
        }
    }
}

/// Subscribes to changes in the directory, and in its parent in case it is itself replaced.
fn file_events(directory: &Path, wake: SyncSender<()>) -> Option<RecommendedWatcher> {
    let on_event = move |event: notify::Result<notify::Event>| {
        // Our own reading is an access; waking up for it would never end.
        let accessed = event.is_ok_and(|event| event.kind.is_access());
        if !accessed {
            let _ = wake.try_send(());
        }
    };
    let subscribe = || {
        let mut events = notify::recommended_watcher(on_event)?;
        events.watch(directory, RecursiveMode::NonRecursive)?;
        if let Some(parent) = directory
            .canonicalize()
            .ok()
            .as_deref()
            .and_then(Path::parent)
        {
            events.watch(parent, RecursiveMode::NonRecursive)?;
        }
        Ok::<_, notify::Error>(events)
    };
    subscribe()
        .inspect_err(|error| tracing::warn!(%error, "no file events; policies are polled only"))
        .ok()
}

struct Watching {
    loader: Arc<PolicyLoader>,
    settings: WatchSettings,
    woken: Receiver<()>,
    stop: Arc<AtomicBool>,
}

impl Watching {
    fn run(self) {
        // INVARIANT: asked after whatever may have taken the wake-up of a stop, and again after the
        // wait: a stop never waits for an interval.
        while !self.stopped() {
            // Woken or not, and even if nobody can wake it any more: look.
            let _ = self.woken.recv_timeout(self.settings.interval);
            if self.stopped() {
                return;
            }
            if let Some(digest) = self.settled() {
                // `None` is content that moved on once more; the next look finds it.
                let _ = self.loader.reload_if(digest);
            }
        }
    }

    /// The digest of content that was not judged yet and holds still.
    fn settled(&self) -> Option<Digest> {
        let mut digest = self.loader.unjudged()?;
        loop {
            self.hold_still();
            if self.stopped() {
                return None;
            }
            let again = self.loader.unjudged()?;
            if again == digest {
                return Some(digest);
            }
            digest = again;
        }
    }

    /// Waits for the settling time; events do not cut it short, a stop does.
    fn hold_still(&self) {
        let end = Instant::now() + self.settings.settle;
        while !self.stopped() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let _ = self.woken.recv_timeout(left);
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}
