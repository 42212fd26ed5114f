//! An HTTP/2 backend (prior knowledge, or ALPN on TLS) that records requests with their trailers
//! and answers as gRPC servers do.

use std::sync::Arc;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::recording_backend::Signal;
use super::transport::{Address, BoxedStream, Endpoint};
use super::within;

/// A request as it reached the backend.
#[derive(Clone, Debug)]
pub struct H2Recorded {
    /// Method, URI and headers; the authority is the URI's.
    pub head: Arc<http::request::Parts>,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: Option<HeaderMap>,
}

/// How a stream ends.
#[derive(Clone, Debug)]
pub enum H2End {
    /// With the last byte of the body.
    Plain,
    /// With these trailers.
    Trailers(HeaderMap),
    /// By RST_STREAM.
    Reset(Reason),
    /// Not before the signal is given, then plainly.
    After(Signal),
}

/// What to answer.
#[derive(Clone, Debug)]
pub struct H2Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// DATA frames, in order.
    pub data: Vec<Vec<u8>>,
    /// The end.
    pub end: H2End,
}

impl H2Answer {
    /// A status, and a body in one frame.
    pub fn new(status: u16, body: impl AsRef<[u8]>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            data: vec![body.as_ref().to_vec()],
            end: H2End::Plain,
        }
    }

    /// A gRPC answer: one length-prefixed message and `grpc-status` in the trailers.
    pub fn grpc(message: &[u8], status: u16) -> Self {
        let length = u32::try_from(message.len()).unwrap();
        let mut frame = vec![0];
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(message);
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", status.into());
        Self {
            status: 200,
            headers: vec![("content-type".to_owned(), "application/grpc".to_owned())],
            data: vec![frame],
            end: H2End::Trailers(trailers),
        }
    }
}

type Script = Arc<dyn Fn(&H2Recorded) -> H2Answer + Send + Sync>;

/// The backend. Dropping it closes its listener and every connection.
pub struct H2Backend {
    address: Address,
    url: String,
    requests: watch::Sender<Vec<H2Recorded>>,
    task: JoinHandle<()>,
}

impl H2Backend {
    /// Listens on a free port for prior-knowledge connections.
    pub async fn start(script: impl Fn(&H2Recorded) -> H2Answer + Send + Sync + 'static) -> Self {
        Self::start_on(Endpoint::Tcp, script).await
    }

    /// Listens where `endpoint` says.
    pub async fn start_on(
        endpoint: Endpoint,
        script: impl Fn(&H2Recorded) -> H2Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = endpoint.listen().await;
        let (address, url) = (listener.address(), listener.url());
        let requests = watch::Sender::<Vec<H2Recorded>>::default();
        let recording = requests.clone();
        let script: Script = Arc::new(script);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let stream = listener.accept().await;
                connections.spawn(serve(stream, Arc::clone(&script), recording.clone()));
            }
        });
        Self {
            address,
            url,
            requests,
            task,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The `url` of an upstream at this backend.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What reached it so far.
    pub fn requests(&self) -> Vec<H2Recorded> {
        self.requests.borrow().clone()
    }

    /// Waits until so many requests are there.
    pub async fn wait_for_requests(&self, count: usize) -> Vec<H2Recorded> {
        let mut receiver = self.requests.subscribe();
        let waiting = receiver.wait_for(|requests| requests.len() >= count);
        let requests = within("requests at the backend", waiting).await.unwrap();
        requests.clone()
    }
}

impl Drop for H2Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: BoxedStream, script: Script, requests: watch::Sender<Vec<H2Recorded>>) {
    // What speaks no HTTP/2 gets no answer; the test sees its own side of that.
    let Ok(mut connection) = h2::server::handshake(stream).await else {
        return;
    };
    let mut streams = tokio::task::JoinSet::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        let script = Arc::clone(&script);
        // A stream that its client resets fails alone.
        streams.spawn(answer(request, respond, script, requests.clone()));
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    script: Script,
    requests: watch::Sender<Vec<H2Recorded>>,
) -> Result<(), h2::Error> {
    let (head, mut incoming) = request.into_parts();
    let mut body = Vec::new();
    while let Some(data) = incoming.data().await {
        let data = data?;
        incoming.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    let recorded = H2Recorded {
        head: Arc::new(head),
        body,
        trailers: incoming.trailers().await?,
    };
    requests.send_modify(|all| all.push(recorded.clone()));
    let answer = script(&recorded);

    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    let mut stream = respond.send_response(response.body(()).unwrap(), false)?;
    for data in answer.data {
        stream.send_data(data.into(), false)?;
    }
    match answer.end {
        H2End::Plain => stream.send_data(Bytes::new(), true),
        H2End::Trailers(trailers) => stream.send_trailers(trailers),
        H2End::Reset(reason) => {
            stream.send_reset(reason);
            Ok(())
        }
        H2End::After(signal) => {
            signal.wait().await;
            stream.send_data(Bytes::new(), true)
        }
    }
}
