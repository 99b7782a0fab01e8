//! The model as a frame. Pure; needs 80 columns and 24 rows and says so below that.
//!
//! Colours only repeat what text and place say already.

mod book;
mod classes;
mod header;
mod lists;
mod prices;

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Color, Modifier, Style, Stylize},
    text::{Line, Span},
    widgets::{Block, BorderType, Clear, Paragraph, Wrap},
};

use crate::{
    figures::{age, clean, fit},
    model::{Model, Panel},
};

/// Fewest columns.
pub const MIN_COLUMNS: u16 = 80;
/// Fewest rows.
pub const MIN_ROWS: u16 = 24;

/// Rises, bids, what is well.
const UP: Style = Style::new().fg(Color::Green);
/// Falls, asks, what is not well.
const DOWN: Style = Style::new().fg(Color::Red);
/// What is beside the point.
const FAINT: Style = Style::new().fg(Color::DarkGray);
/// Names of columns.
const HEAD: Style = Style::new().fg(Color::Cyan);
/// The chosen row.
const CHOSEN: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Draws all.
pub fn draw(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < MIN_COLUMNS || area.height < MIN_ROWS {
        return too_small(frame, area);
    }
    let wide = area.width >= 190;
    let tall = area.height >= 36;
    let [top, classes, rest, bar] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(classes::rows(model, area.height)),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(area);
    header::draw(model, frame, top);
    classes::draw(model, frame, classes);
    // The lists need 34 columns each, so that no figure is cut.
    let book = match area.width {
        0..115 => area.width.saturating_mul(9) / 20,
        115..190 => area.width.saturating_mul(2) / 5,
        _ => 56,
    };
    let [left, right] = Layout::horizontal([Constraint::Length(book), Constraint::Min(0)]).areas(rest);
    book::draw(model, frame, left);
    let [chart, below] = Layout::vertical([Constraint::Percentage(50), Constraint::Min(0)]).areas(right);
    prices::draw(model, frame, chart);
    if wide {
        let [one, two, three] = Layout::horizontal([Constraint::Ratio(1, 3); 3]).areas(below);
        lists::clearings(model, frame, one);
        lists::jobs(model, frame, two);
        lists::providers(model, frame, three);
    } else if tall {
        let halves = [Constraint::Ratio(1, 2); 2];
        let beside = below.width >= 68;
        let [one, two] = if beside { Layout::horizontal(halves) } else { Layout::vertical(halves) }.areas(below);
        lists::clearings(model, frame, one);
        lists::jobs(model, frame, two);
    } else if model.focus == Panel::Clearings {
        lists::clearings(model, frame, below);
    } else {
        lists::jobs(model, frame, below);
    }
    status(model, frame, bar);
    if model.help {
        help(frame, area);
    }
}

fn too_small(frame: &mut Frame<'_>, area: Rect) {
    let text = format!(
        "assay top needs {MIN_COLUMNS}x{MIN_ROWS}, this terminal has {}x{}: make it larger, or q to quit",
        area.width, area.height
    );
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
}

/// The bar at the bottom: keys, or what is wrong.
fn status(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width);
    let stale = model.stale_ms();
    let since = stale.map_or("never reached".to_owned(), |ms| format!("as of {} ago", age(ms)));
    let syncing = model.snapshot.as_ref().is_some_and(|snapshot| snapshot.status.syncing);
    let (text, style) = if let Some((trouble, at)) = &model.trouble {
        let ms = u64::try_from(trouble.retry_in.as_millis()).unwrap_or(u64::MAX);
        let left = at.saturating_add(ms).saturating_sub(model.now_ms);
        let text = format!(" {since} · tries again in {} · {}", age(left), clean(&trouble.error));
        (text, Style::new().fg(Color::White).bg(Color::Red))
    } else if model.paused {
        (format!(" paused, {since} · p goes on"), Style::new().fg(Color::Black).bg(Color::Yellow))
    } else if let Some(refusal) = model.snapshot.as_ref().and_then(|snapshot| snapshot.refused.first()) {
        let text = format!(" the node refuses {}", clean(refusal));
        (text, Style::new().fg(Color::Black).bg(Color::Yellow))
    } else if syncing {
        (" the node is catching up: figures are old".to_owned(), Style::new().fg(Color::Black).bg(Color::Yellow))
    } else if stale.is_none() {
        (" waiting for the node's first answer".to_owned(), FAINT)
    } else {
        let late = stale.filter(|ms| *ms >= 5_000).map(|_| format!(" · {since}")).unwrap_or_default();
        (format!(" q quit · ↑↓ move · tab panel · p pause · ? help{late}"), FAINT)
    };
    let text = fit(&text, width);
    frame.render_widget(Paragraph::new(format!("{text:<width$}")).style(style), area);
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let rows = [
        ("q, Esc", "quit"),
        ("↑ ↓, k j", "choose a class; scroll the panel in focus"),
        ("tab", "next panel: classes, book, clearings, jobs"),
        ("shift-tab", "panel before"),
        ("p, space", "pause, and go on"),
        ("?, h", "this help"),
        ("", ""),
        ("ref", "the reference: index of the epoch before"),
        ("band", "prices a clearing may have"),
        ("util", "busy part of the capacity offered"),
        ("prices", "KRT a unit: gigafuel, GiB or second"),
    ];
    let lines = rows.map(|(name, text)| Line::from(vec![Span::styled(format!(" {name:<11}"), HEAD), Span::raw(text)]));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let inner = area.centered(Constraint::Length(60), Constraint::Length(height));
    frame.render_widget(Clear, inner);
    let block = Block::bordered().border_type(BorderType::Rounded).title(" help ").title_alignment(Alignment::Center);
    frame.render_widget(Paragraph::new(lines.to_vec()).block(block), inner);
}

/// A frame around a panel, heavier when it has the keys.
fn panel(model: &Model, of: Option<Panel>, title: String, width: u16) -> Block<'static> {
    let focused = of == Some(model.focus);
    let title = fit(&title, usize::from(width).saturating_sub(4));
    let block = Block::bordered().title(format!(" {title} "));
    match focused {
        true => block.border_type(BorderType::Thick).border_style(Style::new().fg(Color::Cyan)),
        false => block.border_type(BorderType::Plain).border_style(FAINT),
    }
}

/// One line in the middle of an empty panel.
fn empty(frame: &mut Frame<'_>, area: Rect, why: &str) {
    let middle = area.centered_vertically(Constraint::Length(1));
    let text = fit(why, usize::from(area.width));
    frame.render_widget(Paragraph::new(text).alignment(Alignment::Center).style(FAINT).italic(), middle);
}

/// Why a panel about the chosen class has nothing to show.
fn why_no_market(model: &Model) -> &'static str {
    match (&model.snapshot, model.chosen) {
        (None, _) => "not read yet",
        (_, None) => "no class",
        _ if model.paused => "paused: p reads this class",
        _ => "not read yet",
    }
}

/// Text at the right of a column.
fn right(text: &str, width: usize) -> String {
    let text = fit(text, width);
    let missing = width.saturating_sub(crate::figures::columns(&text));
    format!("{}{text}", " ".repeat(missing))
}

/// Text at the left of a column.
fn left(text: &str, width: usize) -> String {
    let text = fit(text, width);
    let missing = width.saturating_sub(crate::figures::columns(&text));
    format!("{text}{}", " ".repeat(missing))
}
