//! Transactions waiting for a block.
//!
//! [`Pool`] holds the rules and is pure: no clock, no lock, no iteration over a hash map, so the same
//! sequence of calls gives the same pool and the same proposals in the simulator and on a machine.
//! [`Mempool`] shares one pool between the RPC, gossip and the leader. [`Admission`] checks
//! signatures in parallel, away from the async threads, and puts what passes into the pool.
//!
//! ```text
//!  RPC ──raw──▶ Admission ──check (parallel)──▶ Mempool ──propose──▶ leader
//!  gossip ─raw─▶ Mempool::check_all ───────────▶    ▲
//!                                                   └──finalized── every block
//! ```
//!
//! What it does not do: it never executes a transaction and never decides validity of a block. What
//! it proposes is the leader's best guess; the ledger may still refuse it.
//!
//! Invariants
//! - A signature is recovered once: the checked transaction is kept from admission to block.
//! - The sum of what one sender's waiting transactions may cost never exceeded the balance it had when
//!   the last of them was admitted.
//! - Bytes and counts are bounded, globally and by sender.
//!
//! Ages are counted in blocks, not seconds, so that expiry is the same under any clock.

mod admission;
mod pool;
mod queue;
mod shared;

pub use admission::{Admission, SubmitError};
pub use pool::{Funds, Limits, Pool, PoolError, PoolTx, Space};
pub use shared::{Mempool, Origin};
