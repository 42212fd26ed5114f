//! Colours. Only where a terminal reads them, unless `CLICOLOR_FORCE` says otherwise, and never
//! where `NO_COLOR` is set (<https://no-color.org>, <https://bixense.com/clicolors>).

use std::fmt;
use std::io;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style as Codes};

/// How a stream is written to.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Style {
    colours: bool,
}

impl Style {
    /// For standard output.
    pub(in crate::cli) fn stdout() -> Self {
        Self::of(AutoStream::choice(&io::stdout()))
    }

    /// For standard error.
    pub(in crate::cli) fn stderr() -> Self {
        Self::of(AutoStream::choice(&io::stderr()))
    }

    pub(super) fn of(choice: ColorChoice) -> Self {
        Self {
            colours: choice != ColorChoice::Never,
        }
    }

    /// What went well.
    pub(in crate::cli) fn good(self, text: impl fmt::Display) -> String {
        self.in_codes(AnsiColor::Green.on_default(), text)
    }

    /// What went wrong.
    pub(in crate::cli) fn bad(self, text: impl fmt::Display) -> String {
        self.in_codes(AnsiColor::Red.on_default().bold(), text)
    }

    /// A heading.
    pub(in crate::cli) fn heading(self, text: impl fmt::Display) -> String {
        self.in_codes(Codes::new().bold(), text)
    }

    fn in_codes(self, codes: Codes, text: impl fmt::Display) -> String {
        if self.colours {
            format!("{codes}{text}{codes:#}")
        } else {
            text.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_a_text_is_left_as_it_is_and_with_them_it_ends_them() {
        let plain = Style::of(ColorChoice::Never);
        for text in [plain.good("a"), plain.bad("a"), plain.heading("a")] {
            assert_eq!(text, "a");
        }
        let coloured = Style::of(ColorChoice::Always).bad("a");
        assert!(
            coloured.starts_with("\u{1b}[") && coloured.ends_with("\u{1b}[0m"),
            "{coloured:?}"
        );
    }
}
