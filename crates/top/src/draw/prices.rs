//! Prices over epochs: a candle a column in half rows, the volume under it.
//!
//! ```text
//!   │  ╷     wick: light, high to low
//!   ┃  ┃     body: heavy, open to close
//!   ╽  ╹
//! ```

use assay_types::{Grains, view::EpochView};
use ratatui::{
    Frame,
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::Line,
    widgets::Paragraph,
};

use super::{DOWN, FAINT, UP, empty, panel, right, why_no_market};
use crate::{
    figures::{grouped, index, krt, part, to_f64},
    model::{Market, Model},
};

/// Columns of the prices at the side.
const AXIS: u16 = 12;
/// Rows of the volume.
const VOLUME: u16 = 2;

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let block = panel(model, None, title(model), area.width);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let Some(market) = model.market() else { return empty(frame, inner, why_no_market(model)) };
    let volume = if inner.height >= 8 { VOLUME } else { 0 };
    let [plot, volumes, foot] =
        Layout::vertical([Constraint::Min(0), Constraint::Length(volume), Constraint::Length(1)]).areas(inner);
    let [axis, candles] = Layout::horizontal([Constraint::Length(AXIS), Constraint::Min(0)]).areas(plot);
    let shown: Vec<&EpochView> = market.epochs.iter().take(usize::from(candles.width.saturating_sub(1))).collect();
    let Some(scale) = Scale::of(&shown, market) else { return empty(frame, inner, "no epoch has ended yet") };
    labels(&scale, frame, axis);
    let buffer = frame.buffer_mut();
    scale.reference(market.book.reference, buffer, candles);
    let most = shown.iter().map(|epoch| epoch.volume).max().unwrap_or(0);
    let bars = Rect { x: candles.x, width: candles.width, ..volumes };
    // The latest is at the right.
    for (epoch, x) in shown.iter().zip((candles.left()..candles.right()).rev()) {
        candle(epoch, &scale, buffer, x, candles);
        column(epoch.volume, most, buffer, x, bars);
    }
    let numbers = match (shown.last(), shown.first()) {
        (Some(first), Some(last)) if first.epoch != last.epoch => {
            format!("epochs {} to {}", grouped(first.epoch), grouped(last.epoch))
        }
        (_, Some(last)) => format!("epoch {}", grouped(last.epoch)),
        _ => String::new(),
    };
    frame.render_widget(Paragraph::new(right(&numbers, usize::from(foot.width))).style(FAINT), foot);
}

fn title(model: &Model) -> String {
    let Some(epoch) = model.market().and_then(|market| market.epochs.first()) else { return "prices".to_owned() };
    let close = epoch.close.map_or("no trade".to_owned(), krt);
    format!("prices · index {} · close {close}", krt(epoch.index))
}

/// Highest and lowest price shown.
struct Scale {
    low: Grains,
    high: Grains,
}

impl Scale {
    fn of(epochs: &[&EpochView], market: &Market) -> Option<Self> {
        let prices = || {
            let of_epoch = |epoch: &&EpochView| [epoch.open, epoch.high, epoch.low, epoch.close, Some(epoch.index)];
            epochs.iter().flat_map(of_epoch).flatten().chain([market.book.reference]).filter(|price| *price > 0)
        };
        if epochs.is_empty() {
            return None;
        }
        Some(Self { low: prices().min()?, high: prices().max()? })
    }

    /// Half rows from the top, of `halves` in all.
    fn half(&self, price: Grains, halves: u16) -> u16 {
        let range = self.high.saturating_sub(self.low);
        let from_top = match range {
            0 => 0.5,
            range => part(self.high.saturating_sub(price.min(self.high)), range),
        };
        let last = f64::from(halves.saturating_sub(1));
        u16::try_from(index((from_top * last).round())).unwrap_or(0)
    }

    /// A dotted line at the reference.
    fn reference(&self, reference: Grains, buffer: &mut Buffer, area: Rect) {
        if reference == 0 || area.height == 0 {
            return;
        }
        let y = area.y.saturating_add(self.half(reference, area.height.saturating_mul(2)) / 2);
        for x in area.left()..area.right() {
            put(buffer, x, y, "┄", FAINT);
        }
    }
}

fn labels(scale: &Scale, frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width).saturating_sub(1);
    let middle = scale.low.saturating_add(scale.high.saturating_sub(scale.low) / 2);
    let flat = scale.low == scale.high;
    let rows = area.height;
    let lines: Vec<Line<'_>> = (0..rows)
        .map(|row| {
            let price = match row {
                _ if flat => (row == rows / 2).then_some(scale.low),
                0 => Some(scale.high),
                row if row == rows.saturating_sub(1) => Some(scale.low),
                row if rows >= 5 && row == rows / 2 => Some(middle),
                _ => None,
            };
            Line::from(price.map(|price| right(&krt(price), width)).unwrap_or_default())
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// What a half row of a candle holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Nothing,
    Wick,
    Body,
}

fn candle(epoch: &EpochView, scale: &Scale, buffer: &mut Buffer, x: u16, area: Rect) {
    let halves = area.height.saturating_mul(2);
    let (Some(open), Some(high), Some(low), Some(close)) = (epoch.open, epoch.high, epoch.low, epoch.close) else {
        // No trade: the index stands.
        if epoch.index > 0 {
            let y = area.y.saturating_add(scale.half(epoch.index, halves) / 2);
            put(buffer, x, y, "·", FAINT);
        }
        return;
    };
    let wick = scale.half(high, halves)..=scale.half(low, halves);
    let body = scale.half(open.max(close), halves)..=scale.half(open.min(close), halves);
    let at = |half: u16| match half {
        half if body.contains(&half) => Half::Body,
        half if wick.contains(&half) => Half::Wick,
        _ => Half::Nothing,
    };
    let style = if close >= open { UP } else { DOWN };
    for row in 0..area.height {
        let top = row.saturating_mul(2);
        let symbol = match (at(top), at(top.saturating_add(1))) {
            (Half::Nothing, Half::Nothing) => continue,
            (Half::Wick, Half::Wick) => "│",
            (Half::Body, Half::Body) => "┃",
            (Half::Nothing, Half::Wick) => "╷",
            (Half::Wick, Half::Nothing) => "╵",
            (Half::Nothing, Half::Body) => "╻",
            (Half::Body, Half::Nothing) => "╹",
            (Half::Wick, Half::Body) => "╽",
            (Half::Body, Half::Wick) => "╿",
        };
        put(buffer, x, area.y.saturating_add(row), symbol, style);
    }
}

/// A column of eighths, from the bottom.
fn column(volume: u64, most: u64, buffer: &mut Buffer, x: u16, area: Rect) {
    if most == 0 || volume == 0 {
        return;
    }
    let share = to_f64(volume.into()) / to_f64(most.into());
    let eighths = index((share * f64::from(area.height) * 8.0).round()).max(1);
    for (row, y) in (area.top()..area.bottom()).rev().enumerate() {
        let left = eighths.saturating_sub(row.saturating_mul(8)).min(8);
        if let Some(symbol) = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"].get(left.wrapping_sub(1)) {
            put(buffer, x, y, symbol, FAINT);
        }
    }
}

fn put(buffer: &mut Buffer, x: u16, y: u16, symbol: &str, style: Style) {
    if let Some(cell) = buffer.cell_mut((x, y)) {
        cell.set_symbol(symbol).set_style(style);
    }
}
