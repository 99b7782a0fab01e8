//! Sizes and CPU times of a round without network or chain, by dealing directly.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use assay_chain::committee::PublicKey;
use commonware_codec::EncodeSize as _;
use commonware_consensus::types::Epoch;
use commonware_cryptography::{
    Signer as _,
    bls12381::{
        dkg::feldman_desmedt::{Dealer, DealerPubMsg, Info, Logs, Output, Player, Reveal, deal, observe},
        primitives::{
            group::Share,
            ops::{threshold, verify_message},
            sharing::Mode,
            variant::MinPk,
        },
    },
    ed25519::PrivateKey,
};
use commonware_glue::dkg::types::{EpochInfo, EpochOutcome, Message, Payload};
use commonware_parallel::Sequential;
use commonware_utils::{
    N3f1,
    ordered::{Map, Set},
    sequence::Unit,
};
use rand::{SeedableRng as _, rngs::StdRng};

use crate::node::NAMESPACE;

type Carried = Payload<MinPk, PublicKey, Unit>;

/// What a round takes with `members` dealers and as many receivers, two of them new.
pub(crate) struct Costs {
    members: usize,
    quorum: usize,
    dealing_bytes: usize,
    ack_bytes: usize,
    between_bytes: usize,
    log_bytes: usize,
    info_bytes: usize,
    deal: Duration,
    receive: Duration,
    check_log: Duration,
    observe: Duration,
    recover: Duration,
    sign: Duration,
    check_partial: Duration,
    combine: Duration,
    check: Duration,
}

/// Members whose share is recovered, for the mean.
const RECOVERED: usize = 2;

/// CPU time of this thread since an arbitrary point, as Linux counts it; elsewhere the time that passes.
fn spent(since: Instant) -> Duration {
    // It is counted up to the last time the scheduler looked, so it is made to look now.
    std::thread::yield_now();
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = counted.and_then(|text| text.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

/// What `work` gives, and the CPU time it takes.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let since = Instant::now();
    let began = spent(since);
    let made = work();
    (made, spent(since).saturating_sub(began))
}

/// The mean of 20.
fn mean<T>(mut work: impl FnMut() -> T) -> Duration {
    let (_, time) = timed(|| {
        for _ in 0..20 {
            std::hint::black_box(work());
        }
    });
    time / 20
}

/// One round among honest members.
fn round(members: usize) -> Costs {
    let mut rng = StdRng::seed_from_u64(1);
    let signers: Vec<PrivateKey> = (0..members as u64 + 2).map(PrivateKey::from_seed).collect();
    let set = |signers: &[PrivateKey]| Set::from_iter_dedup(signers.iter().map(|signer| signer.public_key()));
    let (dealers, receivers) = (&signers[..members], &signers[2..]);
    let (old, shares): (Output<MinPk, PublicKey>, Map<PublicKey, Share>) =
        deal::<MinPk, _, N3f1>(&mut rng, Mode::NonZeroCounter, set(dealers)).expect("dealt");
    let info = || {
        let (mode, reveal) = (Mode::NonZeroCounter, Reveal::V1);
        let (dealers, receivers) = (set(dealers), set(receivers));
        Info::new::<N3f1>(NAMESPACE, 1, Some(old.clone()), mode, reveal, dealers, receivers).expect("a round")
    };
    let info = info();
    let player = |receiver: &PrivateKey| Player::new(info.clone(), receiver.clone()).expect("a receiver");
    let mut players: BTreeMap<PublicKey, Player<MinPk, PrivateKey>> =
        receivers.iter().map(|receiver| (receiver.public_key(), player(receiver))).collect();
    let quorum = old.public().required() as usize;

    let (mut logs, mut dealt) = (Logs::<MinPk, PublicKey, N3f1>::new(info.clone()), Vec::new());
    let (mut deal, mut receive) = (Duration::ZERO, Duration::ZERO);
    let (mut dealing_bytes, mut ack_bytes, mut log_bytes) = (0, 0, 0);
    for signer in dealers {
        let share = shares.get_value(&signer.public_key()).cloned();
        let random = StdRng::from_rng(&mut rng);
        let (made, time) = timed(|| Dealer::start::<N3f1>(random, info.clone(), signer.clone(), share).expect("deals"));
        deal += time;
        let (mut dealer, public, private): (_, DealerPubMsg<MinPk>, _) = made;
        if let Some((_, private)) = private.first() {
            dealing_bytes = Message::<MinPk, PublicKey>::Dealer(public.clone(), private.clone()).encode_size();
        }
        let from = signer.public_key();
        let (acks, time) = timed(|| {
            let receive = |(to, private)| {
                let player = players.get_mut(&to).expect("a receiver");
                let ack = player.dealer_message::<N3f1>(from.clone(), public.clone(), private);
                (to, ack.expect("a sound dealing").expect("the first of its dealer"))
            };
            private.into_iter().map(receive).collect::<Vec<_>>()
        });
        receive += time;
        for (to, ack) in acks {
            ack_bytes = Message::<MinPk, PublicKey>::Ack(ack.clone()).encode_size();
            dealer.receive_player_ack(to, ack).expect("a sound acknowledgement");
        }
        let log = dealer.finalize::<N3f1>();
        log_bytes = Carried::DealerLog(log.clone()).encode_size();
        dealt.push(log);
    }
    let (checked, check_log) = timed(|| dealt.into_iter().map(|log| log.check(&info)).collect::<Vec<_>>());
    for log in checked {
        let (dealer, log) = log.expect("signed");
        logs.record(dealer, log);
    }

    let (output, observe) = timed(|| observe::<_, _, N3f1>(&mut rng, logs.clone(), &Sequential).expect("a key"));
    let mut recover = Duration::ZERO;
    for player in players.into_values().take(RECOVERED) {
        let ((of, share), time) =
            timed(|| player.finalize::<N3f1>(&mut rng, logs.clone(), &Sequential).expect("a share"));
        recover += time;
        assert_eq!(of, output, "all see one outcome");
        let public = output.public().partial_public(share.index).expect("a member's");
        assert_eq!(share.public::<MinPk>(), public, "the share is the one the outcome commits to");
    }
    assert_eq!(output.public().public(), old.public().public(), "the key is what it was");
    let info_bytes = Carried::EpochInfo(EpochInfo {
        outcome: EpochOutcome::Success,
        epoch: Epoch::new(1_000),
        output: output.clone(),
        players: set(receivers),
        next_players: set(receivers),
        directory: Unit,
    })
    .encode_size();

    // Signing costs the same with the shares that were dealt at first, which all are at hand.
    let (sharing, height) = (old.public(), 1_000_u64.to_be_bytes());
    let new: Vec<&Share> = shares.values().iter().take(quorum).collect();
    let sign = mean(|| threshold::sign_message::<MinPk>(new[0], NAMESPACE, &height));
    let partials: Vec<_> =
        new.iter().map(|share| threshold::sign_message::<MinPk>(share, NAMESPACE, &height)).collect();
    sharing.precompute_partial_publics();
    let check_partial = mean(|| {
        threshold::verify_message::<MinPk>(sharing, NAMESPACE, &height, &partials[0]).expect("a partial verifies");
    });
    let combined = || threshold::recover(sharing, &partials, &Sequential).expect("a quorum signs");
    let (made, combine) = (combined(), mean(combined));
    let check = mean(|| {
        verify_message::<MinPk>(sharing.public(), NAMESPACE, &height, &made).expect("the key verifies it");
    });
    let each = members as u32;
    Costs {
        members,
        quorum,
        dealing_bytes,
        ack_bytes,
        between_bytes: (members * members - (members - 2)) * (dealing_bytes + ack_bytes + 2),
        log_bytes,
        info_bytes,
        deal: deal / each,
        receive: receive / (each * each),
        check_log: check_log / each,
        observe,
        recover: recover / RECOVERED as u32,
        sign,
        check_partial,
        combine,
        check,
    }
}

/// Measures and prints rounds of 4 to 100 members.
pub(crate) fn print() {
    println!("\nbytes a round, honest members, keys of the peer-to-peer layer of 32 bytes, no addresses");
    println!("members quorum  dealing  ack   all between members  log  all logs  last block");
    let costs: Vec<Costs> = [4, 7, 16, 50, 100].into_iter().map(round).collect();
    for c in &costs {
        let Costs { members, quorum, dealing_bytes, ack_bytes, between_bytes, log_bytes, info_bytes, .. } = c;
        let all = members * log_bytes;
        println!(
            "{members:>7} {quorum:>6} {dealing_bytes:>8} {ack_bytes:>4} {between_bytes:>21} {log_bytes:>5} {all:>8} \
             {info_bytes:>11}"
        );
    }
    println!("\nCPU milliseconds of one thread: once a round a member; then each height");
    println!(
        "members   deal  one dealing in  one log's signature  all logs, outcome  \
         ... and share | partial  its check  combine  check"
    );
    for c in &costs {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "{:>7} {:>6.1} {:>15.2} {:>20.2} {:>18.1} {:>14.1} | {:>7.2} {:>10.2} {:>8.2} {:>6.2}",
            c.members,
            ms(c.deal),
            ms(c.receive),
            ms(c.check_log),
            ms(c.observe),
            ms(c.recover),
            ms(c.sign),
            ms(c.check_partial),
            ms(c.combine),
            ms(c.check)
        );
    }
}
