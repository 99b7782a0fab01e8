//! Collateral against the index: calls, the offer of an obligation to others, closing out, expiry.
//!
//! ```text
//!  Good ──below maintenance──▶ Called ──not cured in time──▶ Offered ──nobody──▶ ClosedOut ──collected──▶ gone
//!    ▲                           │ topped up, index fell        │ taken over
//!    └───────────────────────────┴──────────────────────────────┘
//! ```
//!
//! Who is called when claims can be redeemed for the last time is closed out then: an issuer that cannot
//! deliver does not get away by letting the window end.

use alloy_primitives::{Address, Bytes, U256};
use assay_types::{ClaimId, Grains, abi::IClaims, system};

use super::{Issuance, Standing, ends, issue::seller_in, key_of, redeeming, share_up, tokens};
use crate::{
    keys::{self, ISSUANCE, MARKING},
    market::trading,
    math,
    money::{self, Pot, transfer},
    providers::Provider,
    reject::{BrokenInvariant, Done, Failure, fits, sane},
    schedule::{self, Due},
    step::{Step, keys_under},
};

/// Holders whose void claims are cleared away a step.
const SWEPT: usize = 32;

fn class_prefix(class: u32) -> Vec<u8> {
    keys::key(ISSUANCE, &[&class.to_be_bytes()])
}

/// The index of a class moved: its issuances are marked in this block and, where there are many, the next.
pub(crate) fn index_moved(step: &mut Step<'_>, class: u32) {
    let key = keys::key(MARKING, &[&class.to_be_bytes()]);
    let prefix = class_prefix(class);
    if keys_under(&step.state, &prefix).next().is_some() && crate::state::StateRead::get(&step.state, &key).is_none() {
        step.write(key, &Bytes::from(prefix));
    }
}

/// Marks issuances whose turn it is.
pub(crate) fn run(step: &mut Step<'_>) -> Done {
    let mut left = usize::try_from(step.env.params.max_due_per_block).unwrap_or(usize::MAX);
    for key in keys_under(&step.state, &[MARKING]).collect::<Vec<_>>() {
        let from: Bytes = step.must(&key)?;
        let class = key.get(1..).and_then(|class| class.try_into().ok()).map(u32::from_be_bytes);
        let end = keys::after(&class_prefix(class.ok_or(BrokenInvariant::Corrupt(MARKING))?));
        let scan = crate::state::StateRead::scan(&step.state, &from, end.as_deref());
        let found: Vec<Vec<u8>> = scan.take(left).map(|(key, _)| key).collect();
        match found.last().filter(|_| found.len() == left) {
            Some(last) => step.write(key, &Bytes::from([last.as_slice(), &[0]].concat())),
            None => step.state.delete(key),
        }
        left = left.saturating_sub(found.len());
        for one in found {
            mark(step, &super::id_at_end(&one).ok_or(BrokenInvariant::Corrupt(ISSUANCE))?)?;
        }
        if left == 0 {
            break;
        }
    }
    Ok(())
}

/// What an issuance lacks to its maintenance level.
fn missing(step: &Step<'_>, id: &ClaimId, issuance: &Issuance) -> Done<Grains> {
    let worth = issuance.value(&step.state, &step.env.params, id)?;
    let needed = share_up(worth, issuance.outstanding, step.env.params.claim_maintenance_bps).unwrap_or(Grains::MAX);
    Ok(needed.saturating_sub(issuance.collateral(&step.state, id)?))
}

fn mark(step: &mut Step<'_>, id: &ClaimId) -> Done {
    let mut issuance = Issuance::must(step, id)?;
    let missing = missing(step, id, &issuance)?;
    match issuance.standing {
        Standing::Good if missing > 0 && step.env.height() <= issuance.last => {
            let deadline = step.env.after(step.env.params.claim_margin_window).min(issuance.last);
            issuance.standing = Standing::Called(deadline);
            issuance.store(step, id);
            schedule::at(step, deadline, Due::Claims(*id));
            step.emit(system::CLAIMS, &IClaims::CollateralCalled { id: id.to_u256(), missing, deadline });
            Ok(())
        }
        Standing::Called(_) => cure(step, id, issuance),
        Standing::Good | Standing::Offered(_) | Standing::ClosedOut(..) => Ok(()),
    }
}

/// Ends a call when nothing is missing any more.
pub(crate) fn cure(step: &mut Step<'_>, id: &ClaimId, mut issuance: Issuance) -> Done {
    if matches!(issuance.standing, Standing::Called(_)) && missing(step, id, &issuance)? == 0 {
        issuance.standing = Standing::Good;
        issuance.store(step, id);
        step.emit(system::CLAIMS, &IClaims::CallCured { id: id.to_u256() });
    }
    Ok(())
}

/// A deadline of an issuance: of a call, of an offer, or the end of its window.
pub(crate) fn due(step: &mut Step<'_>, id: ClaimId) -> Done {
    let Some(issuance) = Issuance::load(&step.state, &id)? else { return Ok(()) };
    let height = step.env.height();
    match issuance.standing {
        Standing::Called(deadline) if height >= deadline => {
            cure(step, &id, issuance)?;
            let issuance = Issuance::must(step, &id)?;
            match issuance.standing {
                Standing::Called(_) if height >= issuance.last => close_out(step, &id, issuance),
                Standing::Called(_) => offer(step, &id, issuance),
                _ => Ok(()),
            }
        }
        Standing::Offered(since) if height >= offered_until(step, &issuance, since) => close_out(step, &id, issuance),
        Standing::ClosedOut(..) => Ok(()),
        _ if height >= ends(&step.env.params, id.window) => expire(step, &id, issuance),
        _ => Ok(()),
    }
}

/// Last height at which an offered obligation can be taken.
pub(crate) fn offered_until(step: &Step<'_>, issuance: &Issuance, since: u64) -> u64 {
    since.saturating_add(u64::from(step.env.params.claim_closeout_window)).min(issuance.last)
}

fn offer(step: &mut Step<'_>, id: &ClaimId, mut issuance: Issuance) -> Done {
    let since = step.env.height();
    issuance.standing = Standing::Offered(since);
    issuance.store(step, id);
    let until = offered_until(step, &issuance, since);
    schedule::at(step, until, Due::Claims(*id));
    step.emit(system::CLAIMS, &IClaims::ObligationOffered { id: id.to_u256(), until });
    Ok(())
}

/// Another provider becomes the obligor: it posts the initial collateral and is paid the share of the old one that
/// grew since the obligation was offered. The rest stays behind the claims, and is its owner's when all is over.
pub(crate) fn take_over(step: &mut Step<'_>, sender: Address, value: u128, id: U256) -> Done {
    let (id, mut issuance) = Issuance::live(step, id)?;
    let Standing::Offered(since) = issuance.standing else { return Err(Failure::NotOffered.into()) };
    let taker = seller_in(step, &sender, id.class)?;
    let before = Provider::load(&step.state, &issuance.obligor)?.map(|provider| provider.operator);
    if sender == issuance.obligor || before == Some(taker.operator) {
        return Err(Failure::SameObligor.into());
    }
    let worth = issuance.value(&step.state, &step.env.params, &id)?;
    let posted = fits(share_up(worth, issuance.outstanding, step.env.params.claim_initial_bps))?;
    if value < posted {
        return Err(Failure::ValueTooLow.into());
    }
    let pot = Pot::Claims(id);
    let old = money::held(&step.state, pot)?;
    let whole = u64::from(step.env.params.claim_closeout_window);
    let gone = step.env.height().saturating_sub(since).min(whole);
    let part = |amount: Grains, of: u64| math::mul_div_down(amount, u128::from(of), u128::from(whole));
    let paid = sane(part(old, gone))?;
    transfer(step, Pot::Account(sender), pot, posted)?;
    transfer(step, pot, Pot::Account(sender), paid)?;
    let mut rest = sane(old.checked_sub(paid))?;
    for (_, amount) in &mut issuance.former {
        *amount = sane(part(*amount, whole.saturating_sub(gone)))?.min(rest);
        rest = sane(rest.checked_sub(*amount))?;
    }
    issuance.former.push((issuance.obligor, rest));
    issuance.former.retain(|(_, amount)| *amount > 0);
    issuance.obligor = sender;
    issuance.standing = Standing::Good;
    issuance.store(step, &id);
    step.emit(system::CLAIMS, &IClaims::ObligationTaken { id: id.to_u256(), obligor: sender, posted, paid });
    Ok(())
}

/// Nobody took the obligation: what is there is the holders', up to what undelivered claims pay.
fn close_out(step: &mut Step<'_>, id: &ClaimId, mut issuance: Issuance) -> Done {
    let claims = sane(issuance.outstanding.checked_sub(redeeming(&step.state, id)?))?;
    let pool = issuance.payoff(step, id, claims)?.min(money::held(&step.state, Pot::Claims(*id))?);
    issuance.standing = Standing::ClosedOut(pool, claims);
    step.emit(system::CLAIMS, &IClaims::ClosedOut { id: id.to_u256(), amount: claims, pool });
    settle(step, id, issuance)
}

/// Pays a holder of claims that were closed out its part, rounded down; the last one gets what that leaves.
pub(crate) fn collect(step: &mut Step<'_>, sender: Address, id: U256, holder: Address) -> Done {
    let (id, mut issuance) = Issuance::named(step, id)?;
    let Standing::ClosedOut(pool, claims) = issuance.standing else { return Err(Failure::NotClosedOut.into()) };
    if system::is_system(&holder) {
        return Err(Failure::ClaimRecipient.into());
    }
    let amount = tokens::balance(&step.state, &id, &holder)?;
    if amount == 0 {
        return Err(Failure::ClaimBalance.into());
    }
    let paid = sane(math::mul_div_down(pool, u128::from(amount), u128::from(claims)))?;
    tokens::transfer(step, sender, &id, holder, Address::ZERO, amount)?;
    issuance.outstanding = sane(issuance.outstanding.checked_sub(amount))?;
    issuance.standing = Standing::ClosedOut(sane(pool.checked_sub(paid))?, sane(claims.checked_sub(amount))?);
    transfer(step, Pot::Claims(id), Pot::Account(holder), paid)?;
    step.emit(system::CLAIMS, &IClaims::Collected { id: id.to_u256(), holder, amount, paid });
    settle(step, &id, issuance)
}

/// Stores an issuance after claims of it ended, and does what that makes possible.
pub(crate) fn settle(step: &mut Step<'_>, id: &ClaimId, mut issuance: Issuance) -> Done {
    let idle = redeeming(&step.state, id)? == 0;
    if let (true, Standing::ClosedOut(pool, _)) = (idle, issuance.standing) {
        release(step, id, &mut issuance, pool)?;
        if issuance.outstanding == 0 {
            return remove(step, id);
        }
    }
    issuance.store(step, id);
    if idle && step.env.height() >= ends(&step.env.params, id.window) {
        schedule::at(step, step.env.height(), Due::Claims(*id));
    }
    Ok(())
}

/// Gives what is in the pot beyond `kept` to whom it belongs: former obligors their rests, the obligor the rest.
fn release(step: &mut Step<'_>, id: &ClaimId, issuance: &mut Issuance, kept: Grains) -> Done<Grains> {
    let pot = Pot::Claims(*id);
    let all = money::held(&step.state, pot)?.saturating_sub(kept);
    let mut left = all;
    for (who, rest) in std::mem::take(&mut issuance.former) {
        let amount = rest.min(left);
        transfer(step, pot, Pot::Account(who), amount)?;
        left = sane(left.checked_sub(amount))?;
    }
    transfer(step, pot, Pot::Account(issuance.obligor), left)?;
    Ok(all)
}

/// The window is over: once no job runs any more, what was not redeemed is void and the collateral goes back.
/// Holders are cleared away some a block.
fn expire(step: &mut Step<'_>, id: &ClaimId, mut issuance: Issuance) -> Done {
    if redeeming(&step.state, id)? > 0 {
        // The end of its last lot brings us back.
        return Ok(());
    }
    let next = step.env.after(1);
    if tokens::balance(&step.state, id, &system::MARKET)? > 0 {
        // Orders that expired with the window are still to be closed.
        schedule::at(step, next, Due::Claims(*id));
        return Ok(());
    }
    let returned = release(step, id, &mut issuance, 0)?;
    let prefix = tokens::held_prefix(id);
    let holders: Vec<Address> =
        keys_under(&step.state, &prefix).filter_map(|key| keys::address_at_end(&key)).take(SWEPT).collect();
    let mut swept = 0u64;
    for holder in holders {
        let amount = tokens::balance(&step.state, id, &holder)?;
        tokens::transfer(step, system::CLAIMS, id, holder, Address::ZERO, amount)?;
        swept = swept.saturating_add(amount);
    }
    issuance.outstanding = sane(issuance.outstanding.checked_sub(swept))?;
    step.emit(system::CLAIMS, &IClaims::ClaimsExpired { id: id.to_u256(), amount: swept, returned });
    if issuance.outstanding > 0 {
        issuance.store(step, id);
        schedule::at(step, next, Due::Claims(*id));
        return Ok(());
    }
    remove(step, id)
}

fn remove(step: &mut Step<'_>, id: &ClaimId) -> Done {
    step.state.delete(key_of(ISSUANCE, id));
    trading::forget(step, id.class, id.window)
}
