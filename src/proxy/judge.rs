//! Answers that are read whole before any of it is passed on.

use bytes::BytesMut;
use http::response::Parts as ResponseParts;
use http::{HeaderMap, Method, header};
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::protocols::http::client::HttpSession as Upstream;
use pingora::proxy::Session;

use super::context::Exchange;
use super::deliver::{bodiless, finish, gone_error, trailers_of};
use super::exchange::{Broken, Exchanger};
use super::failures;
use super::memory_budget::Holding;
use crate::decision::{Failure, FailureCode};
use crate::pipeline::{Admission, Answer};

impl Exchanger {
    /// Reads the whole answer, holds it against the route's guard, and only then answers.
    pub(super) async fn judge_then_answer(
        &self,
        upstream: &mut Upstream,
        session: &mut Session,
        exchange: &mut Exchange,
        admission: &Admission,
        answer: ResponseHeader,
    ) -> Result<(), Broken> {
        let mut holding = self.budget.holding();
        let (answer, trailers) = self
            .read_whole(
                upstream,
                session,
                exchange,
                (answer, &mut holding),
                admission,
            )
            .await?;
        let mut judged = admission
            .judge_answer(exchange.gate().registry(), answer, self.answer_bytes)
            .await
            .map_err(Broken::Refused)?;
        exchange.charge();
        exchange.say_cost_in(&mut judged.headers);
        say_whole(session, exchange, judged, trailers).await
    }

    /// Reads an answer to its end. What a list says in its trailers, it says of itself as it came,
    /// so that goes no further.
    pub(super) async fn read_whole(
        &self,
        upstream: &mut Upstream,
        session: &mut Session,
        exchange: &mut Exchange,
        (answer, holding): (ResponseHeader, &mut Holding),
        admission: &Admission,
    ) -> Result<(Answer, Option<HeaderMap>), Broken> {
        let mut whole = BytesMut::new();
        loop {
            let chunk = tokio::select! {
                biased;
                chunk = upstream.read_response_body() => {
                    chunk.map_err(|error| Broken::Refused(failures::of_upstream(&error)))?
                }
                gone = session.as_downstream_mut().read_body_or_idle(true) => {
                    return Err(Broken::ClientGone(gone_error(gone)));
                }
            };
            let chunk = match chunk {
                Some(chunk) => exchange.meter(chunk),
                None => break,
            };
            if (whole.len() + chunk.len()) as u64 > self.answer_bytes {
                let log = format!(
                    "the answer is larger than {} bytes and can't be judged",
                    self.answer_bytes
                );
                return Err(Broken::Refused(
                    Failure::logged(FailureCode::UpstreamUnreadable, log).into(),
                ));
            }
            holding
                .grow(chunk.len() as u64)
                .map_err(|_exhausted| Broken::from(FailureCode::Overloaded))?;
            whole.extend_from_slice(&chunk);
        }
        whole.extend_from_slice(&exchange.meter_end());
        let trailers = trailers_of(upstream).await.map_err(Broken::Torn)?;
        let whole = whole.freeze();
        let parts = ResponseParts::from(answer);
        let is_list = admission.route().list.is_some();
        if is_list {
            // A list is written anew; one that is coded, from what it decodes to.
            let more = match parts.headers.contains_key(header::CONTENT_ENCODING) {
                true => self.answer_bytes,
                false => whole.len() as u64,
            };
            holding
                .grow(more)
                .map_err(|_exhausted| Broken::from(FailureCode::Overloaded))?;
        }
        let answer = Answer {
            status: parts.status,
            headers: parts.headers,
            body: whole,
        };
        Ok((answer, trailers.filter(|_| !is_list)))
    }
}

/// Answers with what was read whole and judged.
pub(super) async fn say_whole(
    session: &mut Session,
    exchange: &mut Exchange,
    judged: Answer,
    trailers: Option<HeaderMap>,
) -> Result<(), Broken> {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = judged.status;
    parts.headers = judged.headers;
    let mut answer = ResponseHeader::from(parts);
    let whole = judged.body;
    let head = session.req_header().method == Method::HEAD;
    if !head && !bodiless(answer.status) {
        answer.remove_header(&header::TRANSFER_ENCODING);
        answer
            .insert_header(header::CONTENT_LENGTH, whole.len())
            .map_err(|error| Broken::Refused(failures::internal(&error)))?;
    }
    let ends = (whole.is_empty() || head || bodiless(answer.status)) && trailers.is_none();
    let mut tasks = vec![HttpTask::Header(Box::new(answer), ends)];
    if !ends {
        exchange.trail_mut().count_out(whole.len());
        tasks.push(HttpTask::Body(Some(whole), trailers.is_none()));
    }
    if let Some(trailers) = trailers {
        tasks.push(HttpTask::Trailer(Some(Box::new(trailers))));
    }
    finish(session, exchange, tasks).await
}
