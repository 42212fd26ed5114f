use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_795_324_981);

/// A backend that repeats the id, and how often it was asked.
struct Backend {
    absences: Absences,
    route: Arc<str>,
    asked: usize,
    fields: &'static [(&'static str, &'static str)],
}

impl Backend {
    fn new(fields: &'static [(&'static str, &'static str)]) -> Self {
        Self {
            absences: Absences::new([3; 32]),
            route: Arc::from("task.read"),
            asked: 0,
            fields,
        }
    }

    fn answer(&self, id: &str) -> Answer {
        let body = format!("{{\"error\":\"no task {id}\"}}");
        let mut headers = HeaderMap::new();
        headers.insert("content-length", HeaderValue::from(body.len()));
        for (name, value) in self.fields {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        Answer {
            status: StatusCode::NOT_FOUND,
            headers,
            body: Bytes::from(body),
        }
    }

    /// What a caller who may not know of `id` gets.
    fn denied(&mut self, kind: &Fingerprint, id: &str) -> Answer {
        let route = self.route.clone();
        let route = (&route, &Method::GET);
        let asked = [Sent::plain(id)];
        match self.absences.recall(kind, route, &asked, NOW) {
            Recall::Answer(answer) => answer,
            Recall::Ask { variant } => {
                self.asked += 1;
                let impossible = self.absences.in_place_of(id, variant).text;
                let answer = self.answer(&impossible);
                self.absences.observe(route, Duration::from_micros(300));
                let sent = vec![Sent::plain(impossible)];
                let about = answer.about(&sent, &asked);
                self.absences.learn(kind, Sample { answer, sent }, NOW);
                about
            }
        }
    }
}

fn kind(of: &str) -> Fingerprint {
    Fingerprint::of([of.as_bytes()])
}

#[test]
fn every_denied_id_is_answered_as_the_backend_would_whether_it_is_asked_or_not() {
    let mut backend = Backend::new(&[]);
    for turn in 0..50 {
        let id = format!("0190c1f2-7b3a-7cde-8f01-0000000000{turn:02}");
        let (denied, own) = (backend.denied(&kind("alice"), &id), backend.answer(&id));
        assert_eq!(denied.body, own.body);
        assert_eq!(denied.headers, own.headers);
    }
    assert!(backend.asked < 12, "asked {} times", backend.asked);
}

#[test]
fn what_one_caller_taught_is_told_to_no_other() {
    let mut backend = Backend::new(&[]);
    for _ in 0..20 {
        backend.denied(&kind("alice"), "session-1");
    }
    let before = backend.asked;
    backend.denied(&kind("bob"), "session-1");
    assert_eq!(backend.asked, before + 1);
}

#[test]
fn the_backend_is_asked_again_now_and_then_and_its_new_words_are_learned() {
    let mut backend = Backend::new(&[]);
    for _ in 0..200 {
        backend.denied(&kind("alice"), "session-1");
    }
    let asked = backend.asked;
    assert!((10..16).contains(&asked), "asked {asked} times in 200");
    backend.fields = &[("x-version", "2")];
    let answers: Vec<Answer> = (0..200)
        .map(|_| backend.denied(&kind("alice"), "session-1"))
        .collect();
    let last = answers.last().unwrap();
    assert_eq!(last.headers["x-version"], "2");
}

#[test]
fn an_answer_with_a_tag_is_asked_for_about_the_same_id_each_time() {
    let mut backend = Backend::new(&[("etag", "\"a\"")]);
    backend.denied(&kind("alice"), "session-1");
    let ask = || match backend.absences.recall(
        &kind("alice"),
        (&backend.route, &Method::GET),
        &[Sent::plain("session-1")],
        NOW,
    ) {
        Recall::Ask { variant } => variant,
        Recall::Answer(_) => panic!("two answers about one id teach nothing"),
    };
    assert_eq!((ask(), ask()), (0, 0));
}

#[test]
fn fingerprints_do_not_depend_on_where_texts_are_cut() {
    let one = Fingerprint::of([b"ab".as_slice(), b"c"]);
    let other = Fingerprint::of([b"a".as_slice(), b"bc"]);
    assert_ne!(one, other);
}

#[tokio::test]
async fn an_answer_waits_for_as_long_as_the_backend_takes() {
    let absences = Absences::new([3; 32]);
    let route: Arc<str> = Arc::from("task.read");
    let key = (&route, &Method::GET);
    let arrival = Instant::now();
    let waited = absences.wait(key, arrival).await;
    assert!(waited.0.is_none(), "nothing is known to wait for");
    absences.observe(key, Duration::from_millis(60));
    let waited = absences.wait(key, arrival).await;
    assert!(waited.0.is_some());
    assert!(arrival.elapsed() >= Duration::from_millis(59));
}

#[test]
fn an_answer_too_large_to_learn_from_is_not_kept() {
    let absences = Absences::new([3; 32]);
    let kind = Fingerprint::of([b"kind".as_slice()]);
    for (length, is_kept) in [(64 * 1024, true), (64 * 1024 + 1, false)] {
        let answer = Answer {
            status: http::StatusCode::NOT_FOUND,
            headers: http::HeaderMap::new(),
            body: vec![b'x'; length].into(),
        };
        let sent = vec![Sent::plain("qwertyuiop")];
        let now = Timestamp::from_seconds(1_795_324_981);
        absences.learn(&kind, Sample { answer, sent }, now);
        assert_eq!(absences.kind(&kind).lock().unwrap().last.is_some(), is_kept);
    }
}
