//! A made-up run for tests of what is printed: every section filled, a lie included.

use assay_types::{Address, B256, Fault, GRAINS_PER_KRT, view::Books};

use crate::{
    findings::*,
    timeline::{End, Phase, Row, Span, Timeline},
};

fn slice(days: f64, root: &str, expiration: &str) -> Slice {
    let years = days / 365.0;
    let atm = 0.13 + 0.05 * years.min(1.0);
    let sigma = 0.6 * atm * years.sqrt();
    let w = atm * atm * years;
    let svi = Svi { a: w * 0.35, b: 0.9 * w / (2.0 * sigma), rho: -0.62, m: 0.3 * sigma, sigma };
    let forward = 6_940.0 * (0.025 * years).exp();
    let steps = 48;
    let quotes = (0..steps)
        .map(|i| {
            let k = (-7.0 + 10.0 * f64::from(i) / f64::from(steps)) * atm * years.sqrt();
            let mid = svi.vol(k, years) * (1.0 + 0.012 * (f64::from(i) * 1.7).sin());
            SmileQuote { k, bid: (i > 2).then_some(mid * 0.985), mid, ask: Some(mid * 1.015) }
        })
        .collect();
    Slice {
        expiration: expiration.into(),
        root: root.into(),
        years,
        forward: Some(forward),
        discount: Some((-0.0375 * years).exp()),
        atm_vol: Some(svi.vol(0.0, years)),
        skew: Some(-0.35 / years.sqrt().max(0.1)),
        svi: Some(svi),
        fit_error_vol: Some(0.21),
        fit_error_spreads: Some(0.41),
        priced: 300,
        flags: Vec::new(),
        quotes,
    }
}

fn party(name: &str, byte: u8) -> Party {
    Party {
        name: name.into(),
        address: Address::repeat_byte(byte),
        price_per_gigafuel: GRAINS_PER_KRT / 1_000,
        lots_settled: 11,
        earned: GRAINS_PER_KRT / 7,
        slashed: 0,
        caught: 0,
        fees: GRAINS_PER_KRT / 90_000,
        balance: 100 * GRAINS_PER_KRT,
        collateral: 1_000 * GRAINS_PER_KRT,
    }
}

fn timeline(lots: u32, lie: bool) -> Timeline {
    let mut line = Timeline::new(B256::repeat_byte(3));
    line.submitted_at_ms = Some(1_000);
    line.closed_at_ms = Some(9_400);
    for lot in 0..lots {
        for replica in 0..2u8 {
            let provider = Address::repeat_byte(0xa1 + (lot as u8 + replica) % 3);
            let start = 120 + u64::from(lot / 3) * 900;
            let run = start + 80 + 520 + 90 * u64::from(replica);
            let cheated = lie && provider == Address::repeat_byte(0xa3) && lot % 4 == 1;
            let spans = [
                (Phase::Key, start, start + 80),
                (Phase::Run, start + 80, run),
                (Phase::Committed, run, start + 760),
                (Phase::Reveal, start + 760, start + 900),
            ];
            let mut spans: Vec<Span> =
                spans.into_iter().map(|(phase, from_ms, to_ms)| Span { phase, from_ms, to_ms }).collect();
            let last = if cheated { (Phase::Dispute, 1_700) } else { (Phase::Challenge, 500) };
            spans.push(Span { phase: last.0, from_ms: start + 900, to_ms: start + 900 + last.1 });
            let end = if cheated { End::Slashed(Fault::WrongResult) } else { End::Settled };
            line.rows.push(Row { lot, provider, spans, end });
        }
    }
    line
}

/// The run.
pub(crate) fn findings() -> Findings {
    let tenors = [
        (3.0, "2026-02-02"),
        (7.0, "2026-02-06"),
        (14.0, "2026-02-13"),
        (21.0, "2026-02-20"),
        (39.0, "2026-03-10"),
        (49.0, "2026-03-20"),
        (77.0, "2026-04-17"),
        (105.0, "2026-05-15"),
        (140.0, "2026-06-18"),
        (231.0, "2026-09-18"),
        (322.0, "2026-12-18"),
        (686.0, "2027-12-17"),
        (1_050.0, "2028-12-15"),
        (2_149.0, "2031-12-19"),
    ];
    let mut slices: Vec<Slice> = tenors.iter().map(|(d, e)| slice(*d, "SPXW", e)).collect();
    slices.insert(4, slice(21.0, "SPX", "2026-02-20"));
    slices[5].flags = vec!["interpolated".into()];
    slices[2].flags = vec!["calendar".into()];
    let counts: Vec<u64> = (0..80)
        .map(|i| {
            (2_600.0 * (-0.5 * ((f64::from(i) - 47.0) / 9.0).powi(2)).exp()) as u64
                + if i < 47 { (i / 3) as u64 } else { 0 }
        })
        .collect();
    let job = |name: &str, lots, byte, lie| JobFacts {
        name: name.into(),
        id: B256::repeat_byte(byte),
        tasks: lots * 5,
        lots,
        replicas: 2,
        fuel: 48_123_456_789,
        paid: GRAINS_PER_KRT / 9,
        refunded: GRAINS_PER_KRT / 3,
        compensated: if lie { GRAINS_PER_KRT / 200 } else { 0 },
        submit_to_settled_ms: 8_400,
        result_root: B256::repeat_byte(byte + 1),
        receipt: format!("assay-data/quickstart/{name}.receipt.json"),
        receipt_bytes: 9_000,
        timeline: timeline(lots, lie),
    };
    let sum = GRAINS_PER_KRT;
    Findings {
        market: Market {
            underlying: "SPX".into(),
            as_of: "2026-01-30".into(),
            source: "spx-2026-01-30.csv".into(),
            quotes: 17_107,
            contracts_priced: 15_712,
            expiries: 54,
        },
        slices,
        book: Book {
            positions: 120,
            value: 1_234_567.0,
            delta: 321.5,
            gamma: 0.0123,
            vega: 45_210.0,
            theta: -12_300.0,
            paths: 65_536,
            horizon_days: 10,
            confidence: 0.99,
            var: 412_000.0,
            var_se: 3_100.0,
            es: 497_000.0,
            es_se: 4_200.0,
            mean: 12_000.0,
            mean_se: 500.0,
            histogram: Histogram { low: -800_000.0, width: 17_500.0, counts },
            currency: "$".into(),
            buckets: vec![Bucket {
                name: "up to 1 month".into(),
                positions: 40,
                value: 100_000.0,
                delta: 30.0,
                gamma: 0.01,
                vega: 4_000.0,
                theta: -8_000.0,
            }],
        },
        jobs: vec![job("vol-surface", 12, 0x10, true), job("portfolio-risk", 8, 0x20, false)],
        network: NetworkFacts {
            chain_id: 710_001,
            genesis_hash: B256::repeat_byte(0x66),
            runtime_id: B256::repeat_byte(0x77),
            validators: 4,
            height: 412,
            state_root: B256::repeat_byte(0x88),
            transactions: 231,
            finality: Percentiles { p50: 61, p99: 140, count: 400 },
            books: Books {
                minted: 10 * sum,
                burned: sum,
                balances: 4 * sum,
                escrow: 0,
                collateral: 3 * sum,
                stake: 2 * sum,
                treasury: 0,
            },
            renter: Party { price_per_gigafuel: 0, ..party("renter", 0xb1) },
            providers: vec![
                party("provider 1", 0xa1),
                party("provider 2", 0xa2),
                Party { slashed: GRAINS_PER_KRT / 40, ..party("provider 3", 0xa3) },
            ],
        },
        cheat: Some(CheatFacts {
            liar: "provider 3".into(),
            address: Address::repeat_byte(0xa3),
            lots: 2,
            slashes: vec![SlashFacts {
                job: "vol-surface".into(),
                lot: 1,
                fault: Fault::WrongResult,
                amount: sum / 40,
                burned: sum / 80,
                to_catchers: sum / 100,
                to_renter: sum / 400,
                at_ms: 2_700,
            }],
            caught_by: "its co-replicas",
            redone: true,
        }),
        files: Files {
            report: "assay-data/quickstart/report.html".into(),
            surface: "assay-data/quickstart/surface.csv".into(),
            slices: "assay-data/quickstart/slices.csv".into(),
            book: "assay-data/quickstart/book.csv".into(),
            genesis: "assay-data/quickstart/genesis.json".into(),
            receipts: vec!["assay-data/quickstart/vol-surface.receipt.json".into()],
        },
        result_hash: B256::repeat_byte(0x42),
        verified: true,
        elapsed_ms: 31_000,
    }
}
