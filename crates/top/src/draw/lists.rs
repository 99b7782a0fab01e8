//! Lists: the latest clearings, the jobs with how far they are, the providers.

use assay_types::{
    job::JobOutcome,
    view::{ClearedView, JobSummary, ProviderView},
};
use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{DOWN, FAINT, HEAD, UP, classes::utilisation, empty, left, panel, right, why_no_market};
use crate::{
    figures::{bar, columns, grouped, krt, part, quantity, short},
    model::{Model, Panel},
};

pub(super) fn clearings(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let block = panel(model, Some(Panel::Clearings), "clearings".to_owned(), area.width);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let Some(market) = model.market() else { return empty(frame, inner, why_no_market(model)) };
    if market.book.recent.is_empty() {
        return empty(frame, inner, "none yet");
    }
    let wide = inner.width >= 52;
    let mut head = format!("{} {} {}", right("height", 10), right("price", 12), right("volume", 8));
    if wide {
        head.push_str(&format!(" {}", right("next ask", 12)));
    }
    let mut lines = vec![Line::styled(head, HEAD)];
    let mut recent = market.book.recent.iter().skip(model.clearings_scroll).peekable();
    for _ in 0..inner.height.saturating_sub(1) {
        let Some(cleared) = recent.next() else { break };
        lines.push(clearing(cleared, recent.peek().copied(), wide));
    }
    frame.render_widget(Paragraph::new(lines), inner);
}

fn clearing(cleared: &ClearedView, before: Option<&ClearedView>, wide: bool) -> Line<'static> {
    let style = match (cleared.price, before.and_then(|before| before.price)) {
        (None, _) => FAINT,
        (Some(price), Some(before)) if price < before => DOWN,
        (Some(price), Some(before)) if price > before => UP,
        _ => Style::new(),
    };
    let price = |price: Option<u128>| right(&price.map_or("-".to_owned(), krt), 12);
    let mut spans = vec![
        Span::raw(right(&grouped(cleared.height), 10)),
        Span::styled(format!(" {}", price(cleared.price)), style),
        Span::raw(format!(" {}", right(&quantity(cleared.volume), 8))),
    ];
    if wide {
        spans.push(Span::styled(format!(" {}", price(cleared.best_ask_left)), FAINT));
    }
    Line::from(spans)
}

pub(super) fn jobs(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let jobs = model.snapshot.as_ref().map(|snapshot| snapshot.jobs.as_slice()).unwrap_or_default();
    let open = jobs.iter().filter(|job| job.outcome.is_none()).count();
    let title = if jobs.is_empty() { "jobs".to_owned() } else { format!("jobs · {open} open of {}", jobs.len()) };
    let block = panel(model, Some(Panel::Jobs), title, area.width);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if jobs.is_empty() {
        return empty(frame, inner, if model.snapshot.is_some() { "none yet" } else { "not read yet" });
    }
    let width = usize::from(inner.width);
    let mut lines = vec![Line::styled(format!("{} {} lots settled", left("job", 10), left("state", 9)), HEAD)];
    let rows = usize::from(inner.height).saturating_sub(1);
    lines.extend(jobs.iter().skip(model.jobs_scroll).take(rows).map(|summary| job(summary, width)));
    frame.render_widget(Paragraph::new(lines), inner);
}

fn job(job: &JobSummary, width: usize) -> Line<'static> {
    let (state, style) = match job.outcome {
        None => ("open", Style::new()),
        Some(JobOutcome::Completed) => ("completed", UP),
        Some(JobOutcome::Partial) => ("partial", DOWN),
        Some(JobOutcome::Expired) => ("expired", DOWN),
        Some(JobOutcome::Cancelled) => ("cancelled", FAINT),
    };
    let (text, counts) = (
        format!("{} {} ", left(&short(job.id.as_slice(), 4), 10), left(state, 9)),
        format!(" {}/{}", job.lots_settled, job.lots),
    );
    let room = width.saturating_sub(columns(&text)).saturating_sub(columns(&counts).max(8)).min(40);
    let gauge = bar(part(job.lots_settled.into(), job.lots.into()), u16::try_from(room).unwrap_or(0));
    let track = "░".repeat(room.saturating_sub(columns(&gauge)));
    Line::from(vec![Span::styled(text, style), Span::styled(gauge, UP), Span::styled(track, FAINT), Span::raw(counts)])
}

pub(super) fn providers(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let providers = model.snapshot.as_ref().map(|snapshot| snapshot.providers.as_slice()).unwrap_or_default();
    let open = providers.iter().filter(|provider| provider.open).count();
    let title = format!("providers · {open} open of {}", providers.len());
    let block = panel(model, None, title, area.width);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if providers.is_empty() {
        return empty(frame, inner, if model.snapshot.is_some() { "none yet" } else { "not read yet" });
    }
    let mut sorted: Vec<&ProviderView> = providers.iter().collect();
    sorted.sort_by_key(|provider| (!provider.open, provider.price_per_gigafuel, provider.account));
    let head = format!("{} {} {} {}", left("account", 10), right("least", 12), left("util", 12), right("lots", 5));
    let mut lines = vec![Line::styled(head, HEAD)];
    let rows = usize::from(inner.height).saturating_sub(1);
    lines.extend(sorted.into_iter().take(rows).map(provider));
    frame.render_widget(Paragraph::new(lines), inner);
}

fn provider(provider: &ProviderView) -> Line<'static> {
    let text = format!(
        "{} {} {} {}",
        left(&short(provider.account.as_slice(), 4), 10),
        right(&krt(provider.price_per_gigafuel), 12),
        utilisation(provider.busy, provider.capacity, 12),
        right(&provider.active_lots.to_string(), 5)
    );
    Line::styled(text, if provider.open { Style::new() } else { FAINT })
}
