//! Answering that something is not there, as the backend would.

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, StatusCode, Uri, Version};
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::protocols::http::client::HttpSession as Upstream;
use pingora::proxy::Session;
use pingora::upstreams::peer::Peer;
use pingora::{Error, ErrorType};

use super::context::Exchange;
use super::deliver::{bodiless, gone_error};
use super::exchange::{Broken, Exchanger, settle};
use super::upstreams::Destination;
use super::{failures, forward, respond, tunnel};
use crate::decision::{DenialCode, Failure, FailureCode};
use crate::ownership::absence::{
    Absences, Answer, Fingerprint, Recall, Sample, Sent, Verdict, Waited,
};
use crate::pipeline::{Absence, Admission, Question, Trail};
use crate::policy::ErrorShape;

/// Largest answer about nothing that is passed on, in bytes.
const LARGEST: usize = 256 * 1024;

/// Fields that differ from request to request and shape no answer, or stand for the caller, who is
/// named by the identity fields beside them.
const PASSING: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::SEC_WEBSOCKET_KEY,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-fabric-assertion"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

impl Exchanger {
    /// Answers a request that names what does not exist for its caller. Its body was read.
    ///
    /// # Errors
    /// As [`Exchanger::run`].
    pub(super) async fn run_absent(
        &self,
        to: &Destination,
        session: &mut Session,
        exchange: &mut Exchange,
        absence: &Absence,
    ) -> pingora::Result<()> {
        exchange.trail_mut().calls();
        match self.say_absent(to, session, exchange, absence).await {
            Ok(()) => Ok(()),
            Err(broken) => settle(session, exchange, broken).await,
        }
    }

    async fn say_absent(
        &self,
        to: &Destination,
        session: &mut Session,
        exchange: &mut Exchange,
        absence: &Absence,
    ) -> Result<(), Broken> {
        let Some(question) = self.question(session, absence) else {
            return self.say_in_own_words(session, exchange, absence).await;
        };
        let parts = asking(to, session, exchange.trail(), absence, &question)?;
        let kind = fingerprint(&parts, absence, &question);
        let ambient = ambient(exchange.trail());
        let asked = [question.asked(), &ambient].concat();
        let route = absence.route();
        let method = session.req_header().method.clone();
        let key = (&route.name, &method);
        let recall = self
            .absences
            .recall(&kind, key, &asked, exchange.gate().now());
        let variant = match recall {
            Recall::Answer(answer) => {
                let due = exchange.trail().due();
                let waited = watching(session, self.absences.wait(key, due)).await?;
                say(session, exchange, absence, answer).await?;
                self.said(exchange, &waited);
                return Ok(());
            }
            Recall::Ask { variant } => variant,
        };
        let ids: Vec<String> = question
            .asked()
            .iter()
            .map(|asked| self.absences.in_place_of(&asked.value, variant).text)
            .collect();
        let sent = [question.sent(&ids), ambient].concat();
        let parts = filled(parts, &question, &sent, absence.admission())?;
        let same = parts.clone();
        let again = move |_: &Session| Ok(same.clone());
        let (upstream, answered) = self
            .answered(to, session, absence.admission(), (parts, &again), None)
            .await?;
        let verdict = Verdict::of(answered.status);
        let answer = self
            .told(to, upstream, session, answered.request_sent, verdict)
            .await?;
        let about = answer.about(&sent, &asked);
        let now = exchange.gate().now();
        match verdict {
            Verdict::Failed => {}
            Verdict::Absent | Verdict::Neither => {
                self.absences.learn(&kind, Sample { answer, sent }, now);
            }
        }
        if verdict == Verdict::Neither {
            tracing::warn!(
                route = %route.name, status = %answered.status,
                "the backend does not say 404 of an id that can't exist; state `not_found` on the route"
            );
            return self.say_in_own_words(session, exchange, absence).await;
        }
        let about = match method {
            Method::HEAD => about.without_body(),
            _ => about,
        };
        say(session, exchange, absence, about).await?;
        if let Some(took) = exchange.trail().kept_waiting() {
            self.absences.observe(key, took);
        }
        Ok(())
    }

    /// Takes note of when an answer that waited was ready.
    fn said(&self, exchange: &Exchange, waited: &Waited) {
        let trail = exchange.trail();
        let done = trail
            .took()
            .and_then(|took| trail.started().checked_add(took));
        if let Some(done) = done {
            self.absences.said(waited, done);
        }
    }

    /// What the backend can be asked; `None` where the policy says what is answered, or nothing
    /// harmless can be asked.
    fn question(&self, session: &Session, absence: &Absence) -> Option<Question> {
        let route = absence.route();
        // What a call comes to stands inside its answer, and the calls of one path share its status.
        let told_by_call = route.errors == ErrorShape::JsonRpc || respond::is_grpc(session);
        if route.not_found.is_some() || told_by_call {
            return None;
        }
        let head = session.req_header();
        let instead = |id: &str| self.absences.in_place_of(id, 0);
        let target = head
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        let question = absence.question(&head.method, target, |id| instead(id).is_certain())?;
        // The length of what a HEAD leaves out depends on the id, and only a GET shows how.
        let as_long = question
            .asked()
            .iter()
            .all(|asked| instead(&asked.value).text.len() == asked.value.len());
        Some(if *question.method() == Method::HEAD && !as_long {
            question.by(Method::GET)
        } else {
            question
        })
    }

    /// The answer, read whole, and the connection given back.
    async fn told(
        &self,
        to: &Destination,
        mut upstream: Upstream,
        session: &mut Session,
        request_sent: bool,
        verdict: Verdict,
    ) -> Result<Answer, Broken> {
        let mut answer = match upstream.response_header() {
            Some(header) => Answer {
                status: header.status,
                headers: header.headers.clone(),
                body: Bytes::new(),
            },
            None => return Err(FailureCode::UpstreamUnreachable.into()),
        };
        if verdict == Verdict::Neither {
            // Its content may be somebody's, and may have no end.
            upstream.shutdown().await;
            return Ok(answer);
        }
        let mut whole = BytesMut::new();
        while let Some(chunk) = watching(session, upstream.read_response_body())
            .await?
            .map_err(|error| Broken::Refused(failures::of_upstream(&error)))?
        {
            if whole.len() + chunk.len() > LARGEST {
                upstream.shutdown().await;
                let log =
                    format!("the backend says in more than {LARGEST} bytes that nothing is there");
                return Err(Broken::Refused(
                    Failure::logged(FailureCode::UpstreamUnreadable, log).into(),
                ));
            }
            whole.extend_from_slice(&chunk);
        }
        answer.body = whole.freeze();
        if request_sent && !(upstream.as_http1().is_some() && answer.body.is_empty()) {
            self.connector
                .release_http_session(upstream, &*to.peer, to.peer.idle_timeout())
                .await;
        } else {
            upstream.shutdown().await;
        }
        Ok(answer)
    }

    /// What the policy states, or the refusal in the words of the route.
    async fn say_in_own_words(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        absence: &Absence,
    ) -> Result<(), Broken> {
        let route = absence.route();
        let method = session.req_header().method.clone();
        let due = exchange.trail().due();
        let waited = watching(session, self.absences.wait((&route.name, &method), due)).await?;
        let Some(stated) = &route.not_found else {
            return Err(Broken::Refused(DenialCode::NotFound.into()));
        };
        let id = absence.denied().first().map_or("", |one| &one.text);
        let answer = Answer::stated(
            StatusCode::from_u16(stated.status).unwrap_or(StatusCode::NOT_FOUND),
            &HeaderValue::from_str(&stated.content_type)
                .unwrap_or(HeaderValue::from_static("application/octet-stream")),
            &stated.body,
            id,
            exchange.trail().rpc_id(),
        );
        let answer = match method {
            Method::HEAD => answer.without_body(),
            _ => answer,
        };
        say(session, exchange, absence, answer).await?;
        self.said(exchange, &waited);
        Ok(())
    }
}

/// Takes note of how long it took to pass on that something is not there. How slowly a request came
/// is its caller's doing, and none of the backend's: counted in, one caller could keep all others
/// waiting.
pub(super) fn observe(absences: &Absences, trail: &Trail) {
    let absent = matches!(trail.upstream_status(), Some(404 | 410));
    let route = trail
        .route()
        .filter(|route| absent && route.names_resources());
    if let (Some(route), Some(took)) = (route, trail.kept_waiting()) {
        absences.observe((&route.name, trail.method()), took);
    }
}

/// The request to ask with, its holes still open.
fn asking(
    to: &Destination,
    session: &Session,
    trail: &Trail,
    absence: &Absence,
    question: &Question,
) -> Result<Parts, Broken> {
    let admission = absence.admission();
    let mut parts = forward::compose(session.req_header(), admission, trail, to.host.as_ref())
        .map_err(|error| Broken::Refused(failures::internal(&error)))?;
    if admission.is_upgrade() {
        tunnel::offer(&mut parts.headers, admission.route().reads_messages());
    }
    parts.method = question.method().clone();
    // It has no body, whatever the caller's had.
    parts.headers.remove(header::CONTENT_LENGTH);
    if question.is_borrowed() {
        parts.headers.remove(header::CONTENT_TYPE);
    }
    // Ids are looked for in the answer.
    parts.headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    Ok(parts)
}

/// What of the request may shape the answer.
fn fingerprint(parts: &Parts, absence: &Absence, question: &Question) -> Fingerprint {
    let shapes: Vec<String> = question
        .asked()
        .iter()
        .map(|asked| match *question.method() {
            // How long the content would be is all that a HEAD tells of an id it leaves out.
            Method::HEAD => Fingerprint::exact_shape(&asked.value),
            _ => Fingerprint::shape(&asked.value),
        })
        .collect();
    let shape = |hole: usize| shapes.get(hole).map_or("", String::as_str);
    let target = question.target(shape);
    let mut texts: Vec<&[u8]> = vec![
        absence.revision().digest(),
        absence.route().name.as_bytes(),
        parts.method.as_str().as_bytes(),
        target.as_bytes(),
    ];
    for (name, value) in &parts.headers {
        if PASSING.contains(name) || question.fields().iter().any(|(field, _)| field == name) {
            continue;
        }
        texts.push(name.as_str().as_bytes());
        texts.push(value.as_bytes());
    }
    for (name, hole) in question.fields() {
        texts.push(name.as_str().as_bytes());
        texts.push(shape(*hole).as_bytes());
    }
    Fingerprint::of(texts)
}

/// The request with `sent` in its holes.
fn filled(
    mut parts: Parts,
    question: &Question,
    sent: &[Sent],
    admission: &Admission,
) -> Result<Parts, Broken> {
    let internal = |what| {
        Broken::Refused(failures::internal(&Error::explain(
            ErrorType::InternalError,
            what,
        )))
    };
    let written = |hole: usize| sent.get(hole).map_or("", |sent| sent.written.as_str());
    let target = question.target(written);
    let target = forward::outbound(admission, &target)
        .ok()
        .and_then(|target| PathAndQuery::try_from(target).ok())
        .ok_or_else(|| internal("no target to ask about nothing"))?;
    parts.uri = Uri::from(target);
    for (name, hole) in question.fields() {
        let value = HeaderValue::from_str(written(*hole))
            .map_err(|_| internal("no field to ask about nothing"))?;
        parts.headers.insert(name.clone(), value);
    }
    Ok(parts)
}

/// What the gate says of every request, and a backend may repeat.
fn ambient(trail: &Trail) -> Vec<Sent> {
    let mut said = vec![Sent::plain(trail.request_id().as_str())];
    let trace = trail.trace().map(|trace| trace.header_value());
    if let Some(trace) = trace.as_ref().and_then(|value| value.to_str().ok()) {
        // Version, trace, parent and flags (W3C Trace Context section 3.2).
        said.extend(trace.split('-').skip(1).take(2).map(Sent::plain));
    }
    said
}

/// Awaits `work`, unless the client leaves first.
async fn watching<T>(session: &mut Session, work: impl Future<Output = T>) -> Result<T, Broken> {
    tokio::select! {
        biased;
        done = work => Ok(done),
        gone = session.as_downstream_mut().read_body_or_idle(true) => Err(Broken::ClientGone(gone_error(gone))),
    }
}

/// Whether the owner's answer would go out behind its end, when it is known what it cost.
fn waits_for_its_end(
    session: &Session,
    exchange: &mut Exchange,
    absence: &Absence,
    answer: &ResponseHeader,
) -> bool {
    let (route, restoration) = (absence.route(), absence.admission().restoration());
    let no_content = session.req_header().method == Method::HEAD || bodiless(answer.status);
    route.needs_response_body()
        || route.mcp
        || restoration.wants_whole(&answer.headers)
        || (!no_content && exchange.can_say_its_cost(&answer.headers))
}

/// Writes the answer, after its audit record was handed over: framed as one that comes from the
/// backend is, and with the same fields.
async fn say(
    session: &mut Session,
    exchange: &mut Exchange,
    absence: &Absence,
    answer: Answer,
) -> Result<(), Broken> {
    let internal = |error: Box<Error>| Broken::Refused(failures::internal(&error));
    let mut header = ResponseHeader::build_no_case(answer.status, Some(answer.headers.len() + 2))
        .map_err(internal)?;
    for (name, value) in &answer.headers {
        header.append_header(name, value).map_err(internal)?;
    }
    let mut header = forward::answer_of(&header, exchange.trail());
    // What the owner of such a thing would be told of money when it is gone.
    if waits_for_its_end(session, exchange, absence, &header) {
        exchange.charge();
    }
    exchange.say_cost(&mut header)?;
    let request = session.req_header();
    let framed = header.headers.contains_key(header::CONTENT_LENGTH);
    let ends = request.method == Method::HEAD
        || bodiless(answer.status)
        || (framed && answer.body.is_empty());
    if !ends && !framed && request.version == Version::HTTP_11 {
        header
            .insert_header(header::TRANSFER_ENCODING, "chunked")
            .map_err(internal)?;
    }
    let mut tasks = vec![HttpTask::Header(Box::new(header), ends)];
    if !ends {
        exchange.trail_mut().count_out(answer.body.len());
        let body = Some(answer.body).filter(|body| !body.is_empty());
        tasks.push(HttpTask::Body(body, true));
    }
    exchange.trail_mut().absent(answer.status.as_u16());
    if exchange.record().await.is_err() {
        return Err(FailureCode::AuditUnavailable.into());
    }
    session
        .write_response_tasks(tasks)
        .await
        .map_err(Broken::ClientGone)?;
    Ok(())
}
