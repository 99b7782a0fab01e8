//! The data plane of the simulation: blob nodes in memory that fetch from one another and can be cut
//! off. Ordered maps throughout, since the order of a hash map is not deterministic.

use std::{
    collections::{BTreeMap, BTreeSet},
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

/// All blob nodes of a run.
#[derive(Default)]
pub struct DataPlane {
    nodes: Mutex<BTreeMap<[u8; 32], BlobHost>>,
}

struct BlobHost {
    online: bool,
    blobs: BTreeMap<[u8; 32], Bytes>,
    policy: Arc<dyn AcceptPut>,
}

/// One node's view of the data plane.
pub struct SimBlobs {
    plane: Arc<DataPlane>,
    source: Source,
    pinned: Mutex<BTreeMap<Holder, BTreeSet<[u8; 32]>>>,
}

impl DataPlane {
    /// A node named `name`; made again after a crash it still has its blobs.
    pub fn node(self: &Arc<Self>, name: &str, policy: Arc<dyn AcceptPut>) -> Arc<SimBlobs> {
        // Half of all strings of 32 bytes are Ed25519 points, so this ends soon.
        let source = (0u32..)
            .find_map(|n| Source::new(keccak256(format!("{name}/{n}")).0, [([127, 0, 0, 1], 1).into()]).ok())
            .expect("one string in two is a point");
        let mut nodes = self.nodes.lock();
        let blobs = nodes.remove(&source.node().0).map(|node| node.blobs).unwrap_or_default();
        nodes.insert(source.node().0, BlobHost { online: true, blobs, policy });
        drop(nodes);
        Arc::new(SimBlobs { plane: Arc::clone(self), source, pinned: Mutex::default() })
    }

    /// Takes a node off the network.
    pub fn cut_off(&self, source: &Source) {
        if let Some(node) = self.nodes.lock().get_mut(&source.node().0) {
            node.online = false;
        }
    }
}

#[async_trait]
impl Blobs for SimBlobs {
    async fn get(&self, id: BlobId, max_bytes: u64, sources: &[Source]) -> Result<Bytes, FetchError> {
        let mut nodes = self.plane.nodes.lock();
        let from = std::iter::once(&self.source).chain(sources);
        let found = from.enumerate().find_map(|(at, source)| {
            let node = nodes.get(&source.node().0)?;
            node.blobs.get(&id.0).filter(|_| at == 0 || node.online).cloned()
        });
        let Some(bytes) = found else { return Err(FetchError::AllFailed { id, attempts: Vec::new() }) };
        if bytes.len() as u64 > max_bytes {
            return Err(FetchError::TooLarge { id, size_bytes: bytes.len() as u64, max_bytes });
        }
        if let Some(own) = nodes.get_mut(&self.source.node().0) {
            own.blobs.insert(id.0, bytes.clone());
        }
        Ok(bytes)
    }

    async fn put(&self, bytes: Bytes) -> Result<BlobId, StoreError> {
        let id = BlobId::of(&bytes);
        if let Some(own) = self.plane.nodes.lock().get_mut(&self.source.node().0) {
            own.blobs.insert(id.0, bytes);
        }
        Ok(id)
    }

    async fn push(&self, target: &Source, bytes: Bytes) -> Result<BlobId, PeerError> {
        let failed = |failure| PeerError { node: target.node(), failure };
        let id = BlobId::of(&bytes);
        let offer = PutOffer { peer: self.source.node(), id, size_bytes: bytes.len() as u64 };
        let mut nodes = self.plane.nodes.lock();
        let node = nodes.get_mut(&target.node().0).filter(|node| node.online);
        let node = node.ok_or_else(|| failed(PeerFailure::Timeout))?;
        if node.policy.decide(&offer) != PutDecision::Accept {
            return Err(failed(PeerFailure::Refused));
        }
        node.blobs.insert(id.0, bytes);
        Ok(id)
    }

    async fn has(&self, target: &Source, id: BlobId) -> Result<bool, PeerError> {
        let nodes = self.plane.nodes.lock();
        let node = nodes.get(&target.node().0).filter(|node| node.online);
        let node = node.ok_or(PeerError { node: target.node(), failure: PeerFailure::Timeout })?;
        Ok(node.blobs.contains_key(&id.0))
    }

    fn pin(&self, id: BlobId, holder: Holder) {
        self.pinned.lock().entry(holder).or_default().insert(id.0);
    }

    fn unpin(&self, holder: &Holder) {
        self.pinned.lock().remove(holder);
    }

    fn source(&self) -> Source {
        self.source.clone()
    }
}
