//! What is wrong with a head.

use crate::decision::{Denial, DenialCode};

/// Why a head is refused. Each message is safe to show to the caller: it holds nothing it sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingFault {
    /// More bytes than [`super::MAX_HEAD_BYTES`].
    #[error("the head is too large")]
    HeadTooLarge,
    /// More fields than [`super::MAX_FIELDS`].
    #[error("there are too many header fields")]
    TooManyFields,
    /// The head does not end with an empty line, or goes on after one.
    #[error("the head does not end with exactly one empty line")]
    NotTerminated,
    /// A line feed without a carriage return before it (RFC 9112 section 2.2 lets a recipient take
    /// it; two recipients that differ read two different heads).
    #[error("a line ends with a bare line feed")]
    BareLineFeed,
    /// A carriage return that ends no line (RFC 9112 section 2.2).
    #[error("there is a bare carriage return")]
    BareCarriageReturn,
    /// A control byte other than a tab (RFC 9110 section 5.5).
    #[error("there is a control byte in the head")]
    ControlByte,
    /// Not `METHOD SP target SP HTTP/1.x` (RFC 9112 section 3).
    #[error("the request line is not well-formed")]
    RequestLine,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    #[error("the HTTP version is not supported")]
    Version,
    /// A method that is not on the list.
    #[error("the method is not supported")]
    Method,
    /// More bytes than [`super::MAX_TARGET_BYTES`].
    #[error("the request target is too long")]
    TargetTooLong,
    /// Neither an origin-form nor an absolute-form with a path (RFC 9112 section 3.2).
    #[error("the request target has to be a path, or an absolute URI with a path")]
    TargetForm,
    /// A line that begins with a blank (obs-fold, RFC 9112 section 5.2).
    #[error("a header field is folded over several lines")]
    Folded,
    /// A blank between name and colon (RFC 9112 section 5.1).
    #[error("there is a blank before the colon of a header field")]
    BlankBeforeColon,
    /// A field without a name.
    #[error("a header field has no name")]
    EmptyName,
    /// A name that is no token, or a line without a colon (RFC 9110 section 5.1).
    #[error("the name of a header field is not well-formed")]
    FieldName,
    /// `Content_Length`, `X.Api.Key`: a name some backends fold to one that decides.
    #[error("the name of a header field can be taken for another one")]
    AliasedName,
    /// A field that may stand once stands several times.
    #[error("a header field that may stand only once is repeated")]
    Repeated,
    /// `Content-Length` beside `Transfer-Encoding` (RFC 9112 section 6.1).
    #[error("Content-Length and Transfer-Encoding are both present")]
    TwoLengths,
    /// Not digits, or more than 2^63 - 1.
    #[error("Content-Length is not a number in range")]
    ContentLength,
    /// Anything but `chunked`, or any of it on HTTP/1.0.
    #[error("the Transfer-Encoding is not supported")]
    TransferEncoding,
    /// No `Host` and no `:authority`.
    #[error("there is no Host")]
    HostMissing,
    /// Not `host` or `host:port`.
    #[error("the Host is not well-formed")]
    Host,
    /// `Host` differs from the authority of the target (RFC 9112 section 3.2.2 lets the target
    /// win; not every backend does).
    #[error("the Host differs from the authority of the target")]
    HostMismatch,
    /// Anything but `100-continue` (RFC 9110 section 10.1.1).
    #[error("the expectation is not supported")]
    Expectation,
    /// `Upgrade: h2c` or `HTTP2-Settings` (removed by RFC 9113 section 3.1).
    #[error("the upgrade to HTTP/2 is not supported")]
    UpgradeToHttp2,
    /// A connection-specific field in HTTP/2 (RFC 9113 section 8.2.2).
    #[error("a connection-specific header field has no place in HTTP/2")]
    ConnectionSpecific,
}

impl From<FramingFault> for Denial {
    fn from(fault: FramingFault) -> Self {
        Self::because(DenialCode::RequestRejected, fault.to_string())
    }
}
