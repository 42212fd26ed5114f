//! Numbers and texts as bytes: small numbers are short (LEB128), texts are led by their length.

use crate::clock::Timestamp;
use crate::money::NanoUsd;

/// Bytes are not what this version writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record is none that this version of the gate writes")]
pub struct Damage;

/// Appends to a buffer.
#[derive(Debug)]
pub(super) struct Writer<'a>(pub(super) &'a mut Vec<u8>);

impl Writer<'_> {
    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// A number that may be negative, in 16 bytes.
    pub(super) fn wide(&mut self, number: i128) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// A number that may be negative, in 8 bytes.
    pub(super) fn signed(&mut self, number: i64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn time(&mut self, time: Timestamp) {
        self.signed(time.as_micros());
    }

    pub(super) fn amount(&mut self, amount: NanoUsd) {
        self.number(amount.nanos());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Absent is not zero: it is a byte of its own.
    pub(super) fn optional(&mut self, number: Option<u64>) {
        self.byte(u8::from(number.is_some()));
        if let Some(number) = number {
            self.number(number);
        }
    }

    pub(super) fn optional_text(&mut self, text: Option<&str>) {
        self.byte(u8::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }
}

/// Takes from the front of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Damage)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        self.take(N)?.try_into().map_err(|_| Damage)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Damage> {
        self.array().map(|[byte]: [u8; 1]| byte)
    }

    pub(super) fn number(&mut self) -> Result<u64, Damage> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return Err(Damage);
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Damage)
    }

    pub(super) fn wide(&mut self) -> Result<i128, Damage> {
        self.array().map(i128::from_le_bytes)
    }

    pub(super) fn signed(&mut self) -> Result<i64, Damage> {
        self.array().map(i64::from_le_bytes)
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, Damage> {
        self.signed().map(Timestamp::from_micros)
    }

    pub(super) fn amount(&mut self) -> Result<NanoUsd, Damage> {
        let nanos = self.number()?;
        match nanos > NanoUsd::MAX.nanos() {
            true => Err(Damage),
            false => Ok(NanoUsd::from_nanos(nanos)),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Damage> {
        let length = self.number()?;
        self.take(usize::try_from(length).map_err(|_| Damage)?)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Damage> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Damage)
    }

    fn flag(&mut self) -> Result<bool, Damage> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damage),
        }
    }

    pub(super) fn optional(&mut self) -> Result<Option<u64>, Damage> {
        self.flag()?.then(|| self.number()).transpose()
    }

    pub(super) fn optional_text(&mut self) -> Result<Option<&'a str>, Damage> {
        self.flag()?.then(|| self.text()).transpose()
    }

    /// Nothing is left.
    pub(super) fn end(self) -> Result<(), Damage> {
        match self.0 {
            [] => Ok(()),
            [..] => Err(Damage),
        }
    }
}
