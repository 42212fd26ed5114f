//! A receiver of OTLP/HTTP that keeps what it is sent and answers as it is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::support::within;

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It takes everything.
    Well,
    /// It takes all but one.
    Picky,
    /// It says that it is overloaded.
    Overloaded,
    /// It takes nothing of this.
    Refusing,
    /// It answers a page of HTML.
    Rubbish,
    /// It says nothing for a long time.
    Silent,
}

/// What it was sent.
#[derive(Default)]
struct Kept {
    messages: Vec<(String, HeaderMap, Bytes)>,
    mood: Option<Mood>,
}

/// The receiver.
pub struct Collector {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Collector {
    /// One that is well.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Arc::new(Mutex::new(Kept::default()));
        let traces = |state, headers, body| take("traces", state, headers, body);
        let logs = |state, headers, body| take("logs", state, headers, body);
        let app = Router::new()
            .route("/v1/traces", post(traces))
            .route("/v1/logs", post(logs))
            .with_state(Arc::clone(&kept));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            kept,
            task,
        }
    }

    /// Its base address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// It is like this from here on.
    pub fn is(&self, mood: Mood) {
        self.kept.lock().unwrap().mood = Some(mood);
    }

    /// How many messages of a signal came, whatever became of them.
    pub fn messages(&self, signal: &str) -> usize {
        let kept = self.kept.lock().unwrap();
        kept.messages.iter().filter(|it| it.0 == signal).count()
    }

    /// Every byte that came, header fields included.
    pub fn everything(&self) -> Vec<u8> {
        let kept = self.kept.lock().unwrap();
        let mut all = Vec::new();
        for (_, headers, body) in &kept.messages {
            all.extend_from_slice(format!("{headers:?}\n").as_bytes());
            all.extend_from_slice(body);
        }
        all
    }

    /// A header field of the first message.
    pub fn header(&self, name: &str) -> Option<String> {
        let kept = self.kept.lock().unwrap();
        let (_, headers, _) = kept.messages.first()?;
        Some(headers.get(name)?.to_str().unwrap().to_owned())
    }

    /// What the spans' resource says.
    pub fn resource(&self) -> BTreeMap<String, String> {
        let first = self.traces().into_iter().next().unwrap();
        texts(
            &first.resource_spans[0]
                .resource
                .as_ref()
                .unwrap()
                .attributes,
        )
    }

    fn traces(&self) -> Vec<ExportTraceServiceRequest> {
        let kept = self.kept.lock().unwrap();
        let of = kept.messages.iter().filter(|it| it.0 == "traces");
        of.map(|(_, _, body)| ExportTraceServiceRequest::decode(body.clone()).unwrap())
            .collect()
    }

    /// The spans so far.
    pub fn spans(&self) -> Vec<Told> {
        let messages = self.traces().into_iter();
        let spans = messages
            .flat_map(|message| message.resource_spans)
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans);
        spans.map(Told::from).collect()
    }

    /// The spans, once there are so many.
    pub async fn wait_for_spans(&self, count: usize) -> Vec<Told> {
        let waiting = async {
            loop {
                let spans = self.spans();
                if spans.len() >= count {
                    return spans;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        within(&format!("{count} spans"), waiting).await
    }

    /// The log records so far.
    pub fn logs(&self) -> Vec<LogRecord> {
        let kept = self.kept.lock().unwrap();
        let of = kept.messages.iter().filter(|it| it.0 == "logs");
        of.flat_map(|(_, _, body)| {
            ExportLogsServiceRequest::decode(body.clone())
                .unwrap()
                .resource_logs
        })
        .flat_map(|resource| resource.scope_logs)
        .flat_map(|scope| scope.log_records)
        .collect()
    }

    /// The first log record that is wanted, once it is there.
    pub async fn wait_for_log(&self, wanted: impl Fn(&LogRecord) -> bool) -> LogRecord {
        let waiting = async {
            loop {
                if let Some(record) = self.logs().into_iter().find(&wanted) {
                    return record;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        within("a log record", waiting).await
    }
}

async fn take(
    signal: &str,
    State(kept): State<Arc<Mutex<Kept>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mood = {
        let mut kept = kept.lock().unwrap();
        kept.messages.push((signal.to_owned(), headers, body));
        kept.mood.unwrap_or(Mood::Well)
    };
    let protobuf = [(header::CONTENT_TYPE, "application/x-protobuf")];
    match mood {
        Mood::Well => (
            protobuf,
            ExportTraceServiceResponse::default().encode_to_vec(),
        )
            .into_response(),
        Mood::Picky => {
            let partial_success = Some(ExportTracePartialSuccess {
                rejected_spans: 1,
                error_message: "one too many".to_owned(),
            });
            let answer = ExportTraceServiceResponse { partial_success };
            (protobuf, answer.encode_to_vec()).into_response()
        }
        Mood::Overloaded => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Mood::Refusing => StatusCode::BAD_REQUEST.into_response(),
        Mood::Rubbish => {
            ([(header::CONTENT_TYPE, "text/html")], "<h1>Welcome</h1>").into_response()
        }
        Mood::Silent => std::future::pending().await,
    }
}

/// A span, with its attributes as texts.
#[derive(Clone, Debug)]
pub struct Told {
    /// The span.
    pub span: Span,
    /// Its attributes.
    pub of: BTreeMap<String, String>,
}

impl From<Span> for Told {
    fn from(span: Span) -> Self {
        let of = texts(&span.attributes);
        Self { span, of }
    }
}

impl Told {
    /// What an attribute says.
    pub fn says(&self, key: &str) -> Option<&str> {
        self.of.get(key).map(String::as_str)
    }

    /// The trace id in digits.
    pub fn trace_id(&self) -> String {
        digits(&self.span.trace_id)
    }

    /// The span id in digits.
    pub fn id(&self) -> String {
        digits(&self.span.span_id)
    }

    /// The parent's id in digits, if it has one.
    pub fn parent(&self) -> Option<String> {
        let parent = &self.span.parent_span_id;
        (!parent.is_empty()).then(|| digits(parent))
    }
}

/// Bytes in digits.
pub fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Attributes as texts.
pub fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|it| it.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes
        .iter()
        .map(|it| (it.key.clone(), text(&it.value)))
        .collect()
}
