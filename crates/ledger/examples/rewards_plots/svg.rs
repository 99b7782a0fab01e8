//! Line plots as SVG. Whole numbers only, so that every machine draws the same bytes.

use std::fmt::Write;

const WIDTH: i64 = 720;
const HEIGHT: i64 = 360;
const LEFT: i64 = 80;
const RIGHT: i64 = 700;
const TOP: i64 = 44;
const BOTTOM: i64 = 300;
const COLOURS: [&str; 4] = ["#1f6feb", "#d1242f", "#1a7f37", "#8250df"];

/// Values along one side: hundredths, from `from` to `to`, with a line each `step`.
pub(crate) struct Axis {
    pub(crate) label: &'static str,
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) step: i64,
}

/// A plot of lines through points.
pub(crate) struct Plot {
    pub(crate) title: &'static str,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<(&'static str, Vec<(i64, i64)>)>,
}

impl Axis {
    /// Tenths of a pixel.
    fn place(&self, value: i64, low: i64, high: i64) -> i64 {
        low * 10 + (value - self.from) * (high - low) * 10 / (self.to - self.from)
    }

    fn marks(&self) -> impl Iterator<Item = i64> {
        (0..=(self.to - self.from) / self.step).map(|mark| self.from + mark * self.step)
    }
}

/// Hundredths as people write them.
fn number(hundredths: i64) -> String {
    let (sign, of) = (if hundredths < 0 { "-" } else { "" }, hundredths.abs());
    match (of / 100, of % 100) {
        (whole, 0) => format!("{sign}{whole}"),
        (whole, part) => format!("{sign}{whole}.{part:02}").trim_end_matches('0').to_owned(),
    }
}

fn tenths(of: i64) -> String {
    format!("{}.{}", of / 10, of % 10)
}

impl Plot {
    pub(crate) fn draw(&self) -> String {
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<title>{}</title>\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n",
            self.title
        );
        let text = |out: &mut String, x: String, y: String, how: &str, text: &str| {
            writeln!(out, "<text x=\"{x}\" y=\"{y}\" fill=\"#1f2328\" {how}>{text}</text>").expect("memory");
        };
        text(&mut out, LEFT.to_string(), "22".to_owned(), "font-size=\"15\"", self.title);
        let line = |out: &mut String, [x1, y1, x2, y2]: [String; 4]| {
            writeln!(out, "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"#d0d7de\"/>")
                .expect("memory");
        };
        for mark in self.x.marks() {
            let at = tenths(self.x.place(mark, LEFT, RIGHT));
            line(&mut out, [at.clone(), TOP.to_string(), at.clone(), BOTTOM.to_string()]);
            text(&mut out, at, (BOTTOM + 18).to_string(), "text-anchor=\"middle\"", &number(mark));
        }
        for mark in self.y.marks() {
            let at = self.y.place(mark, BOTTOM, TOP);
            line(&mut out, [LEFT.to_string(), tenths(at), RIGHT.to_string(), tenths(at)]);
            text(&mut out, (LEFT - 8).to_string(), tenths(at + 40), "text-anchor=\"end\"", &number(mark));
        }
        let middle = ((LEFT + RIGHT) / 2).to_string();
        text(&mut out, middle, (BOTTOM + 38).to_string(), "text-anchor=\"middle\"", self.x.label);
        let turned = format!("text-anchor=\"middle\" transform=\"rotate(-90 20 {})\"", (TOP + BOTTOM) / 2);
        text(&mut out, "20".to_owned(), ((TOP + BOTTOM) / 2).to_string(), &turned, self.y.label);
        for ((name, points), (at, colour)) in self.lines.iter().zip(COLOURS.iter().enumerate()) {
            let place = |(x, y): &(i64, i64)| {
                let (x, y) = (self.x.place(*x, LEFT, RIGHT), self.y.place(*y, BOTTOM, TOP));
                format!("{},{}", tenths(x), tenths(y))
            };
            let points: Vec<String> = points.iter().map(place).collect();
            let points = points.join(" ");
            writeln!(out, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>")
                .expect("memory");
            let y = (TOP + 16 + 18 * i64::try_from(at).expect("few lines")).to_string();
            let how = format!("style=\"fill:{colour}\"");
            text(&mut out, (LEFT + 12).to_string(), y, &how, name);
        }
        out.push_str("</svg>\n");
        out
    }
}
