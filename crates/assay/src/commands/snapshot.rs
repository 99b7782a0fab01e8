//! `assay snapshot`: a chain's state in one file.

use std::{path::Path, sync::Arc};

use assay_chain::{
    snapshot::{SnapshotError, SnapshotInfo, SnapshotUpstream, export, import},
    upstream::{Pool, RpcUpstream, Upstream},
};
use serde_json::json;

use crate::{
    cli::SnapshotCommand,
    commands::light,
    failure::{Code, Failure, Outcome},
    network::read_genesis,
    terminal::{Terminal, Tone},
    words::thousands,
};

/// Runs it.
pub(crate) async fn run(command: SnapshotCommand, terminal: &Terminal) -> Outcome<()> {
    match command {
        SnapshotCommand::Export { rpc, genesis, out } => {
            let genesis = read_genesis(&genesis)?;
            if out.exists() {
                return Err(Failure::new(Code::BadInput, format!("{} exists already", out.display()))
                    .next("choose another name, or move it away"));
            }
            let mut upstreams: Vec<Arc<dyn Upstream>> = Vec::new();
            for url in &rpc {
                let upstream = RpcUpstream::new(url)
                    .map_err(|e| Failure::new(Code::BadInput, "the node's address cannot be used").because(&e))?;
                upstreams.push(Arc::new(upstream));
            }
            let spinner = terminal.spinner("state");
            let info = export(&Pool::new(upstreams), &genesis, &out).await;
            drop(spinner);
            let info = info.map_err(|e| failure(&e))?;
            show(terminal, &info, &format!("Exported to {}", out.display()));
        }
        SnapshotCommand::Import { file, genesis, dir, partition, checkpoint } => {
            let genesis = read_genesis(&genesis)?;
            let trusted = checkpoint.map(|path| light::checkpoint(&path, &genesis)).transpose()?;
            let spinner = terminal.spinner("state");
            let taken = tokio::task::spawn_blocking(move || import(&dir, &genesis, &partition, &file, trusted)).await;
            drop(spinner);
            let info = taken
                .map_err(|e| Failure::new(Code::Internal, "the import could not run").because(&e))?
                .map_err(|e| failure(&e))?;
            show(terminal, &info, "Imported and verified");
        }
        SnapshotCommand::Info { file, genesis } => {
            let info = info_of(&file)?;
            if let Some(genesis) = genesis {
                let expected = read_genesis(&genesis)?.hash();
                if info.genesis != expected {
                    return Err(failure(&SnapshotError::OtherNetwork { found: info.genesis, expected }));
                }
            }
            show(terminal, &info, "As it says; an import proves it");
        }
    }
    Ok(())
}

fn info_of(file: &Path) -> Outcome<SnapshotInfo> {
    SnapshotUpstream::open(file).map(|snapshot| snapshot.info().clone()).map_err(|e| failure(&e))
}

fn show(terminal: &Terminal, info: &SnapshotInfo, headline: &str) {
    terminal.document(&json!({
        "genesis": info.genesis,
        "height": info.height,
        "hash": info.hash,
        "state_root": info.state_root,
        "timestamp_ms": info.timestamp_ms,
        "operations": info.operations,
        "bytes": info.bytes,
    }));
    terminal.line(terminal.paint(Tone::Good, headline));
    terminal.line(format!(
        "  block {}  {}\n  state root {}\n  {} operations, {} bytes",
        thousands(info.height),
        info.hash,
        info.state_root,
        thousands(info.operations),
        thousands(info.bytes)
    ));
}

fn failure(error: &SnapshotError) -> Failure {
    let (code, next) = match error {
        SnapshotError::File { .. } => (Code::Io, "check the path and the space left"),
        SnapshotError::NotASnapshot { .. } | SnapshotError::Version { .. } => {
            (Code::BadInput, "`assay snapshot export` makes such files")
        }
        SnapshotError::Truncated { .. } | SnapshotError::Damaged { .. } => (Code::BadInput, "copy the file again"),
        SnapshotError::OtherNetwork { .. } => (Code::BadInput, "use the genesis file of the snapshot's network"),
        SnapshotError::Export(_) => (Code::Unreachable, "give another node with --rpc; it may be given several times"),
        SnapshotError::Import(_) => (Code::VerificationFailed, "do not use this snapshot; get one elsewhere"),
        SnapshotError::NotEmpty { .. } => (Code::BadInput, "choose an empty directory"),
        SnapshotError::Start(_) => (Code::ForeignDirectory, "choose another directory"),
    };
    Failure::new(code, "the snapshot could not be used").because(error).next(next)
}
