//! Looking into what a client says on a socket, before the backend hears it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::BytesMut;

use crate::decision::{Denial, DenialCode, FailureCode, Refusal};
use crate::inspect::websocket::{
    FrameFault, INTERNAL_ERROR, MESSAGE_TOO_BIG, MessageFault, MessageReader, POLICY_VIOLATION,
    PROTOCOL_ERROR, UNSUPPORTED_DATA, Unit,
};
use crate::proxy::memory_budget::{Holding, MemoryBudget};

/// What is thought of one text message.
pub(super) type Judgement = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>;

/// Reads a client's messages whole and has each judged.
pub(super) struct MessageCheck {
    reader: MessageReader,
    judge: Box<dyn Fn(Vec<u8>) -> Judgement + Send + Sync>,
    budget: Arc<MemoryBudget>,
    /// For what is held of a message that is not whole.
    _holding: Holding,
}

/// Why a client may not go on.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    /// It sent what is no frame.
    Broke(FrameFault),
    /// What it said is refused; the status of the close frame goes with it.
    Refused(u16, Refusal),
}

impl Stop {
    /// Status and reason of the close frame that says so.
    pub(super) fn close(&self) -> (u16, &'static str) {
        match self {
            Self::Broke(_) => (PROTOCOL_ERROR, "protocol error"),
            Self::Refused(status, refusal) => (*status, refusal.code()),
        }
    }
}

impl MessageCheck {
    /// A check that keeps at most `limit` bytes of a message.
    pub(super) fn new(
        limit: u64,
        budget: &Arc<MemoryBudget>,
        judge: impl Fn(Vec<u8>) -> Judgement + Send + Sync + 'static,
    ) -> Self {
        Self {
            reader: MessageReader::new(usize::try_from(limit).unwrap_or(usize::MAX)),
            judge: Box::new(judge),
            budget: Arc::clone(budget),
            _holding: budget.holding(),
        }
    }

    /// Takes what came: what of it may go on, and why no more does.
    pub(super) async fn pass(&mut self, bytes: &[u8]) -> (BytesMut, Option<Stop>) {
        self.reader.push(bytes);
        let mut passed = BytesMut::new();
        let stop = self.judge_all(&mut passed).await.err();
        (passed, stop)
    }

    async fn judge_all(&mut self, passed: &mut BytesMut) -> Result<(), Stop> {
        while let Some(unit) = self.reader.next_unit().map_err(unreadable)? {
            match unit {
                Unit::Control { raw } | Unit::Close { raw } => passed.extend_from_slice(&raw),
                Unit::Text { raw, text } => {
                    (self.judge)(text).await.map_err(refused)?;
                    passed.extend_from_slice(&raw);
                }
                Unit::Binary => {
                    let detail = "the route reads text messages";
                    let denial = Denial::because(DenialCode::RequestRejected, detail);
                    return Err(Stop::Refused(UNSUPPORTED_DATA, denial.into()));
                }
            }
        }
        let mut holding = self.budget.holding();
        let held = holding.grow(self.reader.held() as u64);
        held.map_err(|_exhausted| refused(FailureCode::Overloaded.into()))?;
        self._holding = holding;
        Ok(())
    }
}

fn refused(refusal: Refusal) -> Stop {
    let status = match &refusal {
        Refusal::Denied(_) => POLICY_VIOLATION,
        Refusal::Failed(_) => INTERNAL_ERROR,
    };
    Stop::Refused(status, refusal)
}

fn unreadable(fault: MessageFault) -> Stop {
    match fault {
        MessageFault::Frame(fault) => Stop::Broke(fault),
        MessageFault::TooBig => Stop::Refused(MESSAGE_TOO_BIG, DenialCode::BodyTooLarge.into()),
    }
}
