//! The terminal: tables, colours where they are wanted, progress bars that hide when nobody looks.
//!
//! Results go to standard output, everything else to standard error, so that a pipe gets results
//! only. `NO_COLOR` (no-color.org) and a standard output that is no terminal switch colours off.

use std::{
    io::{IsTerminal, Write},
    time::Duration,
};

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, LineStyle, Table, TableStyle};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::Output;

/// How this run talks.
#[derive(Debug, Clone)]
pub(crate) struct Terminal {
    output: Output,
    colour: bool,
    bars: MultiProgress,
}

/// What a cell means, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it is.
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
    /// Of less interest.
    Dim,
}

impl Terminal {
    /// By the command line and the environment.
    pub(crate) fn new(output: Output) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let colour = wanted && std::io::stdout().is_terminal();
        let show = output == Output::Table && std::io::stderr().is_terminal();
        let target = if show { ProgressDrawTarget::stderr_with_hz(12) } else { ProgressDrawTarget::hidden() };
        Self { output, colour, bars: MultiProgress::with_draw_target(target) }
    }

    /// Whether one JSON document is wanted.
    pub(crate) fn json(&self) -> bool {
        self.output == Output::Json
    }

    /// A line of the result.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        if !self.json() {
            self.bars.suspend(|| put(text.as_ref()));
        }
    }

    /// A heading of the result.
    pub(crate) fn heading(&self, text: &str) {
        if !self.json() {
            let text = if self.colour { format!("\n\x1b[1m{text}\x1b[0m") } else { format!("\n{text}") };
            self.bars.suspend(|| put(&text));
        }
    }

    /// A remark on the way, to standard error.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        if !self.json() {
            self.bars.suspend(|| {
                // A closed standard error is no reason to stop.
                let _closed = writeln!(std::io::stderr(), "{}", text.as_ref());
            });
        }
    }

    /// The one JSON document.
    pub(crate) fn document(&self, value: &serde_json::Value) {
        if self.json() {
            put(&serde_json::to_string_pretty(value).unwrap_or_default());
        }
    }

    /// Prints a table.
    pub(crate) fn table(&self, grid: &Grid) {
        if !self.json() {
            let text = grid.render(self.colour);
            self.bars.suspend(|| put(&text));
        }
    }

    /// Text in the colour of its tone.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            _ if !self.colour => return text.to_owned(),
            Tone::Plain => return text.to_owned(),
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
            Tone::Dim => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// A progress bar over `steps`.
    pub(crate) fn bar(&self, name: &str, steps: u64) -> Progress {
        let bar = self.bars.add(ProgressBar::new(steps));
        let style = ProgressStyle::with_template("{prefix:24} {bar:30} {pos:>6}/{len:<6} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ "));
        bar.set_prefix(name.to_owned());
        Progress { bar }
    }

    /// A spinner for something without a known length.
    pub(crate) fn spinner(&self, name: &str) -> Progress {
        let bar = self.bars.add(ProgressBar::new_spinner());
        let style = ProgressStyle::with_template("{prefix:24} {spinner} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Progress { bar }
    }
}

/// Writes a line to standard output; a reader that went away (`| head`) is no failure.
fn put(text: &str) {
    let _gone = writeln!(std::io::stdout().lock(), "{text}");
}

/// A running progress bar; goes away when dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Moves to `position`.
    pub(crate) fn at(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// Says what is going on.
    pub(crate) fn say(&self, text: impl Into<String>) {
        self.bar.set_message(text.into());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// One line under the header, nothing else.
const RULED: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table: a header and rows, first column left, the others as [`Grid::text`] says or right.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grid {
    head: Vec<String>,
    left: Vec<usize>,
    rows: Vec<Vec<(String, Tone)>>,
}

impl Grid {
    /// A table with these columns.
    pub(crate) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self { head: head.map(str::to_owned).to_vec(), left: vec![0], rows: Vec::new() }
    }

    /// Columns of words, aligned left.
    pub(crate) fn text(mut self, columns: &[usize]) -> Self {
        self.left.extend_from_slice(columns);
        self
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|text| (text, Tone::Plain)).to_vec());
    }

    /// Adds a row with tones.
    pub(crate) fn toned<const N: usize>(&mut self, cells: [(String, Tone); N]) {
        self.rows.push(cells.to_vec());
    }

    fn render(&self, colour: bool) -> String {
        let mut table = Table::new();
        table.load_style(RULED).set_content_arrangement(ContentArrangement::Disabled);
        if !colour {
            table.force_no_tty();
        }
        let align = |column: usize| match self.left.contains(&column) {
            true => CellAlignment::Left,
            false => CellAlignment::Right,
        };
        let head = self.head.iter().enumerate();
        table.set_header(head.map(|(i, text)| {
            let cell = Cell::new(text).set_alignment(align(i));
            if colour { cell.add_attribute(Attribute::Bold) } else { cell }
        }));
        for row in &self.rows {
            table.add_row(row.iter().enumerate().map(|(i, (text, tone))| {
                let cell = Cell::new(text).set_alignment(align(i));
                match tone {
                    _ if !colour => cell,
                    Tone::Plain => cell,
                    Tone::Good => cell.fg(Color::Green),
                    Tone::Warn => cell.fg(Color::Yellow),
                    Tone::Bad => cell.fg(Color::Red),
                    Tone::Dim => cell.add_attribute(Attribute::Dim),
                }
            }));
        }
        table.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_without_colour_is_plain_text() {
        let mut grid = Grid::new(["expiry", "ATM vol", "flags"]).text(&[2]);
        grid.row(["2026-02-20".into(), "14.2 %".into(), String::new()]);
        grid.toned([
            ("2026-03-10".into(), Tone::Plain),
            ("15.0 %".into(), Tone::Warn),
            ("interpolated".into(), Tone::Dim),
        ]);
        insta::assert_snapshot!(grid.render(false), @r"
 expiry       ATM vol   flags        
─────────────────────────────────────
 2026-02-20    14.2 %                
 2026-03-10    15.0 %   interpolated 
");
    }
}
