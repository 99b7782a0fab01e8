//! A validator's edge: its index of the past and its JSON-RPC server.

use std::{net::SocketAddr, path::Path};

use assay_chain::{
    Node,
    index::IndexOptions,
    rpc::{NodeRpc, NodeRpcError, RpcConfig, RpcError, serve_node},
};

use crate::failure::{Code, Failure, Outcome};

/// A validator's running edge.
pub(crate) struct Edge {
    rpc: NodeRpc,
}

impl Edge {
    /// Opens the index in `dir` and serves JSON-RPC at `listen`.
    pub(crate) async fn start(node: Node, dir: &Path, options: IndexOptions, listen: SocketAddr) -> Outcome<Self> {
        super::create_dir(dir)?;
        let index = dir.join("index.redb");
        let rpc = serve_node(node, &index, options, RpcConfig::new(listen)).await;
        let rpc = rpc.map_err(|error| match &error {
            NodeRpcError::Rpc(RpcError::PortInUse(address)) => {
                Failure::new(Code::PortInUse, format!("port {} is taken", address.port()))
                    .why(format!("another program listens on {address}"))
                    .next("stop that program, or choose another port with --rpc-port (0 takes a free one)")
            }
            _ => Failure::new(Code::Io, "the JSON-RPC server could not start").because(&error),
        })?;
        Ok(Self { rpc })
    }

    /// Where the server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.rpc.server().address()
    }

    /// Closes the server and waits until the index is on disk. Call it after the node has stopped.
    pub(crate) async fn stop(self) {
        self.rpc.stop().await;
    }
}
