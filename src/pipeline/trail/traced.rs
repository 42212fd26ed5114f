//! What is exported of a request, where anything is.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::{Ending, Trail};
use crate::inspect::usage::UsageFormat;
use crate::pipeline::trace_context::{TraceContext, draw};
use crate::policy::{CostSource, ErrorShape, Revision, RoutePolicy, UpstreamAddress};
use crate::telemetry::otlp::{EndedRequest, GenAi, Telemetry, UpstreamCall};

/// When the backend was asked; nothing is noted where nothing is exported.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traced {
    on: bool,
    called: Option<Duration>,
    sent: bool,
}

impl Trail {
    /// Decides whether the trace of the request is sampled, and says so to the backend.
    pub(in crate::pipeline) fn sample(&mut self, telemetry: &Telemetry) {
        self.traced.on = true;
        if let Some(trace) = &mut self.trace {
            let sampled = telemetry.samples(trace.parent_sampled(), draw());
            trace.sample(sampled);
        }
    }

    /// The backend is turned to, for the first time or again.
    pub fn calls(&mut self) {
        if self.traced.on && self.traced.called.is_none() {
            self.traced.called = Some(self.started.elapsed());
        }
    }

    /// Notes whether the backend may have heard of it.
    pub fn was_sent(&mut self, sent: impl FnOnce() -> bool) {
        if self.traced.on {
            self.traced.sent = sent();
        }
    }

    /// Exports it, if it is one that is exported.
    pub(in crate::pipeline) fn export(&self, telemetry: &Telemetry) {
        let sampled = self.trace.is_some_and(|trace| trace.is_sampled());
        telemetry.ended(|| self.ended(), sampled, self.went_wrong());
    }

    fn went_wrong(&self) -> bool {
        match self.ending {
            Ending::Answered => self.status.is_some_and(|status| status >= 500),
            Ending::ClientGone => false,
            Ending::Open
            | Ending::Refused(_)
            | Ending::Torn
            | Ending::Withdrawn(_)
            | Ending::CutOff => true,
        }
    }

    fn ended(&self) -> EndedRequest {
        // One whose head nobody could read has no trace yet.
        let trace = self
            .trace
            .unwrap_or_else(|| TraceContext::of(&HeaderMap::new()));
        let route = self.route.as_deref();
        let request_id = self.request_id.as_str().as_bytes();
        EndedRequest {
            ids: trace.ids(),
            request_id: request_id.try_into().unwrap_or_default(),
            begun: self.received,
            took: self.started.elapsed(),
            method: self.method.clone(),
            route: route.map(|route| (Arc::clone(&route.name), Arc::clone(&route.path))),
            principal: self.principal.clone(),
            decision: self.decision().as_str(),
            reason: self.reason(),
            rule: self.rule.clone(),
            would_deny: self.would_deny.clone(),
            policy_revision: self.revision.as_ref().map(Revision::shared),
            status: self.status,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            cost: self.bill.as_deref().and_then(|bill| bill.cost),
            upstream: route.and_then(|route| self.upstream_call(route)),
        }
    }

    /// The exchange with the backend, where it heard of the request or could not be reached.
    fn upstream_call(&self, route: &RoutePolicy) -> Option<UpstreamCall> {
        let Traced { called, sent, .. } = self.traced;
        let begun = called.filter(|_| sent || self.reason().starts_with("upstream_"))?;
        let server = match &route.upstream.address {
            UpstreamAddress::Tcp { host, port, .. } => Some((host.clone(), *port)),
            UpstreamAddress::Unix(_) => None,
        };
        Some(UpstreamCall {
            name: Arc::clone(&route.upstream.name),
            server,
            begun,
            ended: self.took.unwrap_or_else(|| self.started.elapsed()),
            status: self.upstream_status,
            gen_ai: self.gen_ai(route),
        })
    }

    fn gen_ai(&self, route: &RoutePolicy) -> Option<GenAi> {
        let CostSource::Usage(format) = &route.cost.as_ref()?.source else {
            return None;
        };
        let bill = self.bill.as_deref();
        Some(GenAi {
            provider: provider(*format, route.errors),
            model: self.model.clone(),
            answered_by: bill.and_then(|bill| bill.model.clone()),
            tokens: bill.and_then(|bill| bill.tokens),
        })
    }
}

/// Whose words the backend speaks, as the GenAI conventions call it. Whoever speaks like OpenAI is
/// known as that.
fn provider(format: UsageFormat, errors: ErrorShape) -> Option<&'static str> {
    match (format, errors) {
        (UsageFormat::OpenAi, _) | (UsageFormat::Auto, ErrorShape::OpenAi) => Some("openai"),
        (UsageFormat::Anthropic, _) | (UsageFormat::Auto, ErrorShape::Anthropic) => {
            Some("anthropic")
        }
        (UsageFormat::Gemini, _) => Some("gcp.gemini"),
        (UsageFormat::Bedrock, _) => Some("aws.bedrock"),
        (UsageFormat::Auto, ErrorShape::Problem | ErrorShape::JsonRpc) => None,
    }
}
