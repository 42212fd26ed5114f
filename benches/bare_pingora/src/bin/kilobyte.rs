//! The backend behind all rows: answers every request with the same kilobyte, or at `/stream` with
//! the same tokens, and keeps the connection. What is posted it takes as a receiver of telemetry
//! does, and throws it away.
//!
//! Of a `GET` it looks for the blank line that ends the head and nothing else, so that it costs the
//! machine as little as a backend can.

use std::net::SocketAddr;

use clap::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What is said to who posts.
const TAKEN: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";

/// Events of a stream.
const EVENTS: usize = 200;

#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind(Arguments::parse().listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        // A client that goes away ends its own connection; the others are served on.
        tokio::spawn(answer_all(stream));
    }
}

async fn answer_all(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1024\r\n\r\n{}",
        "k".repeat(1024)
    );
    let events = events();
    let mut head = Vec::with_capacity(16 * 1024);
    loop {
        while let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let streams = head.starts_with(b"GET /stream");
            let posted = head.starts_with(b"POST").then(|| body_of(&head[..end]));
            head.drain(..end + 4);
            if let Some(length) = posted {
                while head.len() < length && stream.read_buf(&mut head).await? > 0 {}
                head.drain(..length.min(head.len()));
                stream.write_all(TAKEN).await?;
                continue;
            }
            if !streams {
                stream.write_all(answer.as_bytes()).await?;
                continue;
            }
            // Each token leaves by itself, as a model's do.
            for event in &events {
                stream.write_all(event.as_bytes()).await?;
                tokio::task::yield_now().await;
            }
        }
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
}

/// The length that a request head states for its body.
fn body_of(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let stated = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    stated
        .and_then(|length| length.trim().parse().ok())
        .unwrap_or(0)
}

/// A stream in the words of OpenAI's chat completions, in the writes it is made of.
fn events() -> Vec<String> {
    let chunk = |choices: &str, usage: &str| {
        let data = format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"gpt-4o\",\"choices\":[{choices}],\"usage\":{usage}}}\n\n"
        );
        format!("{:x}\r\n{data}\r\n", data.len())
    };
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let token = r#"{"index":0,"delta":{"content":" token"},"finish_reason":null}"#;
    let usage = format!(
        r#"{{"prompt_tokens":10,"completion_tokens":{EVENTS},"total_tokens":{}}}"#,
        EVENTS + 10
    );
    let mut events = vec![head.to_owned()];
    events.extend(std::iter::repeat_with(|| chunk(token, "null")).take(EVENTS));
    events.push(chunk(
        r#"{"index":0,"delta":{},"finish_reason":"stop"}"#,
        "null",
    ));
    events.push(chunk("", &usage));
    events.push("e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n".to_owned());
    events
}
