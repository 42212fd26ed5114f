//! Records about the log and the process, between those about requests.

use super::json::push_timestamp;
use super::record::{number, text};
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
    /// The process ends in order.
    Shutdown,
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
            Self::Shutdown => text(out, b",\"event\":", "shutdown"),
        }
        out.extend_from_slice(b",\"instance\":");
        out.extend_from_slice(instance);
    }
}
