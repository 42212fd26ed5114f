//! Answers that tell of work that goes on: where it stands, and what it cost.
//!
//! The answer goes on as it came; what it says is read beside it. A document is read at its end, an
//! event as soon as it is there. What can't be read says nothing: then somebody else will, or the
//! time of the work is up.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};

use super::super::admit::is_coded;
use super::super::ownership::{NamedResource, key};
use super::super::spending::meter;
use super::ledger_key;
use crate::budget::later::Stage;
use crate::inspect::json::{self, Limits, Scalar, Value};
use crate::inspect::sse::Decoder;
use crate::inspect::usage::{Meter, Usage};
use crate::policy::{CostPolicy, Extractor, ListRule, ReportsPolicy, RoutePolicy};
use crate::tenant::TenantId;

/// Largest document, and largest event, that is looked at, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;

/// What an answer tells of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What the ledger knows the thing by.
    pub key: String,
    /// Where the work stands.
    pub stage: Stage,
    /// What was used, where the answer says it to the end.
    pub usage: Option<Usage>,
}

/// One answer of a route with `cost.reports`, as it passes.
#[derive(Debug)]
pub struct Reporting {
    route: Arc<RoutePolicy>,
    tenant: TenantId,
    /// The one thing the answer is about; a list names each item's.
    about: Option<String>,
    reads: Reads,
}

#[derive(Debug)]
enum Reads {
    Nothing,
    Document {
        status: StatusCode,
        headers: HeaderMap,
        body: BytesMut,
    },
    Events(Box<Events>),
}

/// An answer in events: cut into them beside the meter, which is given one at a time.
#[derive(Debug)]
struct Events {
    decoder: Decoder,
    meter: Meter,
}

impl Reporting {
    /// What is to be read of the answer to a request of this tenant that names these things; `None`
    /// where the route's answers tell of none.
    pub(in crate::pipeline) fn of(
        route: &Arc<RoutePolicy>,
        tenant: &TenantId,
        named: &[NamedResource],
    ) -> Option<Self> {
        route.cost.as_ref()?.reports.as_ref()?;
        let about = named.first().and_then(|named| named.key.as_ref());
        Some(Self {
            about: about.map(|key| ledger_key(tenant, key)),
            route: Arc::clone(route),
            tenant: tenant.clone(),
            reads: Reads::Nothing,
        })
    }

    /// How the route's answers say what was used.
    pub fn cost(&self) -> Option<&CostPolicy> {
        self.route.cost.as_ref()
    }

    /// The answer begins.
    pub fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.reads = Reads::Nothing;
        let Some(cost) = self.route.cost.as_ref() else {
            return;
        };
        // A piece of a document is a document that the caller cut out (RFC 9110 section 14.2).
        let piece = status == StatusCode::PARTIAL_CONTENT;
        if !status.is_success() || piece || is_coded(headers) {
            return;
        }
        let meter = meter(&cost.source, status, headers, false);
        self.reads = if let Some(meter) = meter.filter(|_| is_events(headers)) {
            Reads::Events(Box::new(Events {
                decoder: Decoder::new(LARGEST),
                meter,
            }))
        } else {
            Reads::Document {
                status,
                headers: headers.clone(),
                body: BytesMut::new(),
            }
        };
    }

    /// Takes a piece of the answer; what its events tell of the end of the work.
    pub fn pass(&mut self, piece: &Bytes) -> Vec<Report> {
        match &mut self.reads {
            Reads::Nothing => {}
            Reads::Document { body, .. } if body.len() + piece.len() <= LARGEST => {
                body.extend_from_slice(piece);
            }
            Reads::Document { .. } => self.reads = Reads::Nothing,
            Reads::Events(events) => {
                let Events { decoder, meter } = &mut **events;
                let Some(rule) = rule_of(&self.route) else {
                    return Vec::new();
                };
                decoder.push(piece);
                let mut ended = None;
                loop {
                    match decoder.next_frame() {
                        Ok(Some(frame)) => {
                            // The same bytes, an event at a time: what was used is known when the
                            // event that ends the work is.
                            meter.push(frame.bytes());
                            let stage = frame.data().and_then(|data| stage_in_event(rule, &data));
                            let end = stage.filter(|it| matches!(it, Stage::Done | Stage::Failed));
                            if let Some(stage) = end {
                                meter.finish();
                                ended = Some((stage, complete(meter)));
                                self.reads = Reads::Nothing;
                                break;
                            }
                        }
                        Ok(None) => break,
                        Err(_too_large) => {
                            self.reads = Reads::Nothing;
                            break;
                        }
                    }
                }
                return self.about_it(ended);
            }
        }
        Vec::new()
    }

    /// The answer came to its end: what it tells as a whole.
    pub fn end(&mut self) -> Vec<Report> {
        let Some(rule) = rule_of(&self.route) else {
            return Vec::new();
        };
        match std::mem::replace(&mut self.reads, Reads::Nothing) {
            Reads::Nothing => Vec::new(),
            Reads::Events(mut events) => {
                events.meter.finish();
                let usage = complete(&events.meter);
                let said = rule.state.is_empty() && usage.is_some();
                self.about_it(said.then_some((Stage::Unstated, usage)))
            }
            Reads::Document {
                status,
                headers,
                body,
            } => {
                let read = |document: &[u8]| {
                    let stage = stage_in_document(rule, document)?;
                    let source = &self.route.cost.as_ref()?.source;
                    let mut meter = meter(source, status, &headers, false)?;
                    meter.push(&Bytes::copy_from_slice(document));
                    meter.finish();
                    Some((stage, complete(&meter)))
                };
                match &self.route.list {
                    Some(list) => self.in_list(list, &body, read),
                    None => self.about_it(read(&body)),
                }
            }
        }
    }

    fn about_it(&self, said: impl IntoIterator<Item = (Stage, Option<Usage>)>) -> Vec<Report> {
        let Some(key) = &self.about else {
            return Vec::new();
        };
        let reports = said.into_iter().map(|(stage, usage)| Report {
            key: key.clone(),
            stage,
            usage,
        });
        reports.collect()
    }

    /// What each item tells. Those of other tenants are nothing that the ledger knows by these keys.
    fn in_list(
        &self,
        list: &ListRule,
        body: &[u8],
        read: impl Fn(&[u8]) -> Option<(Stage, Option<Usage>)>,
    ) -> Vec<Report> {
        let (Ok(whole), Some(id)) = (Value::parse(body, &Limits::default()), &list.shape.id) else {
            return Vec::new();
        };
        let path: Vec<&str> = list.shape.items.iter().map(String::as_str).collect();
        let Ok(Some(items)) = whole.at(&path) else {
            return Vec::new();
        };
        let report = |item: Value<'_>| {
            let text = text_at(item, id)?;
            let key = key(&self.route, &list.kind, list.form, &text).ok()?;
            let (stage, usage) = read(item.raw().as_bytes())?;
            Some(Report {
                key: ledger_key(&self.tenant, &key),
                stage,
                usage,
            })
        };
        items.elements().filter_map(report).collect()
    }
}

fn rule_of(route: &RoutePolicy) -> Option<&ReportsPolicy> {
    route.cost.as_ref()?.reports.as_ref()
}

fn text_at(value: Value<'_>, path: &[String]) -> Option<String> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let found = value.at(&path).ok()??;
    Some(found.text()?.into_owned())
}

fn complete(meter: &Meter) -> Option<Usage> {
    let reading = meter.reading();
    reading.complete.then_some(reading.usage)
}

fn is_events(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// Where the work stands by a document; `None` where that can't be read.
fn stage_in_document(rule: &ReportsPolicy, document: &[u8]) -> Option<Stage> {
    let mut states = Vec::new();
    for place in &rule.state {
        if let Extractor::Body(pointer) = place {
            states.extend(states_at(pointer, document)?);
        }
    }
    Some(rule.stage(&states))
}

/// Where the work stands by one event; `None` where it says nothing of that.
fn stage_in_event(rule: &ReportsPolicy, data: &[u8]) -> Option<Stage> {
    let mut states = Vec::new();
    for place in &rule.state {
        if let Extractor::Event(pointer) = place {
            states.extend(states_at(pointer, data).unwrap_or_default());
        }
    }
    (!states.is_empty()).then(|| rule.stage(&states))
}

fn states_at(pointer: &[String], document: &[u8]) -> Option<Vec<String>> {
    let values = json::pointer_values(document, pointer, &Limits::default()).ok()?;
    let texts = values.into_iter().filter_map(|value| match value {
        Scalar::Text(text) | Scalar::Number(text) => Some(text),
        Scalar::Bool(flag) => Some(flag.to_string()),
        Scalar::Null | Scalar::Container => None,
    });
    Some(texts.collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::money::NanoUsd;
    use crate::ownership::{ResourceId, ResourceKey};
    use crate::policy::{PolicyDirectory, compile};
    use crate::secret::SecretResolver;

    const ROUTES: &str = r#"
[[upstreams]]
name = "one"
url = "http://127.0.0.1:9"

[[routes]]
name = "read"
upstream = "one"
methods = ["GET"]
path = "/tasks/{id}"
resource = { kind = "task", id = "path:id" }
cost = { usd = "body:/cost", reports = { state = "body:/state", done = ["completed"], failed = ["failed"] } }

[[routes]]
name = "list"
upstream = "one"
methods = ["GET"]
path = "/tasks"
list = { kind = "task", items = "body:/tasks", id = "/id" }
cost = { usd = "body:/cost", reports = { state = "body:/state", done = ["completed"], failed = ["failed"] } }

[[routes]]
name = "events"
upstream = "one"
methods = ["GET"]
path = "/tasks/{id}/events"
resource = { kind = "task", id = "path:id" }
cost = { usd = "event:/cost", reports = { state = "event:/state", done = ["completed"], failed = ["failed"] } }
"#;

    const STREAM: &str = ": hello\n\ndata: {\"state\":\"running\",\"cost\":0}\r\n\r\n\
                          data: {\"note\":\"no state\"}\n\ndata: {\"state\":\"completed\",\ndata: \"cost\":0.05}\n\n\
                          data: {\"state\":\"running\",\"cost\":9}\n\n";

    fn key(id: &str) -> ResourceKey {
        ResourceKey::new("one".into(), "task".into(), ResourceId::exact(id).unwrap())
    }

    fn reporting(route: &str) -> Reporting {
        let files =
            PolicyDirectory::from_texts(Path::new("policies"), [("a.toml", ROUTES)]).unwrap();
        let snapshot = compile(&files, &SecretResolver::with_environment([])).unwrap();
        let routes = &snapshot.routes;
        let route = routes.iter().find(|one| *one.name == *route).unwrap();
        let named = NamedResource {
            key: Some(key("t-1")),
            kind: "task".into(),
            text: "t-1".into(),
            place: Extractor::Path("id".to_owned()),
        };
        Reporting::of(route, &"acme".parse().unwrap(), &[named]).unwrap()
    }

    /// Key, stage and cost of what an answer in these pieces tells.
    fn told(
        route: &str,
        (status, kind): (u16, &'static str),
        pieces: &[&[u8]],
    ) -> Vec<(String, Stage, Option<u64>)> {
        let mut reporting = reporting(route);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        reporting.answered(StatusCode::from_u16(status).unwrap(), &headers);
        let mut reports = Vec::new();
        for piece in pieces {
            reports.extend(reporting.pass(&Bytes::copy_from_slice(piece)));
        }
        reports.extend(reporting.end());
        let told = reports.into_iter().map(|report| {
            let cost = report.usage.and_then(|usage| usage.cost);
            (report.key, report.stage, cost.map(NanoUsd::nanos))
        });
        told.collect()
    }

    fn of_document(text: &str) -> Vec<(String, Stage, Option<u64>)> {
        let json = (200, "application/json");
        let (first, second) = text.as_bytes().split_at(text.len() / 2);
        told("read", json, &[first, second])
    }

    fn one(stage: Stage, cost: Option<u64>) -> Vec<(String, Stage, Option<u64>)> {
        vec![("acme/one/task/t-1".to_owned(), stage, cost)]
    }

    #[test]
    fn a_document_tells_at_its_end_where_the_work_stands_and_what_it_cost() {
        let said = of_document(r#"{"state":"completed","cost":0.05}"#);
        assert_eq!(said, one(Stage::Done, Some(50_000_000)));
        let said = of_document(r#"{"state":"failed","cost":null}"#);
        assert_eq!(said, one(Stage::Failed, None));
        let said = of_document(r#"{"state":"completed","cost":-1}"#);
        assert_eq!(said, one(Stage::Done, None), "an absurd cost is none");
        let said = of_document(r#"{"cost":0.05}"#);
        assert_eq!(said, one(Stage::Running, Some(50_000_000)));
    }

    #[test]
    fn what_can_not_be_read_for_certain_tells_nothing() {
        for text in [
            "",
            "no json",
            r#"{"state":"completed","state":"running"}"#,
            r#"{"State":"completed","cost":0.05}"#,
        ] {
            assert_eq!(of_document(text), [], "{text}");
        }
        let whole = br#"{"state":"completed","cost":0.05}"#.as_slice();
        for status in [404, 500, 302] {
            assert_eq!(told("read", (status, "application/json"), &[whole]), []);
        }
        let blanks = vec![b' '; LARGEST];
        assert_eq!(
            told("read", (200, "application/json"), &[&blanks, whole]),
            []
        );
    }

    #[test]
    fn each_item_of_a_list_tells_of_itself() {
        let list =
            br#"{"tasks":[{"id":"a","state":"completed","cost":"0.01"},{"state":"completed"},
                       {"id":"b","state":"running","cost":0}],"total":3}"#;
        let said = told("list", (200, "application/json"), &[list]);
        assert_eq!(
            said,
            [
                ("acme/one/task/a".to_owned(), Stage::Done, Some(10_000_000)),
                ("acme/one/task/b".to_owned(), Stage::Running, Some(0)),
            ]
        );
    }

    proptest! {
        #[test]
        fn the_first_event_that_ends_the_work_counts_however_the_stream_is_cut(
            cuts in proptest::collection::btree_set(0..STREAM.len(), 0..8),
        ) {
            let mut pieces: Vec<&[u8]> = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([STREAM.len()]) {
                pieces.push(&STREAM.as_bytes()[from..cut]);
                from = cut;
            }
            let said = told("events", (200, "text/event-stream; charset=utf-8"), &pieces);
            prop_assert_eq!(said, one(Stage::Done, Some(50_000_000)));
        }
    }
}
