//! A backend's way to say that something is not there, learned from two of its answers.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::answer::{Answer, Verdict};
use super::draw::Draw;
use super::spelling::{Echo, Needles, Piece, Sent, push_echo};
use super::volatile::{Mask, Stretch, merged, names_the_present};
use crate::clock::Timestamp;

/// Largest body that is learned, in bytes.
pub(super) const LARGEST: usize = 64 * 1024;

/// What a backend answered, and about what.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The answer.
    pub answer: Answer,
    /// What the request held in place of what was asked: the same values, in the same order, in
    /// every sample of one template.
    pub sent: Vec<Sent>,
}

/// How a backend says that something is not there.
#[derive(Clone, Debug)]
pub struct Template {
    status: StatusCode,
    headers: Vec<(HeaderName, Value)>,
    body: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Value {
    /// The present time (RFC 9110 section 6.6.1).
    Date,
    /// The length of the body.
    Length,
    Parts(Vec<Part>),
}

#[derive(Clone, Debug)]
enum Part {
    Constant(Vec<u8>),
    Chance(Mask),
    Echo(Echo),
}

impl Template {
    /// The template that two answers to two different ids follow.
    ///
    /// `None`: they follow none that can be continued, because they differ in what is neither
    /// repeated nor random, or hold what must not be handed out twice.
    pub fn learn(one: &Sample, other: &Sample, now: Timestamp) -> Option<Self> {
        let (a, b) = (&one.answer, &other.answer);
        let alike = Verdict::of(a.status) == Verdict::Absent
            && a.status == b.status
            && a.body.len() <= LARGEST
            && b.body.len() <= LARGEST
            && one.sent != other.sent
            && a.headers.keys().eq(b.headers.keys())
            && a.headers.len() == b.headers.len();
        if !alike {
            return None;
        }
        let needles = (Needles::of(&one.sent), Needles::of(&other.sent));
        let mut headers = Vec::with_capacity(a.headers.len());
        for ((name, in_a), (_, in_b)) in a.headers.iter().zip(&b.headers) {
            headers.push((
                name.clone(),
                value(name, (in_a, a), (in_b, b), &needles, now)?,
            ));
        }
        Some(Self {
            status: a.status,
            headers,
            body: parts(&a.body, &b.body, &needles, now)?,
        })
    }

    /// The answer about what was asked.
    pub(super) fn about(&self, asked: &[Sent], now: Timestamp, draw: &mut Draw) -> Answer {
        let body = Bytes::from(written(&self.body, asked, draw));
        let mut headers = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let value = match value {
                Value::Date => date(now),
                Value::Length => Some(HeaderValue::from(body.len())),
                Value::Parts(parts) => HeaderValue::from_bytes(&written(parts, asked, draw)).ok(),
            };
            if let Some(value) = value {
                headers.append(name.clone(), value);
            }
        }
        Answer {
            status: self.status,
            headers,
            body,
        }
    }
}

fn value(
    name: &HeaderName,
    (in_a, a): (&HeaderValue, &Answer),
    (in_b, b): (&HeaderValue, &Answer),
    needles: &(Needles, Needles),
    now: Timestamp,
) -> Option<Value> {
    if *name == header::DATE {
        return Some(Value::Date);
    }
    if *name == header::CONTENT_LENGTH {
        let right = |value: &HeaderValue, answer: &Answer| {
            value.to_str().ok().and_then(|text| text.parse().ok()) == Some(answer.body.len())
        };
        if right(in_a, a) && right(in_b, b) {
            return Some(Value::Length);
        }
        // Behind a HEAD there is no body to count.
        return (in_a == in_b)
            .then(|| Value::Parts(vec![Part::Constant(in_a.as_bytes().to_vec())]));
    }
    // A cookie belongs to whom it is given, and a tag that differs says which id it is of.
    let own = *name == header::SET_COOKIE || (*name == header::ETAG && in_a != in_b);
    if own {
        return None;
    }
    parts(in_a.as_bytes(), in_b.as_bytes(), needles, now).map(Value::Parts)
}

fn parts(a: &[u8], b: &[u8], needles: &(Needles, Needles), now: Timestamp) -> Option<Vec<Part>> {
    let (in_a, in_b) = (needles.0.cut(a), needles.1.cut(b));
    if in_a.len() != in_b.len() {
        return None;
    }
    let mut parts = Vec::new();
    for pair in in_a.into_iter().zip(in_b) {
        match pair {
            (Piece::Text(a), Piece::Text(b)) => {
                if names_the_present(a, now) {
                    return None;
                }
                parts.extend(merged(a, b)?.into_iter().map(|stretch| match stretch {
                    Stretch::Constant(text) => Part::Constant(text),
                    Stretch::Chance(mask) => Part::Chance(mask),
                }));
            }
            (Piece::Echo(a), Piece::Echo(b)) if a == b => parts.push(Part::Echo(a)),
            (Piece::Text(_) | Piece::Echo(_), Piece::Text(_) | Piece::Echo(_)) => return None,
        }
    }
    Some(parts)
}

fn written(parts: &[Part], asked: &[Sent], draw: &mut Draw) -> Vec<u8> {
    let mut whole = Vec::new();
    for part in parts {
        match part {
            Part::Constant(text) => whole.extend_from_slice(text),
            Part::Chance(mask) => mask.push_drawn(&mut whole, draw),
            Part::Echo(echo) => push_echo(&mut whole, *echo, asked),
        }
    }
    whole
}

/// The time as HTTP writes it (RFC 9110 section 5.6.7).
fn date(now: Timestamp) -> Option<HeaderValue> {
    let time = jiff::Timestamp::from_second(now.as_seconds()).ok()?;
    let text = jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&time)
        .ok()?;
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ownership::absence::draw::Secret;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_324_981);

    fn sample(id: &str, request: &str, fields: &[(&str, &str)], body: &str) -> Sample {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        Sample {
            answer: Answer {
                status: StatusCode::NOT_FOUND,
                headers,
                body: Bytes::copy_from_slice(body.as_bytes()),
            },
            sent: vec![Sent::plain(id), Sent::plain(request)],
        }
    }

    fn about(template: &Template) -> Answer {
        let asked = [Sent::plain("s-1"), Sent::plain("r-3")];
        template.about(&asked, NOW, &mut Secret::new([1; 32]).draw(&[]))
    }

    #[test]
    fn echoes_dates_and_lengths_are_those_of_the_asked_id() {
        let one = sample(
            "qwertyuiop",
            "request-one",
            &[
                ("server", "uvicorn"),
                ("date", "Sun, 22 Nov 2026 05:22:59 GMT"),
                ("content-length", "42"),
                ("x-trace", "request-one"),
            ],
            r#"{"detail":"Thread with ID qwertyuiop none"}"#,
        );
        let other = sample(
            "asdfghjklz",
            "request-two",
            &[
                ("server", "uvicorn"),
                ("date", "Sun, 22 Nov 2026 05:23:00 GMT"),
                ("content-length", "42"),
                ("x-trace", "request-two"),
            ],
            r#"{"detail":"Thread with ID asdfghjklz none"}"#,
        );
        let right = |mut sample: Sample| {
            let length = HeaderValue::from(sample.answer.body.len());
            sample.answer.headers.insert("content-length", length);
            sample
        };
        let answer = about(&Template::learn(&right(one), &right(other), NOW).unwrap());
        assert_eq!(answer.body, r#"{"detail":"Thread with ID s-1 none"}"#);
        let fields: Vec<(&str, &str)> = answer
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(
            fields,
            [
                ("server", "uvicorn"),
                ("date", "Sun, 22 Nov 2026 05:23:01 GMT"),
                ("content-length", "36"),
                ("x-trace", "r-3"),
            ]
        );
    }

    #[test]
    fn two_answers_about_one_id_teach_nothing() {
        let one = sample("qwertyuiop", "request-one", &[], "no");
        assert!(Template::learn(&one, &one, NOW).is_none());
    }

    #[test]
    fn what_cannot_be_continued_is_not_learned() {
        type Fields<'text> = &'text [(&'text str, &'text str)];
        let pairs: [(Fields<'_>, &str, Fields<'_>, &str); 6] = [
            (&[("etag", "\"a1\"")], "no", &[("etag", "\"b2\"")], "no"),
            (
                &[("set-cookie", "a=1")],
                "no",
                &[("set-cookie", "a=1")],
                "no",
            ),
            (&[("x-took", "12")], "no", &[("x-took", "13")], "no"),
            (&[("server", "a")], "no", &[("via", "a")], "no"),
            (&[], "no qwertyuiop", &[], "none such"),
            (&[], "at 1795324981", &[], "at 1795324981"),
        ];
        for (a_fields, a, b_fields, b) in pairs {
            let one = sample("qwertyuiop", "request-one", a_fields, a);
            let other = sample("asdfghjklz", "request-two", b_fields, b);
            assert!(
                Template::learn(&one, &other, NOW).is_none(),
                "{a_fields:?} {a}"
            );
        }
        let one = sample("qwertyuiop", "request-one", &[("etag", "\"a\"")], "no");
        let other = sample("asdfghjklz", "request-two", &[("etag", "\"a\"")], "no");
        assert!(Template::learn(&one, &other, NOW).is_some(), "the twin");
    }

    #[test]
    fn an_answer_that_is_no_absence_is_not_learned() {
        for status in [200, 401, 403, 429, 500] {
            let pair = ["qwertyuiop", "asdfghjklz"].map(|id| {
                let mut sample = sample(id, "request-id", &[], "{}");
                sample.answer.status = StatusCode::from_u16(status).unwrap();
                sample
            });
            let [one, other] = pair;
            assert!(Template::learn(&one, &other, NOW).is_none(), "{status}");
        }
    }
}
