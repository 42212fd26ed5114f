//! Answers that come in events: each event is passed on as soon as it is judged.

use bytes::BytesMut;
use http::response::Parts as ResponseParts;
use http::{Version, header};
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::protocols::http::client::HttpSession as Upstream;
use pingora::proxy::Session;
use pingora::{Error, ErrorType};

use super::context::Exchange;
use super::deliver::{finish, next_chunk, say_last, while_it_stands, write};
use super::exchange::{Broken, Exchanger};
use super::failures;
use super::last_word::LastWord;
use crate::decision::{FailureCode, Refusal};
use crate::inspect::sse::Decoder;
use crate::pipeline::{Admission, EventJudge};

/// Largest event, in bytes. One that is larger ends the answer.
const LARGEST_EVENT: usize = 1024 * 1024;

/// The head of a list that has no content, as the caller may see it.
pub(super) async fn answer_head(
    session: &mut Session,
    exchange: &mut Exchange,
    admission: &Admission,
    answer: ResponseHeader,
) -> Result<(), Broken> {
    let answer = corrected(session, admission, answer)?;
    let tasks = vec![HttpTask::Header(Box::new(answer), true)];
    finish(session, exchange, tasks).await
}

fn corrected(
    session: &Session,
    admission: &Admission,
    answer: ResponseHeader,
) -> Result<ResponseHeader, Broken> {
    let mut parts = ResponseParts::from(answer);
    admission
        .correct_head(&session.req_header().method, &mut parts.headers)
        .map_err(Broken::Refused)?;
    Ok(ResponseHeader::from(parts))
}

impl Exchanger {
    /// Passes on what the caller may see of an answer in events.
    pub(super) async fn sift_answer(
        &self,
        upstream: &mut Upstream,
        session: &mut Session,
        exchange: &mut Exchange,
        admission: &Admission,
        (mut judge, answer): (EventJudge<'_>, ResponseHeader),
    ) -> Result<(), Broken> {
        let mut answer = corrected(session, admission, answer)?;
        // Events may leave or be written anew, so that no length said before holds.
        answer.remove_header(&header::CONTENT_LENGTH);
        if session.req_header().version == Version::HTTP_11 {
            answer
                .insert_header(header::TRANSFER_ENCODING, "chunked")
                .map_err(|error| Broken::Refused(failures::internal(&error)))?;
        }
        let mut holding = self.budget.holding();
        holding
            .grow(LARGEST_EVENT as u64)
            .map_err(|_exhausted| Broken::from(FailureCode::Overloaded))?;
        let mut last_word = LastWord::of(&answer.headers);
        let mut lifetime = exchange
            .lifetime(session.req_header())
            .ok_or(FailureCode::Internal)?;
        let mut head = Some(HttpTask::Header(Box::new(answer), false));
        if !judge.holds_head() {
            write(session, head.take().into_iter().collect()).await?;
        }
        let mut held = LARGEST_EVENT;
        let largest = match admission.route().mcp {
            // What a tool answers is one event, and may be a picture.
            true => usize::try_from(self.answer_bytes).unwrap_or(LARGEST_EVENT),
            false => LARGEST_EVENT,
        };
        let mut decoder = Decoder::new(largest);
        let mut pending = 0;
        let mut ended = false;
        while !ended {
            let next = next_chunk(upstream, session);
            let chunk = match while_it_stands(&mut lifetime, next).await {
                Ok(Some(chunk)) => exchange.meter(chunk),
                Ok(None) => {
                    ended = true;
                    exchange.meter_end()
                }
                Err(Broken::Withdrawn { denial, .. }) if head.is_some() => {
                    return Err(Broken::Refused(denial.into()));
                }
                Err(Broken::Withdrawn { denial, .. }) => {
                    return say_last(session, exchange, &last_word, denial).await;
                }
                Err(broken) => return Err(broken),
            };
            decoder.push(&chunk);
            pending += chunk.len();
            if pending > held {
                holding
                    .grow((pending - held) as u64)
                    .map_err(|_exhausted| torn(&FailureCode::Overloaded.facts().code))?;
                held = pending;
            }
            let mut passed = BytesMut::new();
            while let Some(frame) = decoder.next_frame().map_err(|fault| torn(&fault))? {
                pending = pending.saturating_sub(frame.bytes().len());
                match judge.pass(exchange.gate().registry(), &frame).await {
                    Ok(part) => passed.extend_from_slice(&part),
                    Err(refusal) => {
                        exchange.trail_mut().alerted(&refusal);
                        return Err(refused(refusal, head.is_some()));
                    }
                }
            }
            if !passed.is_empty() {
                let passed = admission.restoration().lines(passed.freeze());
                exchange.trail_mut().count_out(passed.len());
                last_word.passed(&passed);
                let body = HttpTask::Body(Some(passed), false);
                let tasks = head.take().into_iter().chain([body]).collect();
                while_it_stands(&mut lifetime, write(session, tasks)).await?;
            }
            if let Err(denial) = exchange.keep_up() {
                return say_last(session, exchange, &last_word, denial).await;
            }
        }
        // What is left without a blank line behind it is no event. Trailers say of the answer as it
        // came.
        let end = HttpTask::Body(None, true);
        let tasks = head.take().into_iter().chain([end]).collect();
        finish(session, exchange, tasks).await
    }
}

/// Nobody may see an event: the answer is refused where its head has not gone out, and broken off
/// where it has.
fn refused(refusal: Refusal, at_head: bool) -> Broken {
    if at_head {
        Broken::Refused(refusal)
    } else {
        torn(&refusal.code())
    }
}

fn torn(why: &dyn std::fmt::Display) -> Broken {
    let why = format!("an answer in events can't be passed on: {why}");
    Broken::Torn(Error::explain(ErrorType::InternalError, why))
}
