//! A network in memory: one state, blocks executed on it, books checked after each.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope, crypto::secp256k1::sign_message};
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use assay_ledger::{
    BlockBuilder, BlockContext, BlockOutput, CheckRules, Checked, ConsensusCrypto, Equivocation, MemState, Reject,
    check, genesis_state, query,
};
use assay_types::{
    Class, GRAINS_PER_KRT, Genesis, GenesisAccount, GenesisValidator, Params, Receipt, Seat,
    view::{LotPhase, ReplicaPhase},
};

pub(crate) const CHAIN_ID: u64 = 2_611;
pub(crate) const RUNTIME: B256 = B256::repeat_byte(0x77);
pub(crate) const PRICE: u128 = 1_000_000_000_000_000;
pub(crate) const GWEI: u128 = 1_000_000_000;

/// The secret key of the account named `name`.
pub(crate) fn secret(name: &str) -> B256 {
    keccak256(name)
}

/// The address of the account named `name`.
pub(crate) fn addr(name: &str) -> Address {
    use std::{cell::RefCell, collections::HashMap};
    thread_local!(static KNOWN: RefCell<HashMap<String, Address>> = RefCell::default());
    KNOWN.with_borrow_mut(|known| {
        *known.entry(name.to_owned()).or_insert_with(|| {
            let hash = keccak256("who");
            let signature = sign_message(secret(name), hash).expect("a secret");
            alloy_consensus::crypto::secp256k1::recover_signer(&signature, hash).expect("own signature")
        })
    })
}

/// A transaction before it is signed.
pub(crate) fn tx(nonce: u64, to: Address, value: u128, input: Vec<u8>) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 40_000_000,
        max_fee_per_gas: 2 * GWEI,
        max_priority_fee_per_gas: 1_000,
        to: TxKind::Call(to),
        value: U256::from(value),
        access_list: Default::default(),
        input: input.into(),
    }
}

/// The EIP-2718 bytes of `tx` signed by `name`.
pub(crate) fn sign(name: &str, tx: TxEip1559) -> Bytes {
    let signature = sign_message(secret(name), tx.signature_hash()).expect("a secret");
    TxEnvelope::Eip1559(tx.into_signed(signature)).encoded_2718().into()
}

pub(crate) fn rules() -> CheckRules {
    CheckRules { chain_id: CHAIN_ID, tx_bytes_limit: 128 << 10, block_gas_limit: 60_000_000 }
}

pub(crate) fn params() -> Params {
    Params {
        runtimes: vec![RUNTIME],
        jail_blocks: 4,
        appeal_window: 0,
        key_window: 10,
        reveal_window: 5,
        disclose_window: 5,
        verdict_commit_window: 8,
        verdict_reveal_window: 5,
        delivery_window: 6,
        withdrawal_delay: 20,
        commit_window_bounds: (2, 1_000),
        challenge_window_bounds: (2, 1_000),
        max_lifetime: 10_000,
        max_attempts: 3,
        classes: vec![Class::any_cpu(PRICE / 2)],
        band_bps: 10_000,
        claim_initial_bps: 25_000,
        claim_maintenance_bps: 20_000,
        claim_window_blocks: 60,
        claim_margin_window: 6,
        claim_closeout_window: 8,
        ..Params::default()
    }
}

pub(crate) fn genesis() -> Genesis {
    let rich = ["renter", "p1", "p2", "p3", "p4", "v1", "v2", "v3", "v4", "stranger"];
    Genesis {
        chain_id: CHAIN_ID,
        timestamp_ms: 1_000_000,
        accounts: rich
            .iter()
            .map(|name| GenesisAccount { address: addr(name), balance: 1_000 * GRAINS_PER_KRT })
            .collect(),
        validators: (1u8..=4)
            .map(|i| GenesisValidator {
                account: addr(&format!("v{i}")),
                stake: 100 * GRAINS_PER_KRT,
                network_key: B256::repeat_byte(i),
                vote_key: vec![i; 48].into(),
                proof_of_possession: vec![i; 96].into(),
                address: "127.0.0.1:1".into(),
                commission_bps: 500,
            })
            .collect(),
        treasury: GRAINS_PER_KRT,
        params: params(),
    }
}

/// A real rule with hashes in the place of curves: who knows a vote key signs with it, so that what is tested is what
/// the ledger does with the answers.
pub(crate) struct HashCrypto;

/// The proof of possession that [`HashCrypto`] asks for.
pub(crate) fn possession(vote_key: &[u8]) -> Bytes {
    keccak256([b"possession", vote_key].concat()).repeat(3).into()
}

/// Two votes in one view of an epoch by the seat with `vote_key`.
pub(crate) fn evidence(epoch: u64, view: u64, vote_key: &[u8]) -> Bytes {
    let body = [&epoch.to_be_bytes()[..], &view.to_be_bytes(), vote_key].concat();
    [&body[..], keccak256([b"two votes", &body[..]].concat()).as_slice()].concat().into()
}

impl ConsensusCrypto for HashCrypto {
    fn possesses(&self, vote_key: &[u8], proof: &[u8]) -> bool {
        possession(vote_key).as_ref() == proof
    }

    fn equivocator(
        &self,
        _: &B256,
        bytes: &[u8],
        committee: &dyn Fn(u64) -> Option<Vec<Seat>>,
    ) -> Option<Equivocation> {
        let (epoch, rest) = bytes.split_first_chunk::<8>()?;
        let (view, rest) = rest.split_first_chunk::<8>()?;
        let (vote_key, _) = rest.split_first_chunk::<48>()?;
        let (epoch, view) = (u64::from_be_bytes(*epoch), u64::from_be_bytes(*view));
        let seat = committee(epoch)?.into_iter().find(|seat| seat.vote_key.as_ref() == vote_key)?;
        (evidence(epoch, view, vote_key).as_ref() == bytes).then_some(Equivocation {
            epoch,
            view,
            account: seat.account,
        })
    }
}

fn params_of(state: &MemState) -> Params {
    query::params(state).expect("a genesis")
}

/// A chain of blocks on one state.
pub(crate) struct Net {
    pub(crate) state: MemState,
    pub(crate) height: u64,
    pub(crate) time_ms: u64,
    pub(crate) last: Option<BlockOutput>,
    /// Who lead in turn; none: the four validators of the genesis.
    pub(crate) leaders: Vec<Address>,
}

impl Net {
    pub(crate) fn new() -> Self {
        Self::of(&genesis())
    }

    pub(crate) fn of(genesis: &Genesis) -> Self {
        let mut state = MemState::default();
        state.apply(&genesis_state(genesis).expect("a good genesis"));
        let net = Self { state, height: 0, time_ms: genesis.timestamp_ms, last: None, leaders: Vec::new() };
        net.invariant_books_balance();
        net
    }

    pub(crate) fn context(&self) -> BlockContext {
        let height = self.height + 1;
        let leader = usize::try_from(height).expect("small") % self.leaders.len().max(1);
        BlockContext {
            height,
            timestamp_ms: self.time_ms + 50,
            proposer: self.leaders.get(leader).copied().unwrap_or_else(|| addr(&format!("v{}", height % 4 + 1))),
            beacon: keccak256(height.to_be_bytes()),
            crypto: &HashCrypto,
        }
    }

    /// Executes a block of checked transactions; each is accepted or the reject is returned in its place.
    pub(crate) fn run(&mut self, txs: &[Checked]) -> Vec<Result<Receipt, Reject>> {
        let ctx = self.context();
        let mut builder = BlockBuilder::new(&self.state, ctx.clone());
        let results = txs.iter().map(|tx| builder.add(tx)).collect();
        let output = builder.finish().expect("no broken invariant");
        self.state.apply(&output.changes);
        self.height = ctx.height;
        self.time_ms = ctx.timestamp_ms;
        self.last = Some(output);
        self.invariant_books_balance();
        self.invariant_collateral_and_escrow_are_behind_open_lots();
        self.invariant_the_schedule_holds_open_lots_only();
        self.invariant_claims_are_somewhere_and_covered();
        results
    }

    pub(crate) fn invariant_books_balance(&self) {
        let books = assay_ledger::books(&self.state).expect("readable");
        assert!(books.balance(), "{books:?} at height {}", self.height);
    }

    /// What is locked is behind replicas of open lots, what is in escrow is behind open lots, and no
    /// closed job holds anything.
    pub(crate) fn invariant_collateral_and_escrow_are_behind_open_lots(&self) {
        let mut locked = std::collections::BTreeMap::<Address, (u128, u32)>::new();
        for summary in query::jobs(&self.state, None, usize::MAX) {
            let job = query::job(&self.state, summary.id).expect("listed");
            let run = assay_types::job::run_ceiling(job.spec.fuel_per_task, job.limit_price);
            let mut escrow = 0;
            for lot in &job.lots {
                if matches!(lot.phase, LotPhase::Settled | LotPhase::Refunded) {
                    continue;
                }
                let audits = assay_types::job::audit_runs(job.spec.auditors, job.spec.audit_draws, lot.tasks);
                escrow += run.expect("fits") * (u128::from(lot.tasks) * u128::from(job.spec.replicas) + audits);
                for auditor in lot.audit.iter().flat_map(|audit| &audit.auditors) {
                    let (sum, busy) = locked.entry(auditor.auditor).or_default();
                    *sum += auditor.locked;
                    *busy += u32::from(auditor.commitment.is_none() && !auditor.declined);
                }
                for replica in &lot.replicas {
                    let (sum, busy) = locked.entry(replica.provider).or_default();
                    *sum += replica.locked;
                    *busy += u32::from(matches!(replica.phase, ReplicaPhase::AwaitingKey | ReplicaPhase::Running));
                }
                let mut operators: Vec<_> = lot.replicas.iter().map(|replica| replica.provider).collect();
                operators.sort();
                operators.dedup();
                assert_eq!(operators.len(), lot.replicas.len(), "one replica an operator");
            }
            assert_eq!(job.escrow, escrow, "escrow of {} at height {}", job.id, self.height);
            assert_eq!(
                job.outcome.is_some(),
                job.lots.iter().all(|lot| matches!(lot.phase, LotPhase::Settled | LotPhase::Refunded))
            );
        }
        for provider in query::providers(&self.state) {
            let (sum, busy) = locked.remove(&provider.account).unwrap_or_default();
            assert_eq!((provider.locked, provider.active_lots), (sum, busy), "at height {}", self.height);
            assert!(provider.locked + provider.withdrawing <= provider.collateral);
        }
        assert!(locked.is_empty());
    }

    /// A lot has one deadline in the schedule, and a chain without open jobs has nothing to wait for.
    pub(crate) fn invariant_the_schedule_holds_open_lots_only(&self) {
        use assay_ledger::StateRead;
        let open = query::jobs(&self.state, None, usize::MAX).iter().filter(|job| job.outcome.is_none()).count();
        let lots: usize = query::jobs(&self.state, None, usize::MAX)
            .iter()
            .filter(|job| job.outcome.is_none())
            .map(|job| job.lots as usize)
            .sum();
        let future = |key: &[u8]| key[1..9] > self.height.to_be_bytes()[..];
        let entries = |table: u8| self.state.scan(&[table], Some(&[table + 1])).filter(|(key, _)| future(key)).count();
        assert!(entries(0x40) <= lots, "one deadline a lot at height {}", self.height);
        assert!(entries(0x41) <= open, "one end a job at height {}", self.height);
    }

    /// What is outstanding of an issuance is what all have of it, those being redeemed are those of open
    /// jobs, and a pot belongs to an issuance.
    pub(crate) fn invariant_claims_are_somewhere_and_covered(&self) {
        use assay_ledger::StateRead;
        use std::collections::BTreeMap;
        let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().expect("eight bytes"));
        let mut held: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        for (key, value) in self.state.scan(&[0x61], Some(&[0x62])) {
            assert_ne!(number(&value), 0, "no empty balance is kept");
            *held.entry(key[1..29].to_vec()).or_default() += number(&value);
        }
        assert_eq!(
            self.state.scan(&[0x61], Some(&[0x62])).count(),
            self.state.scan(&[0x62], Some(&[0x63])).count(),
            "listed by issuance and by owner"
        );
        let mut pots: BTreeMap<Vec<u8>, u128> = BTreeMap::new();
        for (key, value) in self.state.scan(&[0x05, 5], Some(&[0x05, 6])) {
            pots.insert(key[2..].to_vec(), u128::from_be_bytes(value.try_into().expect("an amount")));
        }
        let orders = query::orders(&self.state, None, usize::MAX);
        for class in params_of(&self.state).classes {
            for one in query::issuances(&self.state, class.id) {
                let mut key = one.claim.class.to_be_bytes().to_vec();
                key.extend(one.claim.window.to_be_bytes());
                key.extend(one.claim.issuer);
                assert_eq!(held.remove(&key).unwrap_or_default(), one.outstanding, "{one:?} at {}", self.height);
                assert_eq!(pots.remove(&key).unwrap_or_default(), one.collateral, "{one:?} at {}", self.height);
                assert!(one.offered + one.redeeming <= one.outstanding);
                assert_eq!(one.redeeming == 0, one.in_jobs == 0, "{one:?} at {}", self.height);
            }
            let asked =
                |order: &&assay_types::view::OrderView| order.window != 0 && !order.bid && order.class == class.id;
            let asks: u64 = orders.iter().filter(asked).map(|order| order.quantity).sum();
            let offered: u64 = query::issuances(&self.state, class.id).iter().map(|one| one.offered).sum();
            assert_eq!(asks, offered, "what is offered is behind asks at height {}", self.height);
        }
        assert!(held.is_empty() && pots.is_empty(), "no claims and no pot without an issuance at {}", self.height);
    }

    pub(crate) fn nonce(&self, name: &str) -> u64 {
        assay_ledger::account(&self.state, addr(name)).nonce
    }

    pub(crate) fn balance(&self, name: &str) -> u128 {
        assay_ledger::account(&self.state, addr(name)).balance
    }

    /// A checked transaction of `name` with its next nonce.
    pub(crate) fn tx(&self, name: &str, to: Address, value: u128, input: Vec<u8>) -> Checked {
        check(&sign(name, tx(self.nonce(name), to, value, input)), &rules()).expect("valid")
    }
}

impl Net {
    pub(crate) fn books(&self) -> assay_types::view::Books {
        assay_ledger::books(&self.state).expect("readable")
    }
}
