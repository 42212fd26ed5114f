//! Refusals in the words of model providers.
//!
//! The status and the stable code are the same in all words. A client library reads the rest: what it
//! can't read it reports as a broken answer, and its caller never learns why it was refused.

use serde_json::{Value, json};

use crate::decision::Problem;

/// The refusal as the error object of OpenAI's API.
pub(super) fn open_ai(problem: Problem) -> Problem {
    let kind = match problem.status {
        402 => "insufficient_quota",
        403 => "permission_error",
        429 => "rate_limit_error",
        500..=599 => "server_error",
        _ => "invalid_request_error",
    };
    let document = json!({
        "error": {
            "message": problem.message,
            "type": kind,
            "param": null,
            "code": problem.code,
        },
    });
    in_json(problem, &document)
}

/// The refusal as the error object of Anthropic's API.
pub(super) fn anthropic(problem: Problem, request_id: &str) -> Problem {
    let kind = match problem.status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 => "overloaded_error",
        504 => "timeout_error",
        500..=599 => "api_error",
        _ => "invalid_request_error",
    };
    let document = json!({
        "type": "error",
        "error": { "type": kind, "message": problem.message, "code": problem.code },
        "request_id": request_id,
    });
    in_json(problem, &document)
}

fn in_json(problem: Problem, document: &Value) -> Problem {
    Problem {
        content_type: "application/json",
        body: document.to_string().into_bytes(),
        ..problem
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{Denial, DenialCode, FailureCode, Refusal};

    fn documents(refusal: &Refusal) -> [Value; 2] {
        [
            open_ai(Problem::of(refusal, "r-1")),
            anthropic(Problem::of(refusal, "r-1"), "r-1"),
        ]
        .map(|problem| serde_json::from_slice(&problem.body).unwrap())
    }

    #[test]
    fn every_refusal_holds_its_stable_code_in_the_words_of_every_provider() {
        let mut refusals: Vec<Refusal> = DenialCode::ALL.map(Refusal::from).to_vec();
        refusals.extend(FailureCode::ALL.map(Refusal::from));
        for refusal in refusals {
            for document in documents(&refusal) {
                assert_eq!(document["error"]["code"], refusal.code());
            }
        }
    }

    #[test]
    fn the_message_is_what_helps_the_caller() {
        let refusal: Refusal = Denial::because(DenialCode::BodyTooLarge, "the limit is 9").into();
        for document in documents(&refusal) {
            assert_eq!(document["error"]["message"], "the limit is 9");
        }
    }
}
