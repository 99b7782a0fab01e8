//! Transactions to the other validators: each node tells all others of what its own clients sent.
//!
//! A message holds transactions as (length, bytes), at most [`MESSAGE_BYTES`]. Peers check what they
//! receive as they would a client's; what is malformed is dropped and costs its sender its quota.

use std::sync::Arc;

use assay_types::Bytes;
use commonware_p2p::{Receiver, Recipients, Sender};
use commonware_runtime::{IoBuf, Spawner};
use tokio::sync::broadcast::error::RecvError;

use super::core::Core;
use crate::{committee::PublicKey, mempool::Origin};

/// Most bytes of one message.
pub(crate) const MESSAGE_BYTES: usize = 256 << 10;

fn encode(txs: &[Bytes]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(txs.iter().map(|tx| tx.len() + 4).sum());
    for tx in txs {
        bytes.extend_from_slice(&(tx.len() as u32).to_be_bytes());
        bytes.extend_from_slice(tx);
    }
    bytes
}

fn decode(mut bytes: &[u8]) -> Option<Vec<Bytes>> {
    let mut txs = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (tx, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        txs.push(Bytes::copy_from_slice(tx));
        bytes = rest;
    }
    bytes.is_empty().then_some(txs)
}

/// Starts telling and listening.
pub(crate) fn start<E, S, R>(context: E, core: Arc<Core>, (mut sender, mut receiver): (S, R))
where
    E: Spawner,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
{
    // From now on, not from when the task first runs.
    let mut fresh = core.mempool.fresh();
    context.child("tell").spawn(move |_| async move {
        loop {
            let mut batch = match fresh.recv().await {
                Ok(tx) => vec![tx.raw.clone()],
                Err(RecvError::Lagged(missed)) => {
                    tracing::debug!(missed, "gossip lags: some transactions wait for this node's turn");
                    continue;
                }
                Err(RecvError::Closed) => return,
            };
            let mut size = batch.iter().map(|tx| tx.len() + 4).sum::<usize>();
            while size < MESSAGE_BYTES / 2 {
                let Ok(tx) = fresh.try_recv() else { break };
                size += tx.raw.len() + 4;
                batch.push(tx.raw.clone());
            }
            // Peers that are down learn of it from a block.
            sender.send(Recipients::All, IoBuf::from(encode(&batch)), false);
        }
    });
    context.child("listen").shared(true).spawn(move |_| async move {
        while let Ok((_, message)) = receiver.recv().await {
            if let Some(txs) = decode(message.as_ref()) {
                core.admit(&txs, Origin::Peer);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_their_bytes_and_broken_ones_are_refused() {
        let txs = vec![Bytes::from_static(b"one"), Bytes::new(), Bytes::from_static(b"three")];
        let bytes = encode(&txs);
        assert_eq!(decode(&bytes), Some(txs));
        assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(decode(&[0, 0]), None);
        assert_eq!(decode(&[]), Some(vec![]));
    }
}
