//! What the chain answers about claims.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;
use assay_types::{
    ClaimId, Grains, Params,
    abi::IClaims,
    class::class_of,
    system,
    view::{ClaimStatus, ClaimView, IssuanceView},
};

use super::{Issuance, Standing, ends, id_at_end, key_of, redeem, redeeming, share_up, starts, tokens};
use crate::{
    keys::{self, HELD_BY, ISSUANCE},
    money::{self, Pot},
    reject::{BrokenInvariant, Done},
    state::StateRead,
    step::{Step, keys_under},
};

/// ERC-1155 metadata of an id, inline: there is no server to ask.
pub(crate) fn uri(params: &Params, id: &ClaimId) -> String {
    let class = class_of(&params.classes, id.class).map_or("", |class| class.name.as_str());
    let (first, next) = (starts(params, id.window), ends(params, id.window));
    let json = serde_json::json!({
        "name": format!("{class} window {}", id.window),
        "description": format!(
            "Gigafuel of class {class}, to be delivered in blocks {first} to {}, issued by {}",
            next.saturating_sub(1),
            id.issuer
        ),
        "decimals": 3,
    });
    format!("data:application/json;utf8,{json}")
}

/// `IClaims.uri`; an id that names nothing has none.
pub(crate) fn uri_of(step: &Step<'_>, id: U256) -> Done<String> {
    let (id, _) = Issuance::named(step, id)?;
    Ok(uri(&step.env.params, &id))
}

/// `IClaims.issuance`.
pub(crate) fn issuance_call(step: &Step<'_>, id: U256) -> Done<Vec<u8>> {
    let found = match ClaimId::from_u256(id) {
        Some(id) => Issuance::load(&step.state, &id)?.map(|issuance| (id, issuance)),
        None => None,
    };
    let Some((id, one)) = found else {
        return Ok(IClaims::issuanceCall::abi_encode_returns(&IClaims::issuanceReturn {
            obligor: Address::ZERO,
            status: 0,
            issuePrice: 0,
            maxRate: 0,
            issued: 0,
            outstanding: 0,
            redeemed: 0,
            lastRedemption: 0,
            collateral: 0,
            inJobs: 0,
        }));
    };
    let status = match one.standing {
        Standing::Good => 1,
        Standing::Called(_) => 2,
        Standing::Offered(_) => 3,
        Standing::ClosedOut(..) => 4,
    };
    Ok(IClaims::issuanceCall::abi_encode_returns(&IClaims::issuanceReturn {
        obligor: one.obligor,
        status,
        issuePrice: one.price,
        maxRate: one.max_rate,
        issued: one.issued,
        outstanding: one.outstanding,
        redeemed: one.redeemed,
        lastRedemption: one.last,
        collateral: money::held(&step.state, Pot::Claims(id))?,
        inJobs: one.in_jobs,
    }))
}

type Read<T> = Result<T, BrokenInvariant>;

fn params(view: &dyn StateRead) -> Read<Params> {
    crate::query::params(view).ok_or(BrokenInvariant::NoGenesis)
}

/// Everything issued in a class that is not over.
pub(crate) fn issuances(view: &dyn StateRead, class: u32) -> Read<Vec<IssuanceView>> {
    let params = params(view)?;
    let ids = keys_under(view, &keys::key(ISSUANCE, &[&class.to_be_bytes()])).filter_map(|key| id_at_end(&key));
    ids.map(|id| issuance_view(view, &params, id)).collect()
}

/// What an account has, by class and window.
pub(crate) fn claims(view: &dyn StateRead, owner: Address) -> Read<Vec<ClaimView>> {
    let params = params(view)?;
    let ids = keys_under(view, &keys::of_address(HELD_BY, &owner)).filter_map(|key| id_at_end(&key));
    ids.map(|id| {
        let amount = tokens::balance(view, &id, &owner)?;
        Ok(ClaimView { owner, amount, issuance: issuance_view(view, &params, id)? })
    })
    .collect()
}

fn issuance_view(view: &dyn StateRead, params: &Params, id: ClaimId) -> Read<IssuanceView> {
    let one = Issuance::load(view, &id)?
        .ok_or(BrokenInvariant::Missing(key_of(ISSUANCE, &id).first().copied().unwrap_or_default()))?;
    let value = one.value(view, params, &id)?;
    let until = |since: u64| since.saturating_add(u64::from(params.claim_closeout_window)).min(one.last);
    let status = match one.standing {
        Standing::Good => ClaimStatus::Good,
        Standing::Called(deadline) => ClaimStatus::Called { deadline },
        Standing::Offered(since) => ClaimStatus::Offered { since, until: until(since) },
        Standing::ClosedOut(pool, claims) => ClaimStatus::ClosedOut { pool, claims },
    };
    Ok(IssuanceView {
        id: id.to_u256(),
        claim: id,
        starts: starts(params, id.window),
        ends: ends(params, id.window),
        last_redemption: one.last,
        obligor: one.obligor,
        issue_price: one.price,
        max_rate: one.max_rate,
        issued: one.issued,
        outstanding: one.outstanding,
        offered: tokens::balance(view, &id, &system::MARKET)?,
        redeeming: redeeming(view, &id)?,
        collateral: money::held(view, Pot::Claims(id))?,
        in_jobs: one.in_jobs,
        maintenance: share_up(value, one.outstanding, params.claim_maintenance_bps).unwrap_or(Grains::MAX),
        status,
        max_fuel_per_task: one.max_fuel_per_task,
        max_memory_mib: one.max_memory_mib,
        max_lot: one.max_lot,
        redemption_price: redeem::price(view, params, id.class)?,
    })
}
