//! Answers in which the caller sees its own values again.

use bytes::BytesMut;
use http::header::{self, HeaderName};
use http::response::Parts as ResponseParts;
use http::{Method, Version};
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::protocols::http::client::HttpSession as Upstream;
use pingora::proxy::Session;

use super::context::Exchange;
use super::deliver::{bodiless, end, finish, next_chunk, say_last, while_it_stands, write};
use super::exchange::Broken;
use super::failures;
use super::last_word::LastWord;
use crate::decision::FailureCode;
use crate::pipeline::{Restoration, RestoringLines};

/// Fields that are true of the backend's bytes only.
const OF_THE_BYTES: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::ETAG,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// The head of an answer whose body is about to be searched.
pub(super) fn head(answer: ResponseHeader, restoration: &Restoration) -> ResponseHeader {
    if restoration.is_empty() {
        return answer;
    }
    let mut parts = ResponseParts::from(answer);
    restoration.headers(&mut parts.headers);
    if restoration.wants_whole(&parts.headers) || restoration.wants_lines(&parts.headers) {
        for name in &OF_THE_BYTES {
            parts.headers.remove(name);
        }
    }
    ResponseHeader::from(parts)
}

/// Writes a stream of lines as it comes: every complete line goes out before more is waited for.
pub(super) async fn stream_lines(
    upstream: &mut Upstream,
    session: &mut Session,
    exchange: &mut Exchange,
    restoration: &Restoration,
    mut answer: ResponseHeader,
) -> Result<(), Broken> {
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
    let mut last_word = LastWord::of(&answer.headers);
    let mut lifetime = exchange
        .lifetime(session.req_header())
        .ok_or(FailureCode::Internal)?;
    write(session, vec![HttpTask::Header(Box::new(answer), false)]).await?;
    let mut lines = RestoringLines::default();
    loop {
        let next = next_chunk(upstream, session);
        let piece = match while_it_stands(&mut lifetime, next).await {
            Ok(Some(piece)) => exchange.meter(piece),
            Ok(None) => break,
            // In the middle of an event nothing can be said: the answer is broken off.
            Err(Broken::Withdrawn { denial, .. }) if !last_word.has_to_wait() => {
                return say_last(session, exchange, &last_word, denial).await;
            }
            Err(broken) => return Err(broken),
        };
        let passed = lines.push(restoration, &piece);
        if !passed.is_empty() {
            exchange.trail_mut().count_out(passed.len());
            last_word.passed(&passed);
            let written = write(session, vec![HttpTask::Body(Some(passed), false)]);
            while_it_stands(&mut lifetime, written).await?;
        }
        if let Err(denial) = exchange.keep_up() {
            return say_last(session, exchange, &last_word, denial).await;
        }
    }
    let mut rest = BytesMut::from(&*lines.push(restoration, &exchange.meter_end()));
    rest.extend_from_slice(&lines.finish(restoration));
    let rest = rest.freeze();
    let last = (!rest.is_empty()).then(|| {
        exchange.trail_mut().count_out(rest.len());
        HttpTask::Body(Some(rest), false)
    });
    end(upstream, session, exchange, last).await
}
