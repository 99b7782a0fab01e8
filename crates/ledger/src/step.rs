//! One atomic piece of work over the state: a transaction, a view call, or the end of a block.
//!
//! A step writes into its own overlay and log; whoever runs it keeps both or drops both.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Log};
use alloy_sol_types::SolEvent;
use assay_types::{Genesis, Params};

use crate::{
    codec::{self, Wire, record},
    crypto::ConsensusCrypto,
    keys, params,
    reject::BrokenInvariant,
    staking::committees,
    state::{Overlay, StateRead},
};

/// What a block brings in from outside: the only time and randomness the ledger knows.
#[derive(Clone)]
pub struct BlockContext {
    /// Height of the block.
    pub height: u64,
    /// Milliseconds since the Unix epoch, by the leader's clock.
    pub timestamp_ms: u64,
    /// Account of the leader, which earns the priority fees.
    pub proposer: Address,
    /// Randomness accumulator after this block's leader reveal.
    pub beacon: B256,
    /// The cryptography of consensus: the same on all nodes, so no part of what tells contexts apart.
    pub crypto: &'static dyn ConsensusCrypto,
}

impl BlockContext {
    fn facts(&self) -> (u64, u64, Address, B256) {
        (self.height, self.timestamp_ms, self.proposer, self.beacon)
    }
}

impl PartialEq for BlockContext {
    fn eq(&self, other: &Self) -> bool {
        self.facts() == other.facts()
    }
}

impl Eq for BlockContext {}

impl std::fmt::Debug for BlockContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (height, timestamp_ms, proposer, beacon) = self.facts();
        f.debug_struct("BlockContext")
            .field("height", &height)
            .field("timestamp_ms", &timestamp_ms)
            .field("proposer", &proposer)
            .field("beacon", &beacon)
            .finish_non_exhaustive()
    }
}

record! {
    /// The latest block's own facts, at [`keys::tip`], so that a light client can have them proved.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Tip {
        /// Height; 0 for genesis.
        pub height: u64,
        /// Milliseconds since the Unix epoch.
        pub timestamp_ms: u64,
        /// Account of the leader.
        pub proposer: Address,
        /// Randomness accumulator.
        pub beacon: B256,
        /// Commitment to receipts and end-of-block events.
        pub receipts_root: B256,
        /// Base fee of this block.
        pub base_fee: u128,
        /// Base fee of the next.
        pub next_base_fee: u128,
        /// Gas used by this block.
        pub gas_used: u64,
    }
}

impl Tip {
    /// Reads the canonical bytes at [`keys::tip`].
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        codec::decode(bytes)
    }
}

record! {
    /// What never changes after genesis.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Network {
        pub(crate) chain_id: u64,
        pub(crate) genesis_hash: B256,
    }
}

impl Network {
    pub(crate) fn of(genesis: &Genesis) -> Self {
        Self { chain_id: genesis.chain_id, genesis_hash: genesis.hash() }
    }
}

/// Everything a step may know beside the state.
#[derive(Debug, Clone)]
pub(crate) struct Env {
    pub(crate) ctx: BlockContext,
    pub(crate) params: Arc<Params>,
    pub(crate) network: Network,
    pub(crate) tip: Tip,
    /// Accounts of the seats of this block's epoch, in order of their network keys.
    pub(crate) seats: Vec<Address>,
}

impl Env {
    pub(crate) fn load(view: &dyn StateRead, ctx: BlockContext) -> Result<Self, BrokenInvariant> {
        let params = params_of(view)?;
        let tip: Tip = read(view, &keys::tip())?.ok_or(BrokenInvariant::NoGenesis)?;
        // A context that does not follow the tip is refused later, by name.
        let height = ctx.height.min(tip.height.saturating_add(1));
        let seats = committees::accounts(view, committees::epoch_of(&params, height))?;
        let network = read(view, &keys::network())?.ok_or(BrokenInvariant::NoGenesis)?;
        Ok(Self { ctx, params, network, tip, seats })
    }

    pub(crate) fn height(&self) -> u64 {
        self.ctx.height
    }

    /// The height `blocks` after this one.
    pub(crate) fn after(&self, blocks: u32) -> u64 {
        self.ctx.height.saturating_add(u64::from(blocks))
    }

    /// Whether an account sits in this block's epoch.
    pub(crate) fn is_validator(&self, account: &Address) -> bool {
        self.seats.contains(account)
    }
}

/// The consensus parameters in force.
pub(crate) fn params_of(view: &dyn StateRead) -> Result<Arc<Params>, BrokenInvariant> {
    params::load(view)
}

/// Reads the record at `key`.
pub(crate) fn read<T: Wire>(view: &dyn StateRead, key: &[u8]) -> Result<Option<T>, BrokenInvariant> {
    let table = key.first().copied().unwrap_or_default();
    match view.get(key) {
        None => Ok(None),
        Some(bytes) => codec::decode(&bytes).map(Some).ok_or(BrokenInvariant::Corrupt(table)),
    }
}

/// All keys that start with `prefix`, in order.
pub(crate) fn keys_under<'a>(view: &'a dyn StateRead, prefix: &[u8]) -> impl Iterator<Item = Vec<u8>> + use<'a> {
    view.scan(prefix, keys::after(prefix).as_deref()).map(|(key, _)| key)
}

/// A step under way.
pub(crate) struct Step<'s> {
    pub(crate) env: &'s Env,
    pub(crate) state: Overlay<'s>,
    pub(crate) logs: Vec<Log>,
}

impl<'s> Step<'s> {
    pub(crate) fn new(parent: &'s dyn StateRead, env: &'s Env) -> Self {
        Self { env, state: Overlay::new(parent), logs: Vec::new() }
    }

    pub(crate) fn read<T: Wire>(&self, key: &[u8]) -> Result<Option<T>, BrokenInvariant> {
        read(&self.state, key)
    }

    /// Reads a record that must be there.
    pub(crate) fn must<T: Wire>(&self, key: &[u8]) -> Result<T, BrokenInvariant> {
        self.read(key)?.ok_or(BrokenInvariant::Missing(key.first().copied().unwrap_or_default()))
    }

    pub(crate) fn write<T: Wire>(&mut self, key: Vec<u8>, value: &T) {
        self.state.put(key, codec::encode(value));
    }

    /// Sets an index entry, whose key says everything.
    pub(crate) fn mark(&mut self, key: Vec<u8>) {
        self.state.put(key, vec![1]);
    }

    pub(crate) fn emit(&mut self, contract: Address, event: &impl SolEvent) {
        self.logs.push(Log { address: contract, data: event.encode_log_data() });
    }
}
