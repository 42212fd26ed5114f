//! The client of the instruction counts: an exact number of requests over a fixed number of
//! keep-alive connections.
//!
//! A load generator runs for a time; counting instructions needs a number, the same one in every
//! run. Any answer but 200 ends it with an error: a row of refusals is no row.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use clap::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Parser)]
struct Arguments {
    /// Where to send requests.
    #[arg(long)]
    address: SocketAddr,
    /// How many in all.
    #[arg(long)]
    requests: usize,
    /// Over how many connections.
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// A header to send, `name: value`; may be given several times.
    #[arg(long)]
    header: Vec<String>,
    /// What to ask for.
    #[arg(long, default_value = "/bench")]
    path: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\n",
        arguments.path, arguments.address
    );
    for header in &arguments.header {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");

    let share = arguments.requests / arguments.connections;
    let rest = arguments.requests % arguments.connections;
    let mut connections = tokio::task::JoinSet::new();
    for number in 0..arguments.connections {
        let count = share + usize::from(number < rest);
        connections.spawn(send(arguments.address, request.clone(), count));
    }
    while let Some(outcome) = connections.join_next().await {
        outcome??;
    }
    Ok(())
}

async fn send(address: SocketAddr, request: String, count: usize) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut answer = Vec::with_capacity(16 * 1024);
    for _ in 0..count {
        stream.write_all(request.as_bytes()).await?;
        answer.clear();
        let whole = loop {
            if stream.read_buf(&mut answer).await? == 0 {
                bail!("the connection ended inside an answer");
            }
            if let Some(whole) = whole_length(&answer)? {
                break whole;
            }
        };
        if answer.len() != whole {
            bail!("more bytes than the answer to one request");
        }
    }
    Ok(())
}

/// How long the answer that begins here is in all, once all of it is there.
fn whole_length(answer: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&answer[..end])?.to_ascii_lowercase();
    let status = head.lines().next().context("an answer without a head")?;
    if !status.starts_with("http/1.1 200 ") {
        bail!("answered `{status}`");
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let Some(length) = length else {
        // Chunked: no token of the bench's has the end of a body in it.
        return Ok(answer.ends_with(b"\r\n0\r\n\r\n").then_some(answer.len()));
    };
    let body: usize = length.trim().parse()?;
    let whole = end + 4 + body;
    Ok((answer.len() >= whole).then_some(whole))
}
