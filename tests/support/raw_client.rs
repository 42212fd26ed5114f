//! A client that sends exactly the bytes it is given.

use std::sync::Arc;

use rustls::ClientConfig;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::http1::{Body, Connection, Head, Unframed};
use super::transport::{Address, BoxedStream};
use super::within;

/// An HTTP/1.1 connection to the gate.
pub struct RawClient {
    connection: Connection,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct RawResponse {
    /// The status.
    pub status: u16,
    /// The head as it arrived.
    pub head: Head,
    /// The body as it was framed and meant.
    pub body: Body,
}

impl RawResponse {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body.content).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body.content)
            .unwrap_or_else(|error| panic!("no JSON: {error}\n{self:?}"))
    }

    /// The value of the only header with this name; see [`Head::value`].
    pub fn header(&self, name: &str) -> Option<String> {
        self.head.value(name)
    }
}

impl RawClient {
    /// Connects in plain.
    pub async fn connect(address: &Address) -> Self {
        let stream = within("connecting", address.connect()).await.unwrap();
        Self {
            connection: Connection::new(stream),
        }
    }

    /// Connects by TLS as a client of `name`.
    ///
    /// # Errors
    /// The handshake fails. With TLS 1.3 a server that refuses the client's certificate shows it
    /// only at the first read.
    pub async fn connect_tls(
        address: &Address,
        name: &str,
        config: Arc<ClientConfig>,
    ) -> std::io::Result<Self> {
        let (stream, _) = within("TLS", address.connect_tls(name, config)).await?;
        Ok(Self {
            connection: Connection::new(stream),
        })
    }

    /// Sends a request and reads its answer, of a server that may be gone at any moment; `None` when
    /// no whole answer came.
    pub async fn try_exchange(&mut self, request: &[u8]) -> Option<RawResponse> {
        let exchange = async {
            self.connection.send(request).await.ok()?;
            let head = self.connection.read_head().await.ok()??;
            let body = self.connection.read_body(&head, Unframed::ToTheEnd).await;
            let status = status_of(&head);
            body.complete.then_some(RawResponse { status, head, body })
        };
        within("an exchange", exchange).await
    }

    /// Sends these bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sending = self.connection.send(bytes.as_ref());
        within("sending", sending).await.unwrap();
    }

    /// Sends these bytes to a server that may have closed the connection already.
    ///
    /// # Errors
    /// It has.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        within("sending", self.connection.send(bytes.as_ref())).await
    }

    /// Ends the direction of sending.
    pub async fn finish_sending(&mut self) {
        within("ending", self.connection.finish_sending())
            .await
            .unwrap();
    }

    /// The next head, interim answers (1xx) included.
    pub async fn read_head(&mut self) -> Head {
        within("reading a head", self.connection.read_head())
            .await
            .unwrap()
            .expect("the connection ended where an answer should be")
    }

    /// The next final answer to any method but HEAD.
    pub async fn read_response(&mut self) -> RawResponse {
        let head = self.read_final_head().await;
        let status = status_of(&head);
        let body = match status {
            204 | 304 => Body::default(),
            _ => {
                let reading = self.connection.read_body(&head, Unframed::ToTheEnd);
                within("reading a body", reading).await
            }
        };
        RawResponse { status, head, body }
    }

    /// The next final answer to a HEAD request: it has no body whatever it says.
    pub async fn read_response_to_head(&mut self) -> RawResponse {
        let head = self.read_final_head().await;
        RawResponse {
            status: status_of(&head),
            head,
            body: Body::default(),
        }
    }

    async fn read_final_head(&mut self) -> Head {
        loop {
            let head = self.read_head().await;
            let status = status_of(&head);
            // 101 is final: what follows is no HTTP (RFC 9110 section 15.2.2).
            if status >= 200 || status == 101 {
                return head;
            }
        }
    }

    /// Reads so many bytes without keeping them, and answers how many came before the connection
    /// ended.
    pub async fn read_bytes(&mut self, count: usize) -> usize {
        let mut read = 0;
        while read < count {
            let some = within("bytes", self.connection.read_some()).await.unwrap();
            if some.is_empty() {
                break;
            }
            read += some.len();
        }
        read
    }

    /// Reads until `text` has come by and answers all that came, for streams without an end.
    pub async fn read_until(&mut self, text: &str) -> String {
        let mut seen = Vec::new();
        let reading = async {
            while !String::from_utf8_lossy(&seen).contains(text) {
                let more = self.connection.read_some().await.unwrap();
                assert!(!more.is_empty(), "ended before `{text}` came");
                seen.extend_from_slice(&more);
            }
        };
        within(text, reading).await;
        String::from_utf8_lossy(&seen).into_owned()
    }

    /// Waits for the end of the connection, by end or reset, and answers what came before.
    pub async fn read_to_end(&mut self) -> Vec<u8> {
        let mut seen = Vec::new();
        let reading = async {
            while let Ok(more) = self.connection.read_some().await {
                if more.is_empty() {
                    break;
                }
                seen.extend_from_slice(&more);
            }
        };
        within("the end of the connection", reading).await;
        seen
    }

    /// Drops the connection by a reset.
    pub fn reset(self) {
        self.connection.reset();
    }

    /// The WebSocket that a 101 has opened.
    pub async fn into_websocket(self) -> WebSocketStream<BoxedStream> {
        self.connection.into_websocket(Role::Client).await
    }
}

/// Sends these bytes on a connection of their own and reads one answer.
pub async fn exchange(address: &Address, request: impl AsRef<[u8]>) -> RawResponse {
    let mut client = RawClient::connect(address).await;
    client.send(request).await;
    client.read_response().await
}

/// The bytes of a request with these headers; a `Host` and, when there is a body, a
/// `Content-Length` are added.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: gate.test\r\n");
    for (name, value) in headers {
        bytes.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        bytes.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    bytes.push_str("\r\n");
    let mut bytes = bytes.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn status_of(head: &Head) -> u16 {
    let word = head.word(1);
    word.parse()
        .unwrap_or_else(|_| panic!("no status in\n{}", head.text()))
}
