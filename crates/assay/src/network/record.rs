//! The price record beside a network: it follows the chain over JSON-RPC, as any indexer would.

use std::net::{Ipv4Addr, SocketAddr};

use assay_indexer::{Index, Node, Until, serve};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::failure::{Code, Failure, Outcome};

/// A running price record.
pub(crate) struct PriceRecord {
    address: SocketAddr,
    index: Index,
    follower: JoinHandle<()>,
    server: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl PriceRecord {
    /// Opens the record in `database`, follows the node at `rpc` and serves REST on `port` of 127.0.0.1.
    pub(crate) async fn start(rpc: &str, database: &str, port: u16) -> Outcome<Self> {
        Self::start_at(rpc, database, SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
    }

    /// As [`PriceRecord::start`], at any address.
    pub(crate) async fn start_at(rpc: &str, database: &str, listen: SocketAddr) -> Outcome<Self> {
        let listener = TcpListener::bind(listen).await.map_err(|error| {
            Failure::new(Code::PortInUse, format!("{listen} is taken")).because(&error).next(
                "stop what listens there, or choose another port with --rest-port or --listen (0 takes a free one)",
            )
        })?;
        let address = listener.local_addr().map_err(|e| Failure::io("could not listen for REST", &e))?;
        let node = Node::new(rpc)
            .map_err(|e| Failure::new(Code::BadInput, "the node's address cannot be used").because(&e))?;
        let index = Index::open(database).await?;
        let (stop, stopped) = oneshot::channel::<()>();
        let follower = tokio::spawn({
            let index = index.clone();
            async move {
                if let Err(error) = index.follow(&node, Until::Forever).await {
                    tracing::error!(%error, "the price record stands still");
                }
            }
        });
        let server = tokio::spawn({
            let index = index.clone();
            async move {
                let until = async {
                    // Dropped or told: both mean stop.
                    stopped.await.unwrap_or_default();
                };
                if let Err(error) = serve(index, listener, until).await {
                    tracing::error!(%error, "the price record is not served any more");
                }
            }
        });
        Ok(Self { address, index, follower, server, stop })
    }

    /// Where REST is served.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether it still follows the chain.
    pub(crate) fn is_following(&self) -> bool {
        !self.follower.is_finished()
    }

    /// Stops between two blocks; what was written stays.
    pub(crate) async fn stop(self) {
        self.follower.abort();
        // The server may have ended by itself.
        let _told = self.stop.send(());
        if tokio::time::timeout(std::time::Duration::from_secs(3), self.server).await.is_err() {
            tracing::debug!("readers of the price record were cut off");
        }
        self.index.close().await;
    }
}
