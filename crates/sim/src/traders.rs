//! Who trades beside the renter: honest owners of bandwidth, and those who abuse the market.
//!
//! ```text
//!  honest    three sellers and a buyer of bandwidth; deliveries are signed for and paid
//!  wash      two accounts of one owner sell to each other at the edge of the band
//!  griefer   seals bids it never opens, and fills its number of orders with dust
//!  turncoat  a provider that does its work, but withdraws its ask once filled, or changes its price each block
//! ```
//!
//! All act through the client's sender, as anybody does, within a span the seed draws. What they
//! achieved is not asked of them: [`crate::market`] reads it from the blocks.

mod griefer;
mod honest;
mod turncoat;
mod wash;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy_primitives::Address;
use assay_client::{Chain as _, Host as _, TxError, TxReceipt, TxRequest, TxSender};
use assay_provider::register::{self, Registration};
use assay_types::{
    GRAINS_PER_KRT, Grains,
    abi::IMarket,
    system,
    view::{BookView, OrderKind},
};

pub(crate) use griefer::grief;
pub(crate) use honest::trade;
pub(crate) use turncoat::turn;
pub(crate) use wash::wash;

use crate::{
    chain::SimChain,
    host::SimHost,
    names::{address, sealing},
};

/// The metered class.
pub(crate) const BANDWIDTH: u32 = 2;
/// Its reference at genesis, grains a GiB.
pub(crate) const BANDWIDTH_REFERENCE: Grains = GRAINS_PER_KRT / 100;
/// What every account begins with.
pub(crate) const OPENING_BALANCE: Grains = 100_000 * GRAINS_PER_KRT;
/// Open orders of an account, few enough to be filled up in a run.
pub(crate) const ORDER_CAP: u32 = 16;

pub(crate) const GRIEFER: &str = "griefer";
pub(crate) const BUYER: &str = "buyer";
pub(crate) const SELLERS: [&str; 3] = ["s0", "s1", "s2"];
pub(crate) const WASHERS: [&str; 2] = ["w0", "w1"];
/// Who both washers belong to.
pub(crate) const WASH_OWNER: &str = "wash";

const SELLER_COLLATERAL: Grains = 1_000 * GRAINS_PER_KRT;

/// Accounts that trade bandwidth or spoil its book: what one of them loses another has, or it is burned or a fee.
pub(crate) fn accounts() -> impl Iterator<Item = Address> {
    [GRIEFER, BUYER].into_iter().chain(SELLERS).chain(WASHERS).map(address)
}

/// A trader's place: its key, its view of the chain, and whether it is to go on.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) chain: Arc<SimChain>,
    pub(crate) host: Arc<SimHost>,
    pub(crate) sender: TxSender,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Desk {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    async fn pause(&self, ms: u64) {
        self.host.sleep(Duration::from_millis(ms)).await;
    }

    /// The book of bandwidth, once a validator answers.
    async fn book(&self) -> BookView {
        loop {
            if let Some(book) = self.chain.book(BANDWIDTH) {
                return book;
            }
            self.pause(100).await;
        }
    }

    async fn height(&self) -> u64 {
        self.chain.status().await.map_or(0, |status| status.height)
    }

    /// Sends; a refusal is for the chain to tell.
    async fn send(&self, request: TxRequest) -> Result<TxReceipt, TxError> {
        let sent = self.sender.send(request).await;
        if let Err(error) = &sent {
            tracing::debug!(%error, trader = %self.sender.address(), "refused");
        }
        sent
    }

    async fn offer(&self, price: Grains, quantity: u64, blocks: u64) {
        self.place(1, price, quantity, 0, blocks).await.ok();
    }

    async fn bid(&self, price: Grains, quantity: u64, blocks: u64) {
        let escrow = (price * u128::from(quantity)).div_ceil(1_000);
        self.place(0, price, quantity, escrow, blocks).await.ok();
    }

    async fn place(
        &self,
        side: u8,
        price: Grains,
        quantity: u64,
        value: Grains,
        blocks: u64,
    ) -> Result<TxReceipt, TxError> {
        let expires = self.height().await + blocks;
        let call = IMarket::placeCall { class: BANDWIDTH, window: 0, side, price, quantity, minFill: 0, expires };
        self.send(TxRequest::call(system::MARKET, &call).with_value(value)).await
    }

    /// Limit orders of its own that are open.
    fn open_orders(&self) -> Vec<u64> {
        let orders = self.chain.orders(self.sender.address());
        orders.into_iter().filter(|order| order.kind == OrderKind::Limit).map(|order| order.id).collect()
    }

    /// Takes orders back; one that was filled or expired meanwhile is refused.
    async fn cancel(&self, ids: Vec<u64>) {
        let cancelled =
            ids.into_iter().map(|id| self.send(TxRequest::call(system::MARKET, &IMarket::cancelCall { id })));
        futures::future::join_all(cancelled).await;
    }

    /// Becomes a provider, since only providers sell: one that takes no jobs.
    async fn register(&self, operator: &str, name: &str) {
        let wanted = Registration {
            open: false,
            collateral: SELLER_COLLATERAL,
            ..terms(address(operator), sealing(name).public().into(), Default::default())
        };
        while let Err(error) = register::ensure(&*self.chain, &self.sender, &wanted).await {
            tracing::debug!(%error, "registers later");
            self.pause(300).await;
        }
    }
}

/// What a provider of this network sells, and on what terms.
pub(crate) fn terms(
    operator: Address,
    sealing_key: alloy_primitives::B256,
    endpoint: alloy_primitives::Bytes,
) -> Registration {
    Registration {
        operator,
        sealing_key,
        endpoint,
        runtime_id: assay_exec::runtime_id().into(),
        class: 1,
        capacity: 8_000,
        price_per_gigafuel: GRAINS_PER_KRT,
        max_lots: 8,
        max_fuel_per_task: 1_000_000_000,
        max_memory_mib: 64,
        open: true,
        collateral: SELLER_COLLATERAL,
    }
}
