//! The end of a market epoch: inflation is minted, and the epoch's emission fixed.

use assay_types::{Grains, abi::IRewards, system};

use super::{
    Issuance,
    emission::{self, Ended},
    formula::{self, InflationRule},
    mint, mintable, supply,
};
use crate::{
    math,
    money::Pot,
    reject::{Done, sane},
    staking::{self, Validator},
    step::Step,
};

/// Mints for the time since this was done last, and fixes what providers may be emitted for the epoch. `used` is the
/// busy part of each class's capacity in it, basis points.
pub(crate) fn close(step: &mut Step<'_>, used: &[(u32, u32)]) -> Done {
    let mut issuance = Issuance::load(&step.state)?;
    let params = &step.env.params;
    let now = step.env.ctx.timestamp_ms;
    // A halt mints for at most this long, and a clock that went back for no time.
    let dt_ms = now.saturating_sub(issuance.minted_at_ms).min(params.max_mint_gap_ms);
    let supply = supply(&step.state)?;
    let bonded = formula::bonded_ratio(staking::bonded_total(&step.state)?, supply);
    let rate = InflationRule::of(params).next(issuance.rate, bonded, dt_ms);
    let ended = Ended {
        budget: formula::minted(supply, formula::from_bps(params.emission_bps_a_year), dt_ms),
        burned: issuance.burned_in_epoch,
        cap_bps: params.emission_cap_bps,
        fullness: used.iter().map(|(id, bps)| (*id, formula::fullness(*bps, params.emission_full_bps))).collect(),
    };
    let kept_from = issuance.epoch.saturating_add(1).saturating_sub(u64::from(params.emission_claim_epochs));
    let (to_treasury, to_validators) = secure(step, formula::minted(supply, rate, dt_ms))?;
    let epoch = issuance.epoch;
    if ended.burned > 0 {
        ended.store(step, epoch);
    }
    emission::forget(step, kept_from);
    issuance.epoch = sane(epoch.checked_add(1))?;
    issuance.minted_at_ms = now.max(issuance.minted_at_ms);
    issuance.rate = rate;
    issuance.last_minted = sane(to_treasury.checked_add(to_validators))?;
    issuance.minted = sane(issuance.minted.checked_add(issuance.last_minted))?;
    issuance.burned_in_epoch = 0;
    issuance.store(step);
    let event = IRewards::EpochMinted {
        epoch,
        dtMs: dt_ms,
        rate,
        bonded,
        toTreasury: to_treasury,
        toValidators: to_validators,
        burned: ended.burned,
        budget: ended.budget,
    };
    step.emit(system::REWARDS, &event);
    Ok(())
}

/// Mints what pays for security: the treasury's share, and to the seats of the present epoch by what is staked in
/// them, each part rounded down. Returns both sums. What rounding leaves is not minted, nor is the part of a seat that
/// is jailed: were it the others', they would gain by shutting it out.
fn secure(step: &mut Step<'_>, due: Grains) -> Done<(Grains, Grains)> {
    let due = mintable(&step.state, due)?;
    let to_treasury = sane(math::share(due, step.env.params.treasury_share_bps))?;
    mint(step, Pot::Treasury, to_treasury)?;
    let rest = sane(due.checked_sub(to_treasury))?;
    let seats = staking::seats(&step.state);
    let all = sane(seats.iter().try_fold(0u128, |sum, seat| sum.checked_add(seat.stake)))?;
    let mut paid: Grains = 0;
    for seat in seats {
        let serves = Validator::load(&step.state, &seat.account)?
            .is_some_and(|validator| !validator.tombstoned && validator.jailed_until_ms == 0);
        let part = math::mul_div_down(rest, seat.stake, all).unwrap_or_default();
        if serves && part > 0 {
            staking::reward(step, &seat.account, part, Pot::Mint)?;
            paid = sane(paid.checked_add(part))?;
        }
    }
    Ok((to_treasury, paid))
}
