//! What a tenant was charged over a time, line by line, with sums that are exact.
//!
//! A statement is written as it is read from the journal: it never stands in memory as a whole. Its
//! lines stand in the order in which they were settled; each counts at the time its request arrived.

mod csv;
mod json;
mod totals;

use std::io::{self, Write};

use super::ledger::Charge;
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

impl StatementHead {
    /// Whether what counts at `at` belongs into it.
    pub fn spans(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }
}

/// Writes one statement.
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
