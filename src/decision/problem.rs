//! The body of a refusal: `application/problem+json` (RFC 9457).

use super::{Denial, Refusal};

/// A refusal as the caller sees it.
#[derive(Clone, Debug)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: &'static str,
    /// `WWW-Authenticate`, where the status asks for it.
    pub challenge: Option<String>,
    /// `Allow`, for 405.
    pub allow: Option<String>,
    /// `Retry-After` in seconds.
    pub retry_after: Option<u32>,
    /// Whether client libraries are told not to try again by themselves (`x-should-retry: false`).
    pub lasting: bool,
    /// Media type of the body.
    pub content_type: &'static str,
    /// What helps the caller, or what kind of problem it is.
    pub message: String,
    /// The JSON document.
    pub body: Vec<u8>,
}

/// The media type of [`Problem::body`].
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What `type` begins with; the code follows. It names the kind of problem and need not resolve.
const TYPE_BASE: &str = "https://fabric-gate.dev/problems/";

impl Problem {
    /// The problem document of a refusal.
    pub fn of(refusal: &Refusal, request_id: &str) -> Self {
        let (facts, detail, challenge, allow) = match refusal {
            Refusal::Denied(denial) => {
                let facts = denial.code.facts();
                (
                    facts,
                    denial.detail.as_deref(),
                    denial.challenge(),
                    denial.allow.as_deref(),
                )
            }
            Refusal::Failed(failure) => {
                (failure.code.facts(), failure.detail.as_deref(), None, None)
            }
        };
        let denial = match refusal {
            Refusal::Denied(denial) => Some(denial),
            Refusal::Failed(_) => None,
        };
        let status = refusal.status();
        let mut document = serde_json::json!({
            "type": format!("{TYPE_BASE}{}", facts.code),
            "title": facts.title,
            "status": status,
            "code": facts.code,
            "request_id": request_id,
        });
        if let (Some(detail), Some(members)) = (detail, document.as_object_mut()) {
            members.insert("detail".to_owned(), detail.into());
        }
        let ceiling = denial.and_then(|denial| denial.ceiling.as_deref());
        if let (Some(ceiling), Some(members)) = (ceiling, document.as_object_mut()) {
            members.insert("scope".to_owned(), ceiling.scope.into());
            members.insert("window".to_owned(), ceiling.window.as_str().into());
            members.insert("limit_usd".to_owned(), ceiling.limit_usd.as_str().into());
            members.insert("spent_usd".to_owned(), ceiling.spent_usd.as_str().into());
            members.insert("resets_at".to_owned(), ceiling.resets_at.as_deref().into());
        }
        Self {
            status,
            code: facts.code,
            challenge,
            allow: allow.map(str::to_owned),
            retry_after: denial
                .and_then(|denial| denial.retry_after)
                .or(facts.retry_after),
            lasting: denial.is_some_and(Denial::is_lasting),
            content_type: CONTENT_TYPE,
            message: detail.unwrap_or(facts.title).to_owned(),
            body: document.to_string().into_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DenialCode, FailureCode};
    use super::*;

    #[test]
    fn the_table_of_refusals_is_the_contract() {
        let mut table = String::new();
        for code in DenialCode::ALL {
            let facts = code.facts();
            let challenge = Denial::new(code).challenge().unwrap_or_default();
            table.push_str(&format!(
                "{} {} {:?} {challenge}\n",
                facts.status, facts.code, facts.title
            ));
        }
        for code in FailureCode::ALL {
            let facts = code.facts();
            table.push_str(&format!(
                "{} {} {:?} retry={:?}\n",
                facts.status, facts.code, facts.title, facts.retry_after
            ));
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn every_unauthorized_answer_carries_a_challenge() {
        for code in DenialCode::ALL {
            if code.facts().status == 401 {
                assert!(
                    Denial::new(code).challenge().is_some(),
                    "{code:?} (RFC 9110 section 11.6.1)"
                );
            }
        }
    }

    #[test]
    fn a_problem_names_its_code_and_request() {
        let refusal = Denial::because(DenialCode::RequestRejected, "two Host fields").into();
        let problem = Problem::of(&refusal, "r-1");
        let document: serde_json::Value = serde_json::from_slice(&problem.body).unwrap();
        assert_eq!(document["status"], 400);
        assert_eq!(document["code"], "request_rejected");
        assert_eq!(document["request_id"], "r-1");
        assert_eq!(document["detail"], "two Host fields");
    }
}
