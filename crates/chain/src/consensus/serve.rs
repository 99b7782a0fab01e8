//! What a node gives to those who join through it: certified tips, blocks, operations of the state log.
//!
//! Who asks is a stranger: each answer is bounded, whatever is asked.

use std::{sync::Arc, time::Duration};

use assay_types::{B256, Bytes, node::Certificate};
use commonware_codec::{DecodeExt as _, Encode as _};
use commonware_consensus::{
    marshal::{self, Identifier, standard::Standard},
    types::Height,
};
use commonware_cryptography::sha256::Digest;
use commonware_runtime::{Clock, Metrics, Spawner, Storage};
use commonware_storage::{
    mmr,
    qmdb::sync::{Request, Source as _},
};
use commonware_utils::NZU64;
use futures::{FutureExt as _, pin_mut, select_biased};

use super::{app::Databases, core::Core, shelf::certified_at};
use crate::{
    block::Block,
    committee::Scheme,
    upstream::{BlockRecord, MAX_ANSWER_BYTES, MAX_BLOCKS, MAX_OPERATIONS, TIP_WAIT_MS, UpstreamError},
};

pub(crate) type Marshal = marshal::core::Mailbox<Scheme, Standard<Block>>;

/// Blocks below the tip that are looked at for a certificate of their own.
const CERTIFICATE_WITHIN: u64 = 64;
/// How often a certificate is looked for while somebody waits.
const LOOK: Duration = Duration::from_millis(50);

/// The newest certified header, above `after` if there is one within [`TIP_WAIT_MS`].
pub(crate) async fn tip<E: Clock>(
    context: Arc<E>,
    core: Arc<Core>,
    marshal: Marshal,
    after: u64,
) -> Result<Certificate, UpstreamError> {
    let mut blocks = core.blocks.subscribe();
    let timer = context.sleep(Duration::from_millis(TIP_WAIT_MS)).fuse();
    pin_mut!(timer);
    loop {
        let tip = core.tip().map_or(0, |(tip, _)| tip.height);
        // Not above what is applied, though it may be certified: its state could not be served yet.
        for height in (tip.saturating_sub(CERTIFICATE_WITHIN).max(after)..=tip).rev() {
            if height > after
                && let Some((_, certified)) = certified_at(&marshal, height).await
            {
                return Ok(certified);
            }
        }
        let next = blocks.recv().fuse();
        // A certificate may come a moment after its block is applied.
        let look = context.sleep(LOOK).fuse();
        pin_mut!(next, look);
        select_biased! {
            () = timer => break,
            _ = next => {}
            () = look => {}
        }
    }
    let tip = core.tip().map_or(0, |(tip, _)| tip.height);
    for height in (tip.saturating_sub(CERTIFICATE_WITHIN)..=tip).rev() {
        if let Some((_, certified)) = certified_at(&marshal, height).await {
            return Ok(certified);
        }
    }
    Err(UpstreamError::Unknown("no block has a certificate yet".into()))
}

/// Finalized blocks from `from` on.
pub(crate) async fn blocks(
    core: Arc<Core>,
    marshal: Marshal,
    from: u64,
    count: u64,
) -> Result<Vec<BlockRecord>, UpstreamError> {
    let tip = core.tip().map_or(0, |(tip, _)| tip.height);
    let last = from.saturating_add(count.min(MAX_BLOCKS)).min(tip.saturating_add(1));
    let (mut records, mut bytes) = (Vec::new(), 0usize);
    for height in from.max(1)..last {
        let Some(block) = marshal.get_block(Identifier::Height(Height::new(height))).await else {
            if records.is_empty() {
                return Err(UpstreamError::Pruned(format!("block {height} is not held any more: ask an archive node")));
            }
            break;
        };
        let record = record(&marshal, height, block.inner()).await;
        bytes = bytes.saturating_add(record.block.len());
        let proven = record.certificate.is_some();
        records.push(record);
        // The last one needs a certificate, or those after the last certificate prove nothing.
        if proven && bytes > MAX_ANSWER_BYTES || bytes > 2 * MAX_ANSWER_BYTES {
            break;
        }
    }
    Ok(records)
}

/// The finalized block with a digest.
pub(crate) async fn block(core: Arc<Core>, marshal: Marshal, hash: B256) -> Result<BlockRecord, UpstreamError> {
    let tip = core.tip().map_or(0, |(tip, _)| tip.height);
    let digest = Digest::from(hash.0);
    let found = marshal.get_block(Identifier::Digest(digest)).await;
    // What is not final yet is nobody's business.
    match found.filter(|block| block.inner().header.height <= tip) {
        Some(block) => Ok(record(&marshal, block.inner().header.height, block.inner()).await),
        None => Err(UpstreamError::Unknown(format!("block {hash} is not held here: it is unknown or pruned"))),
    }
}

async fn record(marshal: &Marshal, height: u64, block: &Block) -> BlockRecord {
    let certificate = marshal.get_finalization(Height::new(height)).await;
    BlockRecord {
        block: block.encode().to_vec().into(),
        certificate: certificate.map(|certificate| certificate.encode().to_vec().into()),
    }
}

/// Operations of the state log and their proof.
pub(crate) async fn state_ops<E>(database: Databases<E>, request: Bytes) -> Result<Bytes, UpstreamError>
where
    E: Clock + Spawner + Storage + Metrics,
{
    let refused = |message: String| UpstreamError::Refused { code: -32_602, message };
    let mut request = Request::<mmr::Family>::decode(request.to_vec())
        .map_err(|error| refused(format!("the request for state operations is malformed: {error}")))?;
    let bounds = database.read().await.bounds();
    if request.start() < bounds.start {
        return Err(UpstreamError::Pruned(format!(
            "state operation {} is not held any more, the first is {}: ask an archive node or sync to a newer block",
            *request.start(),
            *bounds.start
        )));
    }
    if request.size() > bounds.end {
        let message = format!("the state log has {} operations, not {}", *bounds.end, *request.size());
        return Err(UpstreamError::Unknown(message));
    }
    if let Request::Operations { max_ops, .. } = &mut request {
        *max_ops = (*max_ops).min(NZU64!(MAX_OPERATIONS));
    }
    loop {
        let (response, _) = database
            .serve(request)
            .await
            .map_err(|error| UpstreamError::Unknown(format!("these state operations cannot be proven: {error}")))?;
        let bytes = response.encode();
        match &mut request {
            // Values differ in size by orders of magnitude: fewer of the large ones.
            Request::Operations { max_ops, .. } if bytes.len() > MAX_ANSWER_BYTES && max_ops.get() > 1 => {
                *max_ops = std::num::NonZeroU64::new(max_ops.get() / 2).unwrap_or(NZU64!(1));
            }
            _ => return Ok(bytes.to_vec().into()),
        }
    }
}
