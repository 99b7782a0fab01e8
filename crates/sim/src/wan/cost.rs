//! What the simulated clock leaves out, measured on this machine: the time votes and certificates take a
//! validator, and what a block takes from its leader's uplink.

use assay_chain::committee::{Committee, Scheme};
use commonware_codec::{Decode as _, DecodeExt as _, Encode as _};
use commonware_consensus::{
    simplex::types::{Proposal, Subject},
    types::{Epoch, Round, View},
};
use commonware_cryptography::{
    Hasher as _, Sha256,
    certificate::{Attestation, Scheme as _, Verifier},
    sha256::Digest,
};
use commonware_parallel::Sequential;
use rand::{SeedableRng as _, rngs::StdRng};
use serde::Serialize;

use super::{WanError, bound::quorum, cpu::Stopwatch, network};

/// Times each is done: enough for the kernel's clock of threads, which may go in steps of some milliseconds.
const REPEATS: u32 = 100;

/// Computing of one validator on one core, milliseconds, and sizes in bytes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Costs {
    /// Signing a vote.
    pub sign_ms: f64,
    /// From the bytes of 2f+1 votes to a certificate that is checked.
    pub assemble_ms: f64,
    /// Checking a certificate that somebody else assembled.
    pub verify_ms: f64,
    /// A vote's signature with its index.
    pub vote_bytes: usize,
    /// A certificate.
    pub certificate_bytes: usize,
}

/// Mean computing time of `work`, milliseconds, and its last result.
fn timed<T>(mut work: impl FnMut() -> T) -> (f64, T) {
    let started = Stopwatch::start();
    for _ in 1..REPEATS {
        work();
    }
    let result = work();
    (started.ms() / f64::from(REPEATS), result)
}

/// Measures with real keys of a committee of `validators`.
pub fn costs(validators: usize) -> Result<Costs, WanError> {
    let keys = network::keys(validators, 1);
    let committee = Committee::of_genesis(&network::genesis(&keys, &[]))?;
    let schemes: Vec<Scheme> = keys.iter().map(|keys| committee.scheme(keys, None)).collect();
    let proposal: Proposal<Digest> =
        Proposal::new(Round::new(Epoch::new(0), View::new(2)), View::new(1), Sha256::hash(&[b"block"]));
    let subject = Subject::Finalize { proposal: &proposal };
    let (sign_ms, _) = timed(|| schemes[0].sign(subject));
    let votes: Vec<Vec<u8>> = schemes
        .iter()
        .take(quorum(validators))
        .filter_map(|scheme| Some(scheme.sign(subject)?.encode().to_vec()))
        .collect();
    let mut rng = StdRng::seed_from_u64(1);
    let (assemble_ms, certificate) = timed(|| {
        let votes: Vec<Attestation<Scheme>> =
            votes.iter().filter_map(|vote| Attestation::decode(vote.clone()).ok()).collect();
        schemes[0].optimistic_assemble(&mut rng, subject, votes, [], &Sequential)
    });
    let certificate = certificate.map_err(|_| WanError::Votes)?;
    let bytes = certificate.encode().to_vec();
    let (verify_ms, good) = timed(|| {
        let config = schemes[0].certificate_codec_config();
        let certificate = <Scheme as Verifier>::Certificate::decode_cfg(bytes.clone(), &config).ok()?;
        schemes[0].verify_certificate(&mut rng, subject, &certificate, &Sequential).then_some(())
    });
    good.ok_or(WanError::Votes)?;
    Ok(Costs {
        sign_ms,
        assemble_ms,
        verify_ms,
        vote_bytes: votes.first().map_or(0, Vec::len),
        certificate_bytes: bytes.len(),
    })
}

/// Milliseconds until an uplink of `mbit` megabits a second has sent `bytes` to each of `others`.
pub fn upload_ms(bytes: f64, others: usize, mbit: u32) -> f64 {
    bytes * others as f64 * 8.0 / (f64::from(mbit) * 1_000.0)
}
