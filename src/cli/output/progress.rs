//! How far long work is. On standard error, and only where that is a terminal; nothing is left of it
//! when the work ends, however it ends.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a bar moves though nothing was counted.
const TICK: Duration = Duration::from_millis(120);

/// A bar, or nothing.
#[derive(Debug)]
pub(in crate::cli) struct Progress(ProgressBar);

impl Progress {
    /// Work on bytes: of `total`, if that is known.
    pub(in crate::cli) fn of_bytes(doing: &'static str, total: Option<u64>) -> Self {
        let known = "{msg} [{bar:32}] {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";
        Self::new(
            doing,
            total,
            known,
            "{spinner} {msg} {bytes} {bytes_per_sec}",
        )
    }

    /// Work on things: of `total`, if that is known.
    pub(in crate::cli) fn of_things(doing: &'static str, total: Option<u64>) -> Self {
        let known = "{msg} [{bar:32}] {human_pos}/{human_len}, {eta} left";
        Self::new(doing, total, known, "{spinner} {msg} {human_pos} {per_sec}")
    }

    fn new(doing: &'static str, total: Option<u64>, known: &str, unknown: &str) -> Self {
        let bar = ProgressBar::with_draw_target(total, target());
        let template = if total.is_some() { known } else { unknown };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(doing);
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Self(bar)
    }

    /// No bar where results go to a terminal: they show how far it is, and a bar would stand among
    /// them.
    pub(in crate::cli) fn beside_results(self) -> Self {
        if io::stdout().is_terminal() {
            self.0.set_draw_target(ProgressDrawTarget::hidden());
        }
        self
    }

    /// So much more is done.
    pub(in crate::cli) fn add(&self, more: u64) {
        self.0.inc(more);
    }

    /// A writer whose bytes count.
    pub(in crate::cli) fn counting<W: io::Write>(&self, writer: W) -> impl io::Write {
        self.0.wrap_write(writer)
    }

    /// So much is done in all.
    pub(in crate::cli) fn reach(&self, done: u64) {
        self.0.set_position(done);
    }

    /// So much more is done, of this total.
    pub(in crate::cli) fn add_of(&self, more: u64, total: u64) {
        if self.0.length() != Some(total) {
            self.0.set_length(total);
        }
        self.0.inc(more);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A terminal that can overwrite a line.
fn target() -> ProgressDrawTarget {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    if io::stderr().is_terminal() && !dumb {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_that_nobody_sees_counts_all_the_same() {
        let progress = Progress(ProgressBar::hidden());
        progress.add(3);
        progress.add(4);
        assert_eq!(progress.0.position(), 7);
        progress.add_of(1, 9);
        assert_eq!((progress.0.position(), progress.0.length()), (8, Some(9)));
    }
}
