//! Answers in which the caller sees its own values again.

use http::header::{self, HeaderName};
use http::response::Parts as ResponseParts;
use http::{Method, Version};
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::protocols::http::client::HttpSession as Upstream;
use pingora::proxy::Session;

use super::context::Exchange;
use super::deliver::{bodiless, end, finish, next_chunk, write};
use super::exchange::Broken;
use super::failures;
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
    write(session, vec![HttpTask::Header(Box::new(answer), false)]).await?;
    let mut lines = RestoringLines::default();
    while let Some(piece) = next_chunk(upstream, session).await? {
        let passed = lines.push(restoration, &piece);
        if !passed.is_empty() {
            exchange.trail_mut().count_out(passed.len());
            write(session, vec![HttpTask::Body(Some(passed), false)]).await?;
        }
    }
    let rest = lines.finish(restoration);
    let last = (!rest.is_empty()).then(|| {
        exchange.trail_mut().count_out(rest.len());
        HttpTask::Body(Some(rest), false)
    });
    end(upstream, session, exchange, last).await
}
