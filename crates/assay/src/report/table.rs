//! HTML tables.

use std::fmt::Write;

use super::svg::escape;

/// A table under construction: the first column and those named are aligned left.
#[derive(Debug)]
pub(crate) struct HtmlTable {
    left: Vec<usize>,
    text: String,
    tall: bool,
}

impl HtmlTable {
    /// A table with these columns.
    pub(crate) fn new(head: &[&str], left: &[usize]) -> Self {
        let mut table = Self { left: left.to_vec(), text: String::from("<thead><tr>"), tall: false };
        table.left.push(0);
        for (i, name) in head.iter().enumerate() {
            let _infallible = write!(table.text, "<th{}>{}</th>", table.side(i), escape(name));
        }
        table.text.push_str("</tr></thead><tbody>");
        table
    }

    /// Scrolls within the page.
    pub(crate) fn tall(mut self) -> Self {
        self.tall = true;
        self
    }

    fn side(&self, column: usize) -> &'static str {
        if self.left.contains(&column) { " class=\"l\"" } else { "" }
    }

    /// Adds a row of text.
    pub(crate) fn row(&mut self, cells: &[String]) {
        let cells: Vec<String> = cells.iter().map(|c| escape(c)).collect();
        self.raw("", &cells);
    }

    /// Adds a row that sums up those above.
    pub(crate) fn sum(&mut self, cells: &[String]) {
        let cells: Vec<String> = cells.iter().map(|c| escape(c)).collect();
        self.raw(" class=\"sum\"", &cells);
    }

    /// Adds a row of markup that is safe already.
    pub(crate) fn markup(&mut self, cells: &[String]) {
        self.raw("", cells);
    }

    fn raw(&mut self, class: &str, cells: &[String]) {
        let _infallible = write!(self.text, "<tr{class}>");
        for (i, cell) in cells.iter().enumerate() {
            let _infallible = write!(self.text, "<td{}>{cell}</td>", self.side(i));
        }
        self.text.push_str("</tr>");
    }

    /// The table in a frame that scrolls sideways where it must.
    pub(crate) fn finish(self) -> String {
        let tall = if self.tall { " tall" } else { "" };
        format!("<div class=\"scroll{tall}\"><table>{}</tbody></table></div>\n", self.text)
    }
}
