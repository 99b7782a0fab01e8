//! The book of the chosen class: asks above bids, the reference between, the band's edges where they lie.

use assay_types::{
    Grains,
    view::{BookView, LevelView},
};
use ratatui::{
    Frame,
    layout::{Alignment, Rect},
    style::Style,
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{DOWN, FAINT, HEAD, UP, empty, panel, right, why_no_market};
use crate::{
    figures::{bar, change, columns, krt, part, quantity},
    model::{Model, Panel},
};

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let name = model.chosen_class().map_or("-", |view| view.class.name.as_str());
    let mut block = panel(model, Some(Panel::Book), format!("book of {name}"), area.width);
    let market = model.market();
    if let Some(market) = market {
        let band = market.book.band;
        let text = format!(" band {} to {} ", krt(band.low), krt(band.high));
        block = block.title_bottom(Line::from(text).alignment(Alignment::Right));
    }
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let Some(market) = market else { return empty(frame, inner, why_no_market(model)) };
    let width = usize::from(inner.width);
    let (lines, middle) = ladder(&market.book, width);
    let room = usize::from(inner.height).saturating_sub(1);
    let from = window(lines.len(), middle, room, model.book_scroll);
    let mut shown = vec![Line::styled(heads(), HEAD)];
    shown.extend(lines.into_iter().skip(from).take(room));
    frame.render_widget(Paragraph::new(shown), inner);
}

fn heads() -> String {
    format!("{} {} {}", right("price", 12), right("quantity", 8), right("orders", 6))
}

/// First row shown so that the middle lies in the middle, moved by `scroll`, with no empty rows that can be
/// filled.
fn window(rows: usize, middle: usize, room: usize, scroll: i32) -> usize {
    let most = rows.saturating_sub(room);
    let centred = middle.saturating_sub(room / 2).min(most);
    let by = usize::try_from(scroll.unsigned_abs()).unwrap_or(usize::MAX);
    if scroll < 0 { centred.saturating_sub(by) } else { centred.saturating_add(by).min(most) }
}

/// All rows, the dearest ask first, and the row of the reference.
fn ladder(book: &BookView, width: usize) -> (Vec<Line<'static>>, usize) {
    let most = book.bids.iter().chain(&book.asks).map(|level| level.quantity).max().unwrap_or(0);
    let mut lines = Vec::new();
    let mut edge = Some(book.band.high).filter(|high| *high > 0);
    for ask in book.asks.iter().rev() {
        if let Some(high) = edge.take_if(|high| ask.price <= *high) {
            lines.push(rule(&format!("band {}", krt(high)), width, FAINT));
        }
        lines.push(level(ask, most, width, DOWN, ask.price > book.band.high));
    }
    let middle = lines.len();
    lines.push(rule(&between(book), width, HEAD));
    let mut edge = Some(book.band.low).filter(|low| *low > 0);
    for bid in &book.bids {
        if let Some(low) = edge.take_if(|low| bid.price < *low) {
            lines.push(rule(&format!("band {}", krt(low)), width, FAINT));
        }
        lines.push(level(bid, most, width, UP, bid.price < book.band.low));
    }
    (lines, middle)
}

/// The reference, and how far the two sides are apart.
fn between(book: &BookView) -> String {
    let best = |levels: &[LevelView]| levels.first().map(|level| level.price);
    let reference = krt(book.reference);
    match (best(&book.bids), best(&book.asks)) {
        (None, None) => format!("ref {reference} · empty"),
        (None, _) => format!("ref {reference} · no bids"),
        (_, None) => format!("ref {reference} · no asks"),
        (Some(bid), Some(ask)) if bid >= ask => format!("ref {reference} · crossed"),
        (Some(bid), Some(ask)) => format!("ref {reference} · spread {}", spread(bid, ask)),
    }
}

fn spread(bid: Grains, ask: Grains) -> String {
    change(ask, bid).map_or_else(|| krt(ask), |(_, text)| text.trim_start_matches(['+', '>']).to_owned())
}

fn rule(text: &str, width: usize, style: Style) -> Line<'static> {
    let rest = width.saturating_sub(columns(text)).saturating_sub(4);
    Line::styled(format!("── {text} {}", "─".repeat(rest)), style)
}

fn level(level: &LevelView, most: u64, width: usize, style: Style, outside: bool) -> Line<'static> {
    let text = format!(
        "{} {} {} ",
        right(&krt(level.price), 12),
        right(&quantity(level.quantity), 8),
        right(&level.orders.to_string(), 6)
    );
    let room = u16::try_from(width.saturating_sub(columns(&text))).unwrap_or(0);
    let bars = bar(part(level.quantity.into(), most.into()), room);
    Line::from(vec![
        Span::styled(text, if outside { FAINT } else { Style::new() }),
        Span::styled(bars, if outside { FAINT } else { style }),
    ])
}

#[cfg(test)]
mod tests {
    use super::window;

    #[test]
    fn the_window_centres_the_reference_and_stays_within_the_book() {
        assert_eq!(window(100, 50, 10, 0), 45);
        assert_eq!(window(100, 50, 10, 7), 52);
        assert_eq!(window(100, 50, 10, 1_000), 90);
        assert_eq!(window(100, 50, 10, -1_000), 0);
        assert_eq!(window(5, 2, 10, 3), 0);
        assert_eq!(window(20, 1, 10, 0), 0);
        assert_eq!(window(20, 19, 10, i32::MIN), 0);
    }
}
