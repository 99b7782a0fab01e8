//! Terms of a job that claims pay for, as docs/protocol/claims.md asks for them.

use assay_client::{Chain, JobTerms};
use assay_types::view::IssuanceView;

use crate::failure::Outcome;

/// Blocks in which the submission is surely included.
const INCLUSION: u64 = 200;
/// Fuel of a thousandth of a gigafuel.
const FUEL_PER_UNIT: u64 = 1_000_000;

/// Makes the terms those of a redemption.
pub(super) async fn fit(terms: &mut JobTerms, tasks: usize, issuance: &IssuanceView, chain: &dyn Chain) -> Outcome<()> {
    terms.class = issuance.claim.class;
    terms.max_price_per_gigafuel = issuance.redemption_price;
    let blocks_left = issuance.ends.saturating_sub(chain.status().await?.height);
    in_time(terms, u64::try_from(tasks).unwrap_or(u64::MAX), issuance.max_rate, blocks_left);
    Ok(())
}

/// Windows that leave the claims' rate its time, and end soon enough after their delivery window.
fn in_time(terms: &mut JobTerms, tasks: u64, rate: u64, blocks_left: u64) {
    let (lot, all) = units(terms, tasks);
    let blocks = |units: u64| units.div_ceil(rate.max(1));
    let commit = blocks(lot).max(u64::from(terms.commit_window));
    let least = blocks(all).saturating_mul(2).saturating_add(commit);
    let most = least.saturating_add(blocks_left.saturating_sub(INCLUSION));
    let lifetime = u64::from(terms.lifetime).clamp(least, most);
    // What does not fit is refused by the network, as out of bounds.
    terms.commit_window = u32::try_from(commit).unwrap_or(u32::MAX);
    terms.lifetime = u32::try_from(lifetime).unwrap_or(u32::MAX);
}

/// Thousandths of a gigafuel of one replica of the largest lot, and of all replicas of all lots.
fn units(terms: &JobTerms, tasks: u64) -> (u64, u64) {
    let per_lot = u64::from(terms.tasks_per_lot.max(1));
    let of = |tasks: u64| terms.fuel_per_task.saturating_mul(tasks).div_ceil(FUEL_PER_UNIT);
    let whole = of(per_lot).saturating_mul(tasks / per_lot);
    let all = whole.saturating_add(of(tasks % per_lot)).saturating_mul(u64::from(terms.replicas));
    (of(per_lot.min(tasks)), all)
}

#[cfg(test)]
mod tests {
    use assay_types::{Abi, B256, GIGAFUEL};

    use super::*;

    fn terms() -> JobTerms {
        JobTerms {
            abi: Abi::Component,
            runtime_id: B256::ZERO,
            class: 1,
            substitutes: Vec::new(),
            fuel_per_task: GIGAFUEL,
            memory_mib: 1,
            output_bytes: 1,
            tasks_per_lot: 2,
            replicas: 2,
            audit: None,
            min_reputation: 0,
            max_price_per_gigafuel: 1,
            commit_window: 2_000,
            challenge_window: 4,
            lifetime: 50_000,
        }
    }

    fn fitted(tasks: u64, rate: u64, blocks_left: u64) -> (u32, u32) {
        let mut terms = terms();
        in_time(&mut terms, tasks, rate, blocks_left);
        (terms.commit_window, terms.lifetime)
    }

    #[test]
    fn a_redemption_lives_as_long_as_it_may_and_no_longer() {
        // Five tasks of one gigafuel in lots of two, twice each.
        assert_eq!(units(&terms(), 5), (2_000, 10_000));
        // At a gigafuel a block: 2,000 to commit, 20 for the rate, and what is left of the window.
        assert_eq!(fitted(5, 1_000, 20_000), (2_000, 2_020 + 20_000 - 200));
        assert_eq!(fitted(5, 1_000, 100), (2_000, 2_020));
        assert_eq!(fitted(5, 1_000, 1_000_000), (2_000, 50_000));
        // At a unit a block: a lot alone takes its 2,000, all of them far longer than usual.
        assert_eq!(fitted(50, 1, 0), (2_000, 2_000 + 200_000));
        assert_eq!(fitted(1, 1, 0).0, 2_000);
    }
}
