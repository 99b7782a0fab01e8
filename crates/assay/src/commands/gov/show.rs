//! Proposals as people see them: what they do, how the vote stands, how long it takes; and what a vote may change.

use assay_types::{
    B256, FIXED, Grains, ParamChanges, Params,
    view::{ActionView, ProposalStatus, ProposalView, ProtocolView, TallyView, VoteView},
};
use jsonrpsee::rpc_params;
use serde_json::{Value, json};

use super::{super::connect, find};
use crate::{
    cli::ClientArgs,
    failure::Outcome,
    terminal::{Grid, Terminal, Tone},
    words::{count, krt, percent, short_address, thousands},
};

const BAR: usize = 30;
/// Votes shown of a proposal.
const VOTES: usize = 20;

fn status_words(status: ProposalStatus) -> (&'static str, Tone) {
    match status {
        ProposalStatus::Depositing => ("takes deposits", Tone::Plain),
        ProposalStatus::Voting => ("voting", Tone::Plain),
        ProposalStatus::Queued => ("accepted, waits", Tone::Good),
        ProposalStatus::Executed => ("carried out", Tone::Good),
        ProposalStatus::Failed => ("could not be carried out", Tone::Bad),
        ProposalStatus::Rejected => ("rejected", Tone::Warn),
        ProposalStatus::NoQuorum => ("too few voted", Tone::Warn),
        ProposalStatus::Vetoed => ("vetoed", Tone::Bad),
        ProposalStatus::Lapsed => ("too little deposited", Tone::Dim),
        ProposalStatus::Cancelled => ("cancelled", Tone::Dim),
    }
}

fn action_words(action: &ActionView) -> String {
    match action {
        ActionView::Text => "a text".to_owned(),
        ActionView::Params { changes } => format!("parameters {}", changes.split_whitespace().collect::<String>()),
        ActionView::Class { class } => {
            let name = serde_json::from_str::<assay_types::Class>(class).map(|class| class.name).unwrap_or_default();
            format!("a new class {name}")
        }
        ActionView::RetireClass { class } => format!("class {class} retires"),
        ActionView::Payment { to, amount } => format!("{} KRT to {to}", krt(*amount)),
        ActionView::Runtime { runtime, active: true } => format!("runtime {runtime} for new jobs"),
        ActionView::Runtime { runtime, active: false } => format!("no new jobs under runtime {runtime}"),
        ActionView::Upgrade { height: 0, .. } => "the scheduled upgrade is called off".to_owned(),
        ActionView::Upgrade { name, height, protocol_version } => {
            format!("upgrade {name}: protocol version {protocol_version} from block {}", thousands(*height))
        }
    }
}

/// Time left of a stage, by the chain's clock.
fn left(proposal: &ProposalView, now_ms: u64) -> String {
    if !proposal.status.is_open() {
        return String::new();
    }
    let seconds = proposal.until_ms.saturating_sub(now_ms) / 1_000;
    match seconds {
        0 => "now".to_owned(),
        1..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[allow(clippy::cast_precision_loss, reason = "shown to a tenth of a percent")]
fn share(part: Grains, whole: Grains) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A bar of `part` in `whole`.
fn bar(part: Grains, whole: Grains) -> String {
    let full = part.saturating_mul(BAR as u128).checked_div(whole).unwrap_or_default();
    let full = usize::try_from(full).unwrap_or(BAR).min(BAR);
    format!("{}{}", "█".repeat(full), "░".repeat(BAR - full))
}

/// What was proposed, in a line.
pub(super) fn short(proposal: &ProposalView, terminal: &Terminal) {
    let (words, tone) = status_words(proposal.status);
    let words = terminal.paint(tone, words);
    terminal.line(format!("proposal {}: {} ({words})", proposal.id, action_words(&proposal.action)));
    if proposal.missing > 0 {
        terminal.line(format!(
            "{} KRT are missing for a vote: assay gov deposit {}",
            krt(proposal.missing),
            proposal.id
        ));
    }
}

/// `gov list`.
pub(super) async fn list(all: bool, client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let mut proposals: Vec<ProposalView> = connect::ask(&client.rpc, "assay_proposals", rpc_params![]).await?;
    proposals.retain(|one| all || one.status.is_open());
    let now_ms = connect::chain(client)?.status().await?.timestamp_ms;
    terminal.document(&json!({ "proposals": proposals }));
    if proposals.is_empty() {
        terminal.line(if all { "no proposals" } else { "no open proposals: --all shows those that are over" });
        return Ok(());
    }
    let mut grid = Grid::new(["proposal", "title", "what", "stands", "left", "yes", "turnout"]).text(&[1, 2, 3]);
    for one in &proposals {
        let (words, tone) = status_words(one.status);
        let tally = one.tally.unwrap_or_default();
        let what: String = action_words(&one.action).chars().take(40).collect();
        grid.toned([
            (one.id.to_string(), Tone::Plain),
            (one.title.chars().take(40).collect(), Tone::Plain),
            (what, Tone::Dim),
            (words.to_owned(), tone),
            (left(one, now_ms), Tone::Plain),
            (percent(share(tally.yes, tally.turnout.saturating_sub(tally.abstain)), 1), Tone::Plain),
            (percent(share(tally.turnout, tally.bonded), 1), Tone::Plain),
        ]);
    }
    terminal.table(&grid);
    Ok(())
}

/// `gov show`.
pub(super) async fn one(id: u64, client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let proposal = find(id, client).await?;
    let votes: Vec<VoteView> = connect::ask(&client.rpc, "assay_votes", rpc_params![id, VOTES]).await?;
    let protocol: ProtocolView = connect::ask(&client.rpc, "assay_protocol", rpc_params![]).await?;
    let chain = connect::chain(client)?;
    let (params, now_ms) = (chain.params().await?, chain.status().await?.timestamp_ms);
    terminal.document(&json!({ "proposal": proposal, "votes": votes, "protocol": protocol }));
    terminal.heading(&format!("{} · {}", proposal.id, proposal.title));
    let line = |name: &str, value: String| terminal.line(format!("{name:<10} {value}"));
    line("does", action_words(&proposal.action));
    let (words, tone) = status_words(proposal.status);
    line("stands", terminal.paint(tone, words));
    if let Some(failure) = &proposal.failure {
        line("why", format!("{} (code {}): docs/protocol/rejects.md", failure.name, failure.code));
    }
    if proposal.status.is_open() {
        line("left", left(&proposal, now_ms));
    }
    line("proposer", proposal.proposer.to_string());
    if proposal.text_hash != B256::ZERO || !proposal.uri.is_empty() {
        line("text", format!("{} keccak256 {}", proposal.uri, proposal.text_hash));
    }
    line("deposit", format!("{} KRT", krt(proposal.deposit)));
    if proposal.missing > 0 {
        line("missing", format!("{} KRT", krt(proposal.missing)));
    }
    if let Some(tally) = &proposal.tally {
        bars(tally, &params, terminal);
    }
    for vote in &votes {
        let parts = [("yes", vote.yes), ("no", vote.no), ("abstain", vote.abstain), ("veto", vote.no_with_veto)];
        let said: Vec<String> = parts
            .iter()
            .filter(|(_, share)| *share > 0)
            .map(|(name, share)| match share {
                10_000 => (*name).to_owned(),
                _ => format!("{name} {}", percent(f64::from(*share) / 10_000.0, 2)),
            })
            .collect();
        line("voted", format!("{} {}", short_address(&vote.voter), said.join(", ")));
    }
    let shown = votes.len();
    if proposal.status == ProposalStatus::Voting && proposal.votes as usize > shown {
        terminal.line(format!("and {}", count(proposal.votes as usize - shown, "other")));
    }
    Ok(())
}

fn bars(tally: &TallyView, params: &Params, terminal: &Terminal) {
    let decided = tally.turnout.saturating_sub(tally.abstain);
    let bps = |bps: u32| percent(f64::from(bps) / 10_000.0, 1);
    let line = |name: &str, part: Grains, whole: Grains, note: String| {
        let share = percent(share(part, whole), 1);
        terminal.line(format!("{name:<10} {} {share:>8}  {} KRT  {note}", bar(part, whole), krt(part)));
    };
    terminal.line("");
    line("yes", tally.yes, decided, format!("more than {} needed", bps(params.gov_threshold_bps)));
    line("no", tally.no, decided, String::new());
    line("veto", tally.no_with_veto, tally.turnout, format!("above {} deposits burn", bps(params.gov_veto_bps)));
    line("abstain", tally.abstain, tally.turnout, String::new());
    line("turnout", tally.turnout, tally.bonded, format!("{} needed", bps(params.gov_quorum_bps)));
}

/// `gov params`.
pub(super) async fn params(client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let params = connect::chain(client)?.params().await?;
    let all = json!(params);
    let mut grid = Grid::new(["parameter", "value", "a vote may make it"]).text(&[2]);
    let mut listed = Vec::new();
    for (name, value) in all.as_object().into_iter().flatten() {
        let may = range(&params, name, value);
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let (words, tone) = match &may {
            May::Fixed => ("nothing else, ever".to_owned(), Tone::Dim),
            May::OwnKind => ("other by proposals of its own".to_owned(), Tone::Dim),
            May::Between(low, high) => (format!("{low} to {high}"), Tone::Plain),
            May::Kind(kind) => ((*kind).to_owned(), Tone::Plain),
        };
        let shown = if text.len() > 40 { "…".to_owned() } else { text };
        grid.toned([(name.clone(), Tone::Plain), (shown, Tone::Plain), (words, tone)]);
        let (low, high) = match &may {
            May::Between(low, high) => (json!(low.to_string()), json!(high.to_string())),
            _ => (Value::Null, Value::Null),
        };
        let governed = matches!(may, May::Between(..) | May::Kind(_));
        listed.push(json!({ "name": name, "value": value, "governed": governed, "least": low, "most": high }));
    }
    terminal.document(&json!({ "params": listed }));
    terminal.table(&grid);
    terminal.line("bounds are those beside the present values of the others");
    Ok(())
}

/// What a vote may make of a parameter.
enum May {
    Fixed,
    OwnKind,
    /// A number, both included.
    Between(u128, u128),
    Kind(&'static str),
}

/// Bounds as the network's own check has them, found by trying.
fn range(params: &Params, name: &str, value: &Value) -> May {
    if FIXED.contains(&name) {
        return May::Fixed;
    }
    let (now, text) = match value {
        Value::Number(number) => (u128::from(number.as_u64().unwrap_or_default()), false),
        Value::String(digits) => (digits.parse().unwrap_or_default(), true),
        Value::Bool(_) => return May::Kind("true or false"),
        _ if matches!(name, "classes" | "runtimes") => return May::OwnKind,
        _ => return May::Kind("others of its kind"),
    };
    let good = |tried: u128| {
        let tried = if text { format!("\"{tried}\"") } else { tried.to_string() };
        tried == now.to_string()
            || ParamChanges::from_json(&format!("{{\"{name}\": {tried}}}"))
                .and_then(|changes| changes.apply(params))
                .is_ok()
    };
    let (mut bad, mut low) = (None, now);
    if good(0) {
        low = 0;
    } else {
        bad = Some(0);
    }
    while let Some(below) = bad.filter(|below| low - below > 1) {
        let middle = below + (low - below) / 2;
        if good(middle) { low = middle } else { bad = Some(middle) }
    }
    // A power of two above it is bad, or it has no bound but its kind's.
    let (mut high, mut above) = (now, now.max(1));
    while good(above) && above < u128::MAX / 2 {
        high = above;
        above *= 2;
    }
    if good(u128::MAX) {
        return May::Between(low, u128::MAX);
    }
    while above - high > 1 {
        let middle = high + (above - high) / 2;
        if good(middle) { high = middle } else { above = middle }
    }
    May::Between(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Option<(u128, u128)> {
        let params = Params::default();
        let all = json!(params);
        match range(&params, name, &all[name]) {
            May::Between(low, high) => Some((low, high)),
            _ => None,
        }
    }

    #[test]
    fn bounds_are_what_the_network_s_own_check_allows() {
        assert_eq!(of("gov_quorum_bps"), Some((1, 10_000)));
        assert_eq!(of("gov_threshold_bps"), Some((5_000, 9_999)));
        assert_eq!(of("max_tasks"), Some((1, 4_096)));
        assert_eq!(of("max_auditors"), Some((1, 31)));
        assert_eq!(of("challenge_bond"), Some((0, u128::MAX)));
        // Beside the others: no more than they leave room for.
        assert_eq!(of("slash_burn_bps"), Some((0, 6_000)));
        assert_eq!(of("jail_blocks"), Some((0, u128::from(u32::MAX))));
        assert_eq!(of("draw_tries"), Some((1, 8)));
        assert_eq!((of("epoch_blocks"), of("classes")), (None, None));
    }

    #[test]
    fn bars_are_full_when_all_is_there_and_never_longer() {
        assert_eq!(bar(1, 2).chars().filter(|c| *c == '█').count(), BAR / 2);
        assert_eq!(bar(0, 0).chars().filter(|c| *c == '█').count(), 0);
        assert_eq!(bar(u128::MAX, 1).chars().count(), BAR);
    }
}
