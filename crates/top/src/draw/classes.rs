//! The table of classes: one row each, the chosen one reversed.

use assay_types::{class::Unit, view::ClassView};
use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    style::Style,
    text::Span,
    widgets::{Cell, Row, Table, TableState},
};

use super::{CHOSEN, DOWN, FAINT, HEAD, UP, empty, left, panel, right};
use crate::{
    figures::{bar, change, krt, part, quantity, to_f64},
    model::{Model, Panel},
};

/// Rows of the panel: all classes if they fit in a fourth of the screen.
pub(super) fn rows(model: &Model, height: u16) -> u16 {
    let classes = model.snapshot.as_ref().map_or(0, |snapshot| snapshot.classes.len());
    let wanted = u16::try_from(classes).unwrap_or(u16::MAX).saturating_add(3);
    wanted.clamp(6, (height / 4).max(7))
}

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let count = model.snapshot.as_ref().map_or(0, |snapshot| snapshot.classes.len());
    let title = match model.chosen_row() {
        Some(row) => format!("classes {}/{count}", row.saturating_add(1)),
        None => "classes".to_owned(),
    };
    let block = panel(model, Some(Panel::Classes), title, area.width);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let Some(snapshot) = model.snapshot.as_ref().filter(|snapshot| !snapshot.classes.is_empty()) else {
        let why = if model.snapshot.is_some() { "this network trades no classes" } else { "not read yet" };
        return empty(frame, inner, why);
    };
    // All columns and the gaps between them.
    let wide = area.width >= 180;
    let usage = if wide { 24 } else { 12 };
    let name = if wide { 30 } else { 15 };
    let mut heads = vec![
        left("name", name),
        right("last", 12),
        right("vs ref", 9),
        left("util", usize::from(usage)),
        right("bids/asks", 11),
        right("volume", 8),
    ];
    let mut widths = vec![name, 12, 9, usize::from(usage), 11, 8];
    if wide {
        heads.extend([right("reference", 12), right("high", 12), right("low", 12), left("unit", 8)]);
        widths.extend([12, 12, 12, 8]);
        heads.push(left("region", 16));
        widths.push(16);
    }
    let constraints = widths.iter().map(|width| Constraint::Length(u16::try_from(*width).unwrap_or(u16::MAX)));
    let lines = snapshot.classes.iter().map(|view| row(view, name, usage, wide));
    let table = Table::new(lines, constraints)
        .header(Row::new(heads).style(HEAD))
        .column_spacing(1)
        .row_highlight_style(CHOSEN)
        .highlight_symbol("▸");
    let mut state = TableState::new().with_selected(model.chosen_row());
    frame.render_stateful_widget(table, inner, &mut state);
}

fn row(view: &ClassView, name: usize, usage: u16, wide: bool) -> Row<'static> {
    let moved = view.last.and_then(|last| change(last, view.reference));
    let (text, style) = match moved {
        Some((up, text)) => (text, if up { UP } else { DOWN }),
        None => ("-".to_owned(), FAINT),
    };
    let price = |price: Option<u128>| right(&price.map_or("-".to_owned(), krt), 12);
    let mut cells = vec![
        Cell::from(left(&view.class.name, name)),
        Cell::from(price(view.last)),
        Cell::from(Span::styled(right(&text, 9), style)),
        Cell::from(utilisation(view.busy, view.capacity, usage)),
        Cell::from(right(&format!("{}/{}", view.bids, view.asks), 11)),
        Cell::from(right(&quantity(view.epoch.volume), 8)),
    ];
    if wide {
        let unit = match view.class.unit {
            Unit::Gigafuel => "gigafuel",
            Unit::Gib => "GiB",
            Unit::ClassSecond => "second",
        };
        let region = if view.class.region.is_empty() { "world" } else { &view.class.region };
        cells.extend([
            Cell::from(price(Some(view.reference))),
            Cell::from(price(view.epoch.high)),
            Cell::from(price(view.epoch.low)),
            Cell::from(unit),
            Cell::from(left(region, 16)),
        ]);
    }
    let faint = view.class.retired || !view.leaf;
    Row::new(cells).style(if faint { FAINT } else { Style::new() })
}

/// `████▌    45%`; a dash where nothing is offered.
pub(super) fn utilisation(busy: u64, capacity: u64, width: u16) -> String {
    if capacity == 0 {
        return left("-", usize::from(width));
    }
    let used = part(busy.into(), capacity.into());
    let percent = format!("{:>4.0}%", (to_f64(busy.into()) / to_f64(capacity.into()) * 100.0).min(999.0));
    let bars = width.saturating_sub(5);
    format!("{}{percent}", left(&bar(used, bars), usize::from(bars)))
}
