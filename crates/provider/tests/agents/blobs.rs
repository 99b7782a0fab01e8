//! Blob nodes in memory that fetch from one another directly.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use alloy_primitives::keccak256;
use assay_store::{
    AcceptPut, BlobId, Blobs, FetchError, Holder, PeerError, PeerFailure, Source, StoreError,
    transfer::{PutDecision, PutOffer},
};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

/// All nodes there are.
#[derive(Default)]
pub(crate) struct World {
    nodes: Mutex<HashMap<[u8; 32], Node>>,
}

struct Node {
    online: bool,
    blobs: HashMap<BlobId, Bytes>,
    policy: Arc<dyn AcceptPut>,
}

pub(crate) struct MemBlobs {
    world: Arc<World>,
    source: Source,
    pinned: Mutex<HashMap<Holder, HashSet<BlobId>>>,
}

impl World {
    /// A node named `name`; made again, it still has its blobs.
    pub(crate) fn node(self: &Arc<Self>, name: &str, policy: Arc<dyn AcceptPut>) -> Arc<MemBlobs> {
        // Half of all strings of 32 bytes are Ed25519 points.
        let source = (0u32..)
            .find_map(|n| Source::new(keccak256(format!("{name}/{n}")).0, ["127.0.0.1:1".parse().expect("one")]).ok())
            .expect("one in two");
        let mut nodes = self.nodes.lock();
        let blobs = nodes.remove(&source.node().0).map(|node| node.blobs).unwrap_or_default();
        nodes.insert(source.node().0, Node { online: true, blobs, policy });
        Arc::new(MemBlobs { world: self.clone(), source, pinned: Mutex::default() })
    }

    /// Takes a node off the network, or back on.
    pub(crate) fn set_online(&self, source: &Source, online: bool) {
        self.nodes.lock().get_mut(&source.node().0).expect("a node").online = online;
    }
}

#[async_trait]
impl Blobs for MemBlobs {
    async fn get(&self, id: BlobId, max_bytes: u64, sources: &[Source]) -> Result<Bytes, FetchError> {
        let mut nodes = self.world.nodes.lock();
        let from = std::iter::once(&self.source).chain(sources);
        let found = from.enumerate().find_map(|(at, source)| {
            let node = nodes.get(&source.node().0)?;
            node.blobs.get(&id).filter(|_| at == 0 || node.online).cloned()
        });
        let Some(bytes) = found else { return Err(FetchError::AllFailed { id, attempts: Vec::new() }) };
        if bytes.len() as u64 > max_bytes {
            return Err(FetchError::TooLarge { id, size_bytes: bytes.len() as u64, max_bytes });
        }
        nodes.get_mut(&self.source.node().0).expect("ours").blobs.insert(id, bytes.clone());
        Ok(bytes)
    }

    async fn put(&self, bytes: Bytes) -> Result<BlobId, StoreError> {
        let id = BlobId::of(&bytes);
        self.world.nodes.lock().get_mut(&self.source.node().0).expect("ours").blobs.insert(id, bytes);
        Ok(id)
    }

    async fn push(&self, target: &Source, bytes: Bytes) -> Result<BlobId, PeerError> {
        let failed = |failure| PeerError { node: target.node(), failure };
        let mut nodes = self.world.nodes.lock();
        let node = nodes.get_mut(&target.node().0).filter(|node| node.online);
        let node = node.ok_or_else(|| failed(PeerFailure::Timeout))?;
        let id = BlobId::of(&bytes);
        let offer = PutOffer { peer: self.source.node(), id, size_bytes: bytes.len() as u64 };
        if node.policy.decide(&offer) != PutDecision::Accept {
            return Err(failed(PeerFailure::Refused));
        }
        node.blobs.insert(id, bytes);
        Ok(id)
    }

    async fn has(&self, target: &Source, id: BlobId) -> Result<bool, PeerError> {
        let nodes = self.world.nodes.lock();
        let node = nodes.get(&target.node().0).filter(|node| node.online);
        let node = node.ok_or(PeerError { node: target.node(), failure: PeerFailure::Timeout })?;
        Ok(node.blobs.contains_key(&id))
    }

    fn pin(&self, id: BlobId, holder: Holder) {
        self.pinned.lock().entry(holder).or_default().insert(id);
    }

    fn unpin(&self, holder: &Holder) {
        self.pinned.lock().remove(holder);
    }

    fn source(&self) -> Source {
        self.source.clone()
    }
}
