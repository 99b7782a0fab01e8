//! What an upstream's words are checked against: the committee of the genesis.

use assay_types::{Genesis, node::Certificate};
use commonware_codec::{Decode as _, DecodeExt as _};
use commonware_consensus::simplex::types::Finalization;
use commonware_cryptography::{Digestible as _, certificate::Verifier as _, sha256::Digest};
use commonware_parallel::Sequential;
use rand::rngs::StdRng;
use rand_core::SeedableRng as _;

use crate::{
    block::{Block, Header, to_b256},
    committee::{Committee, CommitteeError, Scheme},
    upstream::{BlockRecord, Fault},
};

/// Who finalizes blocks.
pub(crate) struct Trust {
    scheme: Scheme,
    seed: [u8; 32],
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

impl Trust {
    pub(crate) fn of_genesis(genesis: &Genesis) -> Result<Self, CommitteeError> {
        let committee = Committee::of_genesis(genesis)?;
        Ok(Self { scheme: committee.verifier(), seed: committee.genesis_hash().0 })
    }

    /// A certificate, its signatures checked.
    pub(crate) fn finalization(&self, bytes: &[u8]) -> Result<Finalization<Scheme, Digest>, Fault> {
        let config = self.scheme.certificate_codec_config();
        let finalization = Finalization::<Scheme, Digest>::decode_cfg(bytes.to_vec(), &config)
            .map_err(|error| Fault::lie(format!("the finality certificate is malformed: {error}")))?;
        // The randomness only batches signature checks; here there is one.
        let mut rng = StdRng::from_seed(self.seed);
        if !finalization.verify(&mut rng, &self.scheme, &Sequential) {
            return Err(Fault::lie("the finality certificate does not verify under this genesis"));
        }
        Ok(finalization)
    }

    /// A header with its certificate.
    pub(crate) fn tip(&self, certificate: &Certificate) -> Result<Tip, Fault> {
        let header = Header::decode(certificate.header.to_vec())
            .map_err(|error| Fault::lie(format!("the header is malformed: {error}")))?;
        let finalization = self.finalization(&certificate.certificate)?;
        if finalization.proposal.payload != header.digest() {
            return Err(Fault::lie("the certificate is for another header"));
        }
        if certificate.height != header.height || certificate.hash != to_b256(&header.digest()) {
            return Err(Fault::lie("the stated height or hash is not the header's"));
        }
        Ok(Tip { header, finalization })
    }

    /// Blocks from height `from` on. What comes after the last certificate is left out: nothing proves
    /// it yet.
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
