//! Accounts: a nonce and a balance. There is no code and no storage behind an address.

use alloy_primitives::Address;
use assay_types::Grains;

use crate::{
    codec::record,
    keys,
    reject::BrokenInvariant,
    state::StateRead,
    step::{Step, read},
};

record! {
    /// An account.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub struct Account {
        /// Transactions it has sent.
        pub nonce: u64,
        /// Grains it holds.
        pub balance: Grains,
    }
}

impl Account {
    pub(crate) fn load(view: &dyn StateRead, address: &Address) -> Result<Self, BrokenInvariant> {
        Ok(read(view, &keys::account(address))?.unwrap_or_default())
    }

    pub(crate) fn store(&self, step: &mut Step<'_>, address: &Address) {
        let key = keys::account(address);
        if *self == Self::default() {
            step.state.delete(key);
        } else {
            step.write(key, self);
        }
    }
}

/// The account at `address`; an unknown one has neither nonce nor balance.
pub fn account(view: &dyn StateRead, address: Address) -> Account {
    Account::load(view, &address).unwrap_or_default()
}
