//! Providers: who sells compute, on what terms, and the collateral behind it.
//!
//! Collateral is one pot a provider. `locked` is the part behind running lots, `withdrawing` the part
//! asked back; neither is larger than what the pot holds, and only the rest backs new lots.

pub(crate) mod calls;
pub(crate) mod health;
pub(crate) mod views;

use alloy_primitives::{Address, B256, Bytes};
use assay_types::{Grains, abi::IProviders::Ask};

use crate::{
    codec::record,
    keys::{self, PROVIDER},
    market::orders,
    money::{self, Pot},
    reject::{BrokenInvariant, Done, sane},
    state::StateRead,
    step::{Step, read},
};

record! {
    /// A provider as the state keeps it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Provider {
        pub(crate) operator: Address,
        pub(crate) sealing_key: B256,
        pub(crate) endpoint: Bytes,
        pub(crate) runtime_id: B256,
        pub(crate) price: Grains,
        pub(crate) class: u32,
        /// Fuel in progress at most, and now, in thousandths of a gigafuel.
        pub(crate) capacity: u64,
        pub(crate) busy: u64,
        /// Its standing order.
        pub(crate) order: u64,
        pub(crate) max_lots: u32,
        pub(crate) max_fuel_per_task: u64,
        pub(crate) max_memory_mib: u32,
        pub(crate) open: bool,
        pub(crate) locked: Grains,
        pub(crate) withdrawing: Grains,
        pub(crate) withdrawable_at: u64,
        pub(crate) active_lots: u32,
        pub(crate) lots_settled: u64,
        pub(crate) faults: u64,
        pub(crate) earned: Grains,
        pub(crate) slashed: Grains,
        /// Deadlines missed since a lot of its was last settled.
        pub(crate) late_streak: u32,
        /// Not drawn before this height.
        pub(crate) suspended_until: u64,
        /// Its locks over the prices they were made at: see [`health`].
        pub(crate) exposure: u128,
        /// What its locks lack at the class's present reference.
        pub(crate) margin: Grains,
        /// Height at which its health is looked at; 0 without open work.
        pub(crate) health_due: u64,
        /// Fuel in progress it proved to be good for, thousandths of a gigafuel; all there is where nobody asks.
        pub(crate) proved: u64,
        /// Memory of one task that this allows, MiB.
        pub(crate) proved_mib: u32,
        /// Capacity challenges missed in a row.
        pub(crate) missed: u32,
        /// Number of the round it was challenged in last.
        pub(crate) round: u64,
        /// Checked fuel it delivered since that one ended.
        pub(crate) delivered: u64,
    }
}

/// Longest suspension, as a power of two of the window that was missed.
const LONGEST_SUSPENSION: u32 = 6;

impl Provider {
    pub(crate) fn load(view: &dyn StateRead, account: &Address) -> Result<Option<Self>, BrokenInvariant> {
        read(view, &keys::of_address(PROVIDER, account))
    }

    pub(crate) fn must(step: &Step<'_>, account: &Address) -> Result<Self, BrokenInvariant> {
        step.must(&keys::of_address(PROVIDER, account))
    }

    pub(crate) fn store(&self, step: &mut Step<'_>, account: &Address) {
        step.write(keys::of_address(PROVIDER, account), self);
        orders::touch(step, self.order);
    }

    pub(crate) fn ask(&self) -> Ask {
        Ask {
            runtimeId: self.runtime_id,
            class: self.class,
            capacity: self.capacity,
            pricePerGigafuel: self.price,
            maxLots: self.max_lots,
            maxFuelPerTask: self.max_fuel_per_task,
            maxMemoryMib: self.max_memory_mib,
            open: self.open,
        }
    }

    /// A deadline of `window` blocks was missed: the provider is not drawn for as long again, twice as
    /// long each time until a lot of its settles. One dead machine then holds up few lots, and one that
    /// comes back needs to do nothing.
    pub(crate) fn suspend(&mut self, height: u64, window: u32) {
        let doublings = self.late_streak.min(LONGEST_SUSPENSION);
        let blocks = u64::from(window).checked_shl(doublings).unwrap_or(u64::MAX);
        self.suspended_until = height.saturating_add(blocks);
        self.late_streak = self.late_streak.saturating_add(1);
    }

    /// Fuel it has in progress at most: what it offers, as far as it proved it.
    pub(crate) fn effective(&self) -> u64 {
        self.capacity.min(self.proved)
    }

    /// Memory of one task it takes at most, MiB, likewise.
    pub(crate) fn effective_mib(&self) -> u32 {
        self.max_memory_mib.min(self.proved_mib)
    }

    /// Collateral that backs nothing, not even what its locks lack, and is not leaving.
    pub(crate) fn free(&self, view: &dyn StateRead, account: &Address) -> Result<Grains, BrokenInvariant> {
        let held = money::held(view, Pot::Collateral(*account))?;
        let used = self.locked.checked_add(self.withdrawing).ok_or(BrokenInvariant::Arithmetic)?;
        Ok(held.checked_sub(used).ok_or(BrokenInvariant::PotShort)?.saturating_sub(self.margin))
    }
}

/// Puts `amount` of a provider's free collateral behind a lot of `units` at `price` that it now works on.
pub(crate) fn lock(step: &mut Step<'_>, account: &Address, amount: Grains, units: u64, price: Grains) -> Done {
    let mut provider = Provider::must(step, account)?;
    provider.exposure = sane(provider.exposure.checked_add(health::exposure(amount, price)))?;
    provider.busy = sane(provider.busy.checked_add(units))?;
    provider.locked = sane(provider.locked.checked_add(amount))?;
    provider.active_lots = sane(provider.active_lots.checked_add(1))?;
    health::remark(step, &mut provider)?;
    health::watch(step, account, &mut provider);
    provider.store(step, account);
    Ok(())
}

/// Takes `amount` from behind a lot at `price`; `busy` says how large it is when the provider was still at work on it.
pub(crate) fn unlock(step: &mut Step<'_>, account: &Address, amount: Grains, busy: Option<u64>, price: Grains) -> Done {
    let mut provider = Provider::must(step, account)?;
    provider.exposure = sane(provider.exposure.checked_sub(health::exposure(amount, price)))?;
    provider.busy = sane(provider.busy.checked_sub(busy.unwrap_or(0)))?;
    provider.locked = sane(provider.locked.checked_sub(amount))?;
    provider.active_lots = sane(provider.active_lots.checked_sub(u32::from(busy.is_some())))?;
    health::remark(step, &mut provider)?;
    provider.store(step, account);
    Ok(())
}
