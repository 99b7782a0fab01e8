//! Finality on links between continents: seven validators, what the links allow, and the arithmetic of both.

use assay_sim::wan::{
    Plan,
    bound::{Links, quorum},
    figures::{Figures, Seen, quantile},
    regions::{REGIONS, ROUND_TRIP_MS, Spread},
    run,
};

fn seven(transfers_a_second: u64, jitter_percent: u32, seed: u64) -> Figures {
    let plan = Plan {
        validators: 7,
        spread: Spread::Equal,
        transfers_a_second,
        blocks: 12,
        jitter_percent,
        uplink_mbit: None,
        seed,
    };
    let figures = run(&plan, |_| {}).unwrap_or_else(|error| panic!("seed {seed}: {error}")).figures;
    println!("seed {seed}, {transfers_a_second} transfers a second: {figures:?}");
    figures
}

#[test]
fn no_view_of_finality_is_below_what_the_latencies_allow_and_the_same_seed_has_the_same_figures() {
    // Without jitter, which may be in favour of a block.
    let loaded = seven(100, 0, 1);
    assert!(loaded.transfers > 1.0, "blocks are empty: {loaded:?}");
    for figures in [&loaded, &seven(0, 0, 1)] {
        assert_eq!(figures.blocks, 12);
        let seen = figures.finality_ms.named().into_iter().zip(figures.bound_ms.named());
        for ((who, seen), (_, bound)) in seen {
            assert!(seen.p50 >= bound.p50, "{who}: {} ms, and {} are needed", seen.p50, bound.p50);
        }
    }
    let jittered = seven(100, 3, 2);
    assert_eq!(jittered, seven(100, 3, 2), "the same seed is the same run");
    assert_ne!(jittered, seven(100, 3, 3), "another seed is another run");
}

#[test]
fn equal_links_need_three_hops_and_a_quorum_is_more_than_two_thirds() {
    assert_eq!([1, 3, 4, 7, 20, 50, 100].map(quorum), [1, 3, 3, 5, 14, 34, 67]);
    let links = Links::new(4, |_, _| 10.0);
    assert_eq!(links.finality_ms(0), vec![30.0; 4]);
}

#[test]
fn a_validator_far_away_delays_itself_only_unless_it_leads() {
    let far = |from: usize, to: usize| if from == 3 || to == 3 { 100.0 } else { 10.0 };
    let links = Links::new(4, far);
    assert_eq!(links.finality_ms(0), vec![30.0, 30.0, 30.0, 120.0]);
    assert_eq!(links.finality_ms(3), vec![120.0, 120.0, 120.0, 210.0]);
}

#[test]
fn a_certificate_that_was_sent_on_may_be_there_before_the_votes() {
    // 3 hears 0 at once and the others late; 0 hears all soon.
    let ms = |from: usize, to: usize| match (from.min(to), from.max(to)) {
        (0, 3) => 1.0,
        (_, 3) => 100.0,
        _ => 10.0,
    };
    assert_eq!(Links::new(4, ms).finality_ms(0), vec![30.0, 30.0, 30.0, 31.0]);
}

#[test]
fn the_table_is_symmetric_and_nowhere_is_nearer_than_home() {
    for (from, row) in ROUND_TRIP_MS.iter().enumerate() {
        for (to, ms) in row.iter().enumerate() {
            assert_eq!(*ms, ROUND_TRIP_MS[to][from], "{from} {to}");
            assert!(*ms >= row[from], "{from} {to}");
        }
    }
}

#[test]
fn every_validator_has_a_place_and_shares_follow_the_weights() {
    for count in [1, 7, 20, 50, 100] {
        for spread in [Spread::Equal, Spread::Weighted] {
            assert_eq!(spread.seats(count).len(), count);
        }
    }
    let seats = Spread::Weighted.seats(100);
    for (at, region) in REGIONS.iter().enumerate() {
        let there = seats.iter().filter(|seat| **seat == at).count();
        assert_eq!(there, region.weight as usize, "{}", region.name);
    }
}

#[test]
fn quantiles_are_of_the_nearest_rank() {
    let values: Vec<f64> = (1..=10).map(f64::from).collect();
    assert_eq!([50, 90, 99, 100].map(|percent| quantile(&values, percent)), [5.0, 9.0, 10.0, 10.0]);
    assert_eq!(quantile(&[7.0], 50), 7.0);
    assert_eq!(quantile(&[], 50), 0.0);
}

#[test]
fn figures_are_those_of_the_blocks_beside_their_bound() {
    let seen = |leader, proposed_us, delays: [u64; 4]| Seen {
        leader,
        proposed_us,
        transfers: 10,
        bytes: 1_000,
        final_us: (0..).zip(delays.map(|delay| proposed_us + delay)).collect(),
    };
    let blocks = [seen(0, 1_000, [60_000, 45_000, 45_000, 45_000]), seen(1, 201_000, [45_000, 60_000, 45_000, 90_000])];
    let figures = Figures::of(&blocks, 0, &Links::new(4, |_, _| 10.0), 4);
    assert_eq!(figures.finality_ms.leader.p50, 60.0);
    assert_eq!(figures.finality_ms.median.p99, 45.0);
    assert_eq!((figures.finality_ms.slowest.p50, figures.finality_ms.slowest.p99), (60.0, 90.0));
    assert_eq!(figures.interval_ms.p50, 200.0);
    assert_eq!((figures.bound_ms.median.p50, figures.ratio.median, figures.ratio.leader), (30.0, 1.5, 2.0));
}
