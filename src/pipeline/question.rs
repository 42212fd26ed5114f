//! What a backend is asked in place of a request that names what does not exist for its caller.
//!
//! The request itself, with ids in it that name nothing, where sending it changes nothing even if
//! one of them should name something after all. In place of one that would, another route of the
//! same backend is borrowed that only reads the same kind of resource.

mod target;

use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderName, Method};

use target::{Part, Template, decoded, encoded, halves, written_like};

use super::canonical::decode_segment;
use super::ownership::NamedResource;
use crate::ownership::absence::Sent;
use crate::policy::{Extractor, RoutePolicy};

/// The parameters of a path, as ids of no known kind: what a request names on a route that does not
/// say what is named there.
pub(super) fn named_by_path(route: &RoutePolicy, target: &str) -> Vec<NamedResource> {
    let (path, _) = halves(target);
    let params = Template::parse(&route.path).params(path);
    params
        .into_iter()
        .map(|(name, written)| NamedResource {
            key: None,
            kind: "path".into(),
            text: decode_segment(&written).as_ref().into(),
            place: Extractor::Path(name),
        })
        .collect()
}

/// A request with holes where the ids were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    method: Method,
    target: Vec<Piece>,
    fields: Vec<(HeaderName, usize)>,
    asked: Vec<Sent>,
    borrowed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Hole(usize),
}

impl Question {
    /// The question in place of a request on `route`, one of `routes`, with this method and target,
    /// in which `denied` does not exist. `certain` says that the ids that are going to fill the holes
    /// can't name anything.
    ///
    /// `None`: the backend can't be asked without being told to do something.
    pub(super) fn in_place_of(
        (method, target): (&Method, &str),
        route: &RoutePolicy,
        routes: &[Arc<RoutePolicy>],
        denied: &[NamedResource],
        certain: bool,
    ) -> Option<Self> {
        let harmless = *method == Method::GET
            || *method == Method::HEAD
            || *method == Method::OPTIONS
            || (certain && *method == Method::DELETE && is_named_by_path(denied));
        if harmless && !claims(route, denied) {
            return Self::itself(method, target, route, denied);
        }
        let (path, _) = halves(target);
        let params = Template::parse(&route.path).params(path);
        let lends = |method: &Method| {
            lenders(route, routes, denied, method)
                .into_iter()
                .find_map(|lender| Self::borrowed(method, lender, &params, denied))
        };
        lends(&Method::GET).or_else(|| certain.then(|| lends(&Method::DELETE)).flatten())
    }

    /// The request itself.
    fn itself(
        method: &Method,
        target: &str,
        route: &RoutePolicy,
        denied: &[NamedResource],
    ) -> Option<Self> {
        let (path, query) = halves(target);
        let template = Template::parse(&route.path);
        let mut question = Self::empty(method, false);
        question.fill_path(&template, &template.params(path), |name| {
            denied.iter().find(|one| in_path(one, name))
        });
        if let Some(query) = query {
            question.fill_query(query, denied);
        }
        question.fill_fields(denied);
        question.covers(denied).then_some(question)
    }

    /// A request on another route, about the same kind of thing.
    fn borrowed(
        method: &Method,
        lender: &RoutePolicy,
        params: &HashMap<String, String>,
        denied: &[NamedResource],
    ) -> Option<Self> {
        let template = Template::parse(&lender.path);
        let mut question = Self::empty(method, true);
        let of_kind = |name: &str| {
            let rules = lender.resources.iter();
            let kinds = rules
                .filter(|rule| {
                    rule.ids
                        .iter()
                        .any(|id| matches!(id, Extractor::Path(at) if at == name))
                })
                .map(|rule| &rule.kind);
            let mut found = kinds.filter_map(|kind| denied.iter().find(|one| one.kind == *kind));
            found.next()
        };
        let found = question.fill_path(&template, params, |name| {
            denied
                .iter()
                .find(|one| in_path(one, name))
                .or_else(|| of_kind(name).filter(|_| !params.contains_key(name)))
        });
        (found && !question.asked.is_empty()).then_some(question)
    }

    fn empty(method: &Method, borrowed: bool) -> Self {
        Self {
            method: method.clone(),
            target: Vec::new(),
            fields: Vec::new(),
            asked: Vec::new(),
            borrowed,
        }
    }

    /// Whether every parameter had a value.
    fn fill_path<'denied>(
        &mut self,
        template: &Template<'_>,
        params: &HashMap<String, String>,
        denied: impl Fn(&str) -> Option<&'denied NamedResource>,
    ) -> bool {
        let mut whole = true;
        for part in &template.parts {
            match part {
                Part::Literal(text) => self.push_text(text),
                Part::Param(name) => match (denied(name), params.get(*name)) {
                    (Some(one), written) => {
                        let written = written.map_or_else(|| encoded(&one.text), Clone::clone);
                        self.push_hole(&one.text, written);
                    }
                    (None, Some(written)) => self.push_text(written),
                    (None, None) => whole = false,
                },
            }
        }
        whole
    }

    fn fill_query(&mut self, query: &str, denied: &[NamedResource]) {
        for (turn, pair) in query.split('&').enumerate() {
            self.push_text(if turn == 0 { "?" } else { "&" });
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, text) = (decoded(name), decoded(value));
            let one = denied.iter().find(|one| {
                matches!(&one.place, Extractor::Query(at) if *at == key) && *one.text == *text
            });
            match one {
                Some(one) => {
                    self.push_text(name);
                    self.push_text("=");
                    self.push_hole(&one.text, value.to_owned());
                }
                None => self.push_text(pair),
            }
        }
    }

    fn fill_fields(&mut self, denied: &[NamedResource]) {
        for one in denied {
            if let Extractor::Header(name) = &one.place
                && let Ok(name) = HeaderName::try_from(name.as_str())
            {
                let hole = self.hole(Sent::plain(&*one.text));
                self.fields.push((name, hole));
            }
        }
    }

    /// Whether each of them has its hole.
    ///
    /// INVARIANT: what is denied goes to no backend. A parameter in a spelling that is read here in
    /// other ways than the gate reads it leaves a hole too few, and then nothing is asked.
    fn covers(&self, denied: &[NamedResource]) -> bool {
        self.asked.len() == denied.len()
    }

    fn push_text(&mut self, more: &str) {
        match self.target.last_mut() {
            Some(Piece::Text(text)) => text.push_str(more),
            Some(Piece::Hole(_)) | None => self.target.push(Piece::Text(more.to_owned())),
        }
    }

    fn push_hole(&mut self, value: &str, written: String) {
        let hole = self.hole(Sent {
            value: value.to_owned(),
            written,
        });
        self.target.push(Piece::Hole(hole));
    }

    fn hole(&mut self, asked: Sent) -> usize {
        self.asked.push(asked);
        self.asked.len() - 1
    }

    /// The method to ask with.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The same question by another method.
    #[must_use]
    pub fn by(self, method: Method) -> Self {
        Self { method, ..self }
    }

    /// Whether another route than the one that was asked for is asked.
    pub fn is_borrowed(&self) -> bool {
        self.borrowed
    }

    /// What stood in the holes.
    pub fn asked(&self) -> &[Sent] {
        &self.asked
    }

    /// What `ids`, one for each of [`Question::asked`], look like in the holes: written as those were.
    pub fn sent(&self, ids: &[String]) -> Vec<Sent> {
        let holes = self.asked.iter().zip(ids);
        holes
            .map(|(asked, id)| Sent {
                value: id.clone(),
                written: written_like(id, &asked.written),
            })
            .collect()
    }

    /// The target with these texts in its holes.
    pub fn target<'text>(&self, text: impl Fn(usize) -> &'text str) -> String {
        self.target
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Hole(hole) => text(*hole),
            })
            .collect()
    }

    /// Fields that hold an id, and which.
    pub fn fields(&self) -> &[(HeaderName, usize)] {
        &self.fields
    }
}

/// Whether asking for one of these could make it the caller's: the backend makes what is asked for.
fn claims(route: &RoutePolicy, denied: &[NamedResource]) -> bool {
    route
        .resources
        .iter()
        .any(|rule| rule.claim && denied.iter().any(|one| one.kind == rule.kind))
}

/// Whether all of them stand in the path. Beside an id in the query there may be others that are the
/// caller's own, and a deletion of those is one.
fn is_named_by_path(denied: &[NamedResource]) -> bool {
    denied
        .iter()
        .all(|one| matches!(one.place, Extractor::Path(_)))
}

/// Routes that tell of a resource, in the order in which they are asked: the same path first, then
/// the shortest that names nothing else.
fn lenders<'routes>(
    route: &RoutePolicy,
    routes: &'routes [Arc<RoutePolicy>],
    denied: &[NamedResource],
    method: &Method,
) -> Vec<&'routes RoutePolicy> {
    let mut lenders: Vec<&RoutePolicy> = routes
        .iter()
        .map(|other| &**other)
        .filter(|other| {
            let about = other
                .resources
                .iter()
                .any(|rule| denied.iter().any(|one| one.kind == rule.kind));
            about
                && other.methods.contains(method)
                && other.upstream.name == route.upstream.name
                && !other.public
                && other.rpc_methods.is_empty()
                && !claims(other, denied)
                && (other.path == route.path || Template::parse(&other.path).params_named() == 1)
        })
        .collect();
    lenders.sort_by_key(|other| (other.path != route.path, other.path.len()));
    lenders
}

fn in_path(one: &NamedResource, name: &str) -> bool {
    matches!(&one.place, Extractor::Path(at) if at == name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::policy::{PolicyDirectory, compile};
    use crate::secret::SecretResolver;

    const ROUTES: &str = r#"
[[upstreams]]
name = "one"
url = "http://127.0.0.1:9"
[[upstreams]]
name = "other"
url = "http://127.0.0.1:9"

[[routes]]
name = "run"
upstream = "one"
methods = ["POST"]
path = "/agents/{agent}/{id}"
resource = { kind = "session", id = "path:id", claim = true }

[[routes]]
name = "events"
upstream = "one"
methods = ["GET"]
path = "/sessions/{id}/events"
resource = { kind = "session", id = "path:id" }

[[routes]]
name = "session"
upstream = "one"
methods = ["GET", "PUT", "DELETE"]
path = "/sessions/{id}"
resource = { kind = "session", id = "path:id" }

[[routes]]
name = "approve"
upstream = "one"
methods = ["POST"]
path = "/sessions/{id}/approvals/{approval}"
resource = [{ kind = "session", id = "path:id" }, { kind = "approval", id = "path:approval" }]

[[routes]]
name = "cancel"
upstream = "one"
methods = ["POST"]
path = "/cancel"
resource = { kind = "session", id = "body:/session" }

[[routes]]
name = "elsewhere"
upstream = "other"
methods = ["GET"]
path = "/s/{session}"
resource = { kind = "session", id = "path:session" }

[[routes]]
name = "find"
upstream = "one"
methods = ["GET"]
path = "/find"
resource = { kind = "session", id = ["query:id", "header:x-session"] }
"#;

    fn named(kind: &str, text: &str, place: Extractor) -> NamedResource {
        NamedResource {
            key: None,
            kind: kind.into(),
            text: text.into(),
            place,
        }
    }

    fn in_the_path(kind: &str, text: &str, name: &str) -> NamedResource {
        named(kind, text, Extractor::Path(name.to_owned()))
    }

    /// Method and target of the question, with `<n>` in its holes.
    fn asked(
        route: &str,
        (method, target): (Method, &str),
        denied: &[NamedResource],
        certain: bool,
    ) -> Option<String> {
        let files =
            PolicyDirectory::from_texts(Path::new("policies"), [("a.toml", ROUTES)]).unwrap();
        let snapshot = compile(&files, &SecretResolver::with_environment([])).unwrap();
        let routes = &snapshot.routes;
        let route = routes.iter().find(|one| *one.name == *route).unwrap();
        let question = Question::in_place_of((&method, target), route, routes, denied, certain)?;
        let holes = ["<0>", "<1>", "<2>"];
        let target = question.target(|hole| holes[hole]);
        Some(format!("{} {target}", question.method()))
    }

    #[test]
    fn what_only_reads_is_asked_itself_and_a_deletion_of_what_cannot_exist_too() {
        let denied = [in_the_path("session", "s-1", "id")];
        for method in [Method::GET, Method::HEAD, Method::DELETE] {
            let target = "/sessions/s-1?tenant=acme";
            assert_eq!(
                asked("session", (method.clone(), target), &denied, true).unwrap(),
                format!("{method} /sessions/<0>?tenant=acme")
            );
        }
    }

    #[test]
    fn a_deletion_of_what_could_exist_is_asked_for_by_a_get() {
        let denied = [in_the_path("session", "7", "id")];
        let question = asked("session", (Method::DELETE, "/sessions/7"), &denied, false);
        assert_eq!(question.unwrap(), "GET /sessions/<0>");
    }

    #[test]
    fn what_writes_borrows_a_get_of_the_same_path_or_of_the_shortest_on_the_same_backend() {
        let denied = [in_the_path("session", "s-1", "id")];
        for (route, target) in [
            ("session", "/sessions/s-1"),
            ("run", "/agents/a/s-1"),
            ("approve", "/sessions/s-1/approvals/a-1"),
        ] {
            let question = asked(route, (Method::POST, target), &denied, true);
            assert_eq!(question.unwrap(), "GET /sessions/<0>", "{route}");
        }
    }

    #[test]
    fn an_id_in_a_body_is_asked_for_in_a_path() {
        let place = Extractor::Body(vec!["session".to_owned()]);
        let denied = [named("session", "{a b}", place)];
        let question = asked("cancel", (Method::POST, "/cancel"), &denied, true);
        assert_eq!(question.unwrap(), "GET /sessions/<0>");
    }

    #[test]
    fn nothing_is_asked_where_nothing_tells_of_the_kind() {
        let denied = [in_the_path("approval", "a-1", "approval")];
        let target = "/sessions/s-1/approvals/a-1";
        assert_eq!(
            asked("approve", (Method::POST, target), &denied, true),
            None
        );
    }

    #[test]
    fn every_denied_id_has_its_hole_or_nothing_is_asked() {
        let query = |text| named("session", text, Extractor::Query("id".to_owned()));
        let two = [query("s-1"), query("s-2")];
        assert_eq!(
            asked("find", (Method::GET, "/find?id=s-1&x=1&id=s-2"), &two, true).unwrap(),
            "GET /find?id=<0>&x=1&id=<1>"
        );
        for odd in ["/find?ID[]=s-1&id=s-2", "/find?x=1;id=s-1&id=s-2"] {
            assert_eq!(asked("find", (Method::GET, odd), &two, true), None, "{odd}");
        }
        let field = [named(
            "session",
            "s-1",
            Extractor::Header("x-session".to_owned()),
        )];
        assert_eq!(
            asked("find", (Method::GET, "/find"), &field, true).unwrap(),
            "GET /find"
        );
    }
}
