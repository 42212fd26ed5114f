//! `[telemetry]`, and the variables of OpenTelemetry beside it.
//!
//! What the file says holds over the environment: a platform that puts `OTEL_*` into every container
//! does not decide what a gate tells of its callers. One variable holds over the file:
//! `OTEL_SDK_DISABLED=true` exports nothing. Where something is exported, a variable that can't be
//! understood stops the start, as a key would: whoever set it would look for traces in vain.

use std::collections::BTreeMap;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::Url;

use super::super::raw::RawTelemetry;
use super::super::telemetry::{Otlp, OtlpReceiver};
use super::{Key, Resolver};
use crate::policy::{Problem, ProblemKind};

const SECTION: &str = "telemetry";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const TIMEOUT: &str = "OTEL_EXPORTER_OTLP_TIMEOUT";
const DISABLED: &str = "OTEL_SDK_DISABLED";
const SERVICE: &str = "OTEL_SERVICE_NAME";
const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";

/// The name of the service where nobody says another.
const NAME: &str = "fabric-gate";

/// The signals, with the path of each below the base address.
const TRACES: Signal = ("TRACES", "v1/traces");
const LOGS: Signal = ("LOGS", "v1/logs");

type Signal = (&'static str, &'static str);

impl Resolver<'_> {
    /// The outer option is whether it could be resolved, the inner whether anything is exported.
    pub(super) fn telemetry(&self, raw: RawTelemetry) -> Option<Option<Otlp>> {
        let queue = self.number((SECTION, "queue"), raw.queue, 16..=1_048_576);
        let refusals = (SECTION, "refusals_per_second");
        let refusals = self.number(refusals, raw.refusals_per_second, 0..=1_000_000);
        let headers = self.otlp_headers(&raw.headers);
        let base = raw
            .otlp_endpoint
            .as_deref()
            .map(|text| self.otlp_address((SECTION, "otlp_endpoint"), text));
        let base = match base {
            Some(None) => return None,
            Some(Some(url)) => Some(url),
            None => None,
        };
        if self
            .said(DISABLED)?
            .is_some_and(|said| said.eq_ignore_ascii_case("true"))
        {
            return Some(None);
        }
        let receiver = |wanted: bool, signal: Signal| -> Option<Option<OtlpReceiver>> {
            match wanted {
                true => self.otlp_receiver(base.as_ref(), headers.as_ref()?, signal),
                false => Some(None),
            }
        };
        let (traces, logs) = (receiver(raw.traces, TRACES), receiver(raw.logs, LOGS));
        let (traces, logs) = (traces?, logs?);
        let exports = traces.is_some() || logs.is_some();
        let timeout = self.otlp_timeout(raw.timeout_seconds, exports);
        let ratio = self.sample_ratio(raw.sample_ratio, exports);
        let resource = self.otlp_resource(&raw, exports);
        let telemetry = Otlp {
            sample_ratio: ratio?,
            sample_refusals: raw.sample_refusals,
            refusals_per_second: refusals?,
            trust_parent: raw.trust_parent,
            resource: resource?,
            gen_ai: raw.gen_ai,
            users: raw.users,
            timeout: timeout?,
            queue: queue?,
            traces,
            logs,
        };
        Some(exports.then_some(telemetry))
    }

    /// Where a signal goes: below the address in the file, or where the environment says.
    fn otlp_receiver(
        &self,
        base: Option<&Url>,
        headers: &[(String, SecretString)],
        (signal, path): Signal,
    ) -> Option<Option<OtlpReceiver>> {
        let own = format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT");
        let url = match (base, self.said(&own)?, self.said(ENDPOINT)?) {
            (Some(base), _, _) => below(base, path),
            (None, Some(whole), _) => self.otlp_variable(&own, &whole)?.to_string(),
            (None, None, Some(base)) => below(&self.otlp_variable(ENDPOINT, &base)?, path),
            (None, None, None) => return Some(None),
        };
        let own = format!("OTEL_EXPORTER_OTLP_{signal}_PROTOCOL");
        for variable in [own.as_str(), PROTOCOL] {
            if base.is_none()
                && let Some(said) = self.said(variable)?
                && said != "http/protobuf"
            {
                self.misunderstood(variable, "is `http/protobuf`: no other protocol is spoken");
                return None;
            }
        }
        let mut headers = headers.to_vec();
        let own = format!("OTEL_EXPORTER_OTLP_{signal}_HEADERS");
        for variable in [own.as_str(), HEADERS] {
            for (name, value) in self.pairs(variable)? {
                if !headers
                    .iter()
                    .any(|(known, _)| known.eq_ignore_ascii_case(&name))
                {
                    headers.push((name, SecretString::from(value)));
                }
            }
        }
        Some(Some(OtlpReceiver { url, headers }))
    }

    fn otlp_headers(
        &self,
        headers: &BTreeMap<String, String>,
    ) -> Option<Vec<(String, SecretString)>> {
        let mut resolved = Vec::new();
        for (name, reference) in headers {
            let secret = self.secret((SECTION, "headers"), Some(reference.clone()))?;
            resolved.extend(secret.map(|secret| (name.clone(), secret)));
        }
        Some(resolved)
    }

    /// An address in the file.
    fn otlp_address(&self, key: Key, text: &str) -> Option<Url> {
        match address(text) {
            Ok(url) => Some(url),
            Err(why) => {
                self.refuse(key, ProblemKind::BadValue, why);
                None
            }
        }
    }

    /// An address in the environment.
    fn otlp_variable(&self, variable: &str, text: &str) -> Option<Url> {
        match address(text) {
            Ok(url) => Some(url),
            Err(why) => {
                self.misunderstood(variable, why);
                None
            }
        }
    }

    fn otlp_timeout(&self, seconds: Option<u64>, exports: bool) -> Option<Duration> {
        if let Some(seconds) = seconds {
            return self.seconds((SECTION, "timeout_seconds"), seconds, 1..=60);
        }
        match self.said_to(exports, TIMEOUT)? {
            None => Some(Duration::from_secs(10)),
            Some(text) => match text.parse() {
                Ok(milliseconds @ 1..=60_000) => Some(Duration::from_millis(milliseconds)),
                Ok(_) | Err(_) => {
                    self.misunderstood(TIMEOUT, "is a number of milliseconds from 1 to 60000");
                    None
                }
            },
        }
    }

    fn sample_ratio(&self, ratio: Option<f64>, exports: bool) -> Option<f64> {
        if let Some(ratio) = ratio {
            if (0.0..=1.0).contains(&ratio) {
                return Some(ratio);
            }
            let message = format!("`{ratio}` is not between 0 and 1");
            self.refuse((SECTION, "sample_ratio"), ProblemKind::BadValue, message);
            return None;
        }
        let sampler = self.said_to(exports, SAMPLER)?;
        // Whether a parent counts is for `trust_parent` alone to say: these names are put into
        // containers by platforms that know nothing of who calls.
        match sampler
            .as_deref()
            .map(|it| it.trim_start_matches("parentbased_"))
        {
            None | Some("always_on") => Some(1.0),
            Some("always_off") => Some(0.0),
            Some("traceidratio") => match self.said(SAMPLER_ARGUMENT)? {
                None => Some(1.0),
                Some(text) => match text.parse() {
                    Ok(ratio) if (0.0..=1.0).contains(&ratio) => Some(ratio),
                    Ok(_) | Err(_) => {
                        self.misunderstood(SAMPLER_ARGUMENT, "is a share from 0 to 1");
                        None
                    }
                },
            },
            Some(_) => {
                self.misunderstood(SAMPLER, "is `always_on`, `always_off` or `traceidratio`, or one of these behind `parentbased_`");
                None
            }
        }
    }

    /// What names this process. The most special source wins: the file's `service_name`, its
    /// `attributes`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`.
    fn otlp_resource(&self, raw: &RawTelemetry, exports: bool) -> Option<Vec<(String, String)>> {
        if !exports {
            return Some(Vec::new());
        }
        let mut resource = BTreeMap::from([
            ("service.name".to_owned(), NAME.to_owned()),
            (
                "service.version".to_owned(),
                env!("CARGO_PKG_VERSION").to_owned(),
            ),
        ]);
        resource.extend(self.pairs(ATTRIBUTES)?);
        let named = |name: Option<String>| name.map(|name| ("service.name".to_owned(), name));
        resource.extend(named(self.said(SERVICE)?));
        resource.extend(raw.attributes.clone());
        resource.extend(named(raw.service_name.clone()));
        Some(resource.into_iter().collect())
    }

    /// `name=value` pairs, one after another behind commas, each value percent-encoded (W3C Baggage).
    fn pairs(&self, variable: &str) -> Option<Vec<(String, String)>> {
        let mut pairs = Vec::new();
        for pair in self.said(variable)?.unwrap_or_default().split(',') {
            if pair.trim().is_empty() {
                continue;
            }
            let decoded = pair.split_once('=').and_then(|(name, value)| {
                let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
                Some((name.trim().to_owned(), value.into_owned()))
            });
            match decoded {
                Some((name, value)) if !name.is_empty() => pairs.push((name, value)),
                Some(_) | None => {
                    self.misunderstood(variable, "is `name=value`, several of them behind commas");
                    return None;
                }
            }
        }
        Some(pairs)
    }

    /// What a variable says to whoever exports something.
    fn said_to(&self, exports: bool, variable: &str) -> Option<Option<String>> {
        match exports {
            true => self.said(variable),
            false => Some(None),
        }
    }

    /// What a variable says. An empty one says nothing.
    fn said(&self, variable: &str) -> Option<Option<String>> {
        match self
            .environment
            .variable(variable)
            .map(std::ffi::OsString::into_string)
        {
            None => Some(None),
            Some(Ok(text)) => Some(Some(text).filter(|text| !text.is_empty())),
            Some(Err(_)) => {
                self.misunderstood(variable, "is text");
                None
            }
        }
    }

    fn misunderstood(&self, variable: &str, what: &str) {
        self.problems.borrow_mut().push(Problem::of_file(
            "environment",
            ProblemKind::BadValue,
            format!("`{variable}` {what}"),
        ));
    }
}

/// A signal's address below a base.
fn below(base: &Url, path: &str) -> String {
    format!("{}/{path}", base.as_str().trim_end_matches('/'))
}

/// An address that spans can be sent to. Its text is not repeated: it may hold a password.
fn address(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is no address, such as `http://collector:4318`")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("is an address of `http` or `https`");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a credential: put it into `headers`");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or a fragment: what the receiver has to know goes into `headers`");
    }
    Ok(url)
}

#[cfg(test)]
mod tests;
