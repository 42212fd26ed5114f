//! An answer of a backend to an impossible id, and the same answer about the id that was asked for.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::spelling::{Needles, Sent, replaced};

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its fields, as they came.
    pub headers: HeaderMap,
    /// Its body; empty behind a HEAD.
    pub body: Bytes,
}

/// What an answer to an impossible id says by its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// That it is not there, or was asked for in a way that can't be right.
    Absent,
    /// That nobody gets an answer at present, or not this caller.
    Failed,
    /// That it is there, or anything else that can't be said of it.
    Neither,
}

impl Verdict {
    /// The verdict of an answer with this status.
    pub fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            400 | 404 | 405 | 406 | 410 | 411 | 412 | 414 | 415 | 416 | 422 | 426 | 428 => {
                Self::Absent
            }
            401 | 403 | 407 | 408 | 409 | 421 | 425 | 429 | 500.. => Self::Failed,
            _ => Self::Neither,
        }
    }
}

impl Answer {
    /// The same answer about `asked`, where the backend was asked about `sent`.
    #[must_use]
    pub fn about(&self, sent: &[Sent], asked: &[Sent]) -> Self {
        let needles = Needles::of(sent);
        let mut headers = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let value = HeaderValue::from_bytes(&replaced(value.as_bytes(), &needles, asked))
                .unwrap_or_else(|_| value.clone());
            headers.append(name.clone(), value);
        }
        let body = Bytes::from(replaced(&self.body, &needles, asked));
        if body.len() != self.body.len() && headers.contains_key(header::CONTENT_LENGTH) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        Self {
            status: self.status,
            headers,
            body,
        }
    }

    /// The same answer to a HEAD: fields as they are, no body (RFC 9110 section 9.3.2).
    #[must_use]
    pub fn without_body(self) -> Self {
        Self {
            body: Bytes::new(),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_speaks_of_the_asked_id_and_its_length_is_right() {
        let mut headers = HeaderMap::new();
        headers.insert("content-length", HeaderValue::from_static("17"));
        headers.insert("location", HeaderValue::from_static("/t/qwertyuiop"));
        let answer = Answer {
            status: StatusCode::NOT_FOUND,
            headers,
            body: Bytes::from_static(b"no qwertyuiop. No"),
        };
        let about = answer.about(&[Sent::plain("qwertyuiop")], &[Sent::plain("s-1")]);
        assert_eq!(about.headers["content-length"], "10");
        assert_eq!(about.headers["location"], "/t/s-1");
        assert_eq!(about.body, "no s-1. No");
    }

    #[test]
    fn only_what_is_said_of_the_id_says_absent() {
        let verdict = |status: u16| Verdict::of(StatusCode::from_u16(status).unwrap());
        for status in [400, 404, 405, 410, 412, 422] {
            assert_eq!(verdict(status), Verdict::Absent, "{status}");
        }
        for status in [401, 403, 409, 429, 500, 503] {
            assert_eq!(verdict(status), Verdict::Failed, "{status}");
        }
        for status in [200, 204, 302, 304] {
            assert_eq!(verdict(status), Verdict::Neither, "{status}");
        }
    }
}
