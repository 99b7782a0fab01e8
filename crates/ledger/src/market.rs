//! The market: books of orders, cleared once a block.
//!
//! ```text
//!  call ──▶ order ──touch──▶ stale ──refresh, end of block──▶ book ──clearing, end of the next──▶ trades
//!             ▲                                                             │
//!             └────────── what is left takes part again by itself ◀─────────┘
//! ```
//!
//! An order's place in a book is derived from what it stands for: a job's from its lots that lack
//! providers, a provider's from what it has free, a limit order's from itself. Whatever changes one of
//! those [touches](orders::touch) the order, and [`orders::refresh`] sees to its place once, at the end of
//! the block, after the clearing: so an order clears only with randomness drawn after its inclusion.
//!
//! Invariants
//! - A book holds exactly the orders whose record says so, with that price and quantity.
//! - What is behind a bid is exactly its worst case: price times what is left, rounded up.
//! - A clearing reads what trades and the first order that does not, not what rests behind.

pub(crate) mod allotments;
pub(crate) mod book;
pub(crate) mod calls;
pub(crate) mod clearing;
pub(crate) mod compute;
pub(crate) mod epochs;
pub(crate) mod limits;
pub(crate) mod orders;
pub(crate) mod sealed;
pub(crate) mod trading;
pub(crate) mod views;

use alloy_primitives::Address;
use assay_market::Side;
use assay_types::{
    Grains, JobId, Params,
    class::{Class, class_of},
};

use crate::{
    codec::{Wire, numbered, record},
    reject::{Done, Failure},
    step::Step,
};

numbered!(Side { Bid = 0, Ask = 1 });

/// What an order stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A job's lots that lack providers.
    Job(JobId),
    /// A provider's free capacity.
    Ask(Address),
    /// Itself.
    Limit,
    /// Claims of this issuer, which lie with the market.
    Claim(Address),
}

impl Source {
    /// Whether its owner placed it, and amends and cancels it.
    pub(crate) fn is_placed(&self) -> bool {
        matches!(self, Self::Limit | Self::Claim(_))
    }
}

impl Wire for Source {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Job(job) => {
                out.push(0);
                job.put(out);
            }
            Self::Ask(provider) => {
                out.push(1);
                provider.put(out);
            }
            Self::Limit => out.push(2),
            Self::Claim(issuer) => {
                out.push(3);
                issuer.put(out);
            }
        }
    }

    fn take(input: &mut &[u8]) -> Option<Self> {
        match u8::take(input)? {
            0 => JobId::take(input).map(Self::Job),
            1 => Address::take(input).map(Self::Ask),
            2 => Some(Self::Limit),
            3 => Address::take(input).map(Self::Claim),
            _ => None,
        }
    }
}

record! {
    /// An open order.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Order {
        pub(crate) owner: Address,
        pub(crate) source: Source,
        pub(crate) side: Side,
        /// Class it names; a job's first choice.
        pub(crate) class: u32,
        pub(crate) window: u32,
        /// Of a limit order; another's follows from what it stands for.
        pub(crate) price: Grains,
        pub(crate) quantity: u64,
        pub(crate) min_fill: u64,
        pub(crate) placed_at: u64,
        /// A sealed order comes into the book at the end of this block, and says here when it did; 0: at once.
        pub(crate) opens_at: u64,
        pub(crate) expires: u64,
        /// A job's place in its list of classes.
        pub(crate) choice: u32,
        /// Since when it is kept out of the book because nobody could serve it as it is.
        pub(crate) parked: Option<u64>,
        /// Since when it goes unserved.
        pub(crate) unserved_since: Option<u64>,
        /// Where it rests, and since when.
        pub(crate) booked: Option<Booked>,
        pub(crate) booked_at: u64,
        /// What a provider's order counts for in its class.
        pub(crate) capacity: u64,
        pub(crate) busy: u64,
    }
}

record! {
    /// An order's entry in a book.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct Booked {
        pub(crate) class: u32,
        pub(crate) price: Grains,
        pub(crate) quantity: u64,
        pub(crate) min_fill: u64,
    }
}

/// A class that takes orders.
pub(crate) fn live_class<'e>(step: &Step<'e>, id: u32) -> Done<&'e Class> {
    let class = class_of(&step.env.params.classes, id).filter(|class| !class.retired);
    Ok(class.ok_or(Failure::UnknownClass)?)
}

/// A class that is not retired.
pub(crate) fn active(params: &Params, id: u32) -> Option<&Class> {
    class_of(&params.classes, id).filter(|class| !class.retired)
}
