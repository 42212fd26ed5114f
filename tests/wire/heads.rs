//! Heads of HTTP/1 requests: what is refused, and as close to it as a sound one gets.
//!
//! `AUTH` stands for a good `Authorization` field, so that nothing but its framing is wrong with a
//! request.

/// What a head is called, and its text with what stands behind it.
pub type Table = [(&'static str, &'static str)];

/// Where a message ends (RFC 9112 section 6).
pub const LENGTHS: &Table = &[
    (
        "length, then coding",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "coding, then length",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    ),
    (
        "a length of zero and a coding",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "equal lengths",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "two lengths",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nhello",
    ),
    (
        "a list of equal lengths",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nContent-Length: 5, 5\r\n\r\nhello",
    ),
    (
        "a length with a plus",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nContent-Length: +5\r\n\r\nhello",
    ),
    (
        "a length below zero",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nContent-Length: -5\r\n\r\nhello",
    ),
    (
        "a hexadecimal length",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nContent-Length: 0x5\r\n\r\nhello",
    ),
    (
        "a length with a unit",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nContent-Length: 5b\r\n\r\nhello",
    ),
    (
        "a length of two numbers",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nContent-Length: 5 0\r\n\r\nhello",
    ),
    (
        "an empty length",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nContent-Length:\r\n\r\n",
    ),
    (
        "a length of 65 bits",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nContent-Length: 36893488147419103237\r\n\r\nhello",
    ),
    (
        "a length by another name",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nContent_Length: 5\r\n\r\nhello",
    ),
    (
        "a second coding",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked twice",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "two codings",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    ),
    (
        "no coding that is known",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "a coding with a parameter",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    ),
    (
        "a coding in quotes",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
    ),
    (
        "identity",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nTransfer-Encoding: identity\r\n\r\n",
    ),
    (
        "an empty coding",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nTransfer-Encoding:\r\n\r\n",
    ),
    (
        "a coding by another name",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "a coding on HTTP/1.0",
        "POST /whoami HTTP/1.0\r\nHost: a\r\nAUTH\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "another expectation",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\nhello",
    ),
];

/// Where a line ends and which of its parts is the name (RFC 9112 sections 2.2 and 5).
pub const LINES: &Table = &[
    (
        "bare LF throughout",
        "GET /whoami HTTP/1.1\nHost: a\nAUTH\n\n",
    ),
    (
        "bare LF after the request line",
        "GET /whoami HTTP/1.1\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "bare LF after a field",
        "GET /whoami HTTP/1.1\r\nHost: a\nAUTH\r\n\r\n",
    ),
    (
        "bare LF as the empty line",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\n\n",
    ),
    (
        "bare CR in a value",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nX-A: 1\rX-B: 2\r\n\r\n",
    ),
    (
        "two CR before the LF",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\r\n\r\n",
    ),
    (
        "a folded field",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nX-A: 1\r\n  2\r\n\r\n",
    ),
    (
        "a tab-folded field",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nX-A: 1\r\n\tX-B: 2\r\n\r\n",
    ),
    (
        "a blank before the first field",
        "GET /whoami HTTP/1.1\r\n Host: a\r\nAUTH\r\n\r\n",
    ),
    (
        "a blank before the colon",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nX-A : 1\r\n\r\n",
    ),
    (
        "a tab before the colon",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nContent-Length\t: 5\r\n\r\nhello",
    ),
    (
        "no colon",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nX-A\r\n\r\n",
    ),
    (
        "no name",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\n: 1\r\n\r\n",
    ),
    (
        "a name that is no token",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nX(A): 1\r\n\r\n",
    ),
    (
        "a name that is not ASCII",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nX-\u{e9}: 1\r\n\r\n",
    ),
    (
        "NUL in a value",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nX-A: a\0b\r\n\r\n",
    ),
    (
        "a control in a value",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nX-A: a\x0bb\r\n\r\n",
    ),
    (
        "DEL in a value",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nX-A: a\x7fb\r\n\r\n",
    ),
    (
        "an empty line in front",
        "\r\nGET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "NUL in the target",
        "GET /who\0ami HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "a blank in the target",
        "GET /who ami HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "two blanks in the request line",
        "GET  /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "a tab in the request line",
        "GET\t/whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "a blank after the version",
        "GET /whoami HTTP/1.1 \r\nHost: a\r\nAUTH\r\n\r\n",
    ),
];

/// Method, target form, version and upgrade (RFC 9112 section 3, RFC 9110 sections 7.8 and 9.3).
pub const REQUEST_LINES: &Table = &[
    (
        "no slash in front",
        "GET whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "a query alone",
        "GET ?x HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "a host alone",
        "GET @b/whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "a port alone",
        "GET :22/whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "an asterisk",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "an absolute target without a path",
        "GET http://a HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "an absolute target of another scheme",
        "GET ftp://a/whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "an absolute target of another host",
        "GET http://b/whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "an absolute target of another port",
        "GET http://a:81/whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "an absolute target of the host in capitals",
        "GET http://A/whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "an absolute target without Host",
        "GET http://a/whoami HTTP/1.1\r\nAUTH\r\n\r\n",
    ),
    (
        "user information",
        "GET http://user@a/whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "user information in both",
        "GET http://user@a/whoami HTTP/1.1\r\nHost: user@a\r\nAUTH\r\n\r\n",
    ),
    ("TRACE", "TRACE /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n"),
    (
        "CONNECT",
        "CONNECT a:80 HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "a method in lower case",
        "get /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "an unknown method",
        "PROPFIND /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "HTTP/2 without its preface",
        "GET /whoami HTTP/2.0\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "HTTP/1.2",
        "GET /whoami HTTP/1.2\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    ("no version", "GET /whoami\r\nHost: a\r\nAUTH\r\n\r\n"),
    (
        "an upgrade to h2c",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    ),
    (
        "an upgrade to h2c among others",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nConnection: Upgrade\r\nUpgrade: websocket, H2C\r\n\r\n",
    ),
    (
        "settings of an upgrade to h2c",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    ),
];

/// Whom the request is for (RFC 9112 section 3.2).
pub const HOSTS: &Table = &[
    ("no Host", "GET /whoami HTTP/1.1\r\nAUTH\r\n\r\n"),
    (
        "an empty Host",
        "GET /whoami HTTP/1.1\r\nHost:\r\nAUTH\r\n\r\n",
    ),
    (
        "two Hosts",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nHost: b\r\nAUTH\r\n\r\n",
    ),
    (
        "equal Hosts",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nHOST: a\r\nAUTH\r\n\r\n",
    ),
    (
        "a list of Hosts",
        "GET /whoami HTTP/1.1\r\nHost: a, b\r\nAUTH\r\n\r\n",
    ),
    (
        "a Host with a path",
        "GET /whoami HTTP/1.1\r\nHost: a/b\r\nAUTH\r\n\r\n",
    ),
    (
        "a Host with a query",
        "GET /whoami HTTP/1.1\r\nHost: a?b\r\nAUTH\r\n\r\n",
    ),
    (
        "a Host with a fragment",
        "GET /whoami HTTP/1.1\r\nHost: a#b\r\nAUTH\r\n\r\n",
    ),
    (
        "a Host with a backslash",
        "GET /whoami HTTP/1.1\r\nHost: a\\b\r\nAUTH\r\n\r\n",
    ),
    (
        "a Host with a blank",
        "GET /whoami HTTP/1.1\r\nHost: a b\r\nAUTH\r\n\r\n",
    ),
    (
        "a Host with user information",
        "GET /whoami HTTP/1.1\r\nHost: u@a\r\nAUTH\r\n\r\n",
    ),
    (
        "a Host with an escape",
        "GET /whoami HTTP/1.1\r\nHost: a%2eb\r\nAUTH\r\n\r\n",
    ),
    (
        "a port that is no number",
        "GET /whoami HTTP/1.1\r\nHost: a:b\r\nAUTH\r\n\r\n",
    ),
    (
        "a port out of range",
        "GET /whoami HTTP/1.1\r\nHost: a:65536\r\nAUTH\r\n\r\n",
    ),
    (
        "an address that does not end",
        "GET /whoami HTTP/1.1\r\nHost: [::1\r\nAUTH\r\n\r\n",
    ),
];

/// Fields of which two would let two readers pick different ones.
pub const REPEATED: &Table = &[
    (
        "two Authorizations",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nAuthorization: Bearer b\r\n\r\n",
    ),
    (
        "equal Authorizations",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nAUTH\r\n\r\n",
    ),
    (
        "two keys",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nX-Api-Key: a\r\nX-Api-Key: b\r\n\r\n",
    ),
    (
        "a key by another name",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nX_Api_Key: b\r\n\r\n",
    ),
];

/// The twins: as close to what is refused as a sound request gets.
pub const SOUND: &Table = &[
    (
        "a length",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "a length with leading zeros",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nContent-Length: 0005\r\n\r\nhello",
    ),
    (
        "chunked in capitals",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nTransfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "an expectation",
        "POST /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "a tab in a value",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nX-A: 1\t2\r\n\r\n",
    ),
    (
        "no blank after the colon",
        "GET /whoami HTTP/1.1\r\nHost:a\r\nAUTH\r\nX-A:1\r\n\r\n",
    ),
    (
        "bytes beyond ASCII in a value",
        "GET /whoami HTTP/1.1\r\nHost: a\r\nAUTH\r\nX-A: caf\u{e9}\r\n\r\n",
    ),
    (
        "a Host with a port",
        "GET /whoami HTTP/1.1\r\nHost: gate.test:8080\r\nAUTH\r\n\r\n",
    ),
    (
        "an address as Host",
        "GET /whoami HTTP/1.1\r\nHost: [::1]:80\r\nAUTH\r\n\r\n",
    ),
    (
        "HTTP/1.0 with a Host",
        "GET /whoami HTTP/1.0\r\nHost: a\r\nAUTH\r\n\r\n",
    ),
    (
        "HTTP/1.0 without a Host",
        "GET /whoami HTTP/1.0\r\nAUTH\r\n\r\n",
    ),
];
