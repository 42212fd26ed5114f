//! Lists that the gate reads page by page, so that the caller's page has what is the caller's.

use bytes::Bytes;
use http::Uri;
use http::request::Parts;
use http::uri::PathAndQuery;
use pingora::proxy::Session;

use super::context::Exchange;
use super::deliver::bodiless;
use super::exchange::{Broken, Exchanger};
use super::judge::say_whole;
use super::upstreams::Destination;
use super::{forward, restore};
use crate::decision::FailureCode;
use crate::pipeline::{Admission, Paged, Pages};

impl Exchanger {
    /// Asks the backend for pages until the caller's is there, and answers with it. One of the
    /// backend's is held at a time.
    pub(super) async fn answer_by_pages(
        &self,
        to: &Destination,
        session: &mut Session,
        exchange: &mut Exchange,
        admission: &Admission,
        (parts, body): (Parts, Option<Bytes>),
        mut pages: Pages,
    ) -> Result<(), Broken> {
        loop {
            let mut parts = parts.clone();
            parts.uri = PathAndQuery::try_from(pages.target())
                .map(Uri::from)
                .map_err(|_no_path| Broken::from(FailureCode::Internal))?;
            let asked = parts.clone();
            let again = move |_: &Session| Ok(asked.clone());
            let (mut upstream, answered) = self
                .answered(to, session, admission, (parts, &again), body.clone())
                .await?;
            exchange
                .trail_mut()
                .upstream_answered(answered.status.as_u16());
            let Some(header) = upstream.response_header() else {
                return Err(FailureCode::UpstreamUnreachable.into());
            };
            exchange.answer_begins(header.status, &header.headers);
            let answer = forward::answer_of(header, exchange.trail());
            let answer = restore::head(answer, admission.restoration());
            let behind_nothing = upstream.as_http1().is_some() && bodiless(answered.status);
            let mut holding = self.budget.holding();
            let read = self
                .read_whole(
                    &mut upstream,
                    session,
                    exchange,
                    (answer, &mut holding),
                    admission,
                )
                .await;
            let keep = read.is_ok() && answered.request_sent && !behind_nothing;
            self.let_go(to, upstream, keep).await;
            let (answer, _trailers) = read?;
            let paged = admission
                .next_page(
                    exchange.gate().registry(),
                    &mut pages,
                    answer,
                    self.answer_bytes,
                )
                .await
                .map_err(Broken::Refused)?;
            if let Paged::Answer(mut answer) = paged {
                exchange.charge();
                exchange.say_cost_in(&mut answer.headers);
                return say_whole(session, exchange, answer, None).await;
            }
        }
    }
}
