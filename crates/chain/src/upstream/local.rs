//! A node of this process as an upstream. JSON-RPC serves the same answers.

use assay_types::{
    B256, Bytes,
    node::{Certificate, Handover},
};
use futures::{FutureExt as _, future::BoxFuture};

use super::{BlockRecord, Upstream, UpstreamError};
use crate::{mempool::SubmitError, node::Node};

impl Upstream for Node {
    fn name(&self) -> String {
        "a node of this process".into()
    }

    fn tip(&self, after: u64) -> BoxFuture<'_, Result<Certificate, UpstreamError>> {
        self.archive.tip(after)
    }

    fn blocks(&self, from: u64, count: u64) -> BoxFuture<'_, Result<Vec<BlockRecord>, UpstreamError>> {
        self.archive.blocks(from, count)
    }

    fn block(&self, hash: B256) -> BoxFuture<'_, Result<BlockRecord, UpstreamError>> {
        self.archive.block(hash)
    }

    fn state_ops(&self, request: Bytes) -> BoxFuture<'_, Result<Bytes, UpstreamError>> {
        self.archive.state_ops(request)
    }

    fn handovers(&self, epoch: u64, count: u64) -> BoxFuture<'_, Result<Vec<Handover>, UpstreamError>> {
        self.archive.handovers(epoch, count)
    }

    fn submit(&self, raw: Bytes) -> BoxFuture<'_, Result<B256, UpstreamError>> {
        let refused = |error: SubmitError| UpstreamError::Refused { code: -32_000, message: error.to_string() };
        futures::future::ready(Node::submit(self, raw).map_err(refused)).boxed()
    }
}
