//! Lists that come in events: each event is passed on as soon as it is known whose its items are.

use bytes::BytesMut;
use http::{Method, Version, header};
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::protocols::http::client::HttpSession as Upstream;
use pingora::proxy::Session;
use pingora::{Error, ErrorType};

use super::context::Exchange;
use super::deliver::{bodiless, finish, next_chunk, write};
use super::exchange::{Broken, Exchanger};
use super::failures;
use crate::decision::FailureCode;
use crate::inspect::sse::Decoder;
use crate::pipeline::Admission;

/// Largest event, in bytes. One that is larger ends the answer.
const LARGEST_EVENT: usize = 1024 * 1024;

impl Exchanger {
    /// Passes on the caller's part of a list in events, or the corrected head of a list whose
    /// answer has no content.
    pub(super) async fn sift_answer(
        &self,
        upstream: &mut Upstream,
        session: &mut Session,
        exchange: &mut Exchange,
        admission: &Admission,
        answer: ResponseHeader,
    ) -> Result<(), Broken> {
        let mut parts = http::response::Parts::from(answer);
        admission
            .correct_list_head(&session.req_header().method, &mut parts.headers)
            .map_err(Broken::Refused)?;
        let mut answer = ResponseHeader::from(parts);
        if session.req_header().method == Method::HEAD || bodiless(answer.status) {
            return finish(
                session,
                exchange,
                vec![HttpTask::Header(Box::new(answer), true)],
            )
            .await;
        }
        if session.req_header().version == Version::HTTP_11 {
            answer
                .insert_header(header::TRANSFER_ENCODING, "chunked")
                .map_err(|error| Broken::Refused(failures::internal(&error)))?;
        }
        let mut holding = self.budget.holding();
        holding
            .grow(LARGEST_EVENT as u64)
            .map_err(|_exhausted| Broken::from(FailureCode::Overloaded))?;
        write(session, vec![HttpTask::Header(Box::new(answer), false)]).await?;
        let mut decoder = Decoder::new(LARGEST_EVENT);
        while let Some(chunk) = next_chunk(upstream, session).await? {
            decoder.push(&chunk);
            let mut own = BytesMut::new();
            while let Some(frame) = decoder.next_frame().map_err(|fault| torn(&fault))? {
                let part = admission
                    .own_part_of_event(exchange.gate().registry(), &frame)
                    .await
                    .map_err(|refusal| torn(&refusal.code()))?;
                own.extend_from_slice(&part);
            }
            if !own.is_empty() {
                exchange.trail_mut().count_out(own.len());
                write(session, vec![HttpTask::Body(Some(own.freeze()), false)]).await?;
            }
        }
        // What is left without a blank line behind it is no event, and of nobody known. Trailers
        // say of the list as it came.
        finish(session, exchange, vec![HttpTask::Body(None, true)]).await
    }
}

/// The head has gone out: the answer can only be broken off.
fn torn(why: &dyn std::fmt::Display) -> Broken {
    let why = format!("a list in events can't be passed on: {why}");
    Broken::Torn(Error::explain(ErrorType::InternalError, why))
}
