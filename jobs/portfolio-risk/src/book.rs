//! Reading a book of positions: CSV with columns `contract`, `quantity` and, if wanted, `multiplier`
//! (100 where absent or empty). Quantities may be negative (short). A contract may stand on several
//! lines; the lines are kept apart.

use std::{fmt, io};

use quant::csv::{Header, fields};
use vol_surface::{Surface, chain::parse_symbol};

/// The contract size of SPX and SPXW options.
pub const MULTIPLIER: f64 = 100.0;
/// A book holds no more positions than this.
pub const MOST_POSITIONS: usize = 20_000;

/// One line of a book.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    /// OCC symbol.
    pub contract: String,
    /// Contracts held; negative when short.
    pub quantity: f64,
    /// Index units a contract.
    pub multiplier: f64,
    /// The line of the file.
    pub line: usize,
}

/// A book of positions.
#[derive(Clone, Debug, PartialEq)]
pub struct Book {
    /// In the order of the file.
    pub positions: Vec<Position>,
}

/// Why a file is not a book.
#[derive(Debug)]
pub enum BookError {
    /// The file could not be read.
    Io(io::Error),
    /// No header, or no position after it.
    Empty,
    /// The header lacks a column.
    MissingColumn(&'static str),
    /// More than [`MOST_POSITIONS`].
    TooMany,
    /// Not as many fields as the header names.
    FieldCount {
        /// The line, the header's being one.
        line: usize,
    },
    /// Not an OCC contract symbol.
    Contract {
        /// The line.
        line: usize,
        /// What stands there.
        value: String,
    },
    /// Not a finite number, zero, or a multiplier that is not above zero.
    Number {
        /// The line.
        line: usize,
        /// The column.
        column: &'static str,
        /// What stands there.
        value: String,
    },
    /// The chain does not list the contract, or it expired.
    UnknownContract {
        /// The line.
        line: usize,
        /// The symbol.
        contract: String,
    },
    /// The chain lists the contract, but its slice could not be priced.
    Unpriced {
        /// The line.
        line: usize,
        /// The symbol.
        contract: String,
    },
}

impl fmt::Display for BookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the book cannot be read: {error}"),
            Self::Empty => write!(f, "the book has no positions"),
            Self::MissingColumn(name) => write!(f, "the book has no column `{name}`"),
            Self::TooMany => write!(f, "the book has more than {MOST_POSITIONS} positions"),
            Self::FieldCount { line } => write!(f, "line {line}: not as many fields as the header names"),
            Self::Contract { line, value } => {
                write!(f, "line {line}: `{value}` is not an OCC contract symbol such as SPXW260202C02800000")
            }
            Self::Number { line, column, value } => write!(f, "line {line}: {column} `{value}` is not usable"),
            Self::UnknownContract { line, contract } => write!(f, "line {line}: {contract} is not in the option chain"),
            Self::Unpriced { line, contract } => write!(f, "line {line}: {contract} has no model price on this chain"),
        }
    }
}

impl std::error::Error for BookError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Io(error) = self { Some(error) } else { None }
    }
}

impl Book {
    /// Reads a book. Whether its contracts exist is seen later, by [`Book::check`].
    ///
    /// # Errors
    /// [`BookError`]; a broken row is named by its line.
    pub fn read(mut source: impl io::Read) -> Result<Self, BookError> {
        let mut text = String::new();
        source.read_to_string(&mut text).map_err(BookError::Io)?;
        let mut lines = text.lines().enumerate().map(|(i, l)| (i + 1, l)).filter(|(_, l)| !l.trim().is_empty());
        let header = Header::parse(lines.next().ok_or(BookError::Empty)?.1);
        let contract_at = header.column("contract").ok_or(BookError::MissingColumn("contract"))?;
        let quantity_at = header.column("quantity").ok_or(BookError::MissingColumn("quantity"))?;
        let multiplier_at = header.column("multiplier");
        let mut positions = Vec::new();
        for (line, row) in lines {
            let cells = fields(row);
            if cells.len() != header.width() {
                return Err(BookError::FieldCount { line });
            }
            let contract = cells[contract_at].to_owned();
            if parse_symbol(&contract).is_none() {
                return Err(BookError::Contract { line, value: contract });
            }
            let number = |column: &'static str, text: &str| match text.parse::<f64>() {
                Ok(v) if v.is_finite() && v != 0.0 && v.abs() <= 1e9 => Ok(v),
                _ => Err(BookError::Number { line, column, value: text.to_owned() }),
            };
            let quantity = number("quantity", cells[quantity_at])?;
            let multiplier = match multiplier_at.map(|at| cells[at]) {
                None | Some("") => MULTIPLIER,
                Some(text) => number("multiplier", text)?,
            };
            if multiplier < 0.0 {
                return Err(BookError::Number { line, column: "multiplier", value: multiplier.to_string() });
            }
            positions.push(Position { contract, quantity, multiplier, line });
            if positions.len() > MOST_POSITIONS {
                return Err(BookError::TooMany);
            }
        }
        if positions.is_empty() { Err(BookError::Empty) } else { Ok(Self { positions }) }
    }

    /// Checks that the surface prices every position.
    ///
    /// # Errors
    /// [`BookError::UnknownContract`] or [`BookError::Unpriced`] of the first that it does not.
    pub fn check(&self, surface: &Surface) -> Result<(), BookError> {
        for p in &self.positions {
            let (line, contract) = (p.line, p.contract.clone());
            match surface.contract(&p.contract) {
                None => return Err(BookError::UnknownContract { line, contract }),
                Some(found) if found.priced.greeks.is_none() => return Err(BookError::Unpriced { line, contract }),
                Some(_) => {}
            }
        }
        Ok(())
    }
}
