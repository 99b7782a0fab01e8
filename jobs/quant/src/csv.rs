//! Just enough CSV for market files: a header that names columns in any order, commas, optional
//! double quotes around a whole field, LF or CRLF, an optional byte order mark. A quoted field may
//! not hold a comma or a line end; nothing listed here has one.

/// A header's columns by name.
#[derive(Clone, Debug)]
pub struct Header(Vec<String>);

impl Header {
    /// Reads the header line.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        Self(fields(line.trim_start_matches('\u{feff}')).iter().map(|f| f.to_ascii_lowercase()).collect())
    }
    /// The position of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|c| c == name)
    }
    /// How many columns there are.
    #[must_use]
    pub fn width(&self) -> usize {
        self.0.len()
    }
}

/// The fields of a line, trimmed, without their quotes.
#[must_use]
pub fn fields(line: &str) -> Vec<&str> {
    line.trim_end_matches('\r')
        .split(',')
        .map(|field| {
            let field = field.trim();
            field.strip_prefix('"').and_then(|f| f.strip_suffix('"')).unwrap_or(field)
        })
        .collect()
}

/// The shortest decimal that reads back to the same float; empty where there is no finite value.
#[must_use]
pub fn number(value: Option<f64>) -> String {
    match value {
        // Zero has no sign here.
        Some(v) if v.is_finite() => format!("{}", v + 0.0),
        _ => String::new(),
    }
}
