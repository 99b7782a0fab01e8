//! Reading an option chain. A file with any broken row is refused with the line's number: a chain that
//! silently lost rows would price to something else.
//!
//! Columns, in any order, others ignored: `contract` (OCC symbol), `type`, `expiration`, `strike`, `bid`,
//! `ask`. An empty or zero bid or ask means that there is no quote on that side.

use std::{collections::BTreeMap, collections::BTreeSet, fmt, io};

use quant::{
    black::Kind,
    csv::{Header, fields},
    date::Date,
};

use crate::{parity, task::Task};

/// What names a slice: expiration, then root, so AM-settled `SPX` comes before `SPXW`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SliceKey {
    /// The day of expiration.
    pub expiration: Date,
    /// The root of the contract symbol, `SPX` or `SPXW`.
    pub root: String,
}

/// One listed contract's quote. Zero means no quote on that side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quote {
    /// Call or put.
    pub kind: Kind,
    /// Strike in thousandths of an index point, as in the contract symbol.
    pub strike_milli: u32,
    /// Bid in index points.
    pub bid: f64,
    /// Ask in index points.
    pub ask: f64,
}

impl Quote {
    /// Strike in index points.
    #[must_use]
    pub fn strike(&self) -> f64 {
        f64::from(self.strike_milli) / 1000.0
    }

    /// The middle, where both sides are quoted and not crossed.
    #[must_use]
    pub fn mid(&self) -> Option<f64> {
        (self.bid > 0.0 && self.ask >= self.bid).then_some(0.5 * (self.bid + self.ask))
    }

    /// Half the bid-ask spread.
    #[must_use]
    pub fn half_spread(&self) -> f64 {
        0.5 * (self.ask - self.bid)
    }
}

/// The OCC symbol of a contract.
#[must_use]
pub fn symbol(key: &SliceKey, kind: Kind, strike_milli: u32) -> String {
    let (year, month, day) = key.expiration.ymd();
    let letter = if kind == Kind::Call { 'C' } else { 'P' };
    format!("{}{:02}{month:02}{day:02}{letter}{strike_milli:08}", key.root, year % 100)
}

/// Takes an OCC symbol apart.
#[must_use]
pub fn parse_symbol(text: &str) -> Option<(SliceKey, Kind, u32)> {
    let split = text.len().checked_sub(15).filter(|at| *at > 0 && text.is_ascii())?;
    let (root, rest) = text.split_at(split);
    if !root.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) || root.len() > 6 {
        return None;
    }
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten();
    let expiration = Date::from_ymd(2000 + digits(&rest[..2])? as i32, digits(&rest[2..4])?, digits(&rest[4..6])?)?;
    let kind = match &rest[6..7] {
        "C" => Kind::Call,
        "P" => Kind::Put,
        _ => return None,
    };
    Some((SliceKey { expiration, root: root.to_owned() }, kind, digits(&rest[7..])?))
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowError {
    /// Not as many fields as the header names.
    FieldCount {
        /// Columns of the header.
        expected: usize,
        /// Fields of the row.
        found: usize,
    },
    /// Not an OCC contract symbol.
    Contract(String),
    /// Not a date `YYYY-MM-DD`.
    Date(String),
    /// Neither `call` nor `put`.
    Kind(String),
    /// Not a finite number.
    Number {
        /// The column.
        column: &'static str,
        /// What stands there.
        value: String,
    },
    /// Below zero, or a strike that is not above it.
    Negative {
        /// The column.
        column: &'static str,
        /// What stands there.
        value: String,
    },
    /// A column says something else than the contract symbol.
    Disagrees {
        /// The column.
        column: &'static str,
    },
    /// The contract stands on an earlier line already.
    Duplicate {
        /// That line.
        first_line: usize,
    },
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FieldCount { expected, found } => write!(f, "{found} fields where the header names {expected}"),
            Self::Contract(value) => write!(f, "`{value}` is not an OCC contract symbol such as SPXW260202C02800000"),
            Self::Date(value) => write!(f, "`{value}` is not a date YYYY-MM-DD"),
            Self::Kind(value) => write!(f, "type `{value}` is neither call nor put"),
            Self::Number { column, value } => write!(f, "{column} `{value}` is not a number"),
            Self::Negative { column, value } => write!(f, "{column} `{value}` is out of range"),
            Self::Disagrees { column } => write!(f, "{column} is not what the contract symbol says"),
            Self::Duplicate { first_line } => write!(f, "the contract stands on line {first_line} already"),
        }
    }
}

/// Why a file is not an option chain.
#[derive(Debug)]
pub enum ChainError {
    /// The file could not be read.
    Io(io::Error),
    /// There is no header, or no row after it.
    Empty,
    /// The header lacks a column.
    MissingColumn(&'static str),
    /// A row is broken; lines count from one, the header's.
    Row {
        /// The line.
        line: usize,
        /// What is wrong with it.
        error: RowError,
    },
    /// Every row expires on or before the as-of date.
    AllExpired {
        /// The as-of date.
        as_of: Date,
    },
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the option chain cannot be read: {error}"),
            Self::Empty => write!(f, "the option chain has no rows"),
            Self::MissingColumn(name) => write!(f, "the option chain has no column `{name}`"),
            Self::Row { line, error } => write!(f, "line {line}: {error}"),
            Self::AllExpired { as_of } => {
                write!(f, "every contract expires on or before {as_of}; give an earlier as-of date")
            }
        }
    }
}

impl std::error::Error for ChainError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Io(error) = self { Some(error) } else { None }
    }
}

/// A chain in order of slices; within a slice in order of strike, call before put.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The day the quotes are of.
    pub as_of: Date,
    /// Quotes by slice.
    pub slices: BTreeMap<SliceKey, Vec<Quote>>,
    /// Rows read, expired ones among them.
    pub rows: usize,
    /// Rows set aside because they expire on or before the as-of date.
    pub expired: usize,
}

impl Chain {
    /// The encoded input of each slice's task, in order of slices.
    #[must_use]
    pub fn tasks(&self) -> Vec<Vec<u8>> {
        let curve: Vec<parity::Pairs> =
            self.slices.iter().map(|(key, quotes)| parity::Pairs::thinned(key, quotes)).collect();
        self.slices
            .iter()
            .map(|(key, quotes)| {
                let others =
                    curve.iter().filter(|pairs| pairs.key != *key && !pairs.points.is_empty()).cloned().collect();
                Task { as_of: self.as_of, key: key.clone(), quotes: quotes.clone(), curve: others }.encode()
            })
            .collect()
    }

    /// A contract's quote.
    #[must_use]
    pub fn quote(&self, contract: &str) -> Option<&Quote> {
        let (key, kind, strike_milli) = parse_symbol(contract)?;
        self.slices.get(&key)?.iter().find(|q| q.kind == kind && q.strike_milli == strike_milli)
    }

    /// Distinct expirations.
    #[must_use]
    pub fn expirations(&self) -> usize {
        self.slices.keys().map(|key| key.expiration).collect::<BTreeSet<_>>().len()
    }
}

/// Reads a chain as of a date.
///
/// # Errors
/// [`ChainError`]; a broken row is named by its line.
pub fn read_chain(mut source: impl io::Read, as_of: Date) -> Result<Chain, ChainError> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes).map_err(ChainError::Io)?;
    let text = String::from_utf8(bytes).map_err(|e| {
        ChainError::Io(io::Error::new(io::ErrorKind::InvalidData, format!("it is not UTF-8 text ({})", e.utf8_error())))
    })?;
    let mut lines = text.lines().enumerate().map(|(i, line)| (i + 1, line)).filter(|(_, line)| !line.trim().is_empty());
    let (_, first) = lines.next().ok_or(ChainError::Empty)?;
    let header = Header::parse(first);
    let column = |name: &'static str| header.column(name).ok_or(ChainError::MissingColumn(name));
    let columns = Columns {
        contract: column("contract")?,
        kind: column("type")?,
        expiration: column("expiration")?,
        strike: column("strike")?,
        bid: column("bid")?,
        ask: column("ask")?,
        width: header.width(),
    };
    let mut chain = Chain { as_of, slices: BTreeMap::new(), rows: 0, expired: 0 };
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (line, row) in lines {
        let (contract, key, quote) = columns.row(row).map_err(|error| ChainError::Row { line, error })?;
        if let Some(first_line) = seen.insert(contract, line) {
            return Err(ChainError::Row { line, error: RowError::Duplicate { first_line } });
        }
        chain.rows += 1;
        if key.expiration <= as_of {
            chain.expired += 1;
        } else {
            chain.slices.entry(key).or_default().push(quote);
        }
    }
    if chain.rows == 0 {
        return Err(ChainError::Empty);
    }
    if chain.slices.is_empty() {
        return Err(ChainError::AllExpired { as_of });
    }
    for quotes in chain.slices.values_mut() {
        quotes.sort_by_key(|q| (q.strike_milli, q.kind));
    }
    Ok(chain)
}

struct Columns {
    contract: usize,
    kind: usize,
    expiration: usize,
    strike: usize,
    bid: usize,
    ask: usize,
    width: usize,
}

impl Columns {
    fn row(&self, row: &str) -> Result<(String, SliceKey, Quote), RowError> {
        let cells = fields(row);
        if cells.len() != self.width {
            return Err(RowError::FieldCount { expected: self.width, found: cells.len() });
        }
        let contract = cells[self.contract];
        let (key, kind, strike_milli) =
            parse_symbol(contract).ok_or_else(|| RowError::Contract(contract.to_owned()))?;
        let expiration =
            Date::parse(cells[self.expiration]).ok_or_else(|| RowError::Date(cells[self.expiration].to_owned()))?;
        if expiration != key.expiration {
            return Err(RowError::Disagrees { column: "expiration" });
        }
        let named = match cells[self.kind].to_ascii_lowercase().as_str() {
            "call" | "c" => Kind::Call,
            "put" | "p" => Kind::Put,
            _ => return Err(RowError::Kind(cells[self.kind].to_owned())),
        };
        if named != kind {
            return Err(RowError::Disagrees { column: "type" });
        }
        let strike = amount("strike", cells[self.strike])?;
        if strike <= 0.0 || strike_milli == 0 {
            return Err(RowError::Negative { column: "strike", value: cells[self.strike].to_owned() });
        }
        if (strike * 1000.0 - f64::from(strike_milli)).abs() > 1e-6 {
            return Err(RowError::Disagrees { column: "strike" });
        }
        let quote =
            Quote { kind, strike_milli, bid: side("bid", cells[self.bid])?, ask: side("ask", cells[self.ask])? };
        Ok((contract.to_owned(), key, quote))
    }
}

fn side(column: &'static str, text: &str) -> Result<f64, RowError> {
    if text.is_empty() { Ok(0.0) } else { amount(column, text) }
}

fn amount(column: &'static str, text: &str) -> Result<f64, RowError> {
    let value: f64 = text.parse().map_err(|_| RowError::Number { column, value: text.to_owned() })?;
    if !value.is_finite() {
        return Err(RowError::Number { column, value: text.to_owned() });
    }
    if !(0.0..=1e9).contains(&value) || value.is_sign_negative() && value != 0.0 {
        return Err(RowError::Negative { column, value: text.to_owned() });
    }
    Ok(value + 0.0)
}
