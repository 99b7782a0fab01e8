//! Times the capacity task on this machine: filling one lane, checking an opening, and how large it is.
//!
//! `cargo run --release -p assay-proof --example capacity -- [MIB A LANE] [PASSES] [DRAWS]`

use std::time::Instant;

use alloy_primitives::{Address, B256};
use assay_proof::capacity::{Draw, Lane, Shape, Task, open, root_of, verify};

fn main() {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<u32>().expect("a number"));
    let mut next = |default| numbers.next().unwrap_or(default);
    let (mib, passes, draws) = (next(64), next(2), next(24));
    let shape = Shape::new(mib << 10, passes).expect("powers of two, at most 2^24 steps");
    let task = Task { shape, chain_id: 1, round: 1, beacon: B256::repeat_byte(1), provider: Address::ZERO };
    let at = Instant::now();
    let first = Lane::fill(shape, task.lane_seed(0), &[], || false).expect("not stopped");
    println!("{mib} MiB, {passes} passes: filled in {:.2?}", at.elapsed());
    // Of the other lanes only roots are needed to open this one.
    let mut roots = vec![first.root(); 16];
    roots[1] = B256::repeat_byte(2);
    let root = root_of(&roots);
    let drawn: Vec<Draw> =
        task.draws(root, 16, B256::repeat_byte(3), draws).into_iter().map(|draw| Draw { lane: 0, ..draw }).collect();
    let mut drawn = drawn;
    drawn.sort_unstable();
    let keep: Vec<u32> = drawn.iter().map(|draw| draw.step).collect();
    let lane = Lane::fill(shape, task.lane_seed(0), &keep, || false).expect("not stopped");
    let opening = open(&task, &roots, &drawn, |_| Some(&lane)).expect("kept");
    let at = Instant::now();
    let rounds = 200;
    for _ in 0..rounds {
        verify(&task, root, 16, &drawn, &opening).expect("right");
    }
    println!("{draws} draws: {} bytes, checked in {:.3?}", opening.len(), at.elapsed() / rounds);
}
