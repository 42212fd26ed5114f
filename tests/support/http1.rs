//! Just enough of HTTP/1.1 to see messages as the bytes they are.
//!
//! It parses leniently and keeps what it parsed from: the tests are about what the gate sends, so
//! nothing may be tidied on the way to an assertion.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::transport::BoxedStream;

/// The head of a message: exactly the bytes that arrived, blank line included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Head {
    /// The bytes as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The first line without its line end.
    pub fn start_line(&self) -> String {
        self.text().lines().next().unwrap_or_default().to_owned()
    }

    /// The word of the first line at this place: 0 is a request's method, 1 its target or an
    /// answer's status.
    pub fn word(&self, place: usize) -> String {
        let line = self.start_line();
        line.split(' ').nth(place).unwrap_or_default().to_owned()
    }

    /// Every field in order, names as they were written, values without surrounding blanks.
    pub fn fields(&self) -> Vec<(String, String)> {
        self.text()
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect()
    }

    /// Every value of the fields with this name, letter case aside.
    pub fn values(&self, name: &str) -> Vec<String> {
        let fields = self.fields().into_iter();
        fields
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }

    /// The value of the only field with this name; `None` when there is none.
    ///
    /// # Panics
    /// There are several.
    pub fn value(&self, name: &str) -> Option<String> {
        let mut values = self.values(name);
        assert!(values.len() < 2, "several `{name}` in\n{}", self.text());
        values.pop()
    }

    fn is_chunked(&self) -> bool {
        self.values("transfer-encoding")
            .iter()
            .any(|value| value.to_ascii_lowercase().ends_with("chunked"))
    }

    fn content_length(&self) -> Option<usize> {
        self.values("content-length").first()?.parse().ok()
    }
}

/// A body as it was framed and as it was meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// Exactly the bytes that arrived, chunk sizes and trailers included.
    pub raw: Vec<u8>,
    /// What they carry.
    pub content: Vec<u8>,
    /// Trailer fields of a chunked body.
    pub trailers: Vec<(String, String)>,
    /// Whether it arrived to its end.
    pub complete: bool,
}

impl Body {
    fn whole(content: Vec<u8>) -> Self {
        Self {
            raw: content.clone(),
            content,
            trailers: Vec::new(),
            complete: true,
        }
    }
}

/// How a body without any length ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unframed {
    /// There is none: requests.
    Empty,
    /// With the connection: answers.
    ToTheEnd,
}

/// A connection that messages are read from.
pub struct Connection {
    stream: BoxedStream,
    unread: Vec<u8>,
}

impl Connection {
    /// Wraps a stream.
    pub fn new(stream: BoxedStream) -> Self {
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// Sends these bytes.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Ends the direction of sending.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn finish_sending(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Drops the connection by a reset, where the transport has one.
    pub fn reset(mut self) {
        self.stream.reset_on_drop();
    }

    /// The WebSocket that a 101 has opened. What the other side has said already may have come with
    /// the head.
    pub async fn into_websocket(self, role: Role) -> WebSocketStream<BoxedStream> {
        WebSocketStream::from_partially_read(self.stream, self.unread, role, None).await
    }

    /// The next head; `None` when the connection ends before its first byte.
    ///
    /// # Errors
    /// The connection fails, or ends inside the head (`UnexpectedEof`).
    pub async fn read_head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                let bytes = self.take(end + 4);
                return Ok(Some(Head { bytes }));
            }
            if !self.fill().await? {
                return if self.unread.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }

    /// The body that belongs to `head`. One that is cut off comes back as far as it came, with
    /// `complete` false.
    pub async fn read_body(&mut self, head: &Head, unframed: Unframed) -> Body {
        if head.is_chunked() {
            let mut body = Body::default();
            body.complete = self.read_chunks(&mut body).await.is_ok();
            return body;
        }
        match (head.content_length(), unframed) {
            (Some(length), _) => {
                while self.unread.len() < length {
                    if !self.fill().await.unwrap_or(false) {
                        let mut body = Body::whole(std::mem::take(&mut self.unread));
                        body.complete = false;
                        return body;
                    }
                }
                Body::whole(self.take(length))
            }
            (None, Unframed::Empty) => Body::whole(Vec::new()),
            (None, Unframed::ToTheEnd) => loop {
                match self.fill().await {
                    Ok(true) => {}
                    Ok(false) => return Body::whole(std::mem::take(&mut self.unread)),
                    Err(_) => {
                        let mut body = Body::whole(std::mem::take(&mut self.unread));
                        body.complete = false;
                        return body;
                    }
                }
            },
        }
    }

    async fn read_chunks(&mut self, body: &mut Body) -> io::Result<()> {
        loop {
            let line = self.read_line(&mut body.raw).await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if size == 0 {
                break;
            }
            while self.unread.len() < size + 2 {
                if !self.fill().await? {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            let chunk = self.take(size + 2);
            body.raw.extend_from_slice(&chunk);
            body.content.extend_from_slice(&chunk[..size]);
        }
        loop {
            let line = self.read_line(&mut body.raw).await?;
            let Some((name, value)) = line.split_once(':') else {
                return Ok(());
            };
            let field = (name.to_owned(), value.trim().to_owned());
            body.trailers.push(field);
        }
    }

    async fn read_line(&mut self, raw: &mut Vec<u8>) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n") {
                let line = self.take(end + 2);
                raw.extend_from_slice(&line);
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.fill().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Whatever has arrived, at least one byte; nothing at the end of the connection.
    ///
    /// # Errors
    /// The connection fails.
    pub async fn read_some(&mut self) -> io::Result<Vec<u8>> {
        if self.unread.is_empty() {
            self.fill().await?;
        }
        Ok(std::mem::take(&mut self.unread))
    }

    async fn fill(&mut self) -> io::Result<bool> {
        Ok(self.stream.read_buf(&mut self.unread).await? > 0)
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        self.unread.drain(..length).collect()
    }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes
        .windows(pattern.len())
        .position(|window| window == pattern)
}
