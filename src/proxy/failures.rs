//! From pingora's errors to the gate's failures.

use pingora::{Error, ErrorSource, ErrorType};

use crate::decision::{Failure, FailureCode, Refusal};

/// What a client is told about an error on the backend's side.
pub(super) fn of_upstream(error: &Error) -> Refusal {
    let code = match error.etype() {
        ErrorType::ConnectTimedout
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::ReadTimedout
        | ErrorType::WriteTimedout => FailureCode::UpstreamTimeout,
        _ => FailureCode::UpstreamUnreachable,
    };
    Failure::logged(code, error.to_string()).into()
}

/// What a client is told about an error of the gate itself.
pub(super) fn internal(error: &Error) -> Refusal {
    Failure::logged(FailureCode::Internal, error.to_string()).into()
}

/// Who is at fault for an error that pingora's proxy loop reports, as a refusal; `None` when the
/// client's connection is gone and nobody is left to tell.
pub(super) fn of_proxy(error: &Error) -> Option<Refusal> {
    match error.esource() {
        ErrorSource::Upstream => Some(of_upstream(error)),
        ErrorSource::Downstream => match error.etype() {
            // HTTP/2 tells a stream that its client reset as an error of the protocol.
            ErrorType::WriteError
            | ErrorType::ReadError
            | ErrorType::ConnectionClosed
            | ErrorType::H2Error => None,
            ErrorType::ReadTimedout | ErrorType::WriteTimedout => {
                Some(crate::decision::DenialCode::RequestTimeout.into())
            }
            _ => Some(crate::decision::DenialCode::RequestRejected.into()),
        },
        ErrorSource::Internal | ErrorSource::Unset => Some(internal(error)),
    }
}
