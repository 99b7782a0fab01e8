//! Two lines about the chain: where it stands and how fast it goes.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
    widgets::{Paragraph, Sparkline},
};

use super::{FAINT, UP};
use crate::{
    figures::{age, columns, fit, grouped, index, krt},
    model::Model,
};

/// Columns of the block rate's curve, where there is room.
const CURVE: u16 = 40;

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let curve = if area.width >= 120 { CURVE } else { 0 };
    let [text, graph] = Layout::horizontal([Constraint::Min(0), Constraint::Length(curve)]).areas(area);
    let width = usize::from(text.width).saturating_sub(1);
    let lines = vec![line(first(model), width), line(second(model), width)];
    frame.render_widget(Paragraph::new(lines), text);
    let rates = model.rates();
    if curve > 0 && !rates.is_empty() {
        let shown = rates.len().min(usize::from(curve));
        let data: Vec<u64> = rates
            .iter()
            .skip(rates.len().saturating_sub(shown))
            .map(|rate| u64::try_from(index(rate * 1_000.0)).unwrap_or(u64::MAX))
            .collect();
        frame.render_widget(Sparkline::default().data(data).style(UP), graph);
    }
}

type Item = (&'static str, String);

/// As many items as fit, the first first.
fn line(items: Vec<Item>, width: usize) -> Line<'static> {
    let (mut spans, mut used) = (Vec::new(), 0_usize);
    for (at, (name, value)) in items.into_iter().enumerate() {
        let value = if at == 0 { fit(&value, width) } else { value };
        let name = if name.is_empty() { " ".to_owned() } else { format!(" {name} ") };
        let gap = if at == 0 { "" } else { " " };
        used = used.saturating_add(columns(&name)).saturating_add(columns(&value)).saturating_add(gap.len());
        if used > width.saturating_add(1) {
            break;
        }
        spans.push(Span::styled(format!("{gap}{name}"), FAINT));
        spans.push(Span::styled(value, if at == 0 { Style::new().bold() } else { Style::new() }));
    }
    Line::from(spans)
}

fn first(model: &Model) -> Vec<Item> {
    let mut items = vec![("", "assay top".to_owned())];
    let Some(snapshot) = &model.snapshot else {
        items.push(("at", fit(&model.endpoint, 40)));
        return items;
    };
    let status = &snapshot.status;
    items.push(("height", grouped(status.height)));
    items.push(("last block", format!("{} ago", age(model.now_ms.saturating_sub(status.timestamp_ms)))));
    if let Some(finality) = status.finality_ms {
        items.push(("final in", format!("{} ms (p99 {})", grouped(finality.p50), grouped(finality.p99))));
    }
    items.push(("chain", status.chain_id.to_string()));
    items.push(("node", fit(&status.version, 24)));
    items
}

fn second(model: &Model) -> Vec<Item> {
    let Some(snapshot) = &model.snapshot else { return vec![("", String::new())] };
    let status = &snapshot.status;
    let mut items = vec![("at", fit(&model.endpoint, 30))];
    if let Some(fee) = snapshot.base_fee {
        items.push(("base fee", krt(fee)));
    }
    let others = format!("{} peers", status.peers);
    items.push(("validators", snapshot.validators.map_or(others.clone(), |count| format!("{count}, {others}"))));
    if let Some(rate) = model.blocks_per_second() {
        items.push(("blocks/s", format!("{rate:.2}")));
    }
    items.push(("waiting txs", grouped(status.waiting_txs)));
    items.push(("providers", snapshot.providers.len().to_string()));
    items.push(("orders", snapshot.orders.len().to_string()));
    items
}
