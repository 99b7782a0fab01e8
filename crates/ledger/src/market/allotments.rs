//! Trades whose delivery is metered: the buyer's money waits with the trade, and goes to the seller as the
//! buyer signs for what it was served.
//!
//! A receipt says how much was served in all, so only the latest counts and none is paid twice. What was
//! not signed for when the window ends goes back.

use alloy_primitives::{Address, B256, Signature};
use alloy_sol_types::{Eip712Domain, SolStruct, sol};
use assay_types::{Grains, abi::IMarket, system};

use super::{Order, trading::cost_down};
use crate::{
    codec::record,
    keys::{self, ALLOTMENT, ORDER},
    money::{self, OrderPot, Pot, transfer},
    reject::{BrokenInvariant, Done, Failure, sane},
    rewards,
    schedule::{self, Due},
    step::Step,
};

record! {
    /// A metered trade under delivery.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Allotment {
        pub(crate) class: u32,
        pub(crate) buyer: Address,
        pub(crate) seller: Address,
        pub(crate) quantity: u64,
        pub(crate) served: u64,
        pub(crate) price: Grains,
        pub(crate) expires: u64,
    }
}

sol! {
    /// What a buyer signs (EIP-712): served in all, thousandths of a unit.
    struct Served {
        uint64 allotment;
        uint64 served;
    }
}

/// Domain of receipts (EIP-712): this chain, the market's address.
fn domain(chain_id: u64) -> Eip712Domain {
    Eip712Domain {
        name: Some("Assay".into()),
        version: Some("1".into()),
        chain_id: Some(alloy_primitives::U256::from(chain_id)),
        verifying_contract: Some(system::MARKET),
        salt: None,
    }
}

/// What the buyer of `allotment` signs when it was served `served` thousandths of a unit in all.
pub fn served_hash(chain_id: u64, allotment: u64, served: u64) -> B256 {
    Served { allotment, served }.eip712_signing_hash(&domain(chain_id))
}

/// Moves the price of a trade from behind the bid to behind its delivery.
pub(crate) fn open(step: &mut Step<'_>, class: u32, bid: u64, seller: Address, quantity: u64, price: Grains) -> Done {
    let buyer = Order::load(&step.state, bid)?.ok_or(BrokenInvariant::Missing(ORDER))?.owner;
    let id: u64 = step.read(&keys::next_order())?.unwrap_or(1);
    step.write(keys::next_order(), &sane(id.checked_add(1))?);
    let expires = step.env.after(step.env.params.allotment_window);
    let cost = sane(cost_down(price, quantity))?;
    transfer(step, Pot::Order(OrderPot::Bid, bid), Pot::Order(OrderPot::Allotment, id), cost)?;
    let allotment = Allotment { class, buyer, seller, quantity, served: 0, price, expires };
    step.write(keys::of_order(ALLOTMENT, id), &allotment);
    schedule::at(step, expires, Due::Allotment(id));
    step.emit(system::MARKET, &IMarket::Allotted { id, class, buyer, seller, quantity, price, expires });
    Ok(())
}

/// Pays a seller for what the buyer signed for since the last receipt.
pub(crate) fn serve(step: &mut Step<'_>, sender: Address, id: u64, served: u64, signature: &[u8]) -> Done {
    let key = keys::of_order(ALLOTMENT, id);
    let mut allotment: Allotment = step.read(&key)?.ok_or(Failure::UnknownAllotment)?;
    if sender != allotment.seller {
        return Err(Failure::NotSeller.into());
    }
    if served <= allotment.served || served > allotment.quantity {
        return Err(Failure::ServedInvalid.into());
    }
    let hash = served_hash(step.env.network.chain_id, id, served);
    let signed = Signature::try_from(signature).ok().filter(|signature| signature.normalize_s().is_none());
    let signer = signed.and_then(|signature| alloy_consensus::crypto::secp256k1::recover_signer(&signature, hash).ok());
    if signer != Some(allotment.buyer) {
        return Err(Failure::BadReceipt.into());
    }
    // Rounded down over all that was served, so that many receipts pay no more than one.
    let before = sane(cost_down(allotment.price, allotment.served))?;
    let paid = sane(sane(cost_down(allotment.price, served))?.checked_sub(before))?;
    rewards::pay_provider(step, Pot::Order(OrderPot::Allotment, id), allotment.seller, allotment.class, paid)?;
    allotment.served = served;
    step.write(key, &allotment);
    step.emit(system::MARKET, &IMarket::AllotmentServed { id, served, paid });
    if served == allotment.quantity {
        schedule::cancel(step, allotment.expires, &Due::Allotment(id));
        return end(step, id);
    }
    Ok(())
}

/// Ends a trade; what was not served goes back to its buyer.
pub(crate) fn end(step: &mut Step<'_>, id: u64) -> Done {
    let key = keys::of_order(ALLOTMENT, id);
    let Some(allotment) = step.read::<Allotment>(&key)? else { return Ok(()) };
    let pot = Pot::Order(OrderPot::Allotment, id);
    let refunded = money::held(&step.state, pot)?;
    transfer(step, pot, Pot::Account(allotment.buyer), refunded)?;
    step.state.delete(key);
    step.emit(system::MARKET, &IMarket::AllotmentClosed { id, served: allotment.served, refunded });
    Ok(())
}
