//! An HTTP/2 client: prior knowledge on plain connections, ALPN on TLS.

use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response};
use rustls::ClientConfig;
use tokio::task::JoinHandle;

use super::transport::{Address, BoxedStream};
use super::within;

/// A connection to the gate.
pub struct H2Client {
    /// To open streams by hand: one that is reset, one whose body is sent bit by bit.
    pub sender: SendRequest<Bytes>,
    driver: JoinHandle<()>,
}

/// A whole answer.
#[derive(Debug)]
pub struct H2Response {
    /// Status and headers.
    pub head: http::response::Parts,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: Option<HeaderMap>,
}

impl H2Response {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON: {error}\n{self:?}"))
    }
}

impl H2Client {
    /// Connects with prior knowledge.
    pub async fn connect(address: &Address) -> Self {
        let stream = within("connecting", address.connect()).await.unwrap();
        Self::handshake(stream).await
    }

    /// Connects by TLS as a client of `name`; `config` has to offer `h2`.
    ///
    /// # Panics
    /// The server did not choose `h2`.
    pub async fn connect_tls(address: &Address, name: &str, config: Arc<ClientConfig>) -> Self {
        let (stream, chosen) = within("TLS", address.connect_tls(name, config))
            .await
            .unwrap();
        assert_eq!(chosen.as_deref(), Some("h2"), "the protocol ALPN chose");
        Self::handshake(stream).await
    }

    async fn handshake(stream: BoxedStream) -> Self {
        let handshake = h2::client::handshake(stream);
        let (sender, connection) = within("HTTP/2", handshake).await.unwrap();
        // How the connection ended shows in the streams it ended.
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        Self { sender, driver }
    }

    /// Sends a request, with a body and trailers if there are any, and reads its whole answer.
    ///
    /// # Errors
    /// The stream was reset or the connection ended.
    pub async fn request(
        &mut self,
        request: Request<()>,
        body: &[u8],
        trailers: Option<HeaderMap>,
    ) -> Result<H2Response, h2::Error> {
        within("an answer", async {
            let sender = self.sender.clone();
            let mut sender = sender.ready().await?;
            let no_body = body.is_empty() && trailers.is_none();
            let (response, mut stream) = sender.send_request(request, no_body)?;
            if !no_body {
                let body = Bytes::copy_from_slice(body);
                stream.send_data(body, trailers.is_none())?;
            }
            if let Some(trailers) = trailers {
                stream.send_trailers(trailers)?;
            }
            read_whole(response.await?).await
        })
        .await
    }
}

impl Drop for H2Client {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Reads the rest of an answer.
///
/// # Errors
/// The stream was reset or the connection ended.
pub async fn read_whole(response: Response<h2::RecvStream>) -> Result<H2Response, h2::Error> {
    let (head, mut incoming) = response.into_parts();
    let mut body = Vec::new();
    while let Some(data) = incoming.data().await {
        let data = data?;
        incoming.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    Ok(H2Response {
        head,
        body,
        trailers: incoming.trailers().await?,
    })
}

/// A request for `http://gate.test` and this target.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://gate.test{target}"))
        .version(http::Version::HTTP_2);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}
