//! Export for OpenTelemetry, as the configuration has it.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::CommandError;
use super::serve::instance;
use crate::config::{Config, ListenAddress, Otlp, OtlpReceiver};
use crate::telemetry::Metrics;
use crate::telemetry::otlp::{
    Detail, Exporter, LogTap, OtlpSettings, Receiver, Sampling, Telemetry,
};

/// What of it a gate is given, and what is to be stopped at its end.
type Started = (Option<Arc<Telemetry>>, Option<Exporter>);

/// Starts to export, where anything is.
///
/// # Errors
/// There can be no client of the receiver.
pub(super) fn start(
    config: &Config,
    control: &Handle,
    metrics: &Arc<Metrics>,
    tap: &LogTap,
) -> Result<Started, CommandError> {
    let Some(otlp) = &config.telemetry else {
        return Ok((None, None));
    };
    let started = Telemetry::start(settings(otlp, config), control, metrics, tap);
    let (telemetry, exporter) =
        started.map_err(|error| CommandError::unusable("[telemetry]", &error))?;
    for (signal, receiver) in [("traces", &otlp.traces), ("logs", &otlp.logs)] {
        if let Some(receiver) = receiver {
            tracing::info!(signal, url = receiver.url, "exports for OpenTelemetry");
        }
    }
    Ok((Some(telemetry), Some(exporter)))
}

fn settings(otlp: &Otlp, config: &Config) -> OtlpSettings {
    let receiver = |receiver: &OtlpReceiver| Receiver {
        url: receiver.url.clone(),
        headers: receiver.headers.clone(),
    };
    let mut resource = otlp.resource.clone();
    if !resource.iter().any(|(key, _)| key == "service.instance.id") {
        resource.push(("service.instance.id".to_owned(), instance()));
    }
    OtlpSettings {
        traces: otlp.traces.as_ref().map(receiver),
        logs: otlp.logs.as_ref().map(receiver),
        timeout: otlp.timeout,
        queue: otlp.queue,
        resource,
        sampling: Sampling {
            ratio: otlp.sample_ratio,
            trust_parent: otlp.trust_parent,
            refusals: otlp.sample_refusals,
            refusals_per_second: otlp.refusals_per_second,
        },
        detail: Detail {
            users: otlp.users,
            gen_ai: otlp.gen_ai,
            scheme: match config.listen.tls {
                Some(_) => "https",
                None => "http",
            },
            server: match &config.listen.address {
                ListenAddress::Tcp(address) => Some((address.ip().to_string(), address.port())),
                ListenAddress::Unix(_) => None,
            },
        },
    }
}
