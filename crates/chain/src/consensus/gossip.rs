//! Transactions to the other validators: each node tells all others of what its own clients sent.
//!
//! A message holds transactions as (length, bytes), at most [`MESSAGE_BYTES`]. Peers check what they
//! receive as they would a client's. Who sends what no honest node hands on is cut off. Others may err: a
//! transaction that was good when it was sent may be final by now. But each costs its reader a recovered
//! signature, so a peer that sends too many in vain is not read for a while ([`Patience`]): its transactions
//! wait for its own turn to lead.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime},
};

use assay_types::Bytes;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender, block};
use commonware_runtime::{Clock, IoBuf, Spawner};
use tokio::sync::broadcast::error::RecvError;

use super::core::{Core, Heard};
use crate::committee::PublicKey;

/// Most bytes of one message.
pub(crate) const MESSAGE_BYTES: usize = 256 << 10;

/// Time in which a transaction that was checked in vain is forgiven. At some 40 microseconds a signature a peer
/// takes no more than a hundredth of a core for longer than it has credit.
const FORGIVEN_IN: Duration = Duration::from_micros(3_906);

/// What a peer may owe: 4,096 transactions.
const CREDIT: Duration = Duration::from_secs(16);

/// What each peer owes for transactions that were checked in vain, as the time at which it will owe nothing
/// (the generic cell rate algorithm, ITU-T I.371, with the cost known only afterwards).
#[derive(Debug, Default)]
struct Patience {
    settled: BTreeMap<PublicKey, SystemTime>,
}

impl Patience {
    /// Whether a message of `peer` is read at `now`.
    fn has(&mut self, peer: &PublicKey, now: SystemTime) -> bool {
        self.settled.retain(|_, settled| *settled > now);
        self.settled.get(peer).is_none_or(|settled| settled.duration_since(now).is_ok_and(|owed| owed < CREDIT))
    }

    /// Counts transactions of `peer` that were checked in vain.
    fn lose(&mut self, peer: PublicKey, now: SystemTime, vain: usize) {
        if vain > 0 {
            let cost = FORGIVEN_IN.saturating_mul(u32::try_from(vain).unwrap_or(u32::MAX));
            let settled = self.settled.entry(peer).or_insert(now);
            *settled = settled.checked_add(cost).unwrap_or(*settled);
        }
    }
}

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
pub(crate) fn start<E, S, R, B>(context: E, core: Arc<Core>, (mut sender, receiver): (S, R), blocker: B)
where
    E: Spawner + Clock,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
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
    let listen = context.child("listen").shared(true);
    listen.spawn(move |context| hear(context, core, receiver, blocker));
}

/// Reads what peers tell.
async fn hear<E, R, B>(context: E, core: Arc<Core>, mut receiver: R, mut blocker: B)
where
    E: Clock,
    R: Receiver<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    let mut patience = Patience::default();
    while let Ok((peer, message)) = receiver.recv().await {
        if !patience.has(&peer, context.current()) {
            core.unread.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let Some(txs) = decode(message.as_ref()) else {
            block!(blocker, peer, "a peer's transactions cannot be told apart");
            continue;
        };
        match core.admit(&txs) {
            Heard::Read { vain } => {
                let now = context.current();
                patience.lose(peer.clone(), now, vain);
                if !patience.has(&peer, now) {
                    tracing::warn!(?peer, "a peer sent too many transactions in vain and is not read for a while");
                }
            }
            Heard::Spoiled(reject) => {
                block!(blocker, peer, %reject, "a peer handed on what no honest one does");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use commonware_cryptography::Signer as _;

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

    #[test]
    fn a_peer_that_sends_in_vain_is_left_unread_until_it_is_forgiven_and_others_are_read() {
        let key = |seed| commonware_cryptography::ed25519::PrivateKey::from_seed(seed).public_key();
        let (loud, quiet) = (key(1), key(2));
        let mut patience = Patience::default();
        let start = SystemTime::UNIX_EPOCH;
        patience.lose(loud.clone(), start, 0);
        assert!(patience.settled.is_empty(), "who loses nothing is not remembered");
        patience.lose(loud.clone(), start, 4_000);
        assert!(patience.has(&loud, start), "within its credit");
        patience.lose(loud.clone(), start, 2_000);
        assert!(!patience.has(&loud, start) && patience.has(&quiet, start));
        // 6,000 in vain are forgiven down to the credit of 4,096 in 7.4 s.
        assert!(!patience.has(&loud, start + Duration::from_secs(7)));
        assert!(patience.has(&loud, start + Duration::from_secs(8)));
        assert!(patience.has(&quiet, start + Duration::from_secs(24)));
        assert!(patience.settled.is_empty(), "and then forgotten");
    }
}
