//! Issuing claims, and the obligor's collateral in and out.

use alloy_primitives::{Address, U256};
use assay_types::{
    ClaimId, Grains,
    abi::IClaims,
    class::{Unit, is_leaf},
    system,
};

use super::{Issuance, Standing, blocks_for, ends, margin, share_up, starts, tokens, views};
use crate::{
    governance,
    market::live_class,
    money::{self, Pot, transfer},
    providers::Provider,
    reject::{Done, Failure, fits, sane},
    schedule::{self, Due},
    step::Step,
};

/// What is issued.
pub(crate) struct Offer {
    pub(crate) class: u32,
    pub(crate) window: u32,
    pub(crate) amount: u64,
    pub(crate) price: Grains,
    pub(crate) max_rate: u64,
}

/// A provider that sells in a class.
pub(crate) fn seller_in(step: &Step<'_>, account: &Address, class: u32) -> Done<Provider> {
    let provider = Provider::load(&step.state, account)?.ok_or(Failure::UnknownProvider)?;
    if provider.class != class {
        return Err(Failure::NotSelling.into());
    }
    Ok(provider)
}

/// Issues claims to their issuer, and takes the initial collateral.
pub(crate) fn issue(step: &mut Step<'_>, sender: Address, value: u128, offer: &Offer) -> Done<U256> {
    let params = &step.env.params;
    let class = live_class(step, offer.class)?;
    if governance::is_retiring(&step.state, class.id) {
        return Err(Failure::UnknownClass.into());
    }
    if class.unit != Unit::Gigafuel {
        return Err(Failure::WrongClass.into());
    }
    if !is_leaf(&params.classes, class) {
        return Err(Failure::NotLeaf.into());
    }
    let provider = seller_in(step, &sender, offer.class)?;
    if offer.window == 0 || starts(params, offer.window) <= step.env.height() {
        return Err(Failure::WindowPast.into());
    }
    if offer.price == 0 || offer.price.checked_rem(class.tick) != Some(0) {
        return Err(Failure::OffTick.into());
    }
    if offer.amount == 0 || offer.amount.checked_rem(class.min_quantity) != Some(0) {
        return Err(Failure::BelowMinimum.into());
    }
    let id = ClaimId { class: offer.class, window: offer.window, issuer: sender };
    let before = Issuance::load(&step.state, &id)?;
    let is_new = before.is_none();
    let mut issuance = match before {
        Some(before) => {
            more_allowed(&before, &sender, offer)?;
            before
        }
        None => new_issuance(sender, &provider, offer),
    };
    issuance.issued = fits(issuance.issued.checked_add(offer.amount))?;
    issuance.outstanding = sane(issuance.outstanding.checked_add(offer.amount))?;
    issuance.last = last_redemption(step, offer.window, &issuance)?;
    let worth = issuance.value(&step.state, params, &id)?;
    let collateral = fits(share_up(worth, offer.amount, params.claim_initial_bps))?;
    if value < collateral {
        return Err(Failure::ValueTooLow.into());
    }
    transfer(step, Pot::Account(sender), Pot::Claims(id), collateral)?;
    issuance.store(step, &id);
    if is_new {
        schedule::at(step, ends(&step.env.params, id.window), Due::Claims(id));
        let value = views::uri(&step.env.params, &id);
        step.emit(system::CLAIMS, &IClaims::URI { value, id: id.to_u256() });
    }
    tokens::transfer(step, sender, &id, Address::ZERO, sender, offer.amount)?;
    step.emit(
        system::CLAIMS,
        &IClaims::ClaimsIssued {
            id: id.to_u256(),
            issuer: sender,
            amount: offer.amount,
            issuePrice: issuance.price,
            maxRate: issuance.max_rate,
            lastRedemption: issuance.last,
            collateral,
        },
    );
    Ok(id.to_u256())
}

fn new_issuance(sender: Address, provider: &Provider, offer: &Offer) -> Issuance {
    Issuance {
        obligor: sender,
        price: offer.price,
        max_rate: offer.max_rate,
        issued: 0,
        outstanding: 0,
        redeemed: 0,
        last: 0,
        in_jobs: 0,
        standing: Standing::Good,
        former: Vec::new(),
        runtime_id: provider.runtime_id,
        max_fuel_per_task: provider.max_fuel_per_task,
        max_memory_mib: provider.effective_mib(),
        max_lot: provider.effective(),
    }
}

fn more_allowed(issuance: &Issuance, sender: &Address, offer: &Offer) -> Done {
    match issuance.standing {
        Standing::Good => {}
        Standing::Called(_) | Standing::Offered(_) => return Err(Failure::ClaimCalled.into()),
        Standing::ClosedOut(..) => return Err(Failure::ClaimClosed.into()),
    }
    if issuance.obligor != *sender {
        return Err(Failure::NotObligor.into());
    }
    if (issuance.price, issuance.max_rate) != (offer.price, offer.max_rate) {
        return Err(Failure::ClaimTerms.into());
    }
    Ok(())
}

/// The last height at which claims are redeemed: from there the rate has time to deliver all of them, and up
/// to there it allows all of them to be redeemed.
fn last_redemption(step: &Step<'_>, window: u32, issuance: &Issuance) -> Done<u64> {
    let params = &step.env.params;
    let Issuance { issued, max_rate, .. } = *issuance;
    let last = ends(params, window).checked_sub(blocks_for(issued, max_rate));
    let last = last.filter(|_| max_rate > 0).ok_or(Failure::ClaimRateTooLow)?;
    let open = last.saturating_add(1).checked_sub(starts(params, window)).ok_or(Failure::ClaimRateTooLow)?;
    if max_rate.saturating_mul(open) < issued {
        return Err(Failure::ClaimRateTooLow.into());
    }
    Ok(last)
}

/// Adds to an issuance's collateral; anybody may.
pub(crate) fn top_up(step: &mut Step<'_>, sender: Address, value: u128, id: U256) -> Done {
    let (id, issuance) = Issuance::live(step, id)?;
    if value == 0 {
        return Err(Failure::AmountZero.into());
    }
    if matches!(issuance.standing, Standing::Offered(_)) {
        return Err(Failure::ClaimOffered.into());
    }
    transfer(step, Pot::Account(sender), Pot::Claims(id), value)?;
    step.emit(system::CLAIMS, &IClaims::CollateralAdded { id: id.to_u256(), from: sender, amount: value });
    margin::cure(step, &id, issuance)
}

/// Pays the obligor what is there beyond the initial collateral.
pub(crate) fn withdraw_surplus(step: &mut Step<'_>, sender: Address, id: U256) -> Done {
    let (id, issuance) = Issuance::named(step, id)?;
    if issuance.obligor != sender {
        return Err(Failure::NotObligor.into());
    }
    match issuance.standing {
        Standing::Good => {}
        Standing::Called(_) | Standing::Offered(_) => return Err(Failure::ClaimCalled.into()),
        Standing::ClosedOut(..) => return Err(Failure::ClaimClosed.into()),
    }
    let amount = surplus(step, &id, &issuance)?;
    if amount == 0 {
        return Err(Failure::NoSurplus.into());
    }
    transfer(step, Pot::Claims(id), Pot::Account(sender), amount)?;
    step.emit(system::CLAIMS, &IClaims::SurplusWithdrawn { id: id.to_u256(), obligor: sender, amount });
    Ok(())
}

fn surplus(step: &Step<'_>, id: &ClaimId, issuance: &Issuance) -> Done<Grains> {
    let worth = issuance.value(&step.state, &step.env.params, id)?;
    let needed = share_up(worth, issuance.outstanding, step.env.params.claim_initial_bps).unwrap_or(Grains::MAX);
    let others = issuance.former.iter().fold(0u128, |sum, (_, rest)| sum.saturating_add(*rest));
    let over = issuance.collateral(&step.state, id)?.saturating_sub(needed).saturating_sub(others);
    Ok(over.min(money::held(&step.state, Pot::Claims(*id))?.saturating_sub(others)))
}
