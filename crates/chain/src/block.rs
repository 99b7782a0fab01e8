//! Blocks as validators sign and exchange them.
//!
//! A block's digest is that of its header; the header commits to the transactions by their root, and
//! a block whose transactions do not match its header does not decode. So a header alone, with a
//! certificate over its digest, proves the state root to somebody who never saw the transactions.

use assay_types::{Address, B256, Bytes};
use bytes::BufMut;
use commonware_codec::{
    Buf, Encode as _, EncodeSize, Error as CodecError, FixedSize as _, MaxEncodeSize as _, Read, ReadExt as _, Write,
};
use commonware_consensus::{
    Block as ConsensusBlock, BoundedBlock, CertifiableBlock, Heightable,
    simplex::types::Context,
    types::{Epoch, Height, Round, View},
};
use commonware_cryptography::{Digest as _, Digestible, Hasher as _, Sha256, Signer as _, ed25519, sha256::Digest};
use commonware_storage::{merkle::Location, mmr};
use commonware_utils::range::NonEmptyRange;

use crate::{committee::PublicKey, keys::VoteSignature};

/// Most bytes all transactions of a block may have on the wire, whatever the parameters say.
pub const MAX_BODY_BYTES: usize = 4 << 20;
/// Most transactions of a block.
pub const MAX_TXS: usize = 1 << 16;

/// What consensus knows about a block: its round, leader and parent.
pub type RoundContext = Context<Digest, PublicKey>;

/// Everything about a block but its transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Round, leader, parent view and digest.
    pub context: RoundContext,
    /// Digest of the parent.
    pub parent: Digest,
    /// Height; genesis is 0.
    pub height: u64,
    /// Milliseconds since the Unix epoch, by the leader's clock.
    pub timestamp_ms: u64,
    /// Account of the leader.
    pub proposer: Address,
    /// Canonical root of the state after this block.
    pub state_root: Digest,
    /// Root of the state database's operations, which state sync verifies against.
    pub ops_root: Digest,
    /// Operations the state database keeps.
    pub ops_range: NonEmptyRange<Location<mmr::Family>>,
    /// Commitment to the transactions.
    pub transactions_root: B256,
    /// Commitment to receipts and end-of-block events.
    pub receipts_root: B256,
    /// Base fee, grains a gas.
    pub base_fee: u128,
    /// Gas of all transactions.
    pub gas_used: u64,
    /// Randomness accumulator after this block.
    pub beacon: B256,
    /// The leader's unique signature over the height; none in genesis.
    pub reveal: Option<VoteSignature>,
    /// In the last block of an epoch, what commits to the committee of the next.
    pub next_committee: Option<B256>,
}

/// A header and its transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What is signed.
    pub header: Header,
    /// EIP-2718 bytes of each transaction.
    pub txs: Vec<Bytes>,
}

/// Commitment to transactions: SHA-256 over their number and hashes, in order.
pub fn transactions_root(txs: &[Bytes]) -> B256 {
    let mut bytes = Vec::with_capacity(8 + 32 * txs.len());
    bytes.extend_from_slice(&(txs.len() as u64).to_be_bytes());
    for tx in txs {
        bytes.extend_from_slice(alloy_primitives::keccak256(tx).as_slice());
    }
    to_b256(&Sha256::hash(&[&bytes]))
}

/// A digest as the rest of the world writes hashes.
pub fn to_b256(digest: &Digest) -> B256 {
    B256::from_slice(digest.as_ref())
}

impl Header {
    /// Digest validators sign.
    pub fn digest(&self) -> Digest {
        Sha256::hash(&[&self.encode()])
    }
}

impl Block {
    /// Block 0: an empty state database. The opening balances enter it with block 1, so that every
    /// entry of the state is under a root that validators signed.
    pub fn genesis(
        state_root: Digest,
        ops_root: Digest,
        ops_range: NonEmptyRange<Location<mmr::Family>>,
        genesis_hash: B256,
        timestamp_ms: u64,
        base_fee: u128,
    ) -> Self {
        let header = Header {
            context: Context {
                round: Round::new(Epoch::zero(), View::zero()),
                // A point that is nobody's: genesis has no leader.
                leader: ed25519::PrivateKey::from_seed(0).public_key(),
                parent: (View::zero(), Digest::EMPTY),
            },
            parent: Digest::EMPTY,
            height: 0,
            timestamp_ms,
            proposer: Address::ZERO,
            state_root,
            ops_root,
            ops_range,
            transactions_root: transactions_root(&[]),
            receipts_root: B256::ZERO,
            base_fee,
            gas_used: 0,
            beacon: genesis_hash,
            reveal: None,
            next_committee: None,
        };
        Self { header, txs: Vec::new() }
    }
}

impl Write for Header {
    fn write(&self, buf: &mut impl BufMut) {
        self.context.write(buf);
        self.parent.write(buf);
        self.height.write(buf);
        self.timestamp_ms.write(buf);
        buf.put_slice(self.proposer.as_slice());
        self.state_root.write(buf);
        self.ops_root.write(buf);
        self.ops_range.write(buf);
        buf.put_slice(self.transactions_root.as_slice());
        buf.put_slice(self.receipts_root.as_slice());
        self.base_fee.write(buf);
        self.gas_used.write(buf);
        buf.put_slice(self.beacon.as_slice());
        self.reveal.write(buf);
        self.next_committee.map(|hash| hash.0).write(buf);
    }
}

impl EncodeSize for Header {
    fn encode_size(&self) -> usize {
        self.context.encode_size()
            + self.parent.encode_size()
            + self.ops_range.encode_size()
            + self.reveal.encode_size()
            + self.next_committee.map(|hash| hash.0).encode_size()
            + FIXED_BYTES
    }
}

/// Height, time, proposer, two roots of the database, three commitments, base fee, gas.
const FIXED_BYTES: usize = 8 + 8 + 20 + 32 + 32 + 32 + 32 + 16 + 8 + 32;

fn take<const N: usize>(buf: &mut impl Buf) -> Result<[u8; N], CodecError> {
    <[u8; N]>::read(buf)
}

impl Read for Header {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, CodecError> {
        Ok(Self {
            context: RoundContext::read(buf)?,
            parent: Digest::read(buf)?,
            height: u64::read(buf)?,
            timestamp_ms: u64::read(buf)?,
            proposer: take::<20>(buf)?.into(),
            state_root: Digest::read(buf)?,
            ops_root: Digest::read(buf)?,
            ops_range: NonEmptyRange::read(buf)?,
            transactions_root: take::<32>(buf)?.into(),
            receipts_root: take::<32>(buf)?.into(),
            base_fee: u128::read(buf)?,
            gas_used: u64::read(buf)?,
            beacon: take::<32>(buf)?.into(),
            reveal: Option::<VoteSignature>::read(buf)?,
            next_committee: Option::<[u8; 32]>::read(buf)?.map(B256::from),
        })
    }
}

impl Write for Block {
    fn write(&self, buf: &mut impl BufMut) {
        self.header.write(buf);
        (self.txs.len() as u32).write(buf);
        for tx in &self.txs {
            (tx.len() as u32).write(buf);
            buf.put_slice(tx);
        }
    }
}

impl EncodeSize for Block {
    fn encode_size(&self) -> usize {
        self.header.encode_size() + 4 + self.txs.iter().map(|tx| 4 + tx.len()).sum::<usize>()
    }
}

impl Read for Block {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, CodecError> {
        let invalid = |why| CodecError::Invalid("Block", why);
        let header = Header::read(buf)?;
        let count = u32::read(buf)? as usize;
        if count > MAX_TXS {
            return Err(invalid("too many transactions"));
        }
        let (mut txs, mut body) = (Vec::with_capacity(count.min(1_024)), 0usize);
        for _ in 0..count {
            let length = u32::read(buf)? as usize;
            body = body.saturating_add(length);
            if body > MAX_BODY_BYTES {
                return Err(invalid("too many bytes"));
            }
            if buf.remaining() < length {
                return Err(CodecError::EndOfBuffer);
            }
            let mut tx = vec![0; length];
            buf.copy_to_slice(&mut tx);
            txs.push(tx.into());
        }
        if transactions_root(&txs) != header.transactions_root {
            return Err(invalid("transactions do not match the header"));
        }
        Ok(Self { header, txs })
    }
}

impl Digestible for Block {
    type Digest = Digest;

    fn digest(&self) -> Digest {
        self.header.digest()
    }
}

impl Heightable for Block {
    fn height(&self) -> Height {
        Height::new(self.header.height)
    }
}

impl ConsensusBlock for Block {
    fn parent(&self) -> Digest {
        self.header.parent
    }
}

impl CertifiableBlock for Block {
    type Context = RoundContext;

    fn context(&self) -> RoundContext {
        self.header.context.clone()
    }
}

impl BoundedBlock for Block {
    fn max_encode_size(_: &()) -> usize {
        RoundContext::MAX_ENCODE_SIZE
            + Digest::SIZE
            + NonEmptyRange::<Location<mmr::Family>>::MAX_ENCODE_SIZE
            + 1
            + VoteSignature::SIZE
            + 1
            + 32
            + FIXED_BYTES
            + 4
            + MAX_TXS * 4
            + MAX_BODY_BYTES
    }
}

#[cfg(test)]
mod tests {
    use commonware_codec::DecodeExt as _;
    use commonware_utils::non_empty_range;

    use super::*;

    fn block(txs: Vec<Bytes>) -> Block {
        let range = non_empty_range!(Location::new(0), Location::new(1));
        let mut block = Block::genesis(Digest::EMPTY, Digest::EMPTY, range, B256::repeat_byte(1), 7, 9);
        block.header.transactions_root = transactions_root(&txs);
        block.txs = txs;
        block
    }

    #[test]
    fn a_block_survives_its_bytes_and_its_digest_commits_to_its_transactions() {
        let one = block(vec![Bytes::from_static(b"abc"), Bytes::from_static(b"")]);
        let bytes = one.encode();
        assert_eq!(bytes.len(), one.encode_size());
        assert_eq!(Block::decode(bytes).expect("own bytes"), one);
        let other = block(vec![Bytes::from_static(b"abd"), Bytes::from_static(b"")]);
        assert_ne!(one.digest(), other.digest());
        let mut forged = one.clone();
        forged.txs[0] = Bytes::from_static(b"abd");
        assert!(Block::decode(forged.encode()).is_err(), "transactions of another block under this header");
    }

    #[test]
    fn truncated_or_extended_bytes_are_refused() {
        let bytes = block(vec![Bytes::from_static(b"abc")]).encode().to_vec();
        for end in 0..bytes.len() {
            assert!(Block::decode(bytes[..end].to_vec()).is_err());
        }
        let mut long = bytes;
        long.push(0);
        assert!(Block::decode(long).is_err());
    }
}
