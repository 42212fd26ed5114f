//! What commands print. Results go to standard output, what people read about trouble and progress
//! to standard error.
//!
//! A reader that goes away (`| head`) ends a command quietly; a disk that is full does not. Both are
//! noticed by [`Output`], and [`failure`] tells of them when the command is done. Colours and bars
//! are for terminals only.

mod progress;
mod style;
mod table;

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use serde::Serialize;

pub(in crate::cli) use progress::Progress;
pub(in crate::cli) use style::Style;
pub(in crate::cli) use table::Table;

/// The first thing that went wrong with standard output.
static FAILURE: OnceLock<io::Error> = OnceLock::new();

/// Standard output, which remembers what went wrong with it.
#[derive(Debug)]
pub(in crate::cli) struct Output(io::StdoutLock<'static>);

impl Output {
    pub(in crate::cli) fn lock() -> Self {
        Self(io::stdout().lock())
    }

    fn noted<T>(done: io::Result<T>) -> io::Result<T> {
        done.inspect_err(|error| {
            let copy = match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => error.kind().into(),
            };
            let _only_the_first_counts = FAILURE.set(copy);
        })
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::noted(self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::noted(self.0.flush())
    }
}

/// How standard output ended.
#[derive(Debug)]
pub(in crate::cli) enum Ending {
    /// Everything was written.
    Whole,
    /// Its reader went away, having read what it wanted.
    ReaderLeft,
    /// Something could not be written.
    Failed(&'static io::Error),
}

/// Writes what is still held back, and tells how it went.
pub(in crate::cli) fn end() -> Ending {
    let _noted = Output::lock().flush();
    match FAILURE.get() {
        None => Ending::Whole,
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Ending::ReaderLeft,
        Some(error) => Ending::Failed(error),
    }
}

/// A line of a result.
pub(in crate::cli) fn say(text: &str) {
    let mut out = Output::lock();
    // What goes wrong is told when the command is done.
    let _noted = out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(b"\n"));
}

/// A result as a JSON document: indented on a terminal, one line otherwise.
pub(in crate::cli) fn json(document: &impl Serialize) {
    let text = if io::stdout().is_terminal() {
        serde_json::to_string_pretty(document)
    } else {
        serde_json::to_string(document)
    };
    // Texts, numbers and lists of them always have a JSON form.
    say(&text.unwrap_or_default());
}

/// Trouble, or how it went where standard output is for the result alone.
pub(in crate::cli) fn complain(text: &str) {
    if !text.is_empty() {
        let mut out = io::stderr().lock();
        // There is nowhere to tell that standard error is gone.
        let _gone = out
            .write_all(text.as_bytes())
            .and_then(|()| out.write_all(b"\n"));
    }
}
