//! Prints how well the smiles of the bundled chain fit and how they go on beyond their quotes, slice by
//! slice and in total; `tests/surface.rs` holds the totals to bounds.
//!
//! `cargo run --release -p vol-surface --example smiles`

use std::{fs, path::Path, time::Instant};

use quant::{black::Kind, date::Date};
use vol_surface::{Flags, read_chain, reduce, run};

fn main() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/spx-2026-01-30.csv");
    let file = fs::File::open(path).expect("the chain is there");
    let chain = read_chain(file, Date::parse("2026-01-30").expect("a date")).expect("the chain reads");
    let tasks = chain.tasks();
    let start = Instant::now();
    let outputs: Vec<Vec<u8>> = tasks.iter().map(|task| run(task).expect("a slice")).collect();
    let ran = start.elapsed();
    let surface = reduce(&outputs).expect("a surface");
    println!("calls: root mean square miss of the call wing, vol points; left, right: vol a fifth of the range");
    println!("beyond the last quote over that quote's; free: of butterflies to there");
    println!("expiration root   low    high   rho    b(1-r) b(1+r) spreads vol   calls  left right free flags");
    let (mut spreads, mut calls, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for (i, slice) in surface.slices.iter().enumerate() {
        let (svi, (low, high)) = (slice.svi.expect("a smile"), slice.range);
        let forward = slice.forward.expect("a forward");
        let (mut sum, mut count, mut last) = (0.0, 0, [0.0; 2]);
        for c in surface.contracts.iter().filter(|c| c.slice == i) {
            let (Some(vol), k) = (c.priced.market_vol, libm::log(c.strike / forward)) else { continue };
            if (c.strike >= forward) != (c.priced.kind == Kind::Call) || k < low || k > high {
                continue;
            }
            if k > 0.0 {
                let miss = 100.0 * (svi.vol(k, slice.years) - vol);
                sum += miss * miss;
                count += 1;
            }
            for (last, end) in last.iter_mut().zip([low, high]) {
                *last = if k == end { vol } else { *last };
            }
        }
        let beyond = 0.2 * (high - low);
        let [left, right] =
            [(low - beyond, last[0]), (high + beyond, last[1])].map(|(k, vol)| svi.vol(k, slice.years) / vol);
        ratios.extend([left, right]);
        calls.push(sum / f64::from(count));
        spreads.push(slice.fit_error_spreads.expect("a fit"));
        println!(
            "{} {:5} {low:6.3} {high:6.3} {:6.3} {:6.3} {:6.3} {:6.3} {:6.3} {:6.3} {left:5.2} {right:5.2} {:5} {}",
            slice.key.expiration,
            slice.key.root,
            svi.rho,
            svi.b * (1.0 - svi.rho),
            svi.b * (1.0 + svi.rho),
            spreads[i],
            slice.fit_error_vol.expect("a fit"),
            calls[i].sqrt(),
            svi.is_free_of_butterflies(low - beyond, high + beyond),
            slice.flags
        );
    }
    let flags = |flag| surface.slices.iter().filter(|s| s.flags.has(flag)).count();
    spreads.sort_by(f64::total_cmp);
    println!(
        "spreads: median {:.4}, worst {:.4}; poor fits {}, calendar {}, butterflies {}; calls of the ten shortest \
         {:.3}; beyond the quotes {:.3} to {:.3}; {} ms",
        spreads[spreads.len() / 2],
        spreads[spreads.len() - 1],
        flags(Flags::POOR_FIT),
        flags(Flags::CALENDAR),
        flags(Flags::BUTTERFLY),
        (calls[..10].iter().sum::<f64>() / 10.0).sqrt(),
        ratios.iter().copied().fold(f64::INFINITY, f64::min),
        ratios.iter().copied().fold(0.0, f64::max),
        ran.as_millis()
    );
}
