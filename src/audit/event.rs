//! Records about the log and the process, between those about requests.

use super::adjustment::AdjustmentFacts;
use super::json::push_timestamp;
use super::record::{number, optional, text};
use crate::clock::Timestamp;

/// Something that happened to the log or the process.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A process began to write. The first record of every chain is one of these.
    LogOpened {
        /// Id of the chain.
        log_id: &'a str,
        /// Which chain of the directory.
        lineage: u32,
    },
    /// A crash left half a record behind; it was cut off and kept.
    Recovered {
        /// File that holds what was cut off.
        torn_file: &'a str,
        /// How many bytes.
        bytes: u64,
    },
    /// Records that could not be kept while the log could not be written.
    Gap {
        /// How many.
        lost: u64,
        /// When the first of them came.
        since: Timestamp,
    },
    /// The file was moved, removed or changed by somebody else; the chain goes on in another.
    FileReplaced {
        /// Its name.
        file: &'a str,
    },
    /// A policy took effect.
    PolicyLoaded {
        /// Its revision.
        policy_revision: &'a str,
    },
    /// A policy was refused; the running one stays.
    PolicyRejected {
        /// How many problems it has.
        problems: u64,
    },
    /// An operator had everything forgotten that the gate holds of a tenant.
    TenantErased {
        /// Which.
        tenant: &'a str,
        /// How many resources lost their owner.
        resources: u64,
    },
    /// A request cost something that its own record does not say: it was settled after that was
    /// written, or the process ended before.
    Settlement {
        /// Whose.
        tenant: &'a str,
        /// Which request.
        request_id: &'a str,
        /// When it arrived, which is when its cost counts.
        arrived: Timestamp,
        /// Cost in USD as a decimal.
        cost_usd: &'a str,
        /// How it was settled: `settled`, `recovered`, `expired`.
        how: &'a str,
        /// Model of a completion.
        model: Option<&'a str>,
        /// Revision of the price list.
        price_revision: Option<&'a str>,
    },
    /// An operator put right what a tenant has spent.
    Adjusted {
        /// What was put right, by whom and why.
        facts: &'a AdjustmentFacts<'a>,
        /// [`AdjustmentFacts::sign`].
        signature: &'a str,
    },
    /// A ceiling is spent as far as somebody wanted to know of, or a request was refused by it.
    CeilingWarning(CeilingWarning<'a>),
    /// Somebody changed which models a tenant uses.
    LlmSettingsChanged {
        /// Whose.
        tenant: &'a str,
        /// Who: `admin`, or `user:` and the user of the tenant.
        by: &'a str,
        /// Which settings, separated by commas.
        keys: &'a str,
    },
    /// The process ends in order.
    Shutdown,
}

/// How far a ceiling is spent.
#[derive(Clone, Copy, Debug)]
pub struct CeilingWarning<'a> {
    /// Whose ceiling.
    pub tenant: &'a str,
    /// Over what it adds up: `tenant`, `user`, …
    pub scope: &'a str,
    /// Which user, agent, route or session.
    pub value: &'a str,
    /// Over which time: `month`, `rolling:24h`.
    pub window: &'a str,
    /// Share of the limit that was reached, as a decimal; `None` where a request was refused.
    pub threshold: Option<&'a str>,
    /// The limit in USD as a decimal.
    pub limit_usd: &'a str,
    /// What is spent in USD as a decimal.
    pub spent_usd: &'a str,
    /// When the window ends.
    pub resets_at: Option<Timestamp>,
}

impl Event<'_> {
    /// Appends the body; `instance` is JSON already.
    pub(super) fn write_body(&self, ts: Timestamp, out: &mut Vec<u8>, instance: &[u8]) {
        out.extend_from_slice(b"\"kind\":\"event\",\"ts\":");
        push_timestamp(out, ts);
        match self {
            Self::LogOpened { log_id, lineage } => {
                text(out, b",\"event\":", "log_opened");
                text(out, b",\"log_id\":", log_id);
                number(out, b",\"lineage\":", (*lineage).into());
            }
            Self::Recovered { torn_file, bytes } => {
                text(out, b",\"event\":", "recovered");
                text(out, b",\"torn_file\":", torn_file);
                number(out, b",\"bytes\":", *bytes);
            }
            Self::Gap { lost, since } => {
                text(out, b",\"event\":", "gap");
                number(out, b",\"lost\":", *lost);
                out.extend_from_slice(b",\"since\":");
                push_timestamp(out, *since);
            }
            Self::FileReplaced { file } => {
                text(out, b",\"event\":", "file_replaced");
                text(out, b",\"file\":", file);
            }
            Self::PolicyLoaded { policy_revision } => {
                text(out, b",\"event\":", "policy_loaded");
                text(out, b",\"policy_revision\":", policy_revision);
            }
            Self::PolicyRejected { problems } => {
                text(out, b",\"event\":", "policy_rejected");
                number(out, b",\"problems\":", *problems);
            }
            Self::TenantErased { tenant, resources } => {
                text(out, b",\"event\":", "tenant_erased");
                text(out, b",\"tenant_id\":", tenant);
                number(out, b",\"resources\":", *resources);
            }
            Self::Settlement {
                tenant,
                request_id,
                arrived,
                cost_usd,
                how,
                model,
                price_revision,
            } => {
                text(out, b",\"event\":", "settlement");
                text(out, b",\"tenant_id\":", tenant);
                text(out, b",\"request_id\":", request_id);
                out.extend_from_slice(b",\"arrived\":");
                push_timestamp(out, *arrived);
                text(out, b",\"cost_usd\":", cost_usd);
                text(out, b",\"how\":", how);
                optional(out, b",\"model\":", *model);
                optional(out, b",\"price_revision\":", *price_revision);
            }
            Self::Adjusted { facts, signature } => {
                text(out, b",\"event\":", "adjusted");
                facts.write(out);
                text(out, b",\"signature\":", signature);
            }
            Self::CeilingWarning(warning) => warning.write(out),
            Self::LlmSettingsChanged { tenant, by, keys } => {
                text(out, b",\"event\":", "llm_settings_changed");
                text(out, b",\"tenant_id\":", tenant);
                text(out, b",\"by\":", by);
                text(out, b",\"keys\":", keys);
            }
            Self::Shutdown => text(out, b",\"event\":", "shutdown"),
        }
        out.extend_from_slice(b",\"instance\":");
        out.extend_from_slice(instance);
    }
}

impl CeilingWarning<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        text(out, b",\"event\":", "ceiling_warning");
        text(out, b",\"tenant_id\":", self.tenant);
        text(out, b",\"scope\":", self.scope);
        text(out, b",\"value\":", self.value);
        text(out, b",\"window\":", self.window);
        optional(out, b",\"threshold\":", self.threshold);
        text(out, b",\"limit_usd\":", self.limit_usd);
        text(out, b",\"spent_usd\":", self.spent_usd);
        out.extend_from_slice(b",\"resets_at\":");
        match self.resets_at {
            Some(time) => push_timestamp(out, time),
            None => out.extend_from_slice(b"null"),
        }
    }
}
