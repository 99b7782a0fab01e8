//! Round trips, damage, and how often what was not made is caught.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    fill::{leaf, mix, tree},
    *,
};

fn task(shape: Shape, provider: u8) -> Task {
    Task { shape, chain_id: 7, round: 40, beacon: B256::repeat_byte(9), provider: Address::repeat_byte(provider) }
}

fn shape(blocks: u32, passes: u32) -> Shape {
    Shape::new(blocks, passes).expect("good")
}

fn filled(task: &Task, lane: u32, keep: &[u32]) -> Lane {
    Lane::fill(task.shape, task.lane_seed(lane), keep, || false).expect("not stopped")
}

/// Root, draws and opening of an honest prover.
fn honest(task: &Task, lanes: u32, beacon: B256, count: u32) -> (B256, Vec<Draw>, Vec<u8>) {
    let roots: Vec<B256> = (0..lanes).map(|lane| filled(task, lane, &[]).root()).collect();
    let root = root_of(&roots);
    let draws = task.draws(root, lanes, beacon, count);
    let keep = |lane| draws.iter().filter(|draw| draw.lane == lane).map(|draw| draw.step).collect::<Vec<_>>();
    let again: BTreeMap<u32, Lane> = (0..lanes).map(|lane| (lane, filled(task, lane, &keep(lane)))).collect();
    let opening = open(task, &roots, &draws, |lane| again.get(&lane)).expect("all kept");
    (root, draws, opening)
}

#[test]
fn a_root_is_pinned_so_that_no_release_changes_the_task_unnoticed() {
    let task = task(shape(64, 2), 1);
    assert_eq!(filled(&task, 0, &[]).root().to_string(), PINNED);
}
const PINNED: &str = "0x72b98536e7483a98942909d5ccc239bf9c51af53c7135a3826f38d60b5344255";

#[test]
fn shapes_are_powers_of_two_within_bounds() {
    assert!(Shape::new(4, 1).is_some() && Shape::new(1 << 22, 4).is_some());
    for (blocks, passes) in [(2, 1), (0, 1), (4, 0), (6, 1), (4, 3), (1 << 22, 8), (1 << 31, 1 << 31)] {
        assert_eq!(Shape::new(blocks, passes), None, "{blocks} {passes}");
    }
}

#[test]
fn a_fill_stops_when_told() {
    assert!(Lane::fill(shape(8, 1), B256::ZERO, &[], || true).is_none());
}

#[test]
fn a_block_comes_from_those_in_memory_and_all_of_them_are_reached() {
    let shape = shape(8, 4);
    for step in 2..shape.steps() {
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..=u8::MAX {
            let mut before = [0; BLOCK_BYTES];
            before[3] = number;
            seen.insert(shape.back(step, &before));
        }
        let oldest = step.saturating_sub(8);
        assert_eq!(seen, (oldest..step - 1).collect(), "step {step}");
    }
}

#[test]
fn no_lane_is_that_of_another_lane_provider_round_beacon_chain_or_shape() {
    let base = task(shape(16, 2), 1);
    let others = [
        Task { provider: Address::repeat_byte(2), ..base },
        Task { round: 41, ..base },
        Task { beacon: B256::ZERO, ..base },
        Task { chain_id: 8, ..base },
        Task { shape: shape(32, 1), ..base },
    ];
    let mut roots: Vec<B256> = others.iter().map(|other| filled(other, 0, &[]).root()).collect();
    roots.extend([filled(&base, 0, &[]).root(), filled(&base, 1, &[]).root()]);
    roots.sort_unstable();
    roots.dedup();
    assert_eq!(roots.len(), 7);
}

#[test]
fn draws_fall_on_lanes_and_steps_alike() {
    let task = task(shape(16, 1), 1);
    let mut lanes = [0u32; 5];
    let mut steps = [0u32; 16];
    for number in 0..400u64 {
        for draw in task.draws(B256::ZERO, 5, alloy_primitives::keccak256(number.to_be_bytes()), 10) {
            lanes[draw.lane as usize] += 1;
            steps[draw.step as usize] += 1;
        }
    }
    assert_eq!((steps[0], steps[1]), (0, 0));
    // Some 3,750 of 4,000 are left where equal ones are drawn once: 750 a lane, 268 a step.
    assert!(lanes.iter().all(|count| count.abs_diff(750) < 110), "{lanes:?}");
    assert!(steps[2..].iter().all(|count| count.abs_diff(268) < 70), "{steps:?}");
}

/// A lane of which every block at a place where `skips` was not made, only made up.
fn cheated(task: &Task, skips: impl Fn(u32) -> bool) -> (B256, Vec<Vec<B256>>, Vec<Block>) {
    let mut blocks: Vec<Block> = Vec::new();
    let seed = task.lane_seed(0);
    for step in 0..task.shape.steps() {
        let before = blocks.last().copied().unwrap_or([0; BLOCK_BYTES]);
        let back = if step < 2 { before } else { blocks[task.shape.back(step, &before) as usize] };
        let made = mix(seed, step, &before, &back);
        blocks.push(if skips(step) { [step as u8; BLOCK_BYTES] } else { made });
    }
    let levels = tree(blocks.iter().map(leaf).collect());
    (levels.last().expect("a root")[0], levels, blocks)
}

#[test]
fn skipped_blocks_are_caught_as_often_as_derived() {
    let task = task(shape(512, 2), 1);
    for (one_in, count) in [(10u32, 8u32), (4, 3), (20, 24)] {
        let hash = |step: u32| alloy_primitives::keccak256(step.to_be_bytes())[0] as u32;
        let skips = |step: u32| step >= 2 && hash(step) % one_in == 0;
        let (root, levels, blocks) = cheated(&task, skips);
        let skipped = (2..task.shape.steps()).filter(|step| skips(*step)).count() as f64;
        let trials = 500u64;
        let mut caught = 0;
        for trial in 0..trials {
            let beacon = alloy_primitives::keccak256((trial, "draw").0.to_be_bytes());
            let draws = task.draws(root, 1, beacon, count);
            let mut opening = root.to_vec();
            for draw in &draws {
                let before = &blocks[draw.step as usize - 1];
                let back = task.shape.back(draw.step, before);
                opening.extend(before);
                opening.extend(blocks[back as usize]);
                for step in [draw.step, draw.step - 1, back] {
                    opening.extend(fill::siblings(&levels, step).concat());
                }
            }
            let found = verify(&task, root, 1, &draws, &opening);
            let drawn = draws.iter().any(|draw| skips(draw.step));
            assert_eq!(found, if drawn { Err(OpeningError::WrongBlock) } else { Ok(()) });
            caught += u64::from(drawn);
        }
        let share = skipped / f64::from(task.shape.steps() - 2);
        let derived = 1.0 - (1.0 - share).powi(count as i32);
        let deviation = (trials as f64 * derived * (1.0 - derived)).sqrt();
        let expected = trials as f64 * derived;
        assert!((caught as f64 - expected).abs() < 4.0 * deviation, "{caught} of {trials}, derived {expected:.0}");
    }
}

#[test]
fn lanes_that_were_not_filled_are_caught_like_blocks() {
    // Half of the lanes are made up: 24 draws miss them all once in 2^24.
    let task = task(shape(16, 2), 1);
    let mut roots: Vec<B256> = (0..2).map(|lane| filled(&task, lane, &[]).root()).collect();
    roots.extend([B256::repeat_byte(1), B256::repeat_byte(2)]);
    let root = root_of(&roots);
    let draws = task.draws(root, 4, B256::repeat_byte(3), 24);
    assert!(draws.iter().any(|draw| draw.lane > 1));
    let keep = |lane| draws.iter().filter(|draw| draw.lane == lane).map(|draw| draw.step).collect::<Vec<_>>();
    // What was not filled can only be opened as something else.
    let lanes: Vec<Lane> = (0..4).map(|lane| filled(&task, lane, &keep(lane))).collect();
    let opening = open(&task, &roots, &draws, |lane| lanes.get(lane as usize)).expect("opens");
    assert_eq!(verify(&task, root, 4, &draws, &opening), Err(OpeningError::WrongBlock));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_honest_opening_is_right_and_any_damage_is_refused(
        log_blocks in 2u32..7,
        log_passes in 0u32..3,
        lanes in 1u32..6,
        count in 1u32..12,
        seed: [u8; 32],
        pick: prop::sample::Index,
        bit in 0u8..8,
    ) {
        let task = task(shape(1 << log_blocks, 1 << log_passes), 1);
        let (root, draws, opening) = honest(&task, lanes, seed.into(), count);
        prop_assert_eq!(verify(&task, root, lanes, &draws, &opening), Ok(()));
        prop_assert!(opening.len() as u64 <= task.shape.opening_bytes(count));
        let mut flipped = opening.clone();
        flipped[pick.index(opening.len())] ^= 1 << bit;
        prop_assert!(verify(&task, root, lanes, &draws, &flipped).is_err());
        prop_assert!(verify(&task, root, lanes, &draws, &opening[..pick.index(opening.len())]).is_err());
        let mut longer = opening.clone();
        longer.push(0);
        prop_assert_eq!(verify(&task, root, lanes, &draws, &longer), Err(OpeningError::Length));
        prop_assert!(verify(&task, B256::ZERO, lanes, &draws, &opening).is_err());
        for other in [Task { round: 41, ..task }, Task { provider: Address::ZERO, ..task }, Task { beacon: B256::ZERO, ..task }] {
            prop_assert_eq!(verify(&other, root, lanes, &draws, &opening), Err(OpeningError::WrongBlock));
        }
        let elsewhere: Vec<Draw> = draws.iter().map(|draw| Draw { step: draw.step ^ 1, ..*draw }).collect();
        prop_assert!(verify(&task, root, lanes, &elsewhere, &opening).is_err());
    }
}
