//! What a tenant was charged over a time, line by line, with sums that are exact.
//!
//! A statement is written as it is read from the journal: it never stands in memory as a whole. Its
//! lines stand in the order in which they were settled; each counts at the time its request arrived.

mod csv;
mod json;
mod totals;

use std::io::{self, Write};

use super::ledger::{Charge, Ledger};
use crate::clock::Timestamp;
use crate::tenant::TenantId;

pub use totals::{Share, Totals};

/// How a statement is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementFormat {
    /// A row for each line, under a header; the last column adds up to the total.
    Csv,
    /// One document, with totals by model, route and user after the lines.
    Json,
}

/// Whose statement over which time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementHead {
    /// The tenant.
    pub tenant: TenantId,
    /// From when on; `None` is from the first line that is kept.
    pub since: Option<Timestamp>,
    /// Before when.
    pub until: Option<Timestamp>,
}

/// Writes a whole statement; answers what it adds up to. Reads files: not for a thread that serves
/// requests.
///
/// # Errors
/// A journal can't be read, or `out` not written: it then holds what came before.
pub fn write_statement(
    ledger: &Ledger,
    head: &StatementHead,
    format: StatementFormat,
    out: impl Write,
) -> io::Result<Totals> {
    let mut writer = StatementWriter::begin(head, format, out)?;
    let mut written = Ok(());
    let from = head.since.unwrap_or(Timestamp::from_micros(i64::MIN));
    let until = head.until.unwrap_or(Timestamp::from_micros(i64::MAX));
    ledger.charges(&head.tenant, from, until, &mut |charge| {
        if written.is_ok() {
            written = writer.line(&charge);
        }
    })?;
    written?;
    writer.end()
}

/// Writes one statement, line by line.
#[derive(Debug)]
pub struct StatementWriter<W> {
    out: W,
    format: StatementFormat,
    totals: Totals,
}

impl<W: Write> StatementWriter<W> {
    /// Begins a statement.
    ///
    /// # Errors
    /// `out` can't be written.
    pub fn begin(head: &StatementHead, format: StatementFormat, mut out: W) -> io::Result<Self> {
        match format {
            StatementFormat::Csv => csv::write_header(&mut out)?,
            StatementFormat::Json => json::write_head(head, &mut out)?,
        }
        Ok(Self {
            out,
            format,
            totals: Totals::default(),
        })
    }

    /// Writes a line.
    ///
    /// # Errors
    /// `out` can't be written.
    pub fn line(&mut self, charge: &Charge) -> io::Result<()> {
        let first = self.totals.lines() == 0;
        self.totals.add(charge);
        match self.format {
            StatementFormat::Csv => csv::write_line(charge, &mut self.out),
            StatementFormat::Json => json::write_line(charge, first, &mut self.out),
        }
    }

    /// Ends the statement; answers what it adds up to.
    ///
    /// # Errors
    /// `out` can't be written.
    pub fn end(mut self) -> io::Result<Totals> {
        if self.format == StatementFormat::Json {
            json::write_end(&self.totals, &mut self.out)?;
        }
        self.out.flush()?;
        Ok(self.totals)
    }
}

#[cfg(test)]
mod tests;
