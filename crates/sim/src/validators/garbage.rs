//! Bytes that nobody can read: random ones, real messages cut short or with flipped bits, and the longest there
//! may be.

use std::time::Duration;

use assay_chain::committee::PublicKey;
use commonware_p2p::{Recipients, Sender};
use commonware_runtime::{Clock as _, IoBuf};
use rand::{Rng, RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{Context, byzantine::Samples};

/// How often it speaks.
const EVERY: Duration = Duration::from_millis(60);

/// Speaks on all channels, one after the other, for good.
pub(super) async fn speak<S: Sender<PublicKey = PublicKey>>(
    context: Context,
    mut channels: Vec<S>,
    peers: Vec<PublicKey>,
    samples: Samples,
    longest: usize,
    seed: u64,
) {
    let mut rng = StdRng::seed_from_u64(seed);
    for turn in 0usize.. {
        context.sleep(EVERY).await;
        let bytes = spoiled(&mut rng, &samples.lock(), longest);
        let count = channels.len();
        let Some(channel) = channels.get_mut(turn % count) else { return };
        let to = match rng.random_bool(0.5) {
            true => Recipients::All,
            false => Recipients::One(peers[rng.random_range(0..peers.len())].clone()),
        };
        channel.send(to, IoBuf::from(bytes), false);
    }
}

fn spoiled(rng: &mut impl Rng, samples: &[Vec<u8>], longest: usize) -> Vec<u8> {
    let random = |rng: &mut dyn Rng, length: usize| {
        let mut bytes = vec![0; length];
        rng.fill_bytes(&mut bytes);
        bytes
    };
    let sample = match samples.len() {
        0 => return random(rng, 40),
        count => &samples[rng.random_range(0..count)],
    };
    match rng.random_range(0..20) {
        0 => random(rng, longest),
        1..5 => {
            let length = rng.random_range(0..600);
            random(rng, length)
        }
        5..12 => sample[..rng.random_range(0..=sample.len())].to_vec(),
        _ => {
            let mut bytes = sample.clone();
            for _ in 0..rng.random_range(1..5) {
                let bits = bytes.len() * 8;
                if bits > 0 {
                    let bit = rng.random_range(0..bits);
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
            }
            bytes
        }
    }
}
