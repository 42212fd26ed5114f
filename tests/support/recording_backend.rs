//! An HTTP/1.1 backend that records every byte that reached it and answers as it is told.

use std::sync::{Arc, Mutex};

use tokio::io::AsyncWriteExt;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use futures_util::{SinkExt, StreamExt};

use super::http1::{Body, Connection, Head, Unframed};
use super::transport::{Address, BoxedStream, Endpoint};
use super::within;

/// A request as it reached the backend.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Which connection it came on, counted from 0.
    pub connection: usize,
    /// Its head, byte for byte.
    pub head: Head,
    /// Its body as it was framed and meant; empty when [`OnHead::Answer`] did not wait for it.
    pub body: Body,
}

impl Recorded {
    /// The method.
    pub fn method(&self) -> String {
        self.head.word(0)
    }

    /// The request target, query included.
    pub fn target(&self) -> String {
        self.head.word(1)
    }
}

/// What to do once the head is there and the body is not.
pub enum OnHead {
    /// Read the body.
    Read,
    /// Send `100 Continue`, then read the body.
    Continue,
    /// Answer without waiting for the body.
    Answer(Answer),
}

/// Lets a test say when a step of an answer may go on.
#[derive(Clone, Debug)]
pub struct Signal(Arc<Semaphore>);

impl Signal {
    /// A signal that was not given.
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets one waiting step go on.
    pub fn give(&self) {
        self.0.add_permits(1);
    }

    pub(super) async fn wait(&self) {
        self.0.acquire().await.unwrap().forget();
    }
}

#[derive(Clone)]
enum Step {
    Head(Vec<u8>),
    Body(Vec<u8>),
    WaitFor(Signal),
    Close,
    Reset,
    Hang,
    WaitForClient,
    EchoWebSocket,
}

/// What to answer, step by step. After the last step the connection is kept for the next request.
#[derive(Clone, Default)]
pub struct Answer {
    steps: Vec<Step>,
    trickled: bool,
}

impl Answer {
    /// Status, headers, and a body with its length.
    pub fn new(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let length = body.len().to_string();
        let mut headers = headers.to_vec();
        headers.push(("content-length", &length));
        Self::head(status, &headers).send(body)
    }

    /// A JSON body.
    pub fn json(status: u16, body: &str) -> Self {
        Self::new(status, &[("content-type", "application/json")], body)
    }

    /// Status and headers only; [`Answer::send`] or [`Answer::chunk`] go on from there.
    pub fn head(status: u16, headers: &[(&str, &str)]) -> Self {
        let mut head = format!("HTTP/1.1 {status} Status\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        Self::bytes(head)
    }

    /// A chunked body, whole.
    pub fn chunked(status: u16, headers: &[(&str, &str)], chunks: &[&[u8]]) -> Self {
        let mut headers = headers.to_vec();
        headers.push(("transfer-encoding", "chunked"));
        let answer = Self::head(status, &headers);
        let answer = chunks
            .iter()
            .fold(answer, |answer, part| answer.chunk(part));
        answer.end_of_chunks()
    }

    /// The head of a chunked event stream; [`Answer::event`] goes on from there.
    pub fn event_stream() -> Self {
        let headers = [
            ("content-type", "text/event-stream"),
            ("transfer-encoding", "chunked"),
        ];
        Self::head(200, &headers)
    }

    /// Exactly these bytes in the place of an answer, whatever they are.
    pub fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self::default().then(Step::Head(bytes.as_ref().to_vec()))
    }

    /// No answer; follow it by [`Answer::close`], [`Answer::reset`] or [`Answer::hang`].
    pub fn nothing() -> Self {
        Self::default()
    }

    /// `101 Switching Protocols` for the WebSocket key in `request`, then every message back.
    pub fn echo_websocket(request: &Head) -> Self {
        let key = request.value("sec-websocket-key").unwrap_or_default();
        let accept = derive_accept_key(key.as_bytes());
        let headers = [
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-accept", accept.as_str()),
        ];
        Self::head(101, &headers).then(Step::EchoWebSocket)
    }

    /// Then these bytes of a body. An answer to HEAD leaves them out.
    pub fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then(Step::Body(bytes.as_ref().to_vec()))
    }

    /// Then one chunk of a chunked body.
    pub fn chunk(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.send(chunk)
    }

    /// Then one event of an event stream.
    pub fn event(self, data: &str) -> Self {
        self.chunk(format!("data: {data}\n\n"))
    }

    /// Then the end of a chunked body.
    pub fn end_of_chunks(self) -> Self {
        self.send("0\r\n\r\n")
    }

    /// Then nothing until the test gives the signal.
    pub fn wait_for(self, signal: &Signal) -> Self {
        self.then(Step::WaitFor(signal.clone()))
    }

    /// Then the steps of another answer.
    pub fn then_answer(mut self, answer: Self) -> Self {
        self.steps.extend(answer.steps);
        self
    }

    /// Then an orderly end of the connection.
    pub fn close(self) -> Self {
        self.then(Step::Close)
    }

    /// Then a reset of the connection.
    pub fn reset(self) -> Self {
        self.then(Step::Reset)
    }

    /// Then nothing at all, for as long as the backend lives.
    pub fn hang(self) -> Self {
        self.then(Step::Hang)
    }

    /// Then nothing until the client leaves; see [`RecordingBackend::wait_for_departures`].
    pub fn until_the_client_leaves(self) -> Self {
        self.then(Step::WaitForClient)
    }

    /// Sends every byte by itself.
    pub fn trickled(mut self) -> Self {
        self.trickled = true;
        self
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

type OnHeadScript = Arc<dyn Fn(&Head) -> OnHead + Send + Sync>;
type Script = Arc<dyn Fn(&Recorded) -> Answer + Send + Sync>;

struct State {
    on_head: Mutex<OnHeadScript>,
    script: Mutex<Script>,
    requests: watch::Sender<Vec<Recorded>>,
    connections: watch::Sender<usize>,
    departures: watch::Sender<usize>,
}

/// The backend. Dropping it closes its listener and every connection.
pub struct RecordingBackend {
    address: Address,
    url: String,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl RecordingBackend {
    /// Listens on a free port and answers by `script`, which sees the whole request.
    pub async fn start(script: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_on(Endpoint::Tcp, script).await
    }

    /// Answers everything with 200 and `{"ok":true}`.
    pub async fn ok() -> Self {
        Self::start(|_| Answer::json(200, r#"{"ok":true}"#)).await
    }

    /// Listens where `endpoint` says.
    pub async fn start_on(
        endpoint: Endpoint,
        script: impl Fn(&Recorded) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = endpoint.listen().await;
        let state = Arc::new(State {
            on_head: Mutex::new(Arc::new(continue_when_asked)),
            script: Mutex::new(Arc::new(script)),
            requests: watch::Sender::default(),
            connections: watch::Sender::default(),
            departures: watch::Sender::default(),
        });
        let (address, url) = (listener.address(), listener.url());
        let serving = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let stream = listener.accept().await;
                let number = *serving.connections.borrow();
                serving.connections.send_modify(|count| *count += 1);
                connections.spawn(serve(stream, number, Arc::clone(&serving)));
            }
        });
        Self {
            address,
            url,
            state,
            task,
        }
    }

    /// From here on answers by another script.
    pub fn answer_by(&self, script: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) {
        *self.state.script.lock().unwrap() = Arc::new(script);
    }

    /// From here on decides by `script` what to do when a head is there. Unless told otherwise the
    /// backend sends 100 when asked to and reads the body.
    pub fn on_head(&self, script: impl Fn(&Head) -> OnHead + Send + Sync + 'static) {
        *self.state.on_head.lock().unwrap() = Arc::new(script);
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
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.requests.borrow().clone()
    }

    /// The only request that reached it.
    ///
    /// # Panics
    /// There were none or several.
    pub fn only_request(&self) -> Recorded {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "requests at the backend: {requests:#?}");
        requests.remove(0)
    }

    /// Waits until so many requests are there.
    pub async fn wait_for_requests(&self, count: usize) -> Vec<Recorded> {
        let mut receiver = self.state.requests.subscribe();
        let waiting = receiver.wait_for(|requests| requests.len() >= count);
        let requests = within("requests at the backend", waiting).await.unwrap();
        requests.clone()
    }

    /// How many connections it accepted.
    pub fn connections(&self) -> usize {
        *self.state.connections.borrow()
    }

    /// Waits until so many connections were ended by the other side.
    pub async fn wait_for_departures(&self, count: usize) {
        let mut receiver = self.state.departures.subscribe();
        let waiting = receiver.wait_for(|departures| *departures >= count);
        within("the client's departure", waiting).await.unwrap();
    }
}

impl Drop for RecordingBackend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn continue_when_asked(head: &Head) -> OnHead {
    if head.values("expect").is_empty() {
        OnHead::Read
    } else {
        OnHead::Continue
    }
}

async fn serve(stream: BoxedStream, number: usize, state: Arc<State>) {
    let mut connection = Connection::new(stream);
    loop {
        let Ok(Some(head)) = connection.read_head().await else {
            return state.departures.send_modify(|count| *count += 1);
        };
        let on_head = Arc::clone(&state.on_head.lock().unwrap());
        let early = match on_head(&head) {
            OnHead::Read => None,
            OnHead::Continue => {
                // A client that is gone is found out by the next read.
                let _ = connection.send(b"HTTP/1.1 100 Continue\r\n\r\n").await;
                None
            }
            OnHead::Answer(answer) => Some(answer),
        };
        let body = match early {
            Some(_) => Body::default(),
            None => connection.read_body(&head, Unframed::Empty).await,
        };
        let request = Recorded {
            connection: number,
            head,
            body,
        };
        let recorded = request.clone();
        state.requests.send_modify(|all| all.push(recorded));
        let script = Arc::clone(&state.script.lock().unwrap());
        let answer = early.unwrap_or_else(|| script(&request));
        let to_head = request.method() == "HEAD";
        match perform(connection, answer, to_head).await {
            After::Keep(kept) => connection = kept,
            After::ClientLeft => return state.departures.send_modify(|count| *count += 1),
            After::Done => return,
        }
    }
}

enum After {
    Keep(Connection),
    ClientLeft,
    Done,
}

async fn perform(mut connection: Connection, answer: Answer, to_head: bool) -> After {
    for step in answer.steps {
        match step {
            Step::Body(_) if to_head => {}
            Step::Head(bytes) | Step::Body(bytes) => {
                let pieces = bytes.chunks(if answer.trickled {
                    1
                } else {
                    bytes.len().max(1)
                });
                for piece in pieces {
                    if connection.send(piece).await.is_err() {
                        return After::ClientLeft;
                    }
                    tokio::task::yield_now().await;
                }
            }
            Step::WaitFor(signal) => signal.wait().await,
            Step::Close => {
                let _ = connection.finish_sending().await;
                return After::Done;
            }
            Step::Reset => {
                connection.reset();
                return After::Done;
            }
            Step::Hang => std::future::pending().await,
            Step::WaitForClient => {
                while connection
                    .read_some()
                    .await
                    .is_ok_and(|more| !more.is_empty())
                {}
                return After::ClientLeft;
            }
            Step::EchoWebSocket => {
                echo_messages(connection.into_websocket(Role::Server).await).await;
                return After::ClientLeft;
            }
        }
    }
    After::Keep(connection)
}

async fn echo_messages(mut socket: WebSocketStream<BoxedStream>) {
    while let Some(Ok(message)) = socket.next().await {
        let is_data = message.is_text() || message.is_binary();
        if is_data && socket.send(message).await.is_err() {
            break;
        }
    }
    let _ = socket.get_mut().shutdown().await;
}
