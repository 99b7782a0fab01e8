//! The least block that carries what resharing puts on a chain, and the application that makes it.
//!
//! Before the middle of an epoch a block carries nothing; then at most one dealer's log; the last block of
//! an epoch carries who holds the key in the next.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc};

use assay_chain::committee::{PublicKey, Scheme};
use bytes::BufMut;
use commonware_codec::{Buf, Encode as _, EncodeSize, Error as CodecError, Read, ReadExt as _, Write};
use commonware_consensus::{
    Application, Block as ConsensusBlock, CertifiableBlock, Heightable,
    marshal::ancestry::Ancestry,
    simplex::types::Context,
    types::{Epoch, Height, Round, View},
};
use commonware_cryptography::{
    Digest as _, Digested, Digestible, Hasher as _, Sha256,
    bls12381::primitives::{sharing::ModeVersion, variant::MinPk},
    ed25519,
    sha256::Digest,
};
use commonware_glue::dkg::{
    ReshareBlock,
    reshare::Input,
    types::{EpochInfo, Payload},
};
use commonware_utils::{NZU32, sequence::Unit};
use futures::StreamExt as _;
use parking_lot::Mutex;

/// Most members of any set.
pub(crate) const MOST: NonZeroU32 = NZU32!(16);

/// What resharing puts into a block.
pub(crate) type Carried = Payload<MinPk, PublicKey, Unit>;
/// Who deals, who receives, and the public key's sharing.
pub(crate) type Info = EpochInfo<MinPk, PublicKey, Unit>;
/// Round, leader and parent.
pub(crate) type RoundContext = Context<Digest, PublicKey>;

/// A block.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Block {
    context: RoundContext,
    parent: Digest,
    height: Height,
    carried: Option<Carried>,
}

impl Block {
    /// Block 0, which says who holds the key first.
    pub(crate) fn genesis(leader: PublicKey, info: Info) -> Self {
        let context =
            Context { round: Round::new(Epoch::zero(), View::zero()), leader, parent: (View::zero(), Digest::EMPTY) };
        Self { context, parent: Digest::EMPTY, height: Height::zero(), carried: Some(Payload::EpochInfo(info)) }
    }
}

impl Write for Block {
    fn write(&self, buf: &mut impl BufMut) {
        self.context.write(buf);
        self.parent.write(buf);
        self.height.write(buf);
        self.carried.write(buf);
    }
}

impl EncodeSize for Block {
    fn encode_size(&self) -> usize {
        self.context.encode_size() + self.parent.encode_size() + self.height.encode_size() + self.carried.encode_size()
    }
}

impl Read for Block {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, CodecError> {
        Ok(Self {
            context: RoundContext::read(buf)?,
            parent: Digest::read(buf)?,
            height: Height::read(buf)?,
            carried: Option::<Carried>::read_cfg(buf, &(MOST, ModeVersion::v0()))?,
        })
    }
}

impl Digestible for Block {
    type Digest = Digest;

    fn digest(&self) -> Digest {
        Sha256::hash(&[&self.encode()])
    }
}

impl Heightable for Block {
    fn height(&self) -> Height {
        self.height
    }
}

impl ConsensusBlock for Block {
    fn parent(&self) -> Digest {
        self.parent
    }
}

impl CertifiableBlock for Block {
    type Context = RoundContext;

    fn context(&self) -> RoundContext {
        self.context.clone()
    }
}

impl ReshareBlock for Block {
    type Variant = MinPk;
    type PublicKey = PublicKey;
    type Directory = Unit;

    fn payload(&self) -> Option<Carried> {
        self.carried.clone()
    }
}

/// Dealers' logs that others asked this node to put into its block, by dealer, encoded.
pub(crate) type Handed = Arc<Mutex<BTreeMap<PublicKey, Vec<u8>>>>;

/// Makes blocks of what the packaged wrapper hands it; where that is nothing, of a log it was handed.
#[derive(Clone)]
pub(crate) struct App {
    /// Logs of dealers that may not lead; empty where nobody hands any.
    pub(crate) handed: Handed,
    /// Blocks of an epoch.
    pub(crate) epoch_blocks: u64,
}

impl App {
    /// A log that was handed to this node and is in no block of the epoch yet.
    async fn waiting(&self, height: u64, mut ancestry: impl Ancestry<Block>) -> Option<Carried> {
        let place = height % self.epoch_blocks;
        let middle = self.epoch_blocks / 2;
        let mut waiting: Vec<Vec<u8>> = self.handed.lock().values().cloned().collect();
        if place < middle || place + 1 == self.epoch_blocks || waiting.is_empty() {
            return None;
        }
        for _ in middle..place {
            let included = ancestry.next().await?.inner().carried.as_ref().map(|carried| carried.encode().to_vec());
            waiting.retain(|log| Some(log) != included.as_ref());
        }
        let log = waiting.first()?;
        let epoch = height / self.epoch_blocks;
        let carried = Carried::read_cfg(&mut bytes::Bytes::from(log.clone()), &(MOST, ModeVersion::v0())).ok();
        tracing::debug!(epoch, height, "puts the log of another into its block");
        carried
    }
}

impl<E: Send> Application<E> for App {
    type SigningScheme = Scheme;
    type Context = RoundContext;
    type Block = Block;
    type Input = Input<(), MinPk, ed25519::PrivateKey, Unit>;

    async fn propose(
        &mut self,
        (_, context): (E, RoundContext),
        ancestry: impl Ancestry<Block>,
        input: Self::Input,
    ) -> Option<Digested<Block>> {
        let parent = ancestry.peek()?.clone();
        let height = parent.height().next();
        let carried = match input.payload {
            Some(carried) => Some(carried),
            None => self.waiting(height.get(), ancestry).await,
        };
        let block = Block { context, parent: parent.digest(), height, carried };
        let digest = block.digest();
        Some(Digested::precomputed(block, digest))
    }

    async fn verify(&mut self, _: (E, RoundContext), _: impl Ancestry<Block>) -> bool {
        // The wrapper has judged what the block carries, and there is nothing else in it.
        true
    }
}
