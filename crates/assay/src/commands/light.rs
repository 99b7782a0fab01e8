//! `assay light`: following the validators by certificates alone, from a file and without a network.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use assay_chain::{
    committee::genesis_seats,
    light::{LightError, Trust},
    upstream::{RpcUpstream, Upstream, UpstreamError},
};
use assay_client::{Chain as _, RpcChain, RpcConfig};
use assay_types::{
    B256, Bytes, Genesis, Seat,
    node::{Certificate, Checkpoint, Handover},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::{
    cli::{LightCommand, VerifyArgs},
    config::text,
    failure::{Code, Failure, Outcome},
    network::{read_genesis, write_file},
    terminal::{Terminal, Tone},
    words::{count, duration, thousands},
};

/// Handovers asked for at once.
const BATCH: u64 = 64;

/// What `export` writes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LightFile {
    /// Names the network.
    genesis_hash: B256,
    /// Handovers in order, those after which the same keys sit left out but for the newest, which says who sits now.
    handovers: Vec<Handover>,
    /// The newest certified block.
    tip: Certificate,
}

/// Runs it.
pub(crate) async fn run(command: LightCommand, terminal: &Terminal) -> Outcome<()> {
    match command {
        LightCommand::Export { rpc, from, out } => export(&rpc, from, &out, terminal).await,
        LightCommand::Verify(args) => verify(&args, terminal),
    }
}

async fn export(rpc: &str, from: u64, out: &Path, terminal: &Terminal) -> Outcome<()> {
    let upstream = RpcUpstream::new(rpc)
        .map_err(|e| Failure::new(Code::BadInput, "the node's address cannot be used").because(&e))?;
    let asked = |error: UpstreamError| {
        Failure::new(Code::Unreachable, format!("{rpc} cannot say how the validators came to sit")).because(&error)
    };
    let chain = RpcChain::new(RpcConfig::new(rpc))?;
    let genesis = chain.genesis().await?;
    let genesis_hash = genesis.hash();
    let tip = upstream.tip(0).await.map_err(asked)?;
    let bar = terminal.spinner("handovers");
    let (mut handovers, mut epoch) = (Vec::<Handover>::new(), from + 1);
    let mut newest = None;
    let mut sitting = if from == 0 { keys(&genesis_seats(&genesis)) } else { Vec::new() };
    loop {
        let batch = upstream.handovers(epoch, BATCH).await.map_err(asked)?;
        if batch.is_empty() {
            break;
        }
        epoch += batch.len() as u64;
        for handover in batch {
            let next = keys(&handover.seats);
            // One that is left out for now.
            newest = None;
            if next == sitting {
                newest = Some(handover);
            } else {
                handovers.push(handover);
                sitting = next;
            }
        }
    }
    handovers.extend(newest);
    drop(bar);
    let file = LightFile { genesis_hash, handovers, tip };
    let json = serde_json::to_string(&file)
        .map_err(|e| Failure::new(Code::Internal, "the file could not be written").because(&e))?;
    write_file(out, json.as_bytes(), 0o644)?;
    terminal.document(&json!({
        "file": out,
        "genesis_hash": genesis_hash,
        "height": file.tip.height,
        "epoch": epoch - 1,
        "handovers": file.handovers.len(),
        "bytes": json.len(),
    }));
    terminal.line(terminal.paint(Tone::Good, &format!("Written to {}", out.display())));
    terminal.line(format!(
        "  block {}, {}, {} bytes",
        thousands(file.tip.height),
        count(file.handovers.len(), "handover"),
        thousands(json.len() as u64)
    ));
    Ok(())
}

/// The keys that sit, in order.
fn keys(seats: &[Seat]) -> Vec<(B256, Bytes)> {
    seats.iter().map(|seat| (seat.network_key, seat.vote_key.clone())).collect()
}

fn parsed<T: DeserializeOwned>(path: &Path, what: &str, next: &str) -> Outcome<T> {
    serde_json::from_str(&text(path)?).map_err(|error| {
        Failure::new(Code::BadInput, format!("{} is no {what}", path.display())).because(&error).next(next)
    })
}

fn refused(error: &LightError) -> Failure {
    Failure::new(Code::VerificationFailed, "the file does not prove what it says").because(error)
}

fn verify(args: &VerifyArgs, terminal: &Terminal) -> Outcome<()> {
    let genesis = read_genesis(&args.genesis)?;
    let file: LightFile = parsed(&args.file, "proof of committees", "`assay light export` writes such files")?;
    if file.genesis_hash != genesis.hash() {
        return Err(Failure::new(Code::BadInput, format!("{} is of another network", args.file.display()))
            .why(format!("its genesis is {}, the given one {}", file.genesis_hash, genesis.hash())));
    }
    let (mut trust, since_ms) = trusted(args, &genesis)?;
    let start = trust.latest().epoch();
    let age_ms = now_ms().saturating_sub(since_ms);
    if age_ms > genesis.params.unbonding_ms && !args.trust_old {
        return Err(Failure::new(Code::VerificationFailed, "what is trusted is too old to be trusted")
            .why(format!(
                "it is {} old, and stake behind it may have left after {}",
                duration(age_ms),
                duration(genesis.params.unbonding_ms)
            ))
            .next("give a newer --checkpoint from somebody you trust, or say --trust-old"));
    }
    let mut fixed_ms = since_ms;
    let mut followed = 0;
    for handover in &file.handovers {
        match trust.follow(handover) {
            Ok(facts) => (fixed_ms, followed) = (facts.timestamp_ms, followed + 1),
            // The reader knows more than the file's writer assumed.
            Err(LightError::OldHandover { .. } | LightError::BeforeTrust { .. }) => {}
            Err(error) => return Err(refused(&error)),
        }
    }
    let (tip, _) = trust.verify_header(&file.tip).map_err(|error| refused(&error))?;
    let latest = trust.latest();
    if let Some(out) = &args.checkpoint_out {
        let seats = match (followed, &args.checkpoint) {
            (0, Some(path)) => checkpoint(path, &genesis)?.seats,
            (0, None) => genesis_seats(&genesis),
            _ => file.handovers.last().map(|last| last.seats.clone()).unwrap_or_default(),
        };
        let genesis_hash = genesis.hash();
        let checkpoint = Checkpoint { genesis_hash, epoch: latest.epoch(), seats, timestamp_ms: fixed_ms };
        let json = serde_json::to_string_pretty(&checkpoint)
            .map_err(|e| Failure::new(Code::Internal, "the checkpoint could not be written").because(&e))?;
        write_file(out, json.as_bytes(), 0o644)?;
    }
    terminal.document(&json!({
        "verified": true,
        "trusted_epoch": start,
        "trusted_age_ms": age_ms,
        "handovers": followed,
        "committee_epoch": latest.epoch(),
        "seats": latest.seats().len(),
        "height": tip.height,
        "epoch": tip.epoch,
        "hash": tip.hash,
        "state_root": tip.state_root,
        "timestamp_ms": tip.timestamp_ms,
        "signers": tip.signers,
    }));
    terminal.line(terminal.paint(Tone::Good, &format!("Verified: block {} is final", thousands(tip.height))));
    terminal.line(format!(
        "  hash       {}\n  state root {}\n  signed by {} of {} seats of epoch {}\n  from the committee of epoch {start} over {}",
        tip.hash,
        tip.state_root,
        tip.signers,
        latest.seats().len(),
        tip.epoch,
        count(followed, "handover")
    ));
    Ok(())
}

/// Reads a checkpoint of the network of `genesis`.
pub(super) fn checkpoint(path: &Path, genesis: &Genesis) -> Outcome<Checkpoint> {
    let next = "`assay light verify --checkpoint-out` writes such files";
    let checkpoint: Checkpoint = parsed(path, "checkpoint", next)?;
    if checkpoint.genesis_hash != genesis.hash() {
        let (found, expected) = (checkpoint.genesis_hash, genesis.hash());
        return Err(Failure::new(Code::BadInput, format!("{} is of another network", path.display()))
            .why(format!("its genesis is {found}, the given one {expected}")));
    }
    Ok(checkpoint)
}

/// What to start from, and as of when.
fn trusted(args: &VerifyArgs, genesis: &Genesis) -> Outcome<(Trust, u64)> {
    let Some(path) = &args.checkpoint else {
        return Ok((Trust::of_genesis(genesis).map_err(|error| refused(&error))?, genesis.timestamp_ms));
    };
    let checkpoint = checkpoint(path, genesis)?;
    Ok((Trust::of_checkpoint(&checkpoint).map_err(|error| refused(&error))?, checkpoint.timestamp_ms))
}

pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
