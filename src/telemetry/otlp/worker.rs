//! Taking what waits, in batches, to its receiver.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::attributes::Attributes;
use super::budget::Budget;
use super::courier::{Courier, OtlpError, Sent};
use super::logs::LogTap;
use super::record::LogLine;
use super::request::EndedRequest;
use super::{Detail, Dropped, OtlpSettings, Signal, Telemetry, spans};
use crate::clock::{Clock, SystemClock};
use crate::telemetry::Metrics;

/// Most of what waits that goes out in one message.
const BATCH: usize = 512;

/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);

/// After which wait each further attempt is made.
const WAITS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(6),
];

/// What runs beside the requests until it is stopped.
#[derive(Debug)]
pub struct Exporter {
    control: Handle,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Exporter {
    /// Sends what waits, and ends: within `limit`, whatever the receiver does. Not to be called on
    /// the control runtime.
    pub fn stop(self, limit: Duration) {
        self.stop.send_replace(true);
        let tasks = self.tasks;
        let all = async {
            let deadline = Instant::now() + limit;
            for task in tasks {
                let abort = task.abort_handle();
                if timeout_at(deadline, task).await.is_err() {
                    abort.abort();
                    tracing::warn!("the last spans or log records were not sent in time");
                }
            }
        };
        self.control.block_on(all);
    }
}

impl Telemetry {
    /// Starts to export on the control runtime. What is logged from here on goes out too, where logs
    /// do.
    ///
    /// # Errors
    /// See [`OtlpError`].
    pub fn start(
        settings: OtlpSettings,
        control: &Handle,
        metrics: &Arc<Metrics>,
        tap: &LogTap,
    ) -> Result<(Arc<Self>, Exporter), OtlpError> {
        let stop = watch::Sender::new(false);
        let encoder = Arc::new(Encoder {
            resource: resource(&settings.resource),
            detail: settings.detail,
        });
        let mut tasks = Vec::new();
        let mut requests = None;
        if let Some(receiver) = &settings.traces {
            let (sender, queue) = mpsc::channel::<Box<EndedRequest>>(settings.queue);
            let courier = Courier::new(receiver, settings.timeout)?;
            let worker = Worker::new(Signal::Traces, courier, metrics, &stop);
            let encoder = Arc::clone(&encoder);
            let encode = move |batch: Vec<Box<EndedRequest>>| encoder.traces(&batch);
            tasks.push(control.spawn(worker.run(queue, encode)));
            requests = Some(sender);
        }
        let mut lines = None;
        if let Some(receiver) = &settings.logs {
            let (sender, queue) = mpsc::channel::<LogLine>(settings.queue);
            let courier = Courier::new(receiver, settings.timeout)?;
            let worker = Worker::new(Signal::Logs, courier, metrics, &stop);
            let encode = move |batch| encoder.logs(batch);
            tasks.push(control.spawn(worker.run(queue, encode)));
            tap.open(sender.clone(), Arc::clone(metrics));
            lines = Some(sender);
        }
        let telemetry = Self {
            sampling: settings.sampling,
            refusals: Budget::new(settings.sampling.refusals_per_second),
            requests,
            lines,
            metrics: Arc::clone(metrics),
        };
        let exporter = Exporter {
            control: control.clone(),
            stop,
            tasks,
        };
        Ok((Arc::new(telemetry), exporter))
    }
}

/// How many spans or log records something is.
pub(super) trait Weigh {
    /// The number.
    fn weight(&self) -> u64;
}

impl Weigh for Box<EndedRequest> {
    fn weight(&self) -> u64 {
        1 + u64::from(self.upstream.is_some())
    }
}

impl Weigh for LogLine {
    fn weight(&self) -> u64 {
        1
    }
}

/// Carries one signal.
struct Worker {
    signal: Signal,
    courier: Courier,
    metrics: Arc<Metrics>,
    stop: watch::Receiver<bool>,
    failing: bool,
}

impl Worker {
    fn new(
        signal: Signal,
        courier: Courier,
        metrics: &Arc<Metrics>,
        stop: &watch::Sender<bool>,
    ) -> Self {
        metrics.telemetry_begins(signal);
        Self {
            signal,
            courier,
            metrics: Arc::clone(metrics),
            stop: stop.subscribe(),
            failing: false,
        }
    }

    async fn run<T: Weigh>(
        mut self,
        mut queue: mpsc::Receiver<T>,
        encode: impl Fn(Vec<T>) -> Vec<u8>,
    ) {
        loop {
            let batch = self.gather(&mut queue).await;
            if batch.is_empty() {
                return;
            }
            let weight = batch.iter().map(Weigh::weight).sum();
            self.deliver(&encode(batch), weight).await;
        }
    }

    /// The next batch; an empty one when there is no more to come.
    async fn gather<T>(&mut self, queue: &mut mpsc::Receiver<T>) -> Vec<T> {
        let mut batch = Vec::with_capacity(BATCH);
        let gathering = async {
            if queue.recv_many(&mut batch, BATCH).await == 0 {
                return;
            }
            let more = async {
                while batch.len() < BATCH {
                    let left = BATCH - batch.len();
                    if queue.recv_many(&mut batch, left).await == 0 {
                        return;
                    }
                }
            };
            // Who does not fill a batch goes out with what there is.
            let _full = timeout(GATHER, more).await;
        };
        tokio::select! {
            biased;
            () = stopped(&mut self.stop) => {}
            () = gathering => return batch,
        }
        while batch.len() < BATCH
            && let Ok(one) = queue.try_recv()
        {
            batch.push(one);
        }
        batch
    }

    /// Sends a message until it is taken or given up.
    async fn deliver(&mut self, message: &[u8], weight: u64) {
        let mut waits = WAITS.iter();
        loop {
            let stopping = *self.stop.borrow();
            match self.courier.send(message.to_vec()).await {
                Sent::Taken => return self.taken(weight),
                Sent::Partly(refused) => {
                    let refused = refused.min(weight);
                    self.taken(weight - refused);
                    return self.given_up(Dropped::Rejected, refused);
                }
                Sent::Refused => return self.given_up(Dropped::Rejected, weight),
                Sent::Again(_) if stopping => return self.given_up(Dropped::Stopped, weight),
                Sent::Again(asked) => {
                    let Some(wait) = waits.next() else {
                        return self.given_up(Dropped::Unreachable, weight);
                    };
                    tokio::select! {
                        () = stopped(&mut self.stop) => {}
                        () = sleep(asked.unwrap_or(*wait)) => {}
                    }
                }
            }
        }
    }

    fn taken(&mut self, weight: u64) {
        self.metrics.telemetry_exported(self.signal, weight);
        if std::mem::take(&mut self.failing) {
            tracing::info!(
                signal = self.signal.as_str(),
                "the receiver of OTLP takes what it is sent again"
            );
        }
    }

    /// Tells of the first of a series of failures; the counter has the rest.
    fn given_up(&mut self, reason: Dropped, weight: u64) {
        self.metrics.telemetry_dropped(self.signal, reason, weight);
        if !std::mem::replace(&mut self.failing, true) {
            let (signal, reason) = (self.signal.as_str(), reason.as_str());
            tracing::warn!(
                signal,
                reason,
                dropped = weight,
                "the receiver of OTLP does not take what it is sent"
            );
        }
    }
}

/// Returns when the process stops.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Its sender is gone when the process ends without a word.
    let _gone = stop.wait_for(|stop| *stop).await;
}

/// Makes messages.
struct Encoder {
    resource: Resource,
    detail: Detail,
}

impl Encoder {
    fn traces(&self, batch: &[Box<EndedRequest>]) -> Vec<u8> {
        let spans = batch
            .iter()
            .flat_map(|request| spans::of(request, &self.detail))
            .collect();
        let scope_spans = vec![ScopeSpans {
            scope: Some(scope()),
            spans,
            schema_url: spans::SCHEMA.to_owned(),
        }];
        let resource_spans = vec![ResourceSpans {
            resource: Some(self.resource.clone()),
            scope_spans,
            schema_url: spans::SCHEMA.to_owned(),
        }];
        ExportTraceServiceRequest { resource_spans }.encode_to_vec()
    }

    fn logs(&self, batch: Vec<LogLine>) -> Vec<u8> {
        let now = SystemClock.now();
        let log_records = batch
            .into_iter()
            .map(|line| line.encoded(&self.detail, now))
            .collect();
        let scope_logs = vec![ScopeLogs {
            scope: Some(scope()),
            log_records,
            schema_url: spans::SCHEMA.to_owned(),
        }];
        let resource_logs = vec![ResourceLogs {
            resource: Some(self.resource.clone()),
            scope_logs,
            schema_url: spans::SCHEMA.to_owned(),
        }];
        ExportLogsServiceRequest { resource_logs }.encode_to_vec()
    }
}

fn resource(attributes: &[(String, String)]) -> Resource {
    let mut of = Attributes::default();
    for (key, value) in attributes {
        of.text(key, value);
    }
    Resource {
        attributes: of.into_inner(),
        ..Resource::default()
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "fabric-gate".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}
