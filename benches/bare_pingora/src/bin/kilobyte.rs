//! The backend behind both rows: answers every request with the same kilobyte, and keeps the
//! connection.
//!
//! It looks for the blank line that ends a request head and nothing else, so that it costs the
//! machine as little as a backend can. Requests with bodies are not understood.

use std::net::SocketAddr;

use clap::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

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
    let mut head = Vec::with_capacity(16 * 1024);
    loop {
        while let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            head.drain(..end + 4);
            stream.write_all(answer.as_bytes()).await?;
        }
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
}
