//! What providers are emitted for ended epochs, minted when it is paid.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use assay_types::{Grains, abi::IRewards, system};

use super::{Issuance, formula, mint};
use crate::{
    codec::record,
    keys::{self, EMISSION, WORK_BURNED},
    money::Pot,
    reject::{BrokenInvariant, Done, sane},
    state::StateRead,
    step::{Step, keys_under, read},
};

/// Kept epochs forgotten at the end of one, when there are more than may be claimed.
const FORGOTTEN_AT_ONCE: usize = 4;

record! {
    /// What an ended epoch's emission is reckoned from, as the parameters were when it ended.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Ended {
        pub(crate) budget: Grains,
        /// What all payments of the epoch burned.
        pub(crate) burned: Grains,
        pub(crate) cap_bps: u32,
        /// Fullness of each class that was open, parts of 10,000; another's is 0.
        pub(crate) fullness: Vec<(u32, u32)>,
    }
}

fn key(epoch: u64) -> Vec<u8> {
    keys::key(EMISSION, &[&epoch.to_be_bytes()])
}

impl Ended {
    pub(super) fn store(&self, step: &mut Step<'_>, epoch: u64) {
        step.write(key(epoch), self);
    }

    fn fullness(&self, class: u32) -> u32 {
        self.fullness.iter().find(|(id, _)| *id == class).map_or(0, |(_, fullness)| *fullness)
    }
}

/// Forgets epochs before `first`, some at a time.
pub(super) fn forget(step: &mut Step<'_>, first: u64) {
    let old: Vec<_> =
        step.state.scan(&[EMISSION], Some(&key(first))).take(FORGOTTEN_AT_ONCE).map(|(key, _)| key).collect();
    old.into_iter().for_each(|key| step.state.delete(key));
}

/// What a provider's payments burned: epoch, class, amount; by epoch.
fn burns(view: &dyn StateRead, provider: &Address) -> Result<Vec<(u64, u32, Grains)>, BrokenInvariant> {
    let corrupt = BrokenInvariant::Corrupt(WORK_BURNED);
    let found: Vec<_> = keys_under(view, &keys::of_address(WORK_BURNED, provider)).collect();
    let parsed = found.into_iter().map(|key| {
        let (rest, class) = key.split_last_chunk::<4>().ok_or(corrupt)?;
        let (_, epoch) = rest.split_last_chunk::<8>().ok_or(corrupt)?;
        let burned = read(view, &key)?.ok_or(corrupt)?;
        Ok((u64::from_be_bytes(*epoch), u32::from_be_bytes(*class), burned))
    });
    parsed.collect()
}

/// What a provider is owed for each ended epoch it was not paid for: what it burned, and what that is worth.
fn dues(view: &dyn StateRead, provider: &Address) -> Result<BTreeMap<u64, (Grains, Grains)>, BrokenInvariant> {
    let now = Issuance::load(view)?.epoch;
    let mut of: BTreeMap<u64, (Option<Ended>, Grains, Grains)> = BTreeMap::new();
    for (epoch, class, burned) in burns(view, provider)?.into_iter().filter(|(epoch, ..)| *epoch < now) {
        if let std::collections::btree_map::Entry::Vacant(place) = of.entry(epoch) {
            place.insert((read(view, &key(epoch))?, 0, 0));
        }
        let Some((ended, all, weighed)) = of.get_mut(&epoch) else { continue };
        let fullness = ended.as_ref().map_or(0, |ended| ended.fullness(class));
        *all = all.saturating_add(burned);
        *weighed = weighed.saturating_add(formula::weighed(burned, fullness));
    }
    let due =
        |ended: &Ended, burned, weighed| formula::emission(ended.budget, ended.burned, burned, weighed, ended.cap_bps);
    Ok(of
        .into_iter()
        .map(|(epoch, (ended, burned, weighed))| {
            // Epochs that are forgotten are worth nothing any more.
            (epoch, (burned, ended.map_or(0, |ended| due(&ended, burned, weighed))))
        })
        .collect())
}

/// What [`settle`] would pay.
pub(super) fn owed(view: &dyn StateRead, provider: &Address) -> Result<Grains, BrokenInvariant> {
    Ok(dues(view, provider)?.values().fold(0, |sum, (_, amount)| sum.saturating_add(*amount)))
}

/// What a provider's payments burned in an epoch it was not paid for.
pub(super) fn burned(view: &dyn StateRead, provider: &Address, epoch: u64) -> Result<Grains, BrokenInvariant> {
    let of_epoch = burns(view, provider)?.into_iter().filter(|(at, ..)| *at == epoch);
    Ok(of_epoch.fold(0, |sum, (_, _, burned)| sum.saturating_add(burned)))
}

/// Mints and pays what a provider is owed for ended epochs; returns what it was.
pub(super) fn settle(step: &mut Step<'_>, provider: Address) -> Done<Grains> {
    let dues = dues(&step.state, &provider)?;
    let Some((last, _)) = dues.last_key_value() else { return Ok(0) };
    let paid_for: Vec<_> = {
        let end = keys::key(WORK_BURNED, &[provider.as_slice(), &last.saturating_add(1).to_be_bytes()]);
        step.state.scan(&keys::of_address(WORK_BURNED, &provider), Some(&end)).map(|(key, _)| key).collect()
    };
    paid_for.into_iter().for_each(|key| step.state.delete(key));
    let mut all: Grains = 0;
    for (epoch, (burned, due)) in dues {
        let amount = mint(step, Pot::Account(provider), due)?;
        if amount > 0 {
            all = sane(all.checked_add(amount))?;
            step.emit(system::REWARDS, &IRewards::EmissionPaid { provider, epoch, burned, amount });
        }
    }
    let mut issuance = Issuance::load(&step.state)?;
    issuance.emitted = sane(issuance.emitted.checked_add(all))?;
    issuance.store(step);
    Ok(all)
}
