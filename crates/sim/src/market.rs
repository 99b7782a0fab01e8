//! What the market did, read from the blocks, and what must hold of it whoever abuses it.
//!
//! Each block: prices within the band of the reference, no order filled beyond its limit. Each epoch: no index of
//! bandwidth from fewer owners than it takes. At the end: nothing is open, every seal's forfeit was
//! burned, and the traders' money is accounted for to the grain.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256};
use alloy_sol_types::{SolEvent as _, SolEventInterface as _};
use assay_ledger::{StateRead, account, query};
use assay_types::{
    FinalizedBlock, FinalizedTx, Grains, Log, Params,
    abi::{
        IJobs::IJobsEvents,
        IMarket::{self, IMarketEvents},
        IProviders,
        IRewards::IRewardsEvents,
    },
    system,
    view::OrderKind,
};
use serde::Serialize;

use crate::{
    names::{address, provider_name},
    scenario::TURNCOAT,
    traders::{self, BANDWIDTH, GRIEFER, OPENING_BALANCE, WASH_OWNER, WASHERS},
};

/// What traders achieved in a run, by the blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Trades of honest owners with one another.
    pub honest_trades: u32,
    /// Trades of the wash trader with itself.
    pub wash_trades: u32,
    /// Epochs in which nobody else sold bandwidth; none of them has an index of its own.
    pub wash_epochs: u32,
    /// Epochs of bandwidth with an index of their own.
    pub printed: u32,
    /// Orders of the griefer.
    pub dust_orders: u32,
    /// Those beyond its number, refused.
    pub dust_refused: u32,
    /// Its sealed bids, none of which was opened.
    pub seals: u32,
    /// Grains it forfeited, burned.
    pub forfeited: Grains,
    /// Asks the turncoat withdrew or changed.
    pub turns: u32,
}

/// A limit order that is open.
struct Open {
    bid: bool,
    limit: Grains,
}

/// Follows the market of a run.
pub(crate) struct Market {
    params: Params,
    reference: BTreeMap<u32, Grains>,
    open: BTreeMap<u64, Open>,
    /// Operators that sold bandwidth in the epoch under way.
    sold: BTreeSet<Address>,
    /// What is locked behind the griefer's seals.
    seals: BTreeMap<B256, Grains>,
    /// Fees that traders paid.
    fees: Grains,
    /// What burned of what they were paid, and what they were paid back of that.
    burned: Grains,
    emitted: Grains,
    counts: Counts,
}

impl Market {
    pub(crate) fn new(params: Params) -> Self {
        let reference = params.classes.iter().map(|class| (class.id, class.opening_reference)).collect();
        Self {
            params,
            reference,
            open: BTreeMap::new(),
            sold: BTreeSet::new(),
            seals: BTreeMap::new(),
            fees: 0,
            burned: 0,
            emitted: 0,
            counts: Counts::default(),
        }
    }

    /// Reads a block, and checks what it did.
    pub(crate) fn note(&mut self, block: &FinalizedBlock) {
        for tx in &block.txs {
            self.note_tx(tx);
        }
        for log in block.logs() {
            self.note_log(log, block.height);
        }
    }

    fn note_tx(&mut self, tx: &FinalizedTx) {
        let receipt = &tx.receipt;
        if traders::accounts().any(|trader| trader == receipt.from) {
            self.fees += u128::from(receipt.gas_used) * receipt.effective_gas_price;
        }
        let refused = receipt.failure.as_ref().is_some_and(|failure| failure.name == "TooManyOrders");
        self.counts.dust_refused += u32::from(refused && receipt.from == address(GRIEFER));
    }

    fn note_log(&mut self, log: &Log, height: u64) {
        match log.address {
            system::MARKET => match IMarketEvents::decode_log(log).expect("the market's event").data {
                IMarketEvents::EpochClosed(event) => self.note_epoch(&event),
                event => self.note_trade(&event, height),
            },
            system::JOBS => self.note_seal(&IJobsEvents::decode_log(log).expect("the jobs' event").data),
            system::PROVIDERS => {
                let turned = IProviders::ProviderUpdated::decode_log(log).map(|event| event.provider);
                self.counts.turns += u32::from(turned == Ok(address(&provider_name(TURNCOAT))));
            }
            system::REWARDS => self.note_reward(&IRewardsEvents::decode_log(log).expect("an event of rewards").data),
            _ => {}
        }
    }

    fn note_trade(&mut self, event: &IMarketEvents, height: u64) {
        match event {
            IMarketEvents::Cleared(cleared) => {
                let (low, high) = self.band(cleared.class);
                let price = cleared.price;
                assert!((low..=high).contains(&price), "block {height}: {price} is not in {low}..={high}");
            }
            IMarketEvents::OrderPlaced(order) => {
                self.counts.dust_orders += u32::from(order.owner == address(GRIEFER));
                self.open.insert(order.id, Open { bid: order.side == 0, limit: order.price });
            }
            IMarketEvents::OrderAmended(order) => {
                self.open.get_mut(&order.id).expect("an open order").limit = order.price;
            }
            IMarketEvents::OrderFilled(fill) => {
                let order = self.open.get(&fill.id).expect("an open order");
                let kept = if order.bid { fill.price <= order.limit } else { fill.price >= order.limit };
                assert!(kept, "block {height}: order {} was filled at {} beyond its limit", fill.id, fill.price);
            }
            IMarketEvents::OrderClosed(order) => {
                self.open.remove(&order.id).expect("an open order");
            }
            IMarketEvents::Allotted(trade) => {
                let washed = [trade.buyer, trade.seller].map(is_washer);
                match washed {
                    [true, true] => self.counts.wash_trades += 1,
                    [false, false] => self.counts.honest_trades += 1,
                    _ => {}
                }
                self.sold.insert(if washed[1] { address(WASH_OWNER) } else { trade.seller });
            }
            _ => {}
        }
    }

    fn note_epoch(&mut self, epoch: &IMarket::EpochClosed) {
        let (low, high) = self.band(epoch.class);
        assert!((low..=high).contains(&epoch.index), "the index of class {} left its band: {epoch:?}", epoch.class);
        self.reference.insert(epoch.class, epoch.index);
        if epoch.class != BANDWIDTH {
            return;
        }
        let sold = std::mem::take(&mut self.sold);
        let owners = u32::try_from(sold.len()).unwrap_or(u32::MAX);
        assert!(!epoch.printed || owners >= self.params.index_min_owners, "an index of {owners} owners: {epoch:?}");
        self.counts.printed += u32::from(epoch.printed);
        self.counts.wash_epochs += u32::from(owners == 1 && sold.contains(&address(WASH_OWNER)));
    }

    fn note_reward(&mut self, event: &IRewardsEvents) {
        let trades = |account: Address| traders::accounts().any(|trader| trader == account);
        match event {
            IRewardsEvents::PaymentBurned(burn) if trades(burn.provider) => self.burned += burn.burned,
            IRewardsEvents::EmissionPaid(paid) if trades(paid.provider) => self.emitted += paid.amount,
            _ => {}
        }
    }

    fn note_seal(&mut self, event: &IJobsEvents) {
        match event {
            IJobsEvents::BidSealed(seal) if seal.renter == address(GRIEFER) => {
                self.counts.seals += 1;
                self.seals.insert(seal.commitment, seal.value);
            }
            IJobsEvents::SealForfeited(seal) => {
                let locked = self.seals.remove(&seal.commitment).expect("a seal of the griefer");
                let burned = (locked * u128::from(self.params.band_bps)).div_ceil(10_000);
                assert_eq!((seal.burned, seal.refunded), (burned, locked - burned));
                self.counts.forfeited += burned;
            }
            IJobsEvents::SealOpened(seal) => panic!("a seal was opened: {seal:?}"),
            _ => {}
        }
    }

    /// Lowest and highest price of a clearing of this class.
    fn band(&self, class: u32) -> (Grains, Grains) {
        let (reference, bps) = (self.reference[&class], u128::from(self.params.band_bps));
        ((reference * (10_000 - bps)).div_ceil(10_000).max(1), reference * (10_000 + bps) / 10_000)
    }

    /// Checks what must hold when all traders are done and all jobs closed; what they achieved.
    pub(crate) fn close(&self, state: &impl StateRead) -> Counts {
        assert!(self.open.is_empty() && self.seals.is_empty(), "orders or seals are open");
        let mut left = query::orders(state, None, 1_000);
        left.retain(|order| order.kind != OrderKind::Capacity);
        assert!(left.is_empty(), "orders are left: {left:?}");
        let (mut had, mut have) = (0, 0);
        for trader in traders::accounts() {
            let collateral = query::provider(state, trader).map_or(0, |provider| provider.collateral);
            had += OPENING_BALANCE;
            have += account(state, trader).balance + collateral;
        }
        let gone = self.fees + self.burned + self.counts.forfeited;
        assert!(self.emitted <= self.burned, "more came back than burned");
        assert_eq!(have + gone, had + self.emitted, "the traders' money is not all accounted for");
        self.counts.clone()
    }
}

fn is_washer(trader: Address) -> bool {
    WASHERS.into_iter().any(|name| address(name) == trader)
}
