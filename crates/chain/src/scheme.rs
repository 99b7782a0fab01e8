//! The signature scheme of votes: aggregated BLS12-381 with signer indices, so that votes are
//! attributable, and a guard before each signature.
//!
//! A vote is remembered on disk before it is made, beside the key and not in the state directory: a node
//! whose state was lost or put back from an old copy asks the guard and does not vote twice in a view.

use std::sync::Arc;

use commonware_codec::Read;
use commonware_consensus::simplex::{scheme::Namespace, types::Subject};
use commonware_cryptography::{
    Digest,
    bls12381::{
        certificate::multisig::{Certificate, Generic},
        primitives::{group::Private, variant::MinPk},
    },
    certificate::{self, AssemblyError, Attestation, Membership, Verification, Verifier},
};
use commonware_parallel::Strategy;
use commonware_utils::{
    N3f1,
    iter::NonEmpty,
    ordered::{BiMap, Set},
};
use rand_core::CryptoRng;

use crate::{
    committee::PublicKey,
    guard::{Guard, Vote},
    keys::{VoteKey, VoteSignature},
};

type Plain = Generic<PublicKey, MinPk, Namespace>;

/// The scheme of a committee.
#[derive(Clone)]
pub struct Scheme {
    plain: Plain,
    guard: Option<Arc<dyn Guard>>,
}

impl std::fmt::Debug for Scheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheme").field("me", &self.plain.signer_index()).finish_non_exhaustive()
    }
}

impl Scheme {
    /// Votes with `key`; none if it has no seat. Every member's possession of its key must have been proved.
    pub(crate) fn signer(
        namespace: &[u8],
        members: BiMap<PublicKey, VoteKey>,
        key: Private,
        guard: Option<Arc<dyn Guard>>,
    ) -> Option<Self> {
        Plain::signer(namespace, members, key).map(|plain| Self { plain, guard })
    }

    /// Only checks. Every member's possession of its key must have been proved.
    pub(crate) fn verifier(namespace: &[u8], members: BiMap<PublicKey, VoteKey>) -> Self {
        Self { plain: Plain::verifier(namespace, members), guard: None }
    }

    /// Whether it can vote.
    pub(crate) fn votes(&self) -> bool {
        self.plain.signer_index().is_some()
    }
}

fn vote_of<D: Digest>(subject: &Subject<'_, D>) -> Vote {
    let proposal = |proposal: &commonware_consensus::simplex::types::Proposal<D>| {
        let mut digest = [0; 32];
        digest.iter_mut().zip(proposal.payload.as_ref()).for_each(|(to, from)| *to = *from);
        (proposal.round, digest)
    };
    match subject {
        Subject::Notarize { proposal: p } => {
            let (round, digest) = proposal(p);
            Vote::notarize(round.epoch().get(), round.view().get(), digest)
        }
        Subject::Nullify { round } => Vote::nullify(round.epoch().get(), round.view().get()),
        Subject::Finalize { proposal: p } => {
            let (round, digest) = proposal(p);
            Vote::finalize(round.epoch().get(), round.view().get(), digest)
        }
    }
}

impl Verifier for Scheme {
    type Subject<'a, D: Digest> = Subject<'a, D>;
    type Faults = N3f1;
    type PublicKey = PublicKey;
    type Certificate = Certificate<MinPk>;

    fn verify_certificate<R: CryptoRng, D: Digest>(
        &self,
        rng: &mut R,
        subject: Self::Subject<'_, D>,
        certificate: &Self::Certificate,
        _: &impl Strategy,
    ) -> bool {
        self.plain.verify_certificate::<Self, _>(rng, subject, certificate)
    }

    fn verify_certificates<'a, R, D, I>(&self, rng: &mut R, certificates: NonEmpty<I>, _: &impl Strategy) -> bool
    where
        R: CryptoRng,
        D: Digest,
        I: Iterator<Item = (Self::Subject<'a, D>, &'a Self::Certificate)>,
    {
        self.plain.verify_certificates::<Self, _, _, _>(rng, certificates)
    }

    fn is_batchable() -> bool {
        Plain::is_batchable()
    }

    fn max_certificate_size(participants: u32) -> usize {
        Plain::max_certificate_size(participants)
    }

    fn certificate_codec_config(&self) -> <Self::Certificate as Read>::Cfg {
        self.plain.certificate_codec_config()
    }

    fn certificate_codec_config_unbounded() -> <Self::Certificate as Read>::Cfg {
        Plain::certificate_codec_config_unbounded()
    }
}

impl certificate::Scheme for Scheme {
    type Signature = VoteSignature;

    fn me(&self) -> Option<Membership> {
        self.plain.signer_index().map(Membership::Signer)
    }

    fn participants(&self) -> &Set<PublicKey> {
        self.plain.participants()
    }

    fn sign<D: Digest>(&self, subject: Self::Subject<'_, D>) -> Option<Attestation<Self>> {
        if let Some(guard) = self.guard.as_ref().filter(|_| self.votes())
            && let Err(refused) = guard.allow(vote_of(&subject))
        {
            tracing::error!(target: "consensus", %refused, "a vote was not signed");
            return None;
        }
        self.plain.sign(subject)
    }

    fn verify_attestation<R: CryptoRng, D: Digest>(
        &self,
        _: &mut R,
        subject: Self::Subject<'_, D>,
        attestation: &Attestation<Self>,
        _: &impl Strategy,
    ) -> bool {
        self.plain.verify_attestation(subject, attestation)
    }

    fn verify_attestations<R, D, I>(
        &self,
        rng: &mut R,
        subject: Self::Subject<'_, D>,
        attestations: I,
        strategy: &impl Strategy,
    ) -> Verification<Self>
    where
        R: CryptoRng,
        D: Digest,
        I: IntoIterator<Item = Attestation<Self>>,
        I::IntoIter: Send,
    {
        self.plain.verify_attestations(rng, subject, attestations, strategy)
    }

    fn optimistic_assemble<'a, R, D, I, J>(
        &self,
        rng: &mut R,
        subject: Self::Subject<'_, D>,
        pending: I,
        verified: J,
        strategy: &impl Strategy,
    ) -> Result<Self::Certificate, Verification<Self>>
    where
        R: CryptoRng,
        D: Digest,
        I: IntoIterator<Item = Attestation<Self>>,
        I::IntoIter: ExactSizeIterator + Send,
        J: IntoIterator<Item = &'a Attestation<Self>>,
        J::IntoIter: Send,
    {
        certificate::optimistic_assemble::<Self, _, D, _, _>(self, rng, subject, pending, verified, strategy)
    }

    fn assemble<I>(&self, attestations: NonEmpty<I>, _: &impl Strategy) -> Result<Self::Certificate, AssemblyError>
    where
        I: Iterator<Item = Attestation<Self>> + Send,
    {
        self.plain.assemble::<Self, _>(attestations)
    }

    fn is_attributable() -> bool {
        Plain::is_attributable()
    }
}
