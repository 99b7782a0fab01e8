//! Charts as inline SVG, made here so that the report needs no script and no network.
//!
//! A [`Plot`] maps data to pixels and collects shapes; colours are classes of `style.css`, so light
//! and dark follow the reader's system. Many points become one path each, which keeps a page of
//! sixty smiles small: a dot is a zero-length line with a round cap.

use std::fmt::Write;

/// Escapes text for HTML and SVG.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// One axis: its range, its ticks with labels, linear or logarithmic.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<(f64, String)>,
    title: String,
}

impl Axis {
    /// A linear axis over `low..high` with about `count` round ticks.
    pub(crate) fn linear(low: f64, high: f64, count: usize, label: impl Fn(f64) -> String) -> Self {
        let (low, high) =
            if high - low > 1e-12 * high.abs().max(1e-12) { (low, high) } else { (low - 0.5, high + 0.5) };
        let step = round_step((high - low) / count.max(1) as f64);
        let first = (low / step).ceil();
        let n = ((high / step).floor() - first).max(0.0) as usize;
        let ticks = (0..=n).map(|i| (first + i as f64) * step).map(|v| (v, label(v))).collect();
        Self { low, high, log: false, ticks, title: String::new() }
    }

    /// As [`Axis::linear`], widened to whole ticks.
    pub(crate) fn rounded(low: f64, high: f64, count: usize, label: impl Fn(f64) -> String) -> Self {
        let step = round_step(((high - low) / count.max(1) as f64).max(1e-12));
        Self::linear((low / step).floor() * step, (high / step).ceil() * step, count, label)
    }

    /// A logarithmic axis with the given ticks.
    pub(crate) fn log(low: f64, high: f64, ticks: &[(f64, &str)]) -> Self {
        let ticks =
            ticks.iter().filter(|(v, _)| (low..=high).contains(v)).map(|(v, t)| (*v, (*t).to_owned())).collect();
        Self { low, high: high.max(low * 1.0001), log: true, ticks, title: String::new() }
    }

    /// Names the axis.
    pub(crate) fn titled(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }

    fn share(&self, v: f64) -> f64 {
        match self.log {
            true => (v / self.low).ln() / (self.high / self.low).ln(),
            false => (v - self.low) / (self.high - self.low),
        }
    }
}

/// 1, 2 or 5 times a power of ten, at least `raw`.
fn round_step(raw: f64) -> f64 {
    let power = 10f64.powf(raw.abs().log10().floor());
    let lead = raw / power;
    let lead = if lead <= 1.0 {
        1.0
    } else if lead <= 2.0 {
        2.0
    } else if lead <= 5.0 {
        5.0
    } else {
        10.0
    };
    lead * power
}

/// A chart under construction.
#[derive(Debug)]
pub(crate) struct Plot {
    width: f64,
    height: f64,
    margins: Margins,
    x: Axis,
    y: Axis,
    shapes: String,
    labels: String,
    clip: String,
}

/// Pixels between the frame and the data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Margins {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
}

impl Margins {
    /// For charts that stand alone.
    pub(crate) const WIDE: Self = Self { left: 58.0, right: 16.0, top: 14.0, bottom: 40.0 };
    /// For small multiples.
    pub(crate) const SMALL: Self = Self { left: 34.0, right: 8.0, top: 6.0, bottom: 20.0 };
}

impl Plot {
    /// An empty chart. `id` must be unique in the page.
    pub(crate) fn new(id: &str, size: (f64, f64), margins: Margins, x: Axis, y: Axis) -> Self {
        Self {
            width: size.0,
            height: size.1,
            margins,
            x,
            y,
            shapes: String::new(),
            labels: String::new(),
            clip: format!("clip-{id}"),
        }
    }

    fn px(&self, x: f64) -> f64 {
        self.margins.left + self.x.share(x) * (self.width - self.margins.left - self.margins.right)
    }

    fn py(&self, y: f64) -> f64 {
        self.height - self.margins.bottom - self.y.share(y) * (self.height - self.margins.top - self.margins.bottom)
    }

    /// A line through the points; a gap at every point that is no number.
    pub(crate) fn line(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut path = String::new();
        let mut down = false;
        for (x, y) in points {
            if !(x.is_finite() && y.is_finite()) {
                down = false;
                continue;
            }
            let pen = if down { 'L' } else { 'M' };
            let _infallible = write!(path, "{pen}{:.1} {:.1}", self.px(x), self.py(y));
            down = true;
        }
        self.path(class, &path);
    }

    /// A dot at each point.
    pub(crate) fn dots(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut path = String::new();
        for (x, y) in points.into_iter().filter(|(x, y)| x.is_finite() && y.is_finite()) {
            let _infallible = write!(path, "M{:.1} {:.1}h0", self.px(x), self.py(y));
        }
        self.path(class, &path);
    }

    /// A vertical line at each x between two values.
    pub(crate) fn whiskers(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64, f64)>) {
        let mut path = String::new();
        for (x, low, high) in points {
            let _infallible = write!(path, "M{:.1} {:.1}V{:.1}", self.px(x), self.py(low), self.py(high));
        }
        self.path(class, &path);
    }

    /// Upright bars from zero: left edge, right edge, height.
    pub(crate) fn bars(&mut self, class: &str, bars: impl IntoIterator<Item = (f64, f64, f64)>) {
        let mut path = String::new();
        for (left, right, height) in bars.into_iter().filter(|b| b.2 > 0.0) {
            let (l, r, t, b) = (self.px(left), self.px(right), self.py(height), self.py(0.0f64.max(self.y.low)));
            let _infallible = write!(path, "M{:.1} {b:.1}V{t:.1}H{:.1}V{b:.1}Z", l + 0.5, (r - 0.5).max(l + 0.6));
        }
        self.path(class, &path);
    }

    /// A labelled vertical line across the chart; labels on level 0, 1 ... below each other.
    pub(crate) fn mark(&mut self, class: &str, x: f64, label: &str, level: u32, right_of: bool) {
        let (px, top, bottom) = (self.px(x), self.margins.top, self.height - self.margins.bottom);
        let (dx, anchor) = if right_of { (5.0, "start") } else { (-5.0, "end") };
        let _infallible = write!(
            self.labels,
            "<path class=\"{class}\" d=\"M{px:.1} {top:.1}V{bottom:.1}\"/><text class=\"label {class}\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            px + dx,
            top + 12.0 + 15.0 * f64::from(level),
            escape(label)
        );
    }

    fn path(&mut self, class: &str, d: &str) {
        if !d.is_empty() {
            let _infallible = write!(self.shapes, "<path class=\"{class}\" d=\"{d}\"/>");
        }
    }

    /// The chart as one `<svg>` element; `title` is read by screen readers and shown on hover.
    pub(crate) fn finish(self, title: &str) -> String {
        let (l, r) = (self.margins.left, self.width - self.margins.right);
        let (t, b) = (self.margins.top, self.height - self.margins.bottom);
        let mut grid = String::new();
        let mut text = String::new();
        for (v, label) in &self.y.ticks {
            let y = self.py(*v);
            let _infallible = write!(grid, "M{l:.1} {y:.1}H{r:.1}");
            let _infallible = write!(
                text,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                l - 6.0,
                y + 3.5,
                escape(label)
            );
        }
        for (v, label) in &self.x.ticks {
            let x = self.px(*v);
            let _infallible = write!(grid, "M{x:.1} {t:.1}V{b:.1}");
            let _infallible = write!(
                text,
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                b + 14.0,
                escape(label)
            );
        }
        if !self.x.title.is_empty() {
            let _infallible = write!(
                text,
                "<text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                (l + r) / 2.0,
                self.height - 6.0,
                escape(&self.x.title)
            );
        }
        if !self.y.title.is_empty() {
            let (x, y) = (12.0, (t + b) / 2.0);
            let _infallible = write!(
                text,
                "<text class=\"axis\" x=\"{x}\" y=\"{y:.1}\" text-anchor=\"middle\" transform=\"rotate(-90 {x} {y:.1})\">{}</text>",
                escape(&self.y.title)
            );
        }
        format!(
            "<svg viewBox=\"0 0 {w} {h}\" role=\"img\"><title>{title}</title><clipPath id=\"{clip}\"><rect x=\"{l}\" y=\"{t}\" width=\"{iw}\" height=\"{ih}\"/></clipPath>\
             <path class=\"grid\" d=\"{grid}\"/><g clip-path=\"url(#{clip})\">{shapes}</g><path class=\"frame\" d=\"M{l} {t}V{b}H{r}\"/>{text}{labels}</svg>",
            w = self.width,
            h = self.height,
            title = escape(title),
            clip = self.clip,
            iw = r - l,
            ih = b - t,
            shapes = self.shapes,
            labels = self.labels,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside_the_range() {
        let axis = Axis::linear(0.093, 0.417, 4, |v| format!("{v:.2}"));
        let labels: Vec<&str> = axis.ticks.iter().map(|(_, t)| t.as_str()).collect();
        assert_eq!(labels, ["0.10", "0.20", "0.30", "0.40"]);
        let wide = Axis::rounded(0.093, 0.417, 4, |v| format!("{v:.1}"));
        assert_eq!((wide.low, (wide.high * 10.0).round()), (0.0, 5.0));
    }

    #[test]
    fn a_line_has_a_gap_where_there_is_no_number() {
        let axis = || Axis::linear(0.0, 1.0, 2, |v| v.to_string());
        let mut plot =
            Plot::new("t", (100.0, 100.0), Margins { left: 0.0, right: 0.0, top: 0.0, bottom: 0.0 }, axis(), axis());
        plot.line("fit", [(0.0, 0.0), (0.5, f64::NAN), (1.0, 1.0)]);
        assert_eq!(plot.shapes, "<path class=\"fit\" d=\"M0.0 100.0M100.0 0.0\"/>");
    }

    #[test]
    fn text_from_outside_cannot_become_markup() {
        assert_eq!(escape("<script>&\"'"), "&lt;script&gt;&amp;&quot;&#39;");
    }
}
