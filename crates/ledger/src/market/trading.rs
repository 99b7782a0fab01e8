//! How a book trades: its reference, its last price, the epoch under way.

use alloy_primitives::Address;
use assay_types::{Grains, Params, abi::IMarket, system};

use super::active;
use crate::{
    claims,
    codec::record,
    keys::{self, CLEARED, SOLD, TRADING},
    math,
    reject::{BrokenInvariant, Done, sane},
    state::StateRead,
    step::{Step, keys_under, read},
};

/// Clearings remembered for whoever asks why an order was not filled.
pub(crate) const REMEMBERED: u64 = 64;

record! {
    /// One book's figures.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    pub(crate) struct Trading {
        pub(crate) reference: Grains,
        pub(crate) last: Option<Grains>,
        pub(crate) last_height: u64,
        pub(crate) bids: u32,
        pub(crate) asks: u32,
        pub(crate) min_fills: u32,
        /// What providers offer in all, and the part of it at work.
        pub(crate) capacity: u64,
        pub(crate) busy: u64,
        /// Since when capacity and work are what they are, and both times blocks before that.
        pub(crate) since: u64,
        pub(crate) capacity_blocks: u128,
        pub(crate) busy_blocks: u128,
        /// The epoch under way.
        pub(crate) open: Option<Grains>,
        pub(crate) high: Option<Grains>,
        pub(crate) low: Option<Grains>,
        pub(crate) volume: u64,
        pub(crate) turnover: Grains,
        /// Clearings remembered so far.
        pub(crate) cleared: u64,
        pub(crate) best_bid_left: Option<Grains>,
        pub(crate) best_ask_left: Option<Grains>,
    }
}

record! {
    /// A clearing remembered.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Cleared {
        pub(crate) height: u64,
        pub(crate) price: Option<Grains>,
        pub(crate) volume: u64,
        pub(crate) best_bid_left: Option<Grains>,
        pub(crate) best_ask_left: Option<Grains>,
    }
}

impl Trading {
    pub(crate) fn load(
        view: &dyn StateRead,
        params: &Params,
        class: u32,
        window: u32,
    ) -> Result<Self, BrokenInvariant> {
        let opening = active(params, class).map_or(1, |class| class.opening_reference);
        let kept = |window| read::<Self>(view, &keys::of_book(TRADING, class, window));
        let now = kept(0)?.unwrap_or_else(|| Self { reference: opening, ..Self::default() });
        if window == 0 {
            return Ok(now);
        }
        // Prices of every window start from today's.
        Ok(Self { reference: now.reference, ..kept(window)?.unwrap_or_default() })
    }

    pub(crate) fn of(step: &Step<'_>, class: u32, window: u32) -> Done<Self> {
        Ok(Self::load(&step.state, &step.env.params, class, window)?)
    }

    pub(crate) fn store(&self, step: &mut Step<'_>, class: u32, window: u32) {
        step.write(keys::of_book(TRADING, class, window), self);
    }

    /// Counts the blocks up to this one with the present capacity and work.
    pub(crate) fn accrue(&mut self, height: u64) {
        let blocks = u128::from(height.saturating_sub(self.since));
        self.capacity_blocks = self.capacity_blocks.saturating_add(blocks.saturating_mul(u128::from(self.capacity)));
        self.busy_blocks = self.busy_blocks.saturating_add(blocks.saturating_mul(u128::from(self.busy)));
        self.since = height;
    }

    /// Busy part of the capacity, mean over the epoch's blocks so far, basis points.
    pub(crate) fn utilisation_bps(&self, height: u64) -> u32 {
        let mut now = self.clone();
        now.accrue(height);
        let part = math::mul_div_down(now.busy_blocks, 10_000, now.capacity_blocks).unwrap_or(0);
        u32::try_from(part.min(10_000)).unwrap_or(10_000)
    }
}

/// Notes what a clearing of this block did. One that traded nothing and left the book's edges where they
/// were is not worth remembering.
pub(crate) fn note(
    step: &mut Step<'_>,
    (class, window): (u32, u32),
    price: Option<Grains>,
    volume: u64,
    range: Option<(Grains, Grains)>,
    edges: (Option<Grains>, Option<Grains>),
) -> Done {
    let mut trading = Trading::of(step, class, window)?;
    if price.is_none() && (trading.best_bid_left, trading.best_ask_left) == edges {
        return Ok(());
    }
    let height = step.env.height();
    (trading.best_bid_left, trading.best_ask_left) = edges;
    if let Some(price) = price {
        trading.last = Some(price);
        trading.last_height = height;
        trading.open = trading.open.or(Some(price));
        trading.high = trading.high.max(Some(price));
        trading.low = Some(trading.low.map_or(price, |low| low.min(price)));
        trading.volume = trading.volume.saturating_add(volume);
        trading.turnover = trading.turnover.saturating_add(sane(cost_down(price, volume))?);
        let (low, high) = range.unwrap_or((price, price));
        step.emit(system::MARKET, &IMarket::Cleared { class, window, price, volume, low, high });
    }
    let slot = trading.cleared.checked_rem(REMEMBERED).unwrap_or_default();
    trading.cleared = trading.cleared.saturating_add(1);
    let (best_bid_left, best_ask_left) = edges;
    let cleared = Cleared { height, price, volume, best_bid_left, best_ask_left };
    let mut key = keys::of_book(CLEARED, class, window);
    key.extend_from_slice(&slot.to_be_bytes());
    step.write(key, &cleared);
    trading.store(step, class, window);
    Ok(())
}

/// Forgets the book of a window that is over and in which nothing rests.
pub(crate) fn forget(step: &mut Step<'_>, class: u32, window: u32) -> Done {
    let trading = Trading::of(step, class, window)?;
    let over = step.env.height() >= claims::ends(&step.env.params, window);
    if over && trading.bids == 0 && trading.asks == 0 {
        step.state.delete(keys::of_book(TRADING, class, window));
        let cleared: Vec<_> = keys_under(&step.state, &keys::of_book(CLEARED, class, window)).collect();
        cleared.into_iter().for_each(|key| step.state.delete(key));
    }
    Ok(())
}

/// Counts what an owner sold, for the index.
pub(crate) fn sold(step: &mut Step<'_>, class: u32, owner: &Address, price: Grains, quantity: u64) -> Done {
    let key = keys::key(SOLD, &[&class.to_be_bytes(), &price.to_be_bytes(), owner.as_slice()]);
    let before: u64 = step.read(&key)?.unwrap_or_default();
    step.write(key, &before.saturating_add(quantity));
    Ok(())
}

/// What `quantity` thousandths cost at `price` a unit, rounded up.
pub(crate) fn cost_up(price: Grains, quantity: u64) -> Option<Grains> {
    math::mul_div_up(price, u128::from(quantity), 1_000)
}

/// As [`cost_up`], rounded down.
pub(crate) fn cost_down(price: Grains, quantity: u64) -> Option<Grains> {
    math::mul_div_down(price, u128::from(quantity), 1_000)
}
