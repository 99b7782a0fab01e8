//! Blocks of staking alone: one piece of work each, then the end of the block, and all that must hold.

use std::collections::BTreeMap;

use alloy_primitives::{B256, U256};
use assay_types::{GRAINS_PER_KRT as KRT, Genesis, GenesisAccount, Params};

use super::*;
use crate::{
    books,
    crypto::{ConsensusCrypto, Equivocation},
    genesis_state,
    keys::{DELEGATION, FLIGHT, FLIGHT_OF, LEAVING, MATURES, RANKED, VALIDATOR},
    money::check_changes,
    schedule::run_due,
    state::MemState,
    step::{BlockContext, Env, Tip, keys_under},
};

pub(super) fn validator(at: u8) -> Address {
    Address::repeat_byte(at)
}

pub(super) fn delegator(at: u8) -> Address {
    Address::from_word(U256::from(0xd000 + u32::from(at)).into())
}

/// Evidence is the epoch and the account: what is tested is what a proved fault does.
struct Told;

impl ConsensusCrypto for Told {
    fn possesses(&self, _: &[u8], _: &[u8]) -> bool {
        true
    }

    fn equivocator(&self, _: &B256, evidence: &[u8], _: &dyn Fn(u64) -> Option<Vec<Seat>>) -> Option<Equivocation> {
        let (account, epoch) = evidence.split_first_chunk::<20>()?;
        let epoch = u64::from_be_bytes(epoch.try_into().ok()?);
        Some(Equivocation { epoch, view: 7, account: Address::from(*account) })
    }
}

pub(super) struct Bench {
    pub(super) state: MemState,
    height: u64,
    time_ms: u64,
}

impl Bench {
    /// Five validators of 100 KRT, epochs of 50 blocks, 100 delegators and a rich treasury.
    pub(super) fn new() -> Self {
        let listed = |at: u8| GenesisValidator {
            account: validator(at),
            stake: 100 * KRT,
            network_key: B256::repeat_byte(at),
            vote_key: vec![at; 48].into(),
            proof_of_possession: vec![at; 96].into(),
            address: "127.0.0.1:1".into(),
            commission_bps: 500,
        };
        let accounts = (1..=100).map(|at| GenesisAccount { address: delegator(at), balance: 1_000 * KRT });
        let genesis = Genesis {
            chain_id: 1,
            timestamp_ms: 1_000_000,
            accounts: accounts.collect(),
            validators: (1..=5).map(listed).collect(),
            treasury: 10_000 * KRT,
            params: Params { validator_epoch_blocks: 50, ..Params::default() },
        };
        let mut state = MemState::default();
        state.apply(&genesis_state(&genesis).expect("a good genesis"));
        let bench = Self { state, height: 0, time_ms: genesis.timestamp_ms };
        bench.invariant_all_adds_up();
        bench
    }

    /// Other parameters from now on.
    pub(super) fn params(&mut self, change: impl Fn(&mut Params)) {
        let mut params = self.env().params;
        change(std::sync::Arc::make_mut(&mut params));
        self.state.insert(keys::params(), serde_json::to_vec(&params).expect("plain data"));
    }

    pub(super) fn env(&self) -> Env {
        let ctx = BlockContext {
            height: self.height + 1,
            timestamp_ms: self.time_ms + 50,
            proposer: validator(1 + u8::try_from(self.height % 5).expect("small")),
            beacon: B256::ZERO,
            crypto: &Told,
        };
        Env::load(&self.state, ctx).expect("a state")
    }

    /// A block in which `work` is done, or nothing of it.
    pub(super) fn tries(&mut self, work: impl FnOnce(&mut Step<'_>) -> Done) -> Done {
        let env = self.env();
        let mut block = Step::new(&self.state, &env);
        let mut tried = Step::new(&block.state, &env);
        let outcome = work(&mut tried);
        let changes = tried.state.into_changes();
        if outcome.is_ok() {
            block.state.absorb(changes);
        }
        run_due(&mut block).and_then(|()| end_block(&mut block)).expect("the end of a block works");
        let tip = Tip { height: env.ctx.height, timestamp_ms: env.ctx.timestamp_ms, ..env.tip.clone() };
        block.write(keys::tip(), &tip);
        let changes = block.state.into_changes();
        check_changes(&self.state, &changes).expect("the block's books balance");
        self.state.apply(&changes);
        (self.height, self.time_ms) = (tip.height, tip.timestamp_ms);
        self.invariant_all_adds_up();
        outcome
    }

    pub(super) fn ok(&mut self, work: impl FnOnce(&mut Step<'_>) -> Done) {
        assert_eq!(self.tries(work), Ok(()));
    }

    pub(super) fn fails(&mut self, work: impl FnOnce(&mut Step<'_>) -> Done) -> Failure {
        match self.tries(work) {
            Err(Stop::Fail(failure)) => failure,
            other => panic!("not refused: {other:?}"),
        }
    }

    pub(super) fn pass(&mut self, blocks: u64) {
        (0..blocks).for_each(|_| self.ok(|_| Ok(())));
    }

    pub(super) fn until_epoch(&mut self, epoch: u64) {
        while (self.height + 1) / 50 < epoch {
            self.pass(1);
        }
    }

    /// One block, so much later.
    pub(super) fn skip(&mut self, ms: u64) {
        self.time_ms += ms.saturating_sub(50);
        self.pass(1);
    }

    pub(super) fn unbonding_ms(&self) -> u64 {
        self.env().params.unbonding_ms
    }

    /// Until all that is leaving now has left.
    pub(super) fn unbonded(&mut self) {
        self.skip(self.unbonding_ms());
    }

    /// A validator is shown to have voted for two things in an epoch.
    pub(super) fn equivocates(&mut self, at: u8, epoch: u64) {
        let evidence = [validator(at).as_slice(), &epoch.to_be_bytes()].concat();
        self.ok(|step| slashing::report(step, delegator(99), &evidence));
    }

    pub(super) fn held(&self, pot: Pot) -> Grains {
        held(&self.state, pot).expect("reads")
    }

    pub(super) fn balance(&self, who: Address) -> Grains {
        self.held(Pot::Account(who))
    }

    pub(super) fn tokens(&self, at: u8) -> Grains {
        self.held(Pot::Stake(validator(at)))
    }

    pub(super) fn amount(&self, who: Address, at: u8) -> Grains {
        delegations::amount_of(&self.state, &who, &validator(at)).expect("reads")
    }

    pub(super) fn pending(&self, who: Address, at: u8) -> Grains {
        rewards::pending(&self.state, &who, &validator(at)).expect("reads")
    }

    pub(super) fn record(&self, at: u8) -> Validator {
        Validator::must(&self.state, &validator(at)).expect("registered")
    }

    /// All an account has, wherever it is.
    pub(super) fn wealth(&self, who: Address) -> Grains {
        let delegated = views::delegations(&self.state, &who).expect("reads");
        let flying = views::unbondings(&self.state, &who).expect("reads");
        let leaving: Grains = flying.iter().filter(|one| one.to.is_none()).map(|one| one.left).sum();
        let staked: Grains = delegated.iter().map(|one| one.amount + one.rewards).sum();
        self.balance(who) + leaving + staked + self.held(Pot::Commission(who))
    }

    fn count(&self, table: u8) -> usize {
        keys_under(&self.state, &[table]).count()
    }

    fn invariant_all_adds_up(&self) {
        let books = books(&self.state).expect("reads");
        assert!(books.balance(), "{books:?} at height {}", self.height);
        let mut shares: BTreeMap<Address, (u128, Grains, Grains)> = BTreeMap::new();
        for key in keys_under(&self.state, &[DELEGATION]) {
            let who = Address::from_slice(&key[1..21]);
            let at = Address::from_slice(&key[21..]);
            let delegation = delegations::load(&self.state, &who, &at).expect("reads").expect("listed");
            assert_ne!(delegation.shares, 0, "no empty delegation is kept");
            let sums = shares.entry(at).or_default();
            sums.0 += delegation.shares;
            sums.1 += delegations::amount_of(&self.state, &who, &at).expect("reads");
            sums.2 += rewards::pending(&self.state, &who, &at).expect("reads");
        }
        let (mut bonded, mut listed) = (0, 0);
        for key in keys_under(&self.state, &[VALIDATOR]) {
            let account = Address::from_slice(&key[1..]);
            let record = Validator::must(&self.state, &account).expect("listed");
            let tokens = self.held(Pot::Stake(account));
            let (owned, worth, claims) = shares.remove(&account).unwrap_or_default();
            assert_eq!(record.shares, owned, "shares of {account} at height {}", self.height);
            assert!(worth <= tokens, "delegations are worth what there is at most");
            assert!(claims <= self.held(Pot::Rewards(account)), "what can be claimed is there at {}", self.height);
            assert!(owned > 0 || tokens == 0, "no tokens without an owner");
            assert_eq!(record.ranked_at, tokens);
            bonded += tokens;
            listed += usize::from(!record.tombstoned);
        }
        assert!(shares.is_empty(), "no shares of nobody");
        assert_eq!(bonded_total(&self.state), Ok(bonded));
        assert_eq!(self.count(RANKED), listed, "one place a validator that may sit again");
        for table in [LEAVING, FLIGHT_OF, MATURES] {
            assert_eq!(self.count(table), self.count(FLIGHT), "each flight is in each index");
        }
        for key in keys_under(&self.state, &[FLIGHT]) {
            let id = keys::order_at_end(&key).expect("a number");
            let flight: flights::Flight = read(&self.state, &key).expect("reads").expect("listed");
            let pot = if flight.to.is_none() { flight.left } else { 0 };
            assert_eq!(self.held(Pot::Unbonding(id)), pot, "what is leaving lies in its pot");
            assert!(flight.left <= flight.initial);
        }
        let seats = seats(&self.state);
        assert!(seats.is_sorted_by_key(|seat| seat.network_key) && !seats.is_empty());
    }
}
