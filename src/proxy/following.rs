//! Work that goes on behind its answer, followed to its end: the gate asks about it now and then, and
//! charges it as reserved when its time is up.
//!
//! A question is a request of the gate's own: it takes none of the caller's headers, carries the
//! identity headers of whoever began the work, and the backend's credential where one is configured.
//! It is no request of a caller, so it has no audit record; what it ends has one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession as Upstream;
use pingora::upstreams::peer::Peer;
use pingora_timeout::fast_timeout::fast_timeout;
use tokio::task::{self, JoinSet};

use super::upstreams::{Destination, Upstreams};
use super::{forward, hop};
use crate::budget::later::{Followed, Heard, Timetable};
use crate::budget::ledger::KeptReservation;
use crate::pipeline::Gate;
use crate::pipeline::later::{OwnQuestion, Report};

/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_millis(250);

/// Most questions that are under way at a time, to all backends together.
const AT_ONCE: usize = 16;

/// Longest time that one question takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Largest answer that is read, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;

/// Follows all work of the ledger for as long as the program runs.
pub async fn follow(gate: Arc<Gate>, upstreams: Arc<Upstreams>) {
    let asker = Arc::new(Asker {
        connector: Connector::new(None),
        gate: Arc::clone(&gate),
        upstreams,
    });
    let seed = gate.now().as_micros().cast_unsigned() ^ u64::from(std::process::id());
    let mut timetable = Timetable::new(AT_ONCE, seed);
    let mut questions = JoinSet::new();
    // Which work a question is about, for one that does not end as it should.
    let mut about: HashMap<task::Id, u64> = HashMap::new();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            Some(answered) = questions.join_next_with_id() => {
                let (task, heard) = match answered {
                    Ok((task, heard)) => (task, heard),
                    Err(error) => {
                        tracing::error!(%error, "a question about work did not end");
                        (error.id(), Some(Heard::Failing))
                    }
                };
                if let Some(id) = about.remove(&task) {
                    match heard {
                        Some(heard) => timetable.heard(id, heard, gate.now()),
                        None => timetable.forget(id),
                    }
                }
                continue;
            }
        }
        let now = gate.now();
        let open = gate.followed();
        for kept in &open {
            if kept.kept.deadline <= now {
                gate.expire(kept);
            } else if let Some(every) = gate.asks_every(kept) {
                timetable.watch(kept.id, every, kept.kept.deadline, now);
            }
        }
        timetable.retain(|id| open.iter().any(|kept| kept.id == id));
        for id in timetable.due(now) {
            let asker = Arc::clone(&asker);
            let kept = open.iter().find(|kept| kept.id == id).cloned();
            let question = questions.spawn(async move {
                match kept {
                    Some(kept) => asker.ask(&kept).await,
                    None => None,
                }
            });
            about.insert(question.id(), id);
        }
    }
}

struct Asker {
    connector: Connector,
    gate: Arc<Gate>,
    upstreams: Arc<Upstreams>,
}

impl Asker {
    /// Asks once. `None` where nothing more is to be asked: the work has ended, or the policy in
    /// force has nobody asked.
    async fn ask(&self, kept: &KeptReservation) -> Option<Heard> {
        let note = Followed::from_bytes(&kept.kept.detail).ok()?;
        let mut question = self.gate.question_about(&kept.spender, &note)?;
        let route = Arc::clone(question.admission.route());
        let reports = match fast_timeout(PATIENCE, self.answered(&mut question)).await {
            Ok(Ok((status, reports))) => match heard(status) {
                Heard::Running => reports,
                other => {
                    tracing::debug!(route = %route.name, %status, "the backend did not tell of work that goes on");
                    return Some(other);
                }
            },
            Ok(Err(error)) => {
                tracing::debug!(route = %route.name, %error, "a question about work failed");
                return Some(Heard::Failing);
            }
            Err(_elapsed) => return Some(Heard::Failing),
        };
        let mut ended = false;
        for report in &reports {
            ended |= self.gate.hear(&question.reporting, report);
        }
        (!ended).then_some(Heard::Running)
    }

    /// Sends the question and reads what the answer tells.
    async fn answered(
        &self,
        question: &mut OwnQuestion,
    ) -> pingora::Result<(StatusCode, Vec<Report>)> {
        let admission = Arc::clone(&question.admission);
        let to = self
            .upstreams
            .destination(admission.route())
            .map_err(|_refusal| pingora::Error::new(pingora::ErrorType::ConnectError))?;
        let trail = self.gate.begin();
        let from = RequestHeader::build("GET", question.target.as_bytes(), None)?;
        let parts = forward::compose(&from, &admission, &trail, to.host.as_ref())?;
        let request = Box::new(hop::frame_request(parts, None, &to.peer, None)?);
        let (mut upstream, _reused) = self.connector.get_http_session(&*to.peer).await?;
        upstream.set_write_timeout(Some(PATIENCE));
        upstream.set_read_timeout(Some(PATIENCE));
        let read = read(&mut upstream, request, question).await;
        self.let_go(&to, upstream, read.is_ok()).await;
        read
    }

    async fn let_go(&self, to: &Destination, mut upstream: Upstream, keep: bool) {
        if keep {
            let idle = to.peer.idle_timeout();
            self.connector
                .release_http_session(upstream, &*to.peer, idle)
                .await;
        } else {
            upstream.shutdown().await;
        }
    }
}

async fn read(
    upstream: &mut Upstream,
    request: Box<RequestHeader>,
    question: &mut OwnQuestion,
) -> pingora::Result<(StatusCode, Vec<Report>)> {
    upstream.write_request_header(request).await?;
    upstream.finish_request_body().await?;
    upstream.read_response_header().await?;
    let header = upstream
        .response_header()
        .ok_or_else(|| pingora::Error::new(pingora::ErrorType::InvalidHTTPHeader))?;
    let status = header.status;
    question.reporting.answered(status, &header.headers);
    let mut reports = Vec::new();
    let mut size = 0;
    while let Some(piece) = upstream.read_response_body().await? {
        size += Bytes::len(&piece);
        if size > LARGEST {
            return Err(pingora::Error::new(pingora::ErrorType::ReadError));
        }
        reports.extend(question.reporting.pass(&piece));
    }
    reports.extend(question.reporting.end());
    Ok((status, reports))
}

/// What an answer means for further questions.
fn heard(status: StatusCode) -> Heard {
    match status {
        status if status.is_success() => Heard::Running,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Heard::Failing
        }
        status if status.is_client_error() => Heard::Refused,
        _ => Heard::Failing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_in_trouble_is_told_from_one_that_will_not_say() {
        for (status, expected) in [
            (200, Heard::Running),
            (204, Heard::Running),
            (304, Heard::Failing),
            (401, Heard::Refused),
            (403, Heard::Refused),
            (404, Heard::Refused),
            (429, Heard::Failing),
            (500, Heard::Failing),
            (503, Heard::Failing),
        ] {
            assert_eq!(heard(StatusCode::from_u16(status).unwrap()), expected);
        }
    }
}
