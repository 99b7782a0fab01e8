//! Making the chain's record of a provider what its settings say.

use alloy_primitives::{Address, B256, Bytes};
use assay_client::{Chain, ChainError, TxError, TxReceipt, TxRequest, TxSender};
use assay_types::{Grains, abi::IProviders, system, view::ProviderView};

/// What a provider wants the chain to say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Whose machine it is. Can't be changed later.
    pub operator: Address,
    /// HPKE public key.
    pub sealing_key: B256,
    /// Canonical encoding of its blob endpoint.
    pub endpoint: Bytes,
    /// Runtime it sells.
    pub runtime_id: B256,
    /// Class it sells in.
    pub class: u32,
    /// Fuel in progress at most, thousandths of a gigafuel.
    pub capacity: u64,
    /// Least price, grains a gigafuel.
    pub price_per_gigafuel: Grains,
    /// Lots at the same time.
    pub max_lots: u32,
    /// Largest fuel cap of a task.
    pub max_fuel_per_task: u64,
    /// Largest memory of a task, MiB.
    pub max_memory_mib: u32,
    /// Takes new work.
    pub open: bool,
    /// Collateral to have at least.
    pub collateral: Grains,
}

/// Why a registration failed.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The chain did not answer.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A transaction failed.
    #[error(transparent)]
    Tx(#[from] TxError),
    /// Registered before for another operator.
    #[error("this account is registered for operator {registered}; use another account for {wanted}")]
    OtherOperator {
        /// On chain.
        registered: Address,
        /// In the settings.
        wanted: Address,
    },
}

impl Registration {
    fn ask(&self) -> IProviders::Ask {
        IProviders::Ask {
            runtimeId: self.runtime_id,
            class: self.class,
            capacity: self.capacity,
            pricePerGigafuel: self.price_per_gigafuel,
            maxLots: self.max_lots,
            maxFuelPerTask: self.max_fuel_per_task,
            maxMemoryMib: self.max_memory_mib,
            open: self.open,
        }
    }

    fn is_current(&self, on_chain: &ProviderView) -> bool {
        on_chain.sealing_key == self.sealing_key
            && on_chain.endpoint == self.endpoint
            && on_chain.runtime_id == self.runtime_id
            && on_chain.class == self.class
            && on_chain.capacity == self.capacity
            && on_chain.price_per_gigafuel == self.price_per_gigafuel
            && on_chain.max_lots == self.max_lots
            && on_chain.max_fuel_per_task == self.max_fuel_per_task
            && on_chain.max_memory_mib == self.max_memory_mib
            && on_chain.open == self.open
    }
}

/// Registers, updates or tops up, whatever is needed; nothing if all is as wanted.
pub async fn ensure(chain: &dyn Chain, sender: &TxSender, wanted: &Registration) -> Result<(), RegisterError> {
    let Some(found) = chain.provider(sender.address()).await? else {
        let call = IProviders::registerCall {
            operator: wanted.operator,
            sealingKey: wanted.sealing_key,
            endpoint: wanted.endpoint.clone(),
            ask: wanted.ask(),
        };
        sender.send(TxRequest::call(system::PROVIDERS, &call).with_value(wanted.collateral)).await?;
        tracing::info!(provider = %sender.address(), "registered");
        return Ok(());
    };
    if found.operator != wanted.operator {
        return Err(RegisterError::OtherOperator { registered: found.operator, wanted: wanted.operator });
    }
    let missing = wanted.collateral.saturating_sub(found.collateral);
    if missing > 0 {
        let call = IProviders::depositCollateralCall {};
        sender.send(TxRequest::call(system::PROVIDERS, &call).with_value(missing)).await?;
    }
    if !wanted.is_current(&found) {
        update(sender, wanted).await?;
    }
    Ok(())
}

/// Replaces the terms on chain.
pub async fn update(sender: &TxSender, wanted: &Registration) -> Result<TxReceipt, TxError> {
    let call =
        IProviders::updateCall { sealingKey: wanted.sealing_key, endpoint: wanted.endpoint.clone(), ask: wanted.ask() };
    sender.send(TxRequest::call(system::PROVIDERS, &call)).await
}
