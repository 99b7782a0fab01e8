//! What an upstream's words are checked against: the committee of an epoch, and how it came to sit.

use std::sync::Arc;

use assay_types::{
    Genesis,
    node::{Certificate, Checkpoint, Handover},
};
use commonware_codec::{Decode as _, DecodeExt as _};
use commonware_consensus::{Epochable as _, simplex::types::Finalization};
use commonware_cryptography::{Digestible as _, certificate::Verifier as _, sha256::Digest};
use commonware_parallel::Sequential;
use rand::rngs::StdRng;
use rand_core::SeedableRng as _;

use crate::{
    block::{Block, Header, to_b256},
    committee::{Committee, Scheme},
    consensus::handovers::MAX_HANDOVERS,
    light::{self, LightError},
    upstream::{BlockRecord, Fault, NoUpstream, Pool},
};

/// The committee of one epoch.
pub(crate) struct Sitting {
    pub(crate) epoch: u64,
    pub(crate) scheme: Arc<Scheme>,
    pub(crate) seed: [u8; 32],
}

/// A header that the validators finalized.
#[derive(Clone)]
pub(crate) struct Tip {
    pub(crate) header: Header,
    pub(crate) finalization: Finalization<Scheme, Digest>,
}

/// A block that is final, and its own certificate if it has one.
#[derive(Clone)]
pub(crate) struct Proven {
    pub(crate) block: Block,
    pub(crate) digest: Digest,
    pub(crate) finalization: Option<Finalization<Scheme, Digest>>,
}

impl Sitting {
    /// A certificate, its signatures checked.
    pub(crate) fn finalization(&self, bytes: &[u8]) -> Result<Finalization<Scheme, Digest>, Fault> {
        let config = self.scheme.certificate_codec_config();
        let finalization = Finalization::<Scheme, Digest>::decode_cfg(bytes.to_vec(), &config)
            .map_err(|error| Fault::lie(format!("the finality certificate is malformed: {error}")))?;
        // The randomness only batches signature checks; here there is one.
        let mut rng = StdRng::from_seed(self.seed);
        let epoch = finalization.epoch().get();
        if epoch != self.epoch || !finalization.verify(&mut rng, &*self.scheme, &Sequential) {
            let said = format!("the finality certificate does not verify under the committee of epoch {}", self.epoch);
            return Err(Fault::lie(said));
        }
        Ok(finalization)
    }

    /// A header with its certificate.
    pub(crate) fn tip(&self, certificate: &Certificate) -> Result<Tip, Fault> {
        let header = decode_header(certificate)?;
        let finalization = self.finalization(&certificate.certificate)?;
        if finalization.proposal.payload != header.digest() {
            return Err(Fault::lie("the certificate is for another header"));
        }
        Ok(Tip { header, finalization })
    }

    /// Blocks from height `from` on, all of this epoch. What comes after the last certificate is left
    /// out: nothing proves it yet.
    pub(crate) fn blocks(&self, from: u64, records: Vec<BlockRecord>) -> Result<Vec<Proven>, Fault> {
        let mut proven: Vec<Proven> = Vec::with_capacity(records.len());
        for (height, record) in (from..).zip(&records) {
            let block = decode_block(&record.block)?;
            let digest = block.digest();
            if block.header.height != height {
                return Err(Fault::lie(format!("block {} came where {height} was asked for", block.header.height)));
            }
            if proven.last().is_some_and(|parent| parent.digest != block.header.parent) {
                return Err(Fault::lie(format!("block {height} does not follow the one before it")));
            }
            let finalization = match &record.certificate {
                Some(bytes) => Some(self.finalization(bytes)?),
                None => None,
            };
            if finalization.as_ref().is_some_and(|certificate| certificate.proposal.payload != digest) {
                return Err(Fault::lie(format!("the certificate beside block {height} is for another block")));
            }
            proven.push(Proven { block, digest, finalization });
        }
        while proven.last().is_some_and(|block| block.finalization.is_none()) {
            proven.pop();
        }
        if proven.is_empty() {
            return Err(Fault::lacks(format!("it gives no certified block from {from} on")));
        }
        Ok(proven)
    }
}

/// A header as stated, nothing of it proven yet.
pub(crate) fn decode_header(certificate: &Certificate) -> Result<Header, Fault> {
    let header = Header::decode(certificate.header.to_vec())
        .map_err(|error| Fault::lie(format!("the header is malformed: {error}")))?;
    if certificate.height != header.height || certificate.hash != to_b256(&header.digest()) {
        return Err(Fault::lie("the stated height or hash is not the header's"));
    }
    Ok(header)
}

/// A block of an upstream, bounded and checked against its own header.
pub(crate) fn decode_block(bytes: &[u8]) -> Result<Block, Fault> {
    Block::decode(bytes.to_vec()).map_err(|error| Fault::lie(format!("a block is malformed: {error}")))
}

/// The block that a proven digest names.
pub(crate) fn block_of(record: &BlockRecord, digest: &Digest) -> Result<Block, Fault> {
    let block = decode_block(&record.block)?;
    if block.digest() != *digest {
        return Err(Fault::lie(format!("the block is {}, not {}", block.digest(), digest)));
    }
    Ok(block)
}

/// All committees from the genesis' to the present one.
#[derive(Clone)]
pub(crate) struct Known {
    trust: light::Trust,
    genesis_hash: assay_types::B256,
    first: Committee,
    /// To epoch 1, 2, and so on.
    pub(crate) handovers: Vec<Handover>,
}

impl Known {
    pub(crate) fn of_genesis(genesis: &Genesis) -> Result<Self, LightError> {
        let first = Committee::of_genesis(genesis)?;
        let trust = light::Trust::of_genesis(genesis)?;
        Ok(Self { trust, genesis_hash: genesis.hash(), first, handovers: Vec::new() })
    }

    fn epoch(&self) -> u64 {
        self.trust.latest().epoch()
    }

    fn following(mut self, handovers: Vec<Handover>, trusted: Option<&Checkpoint>) -> Result<Self, Fault> {
        for handover in handovers {
            let wanted = self.epoch().saturating_add(1);
            self.trust.follow(&handover).map_err(Fault::lie)?;
            if self.epoch() != wanted {
                return Err(Fault::lie(format!("the handover to epoch {wanted} is left out")));
            }
            // Keys whose stake has left can sign another past, but not hand over to these seats and go on.
            if trusted.is_some_and(|trusted| trusted.epoch == wanted && trusted.seats != handover.seats) {
                let said = format!("its history has other seats in epoch {wanted} than the checkpoint that is trusted");
                return Err(Fault::lie(said));
            }
            self.handovers.push(handover);
        }
        Ok(self)
    }

    /// Follows the handovers that upstreams have, as far as any of them leads, which must be to the checkpoint at least.
    pub(crate) async fn follow(mut self, pool: &Pool) -> Result<Self, NoUpstream> {
        let trusted = pool.checkpoint();
        loop {
            let (epoch, known) = (self.epoch(), &self);
            let answers = pool.ask_all(
                |upstream| upstream.handovers(epoch.saturating_add(1), MAX_HANDOVERS),
                |handovers| known.clone().following(handovers, trusted),
            );
            let furthest = answers.await?.into_iter().max_by_key(Self::epoch);
            match furthest {
                Some(further) if further.epoch() > epoch => self = further,
                _ => match trusted.filter(|trusted| trusted.epoch > epoch) {
                    Some(trusted) => return Err(pool.behind(trusted.epoch)),
                    None => return Ok(self),
                },
            }
        }
    }

    /// The handover to an epoch; none for epoch 0 and those not known.
    pub(crate) fn handover(&self, epoch: u64) -> Option<&Handover> {
        self.handovers.get(usize::try_from(epoch.checked_sub(1)?).ok()?)
    }

    /// A tip, checked under the committee of its epoch.
    pub(crate) fn tip(&self, certificate: &Certificate) -> Result<Tip, Fault> {
        let epoch = decode_header(certificate)?.context.round.epoch().get();
        let committee = match self.handover(epoch) {
            None if epoch == 0 => self.first.clone(),
            None => {
                let said = format!("its tip is of epoch {epoch}, handovers are known up to {}", self.epoch());
                return Err(Fault::lacks(said));
            }
            Some(handover) => Committee::of_seats(self.genesis_hash, epoch, &handover.seats).map_err(Fault::lie)?,
        };
        Sitting { epoch, scheme: Arc::new(committee.verifier()), seed: self.genesis_hash.0 }.tip(certificate)
    }
}
