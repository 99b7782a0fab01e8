//! `assay index`: the price record of a node anywhere.

use assay_indexer::{Index, Node};
use serde_json::json;

use super::up::interrupted;
use crate::{
    cli::{IndexArgs, IndexCommand},
    failure::{Code, Failure, Outcome},
    network::PriceRecord,
    terminal::{Terminal, Tone},
    words::thousands,
};

/// Runs it.
pub(crate) async fn run(args: IndexArgs, terminal: &Terminal) -> Outcome<()> {
    match args.command {
        IndexCommand::Serve { listen } => {
            let record = PriceRecord::start_at(&args.rpc, &args.database, listen).await?;
            terminal.document(&json!({ "rest_url": record.url(), "database": args.database, "rpc_url": args.rpc }));
            terminal.line(terminal.paint(Tone::Good, &format!("The price record is served at {}", record.url())));
            terminal.line(format!("  try {}/v1/classes; Ctrl-C stops it", record.url()));
            let mut second = tokio::time::interval(std::time::Duration::from_secs(1));
            let ended = loop {
                tokio::select! {
                    () = interrupted() => break Ok(()),
                    _ = second.tick() => if !record.is_following() {
                        break Err(Failure::new(Code::JobFailed, "the record cannot be kept any more")
                            .next("run with --log info to see why; `assay index rebuild` fills it anew"));
                    },
                }
            };
            record.stop().await;
            ended
        }
        IndexCommand::Rebuild => {
            let (node, index) = (node(&args.rpc)?, Index::open(&args.database).await?);
            let bar = terminal.bar("blocks", 0);
            let rebuilt =
                index.rebuild(&node, |at| bar.say(format!("{} of {}", thousands(at.height), thousands(at.head))));
            let done = rebuilt.await;
            drop(bar);
            index.close().await;
            let done = done?;
            terminal.document(&json!({ "height": done.height, "head": done.head }));
            terminal.line(format!("the record holds blocks 1 to {}", thousands(done.height)));
            Ok(())
        }
        IndexCommand::Status => {
            let index = Index::open(&args.database).await?;
            let status = index.status().await?;
            index.close().await;
            terminal.document(&json!({ "status": status }));
            terminal.line(serde_json::to_string_pretty(&status).unwrap_or_default());
            Ok(())
        }
    }
}

fn node(rpc: &str) -> Outcome<Node> {
    Node::new(rpc).map_err(|e| Failure::new(Code::BadInput, "the node's address cannot be used").because(&e))
}
