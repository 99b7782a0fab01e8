//! What agents can and cannot do to the market.

use assay_market_sim::{Report, Strategy, simulate};

fn report() -> Report {
    let strategies = [
        Strategy::Shade { owners: 1, by: 0.05 },
        Strategy::Cartel { sellers: 4, markup: 0.2 },
        Strategy::Cartel { sellers: 20, markup: 0.2 },
        Strategy::Wash { sellers: 4, units: 50 },
    ];
    simulate(1, 2_000, &strategies)
}

#[test]
fn the_truthful_market_is_efficient_and_near_its_equilibrium() {
    let report = report();
    let honest = &report.outcomes[0];
    assert!(honest.efficiency > 0.97 && honest.efficiency <= 1.0 + 1e-12, "{honest:?}");
    assert!(honest.price_error < 0.03, "{honest:?}");
    assert_eq!((honest.printed, honest.epochs, honest.players_gain), (20, 20, 0.0));
    let [shade, small, large, wash] = &report.outcomes[1..] else { panic!("four strategies") };
    println!("{shade:#?}\n{small:#?}\n{large:#?}\n{wash:#?}");
    assert!(shade.players_gain.abs() < 0.2, "one owner of eighty changes little for itself: {shade:?}");
    assert!(large.index_moved > small.index_moved, "half the supply moves more than a tenth");
    assert!(wash.players_gain < 0.0, "wash trades at the band's edge cost their owner: {wash:?}");
}

#[test]
fn the_same_seed_is_the_same_report() {
    assert_eq!(report(), report());
}
