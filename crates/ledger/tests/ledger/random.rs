//! Random histories against a small reference model of money, and the promise that escrow ends.
//!
//! The model knows no phases and no deadlines: only fees, events, and what each event moves. It
//! predicts what is burned, what each provider earned, lost and has as collateral, and the renter's
//! wealth (balance, escrow and bonds together).

use std::collections::BTreeMap;

use alloy_primitives::B256;
use alloy_sol_types::SolCall;
use assay_ledger::query;
use assay_proof::lot_root;
use assay_types::{
    GRAINS_PER_KRT, JobId, JobSpec, Leaf,
    abi::{IAudits, IDisputes, IGovernance, IJobs, IMarket, IProviders, IRewards, IStaking},
    job::{decoy, verdict_commitment},
    system::{AUDITS, CAPACITY, DISPUTES, GOVERNANCE, JOBS, MARKET, PROVIDERS, REWARDS, STAKING},
    view::{LotPhase, LotView, OrderKind, ProposalStatus, ReplicaPhase},
};
use proptest::prelude::*;

use crate::{
    capacity,
    governance::{about, changing, governed},
    kit::*,
    market::place,
    scenario::*,
    sealed::{opens, sealing, seals},
    staking::registration,
};

const PROVIDERS_NAMED: [&str; 4] = ["p1", "p2", "p3", "p4"];
const VALIDATORS: [&str; 4] = ["v1", "v2", "v3", "v4"];
/// Divisible by what they are split into, so that the model needs no remainders.
const BOND: u128 = 24 * GRAINS_PER_KRT / 100;

#[derive(Debug, Clone)]
struct Act {
    what: u8,
    who: u8,
    pick: u8,
    how: u8,
}

#[derive(Debug, Default)]
struct Model {
    renter_wealth: u128,
    treasury: u128,
    minted: u128,
    /// What payments to a provider burned in an epoch, until its emission for it is paid.
    work_burned: BTreeMap<(String, u64), u128>,
    /// What may still be emitted for an epoch.
    budgets: BTreeMap<u64, u128>,
    held: Vec<u64>,
    burned: u128,
    /// Bonded and on its way out.
    stake: u128,
    earned: BTreeMap<String, u128>,
    slashed: BTreeMap<String, u128>,
    collateral: BTreeMap<String, u128>,
    attested: BTreeMap<(JobId, u32), u128>,
    challenged: BTreeMap<(JobId, u32), bool>,
    /// What the renter has behind seals.
    sealed: BTreeMap<B256, u128>,
    /// What it has behind proposals.
    deposits: BTreeMap<u64, u128>,
}

impl Model {
    fn follow(&mut self, net: &Net) {
        let output = net.last.as_ref().expect("a block");
        for receipt in &output.receipts {
            let gas = u128::from(receipt.gas_used);
            self.burned += gas * output.base_fee;
            if receipt.from == addr("renter") {
                self.renter_wealth -= gas * receipt.effective_gas_price;
            }
        }
        for event in net.events::<IProviders::ProviderRegistered>() {
            *self.collateral.entry(name_of(event.provider)).or_default() += event.collateral;
        }
        for event in net.events::<IProviders::CollateralDeposited>() {
            *self.collateral.entry(name_of(event.provider)).or_default() += event.amount;
        }
        for event in net.events::<IProviders::CollateralWithdrawn>() {
            *self.collateral.entry(name_of(event.provider)).or_default() -= event.amount;
        }
        for event in net.events::<IJobs::ProviderPaid>() {
            *self.earned.entry(name_of(event.provider)).or_default() += event.amount;
            self.renter_wealth -= event.amount;
        }
        for event in net.events::<IJobs::Slashed>() {
            assert_eq!(event.amount, event.burned + event.toCatchers + event.toRenter);
            assert_eq!(event.burned, event.amount / 2);
            assert!(event.toCatchers <= event.amount * 4 / 10);
            if ![2, 3, 6].contains(&event.fault) {
                *self.slashed.entry(name_of(event.provider)).or_default() += event.amount;
                *self.collateral.entry(name_of(event.provider)).or_default() -= event.amount;
            }
            self.burned += event.burned;
            self.renter_wealth += event.toRenter;
        }
        // Lateness is held first, and goes back or becomes a slash.
        for event in net.events::<IDisputes::SlashHeld>() {
            *self.slashed.entry(name_of(event.provider)).or_default() += event.amount;
            *self.collateral.entry(name_of(event.provider)).or_default() -= event.amount;
            self.held.push(event.appeal);
        }
        for event in net.events::<IDisputes::SlashExcused>() {
            *self.slashed.entry(name_of(event.provider)).or_default() -= event.amount;
            *self.collateral.entry(name_of(event.provider)).or_default() += event.amount;
        }
        for event in net.events::<IProviders::HandedOver>() {
            *self.collateral.entry(name_of(event.provider)).or_default() -= event.attached;
        }
        for event in net.events::<IProviders::AttachedPaid>() {
            self.renter_wealth += event.toRenter;
        }
        for event in net.events::<IAudits::AuditorPaid>() {
            *self.earned.entry(name_of(event.auditor)).or_default() += event.fee + event.bounty;
            self.renter_wealth -= event.fee;
            self.treasury -= event.bounty;
        }
        self.follow_bonds(net);
        self.follow_seals(net);
        self.follow_proposals(net);
        self.follow_rewards(net);
        self.follow_stake(net);
    }

    fn follow_rewards(&mut self, net: &Net) {
        for event in net.events::<IRewards::EmissionPaid>() {
            let key = (name_of(event.provider), event.epoch);
            assert_eq!(self.work_burned.remove(&key), Some(event.burned), "{key:?} is paid once, for what it burned");
            assert!(0 < event.amount && event.amount <= event.burned * 8 / 10, "{} of {}", event.amount, event.burned);
            let left = self.budgets.get_mut(&event.epoch).expect("an ended epoch");
            *left = left.checked_sub(event.amount).expect("within the budget");
            self.minted += event.amount;
        }
        for event in net.events::<IRewards::PaymentBurned>() {
            let who = name_of(event.provider);
            assert_eq!(event.burned, (event.paid * 500).div_ceil(10_000));
            *self.earned.get_mut(&who).expect("was paid") -= event.burned;
            *self.work_burned.entry((who, event.epoch)).or_default() += event.burned;
            self.burned += event.burned;
        }
        for event in net.events::<IRewards::EpochMinted>() {
            let of_epoch = self.work_burned.iter().filter(|((_, epoch), _)| *epoch == event.epoch);
            assert_eq!(of_epoch.map(|(_, burned)| burned).sum::<u128>(), event.burned);
            // A jailed seat's part is nobody's.
            assert!(event.toTreasury > 0 && event.toValidators <= 9 * event.toTreasury + 9);
            self.budgets.insert(event.epoch, event.budget);
            self.minted += event.toTreasury + event.toValidators;
            self.treasury += event.toTreasury;
            self.stake += event.toValidators;
        }
    }

    /// Only the renter deposits, and only it is paid.
    fn follow_proposals(&mut self, net: &Net) {
        for event in net.events::<IGovernance::Deposited>() {
            *self.deposits.entry(event.id).or_default() += event.amount;
        }
        for event in net.events::<IGovernance::DepositReturned>() {
            *self.deposits.get_mut(&event.id).expect("was deposited") -= event.amount;
        }
        for event in net.events::<IGovernance::DepositBurned>() {
            *self.deposits.get_mut(&event.id).expect("was deposited") -= event.amount;
            self.renter_wealth -= event.amount;
            self.burned += event.amount;
        }
        for event in net.events::<IGovernance::Paid>() {
            self.treasury -= event.amount;
            self.renter_wealth += event.amount;
        }
    }

    fn follow_stake(&mut self, net: &Net) {
        for event in net.events::<IStaking::RewardsClaimed>() {
            self.stake -= event.amount;
        }
        for event in net.events::<IStaking::CommissionClaimed>() {
            self.stake -= event.amount;
        }
        for event in net.events::<IStaking::Delegated>() {
            self.stake += event.amount;
        }
        // What moves is taken and delegated anew.
        for event in net.events::<IStaking::Redelegated>() {
            self.stake -= event.amount;
        }
        for event in net.events::<IStaking::Unbonded>() {
            self.stake -= event.amount;
        }
        for event in net.events::<IStaking::Slashed>() {
            self.stake -= event.burned + event.bounty;
            self.burned += event.burned;
        }
        for event in net.events::<IStaking::FlightSlashed>() {
            self.stake -= event.burned;
            self.burned += event.burned;
        }
    }

    fn follow_seals(&mut self, net: &Net) {
        for event in net.events::<IMarket::OrderSealed>() {
            self.sealed.insert(event.commitment, event.value);
        }
        for event in net.events::<IMarket::OrderUnsealed>() {
            self.sealed.remove(&event.commitment).expect("was sealed");
        }
        for event in net.events::<IMarket::OrderSealForfeited>() {
            let value = self.sealed.remove(&event.commitment).expect("was sealed");
            assert_eq!((event.burned, event.refunded), (value / 8, value - value / 8));
            self.renter_wealth -= event.burned;
            self.burned += event.burned;
        }
    }

    fn follow_bonds(&mut self, net: &Net) {
        for event in net.events::<IDisputes::DisputeOpened>() {
            self.challenged.insert((event.job, event.lot), event.cause == 2);
        }
        for event in net.events::<IDisputes::DisputeResolved>() {
            let challenge = self.challenged.remove(&(event.job, event.lot)).expect("was opened");
            if challenge && event.outcome == 1 && event.wrong.is_empty() {
                self.burned += BOND / 2;
            }
        }
        for event in net.events::<IDisputes::Slept>() {
            self.burned += event.burned;
            self.stake -= event.burned;
        }
        for event in net.events::<IJobs::DeliveryAttested>() {
            *self.attested.entry((event.job, event.lot)).or_default() += 1;
        }
        for event in net.events::<IJobs::DeliveryResolved>() {
            let attested = self.attested.remove(&(event.job, event.lot)).unwrap_or_default();
            if event.delivered && attested > 0 {
                self.renter_wealth -= BOND;
            }
        }
    }

    fn invariant_the_ledger_agrees(&self, net: &Net) {
        let jobs = query::jobs(&net.state, Some(addr("renter")), usize::MAX);
        let escrow: u128 = jobs.iter().map(|job| net.job(job.id).escrow).sum();
        let deliveries = jobs.iter().flat_map(|job| net.job(job.id).lots).filter(|lot| lot.delivery.is_some()).count();
        let sealed: u128 = self.sealed.values().sum();
        let orders = query::orders(&net.state, Some(addr("renter")), usize::MAX);
        let bids: u128 = orders.iter().filter(|order| order.kind == OrderKind::Limit).map(|order| order.escrow).sum();
        let wealth = net.balance("renter")
            + escrow
            + sealed
            + bids
            + self.deposits.values().sum::<u128>()
            + deliveries as u128 * BOND;
        assert_eq!(wealth, self.renter_wealth, "renter's wealth at height {}", net.height);
        // Rewards that no share is there to have are the treasury's.
        let books = net.books();
        assert!(books.treasury >= self.treasury, "treasury at height {}", net.height);
        let both = (books.stake + books.treasury, self.stake + self.treasury);
        assert_eq!(both.0, both.1, "stake and treasury at height {}", net.height);
        assert_eq!(net.books().minted, self.minted, "minted at height {}", net.height);
        assert_eq!(net.books().burned, self.burned, "burned at height {}", net.height);
        for who in PROVIDERS_NAMED {
            let Some(provider) = query::provider(&net.state, addr(who)) else { continue };
            let of = |map: &BTreeMap<String, u128>| map.get(who).copied().unwrap_or_default();
            let (ours, model) = (
                (provider.earned, provider.slashed, provider.collateral),
                (of(&self.earned), of(&self.slashed), of(&self.collateral)),
            );
            assert_eq!(ours, model, "{who} at height {}", net.height);
        }
    }
}

/// A network, what everyone secretly said, and the model.
struct World {
    net: Net,
    model: Model,
    said: BTreeMap<(JobId, u32, String), Vec<Leaf>>,
    /// What auditors committed to.
    checked: BTreeMap<(JobId, u32, String), Vec<Leaf>>,
    /// Roots of lanes that providers posted, and in which round.
    posted: BTreeMap<String, (u64, Vec<B256>)>,
}

impl World {
    fn new() -> Self {
        let mut genesis = genesis();
        genesis.params = sealing(genesis.params);
        genesis.params = governed(genesis.params);
        genesis.params.gov_min_deposit = 40 * GRAINS_PER_KRT;
        genesis.params.challenge_bond = BOND;
        genesis.params.delivery_bond = BOND;
        genesis.params.max_due_per_block = 4;
        genesis.params.key_window = 30;
        genesis.params.reveal_window = 12;
        genesis.params.disclose_window = 12;
        genesis.params.verdict_commit_window = 12;
        genesis.params.verdict_reveal_window = 12;
        genesis.params.delivery_window = 12;
        genesis.params.forced_error_bps = 3_000;
        genesis.params.epoch_blocks = 40;
        genesis.params.appeal_window = 25;
        // Some are paid by their part of the budget, some by what they burned.
        (genesis.params.emission_bps_a_year, genesis.params.emission_full_bps) = (5_000, 20);
        genesis.params.emission_cap_bps = 8_000;
        genesis.params.validator_epoch_blocks = 30;
        genesis.params.unbonding_ms = 2_500;
        genesis.params.max_unbondings = 3;
        genesis.params.min_self_stake = 90 * GRAINS_PER_KRT;
        capacity::rounds(&mut genesis.params);
        (genesis.params.capacity_answer_blocks, genesis.params.capacity_open_blocks) = (20, 20);
        genesis.params.capacity_jail_blocks = 10;
        let net = Net::of(&genesis);
        let books = net.books();
        let model = Model {
            renter_wealth: net.balance("renter"),
            treasury: books.treasury,
            minted: books.minted,
            stake: books.stake,
            ..Model::default()
        };
        let mut world = Self { net, model, said: BTreeMap::new(), checked: BTreeMap::new(), posted: BTreeMap::new() };
        for who in PROVIDERS_NAMED {
            let call = IProviders::registerCall {
                operator: addr(if who == "p4" { "p3" } else { who }),
                sealingKey: B256::ZERO,
                endpoint: vec![].into(),
                ask: ask(PRICE / 2),
            };
            world.send(who, PROVIDERS, 10 * GRAINS_PER_KRT, call);
        }
        world
    }

    fn send(&mut self, who: &str, to: alloy_primitives::Address, value: u128, call: impl SolCall) -> bool {
        let receipt = self.net.send(who, to, value, call);
        self.check();
        receipt.failure.is_none()
    }

    fn pass(&mut self, blocks: u8) {
        for _ in 0..blocks {
            self.net.pass(1);
            self.check();
        }
    }

    fn check(&mut self) {
        self.model.follow(&self.net);
        self.model.invariant_the_ledger_agrees(&self.net);
    }

    fn lots(&self, fits: impl Fn(&LotView) -> bool) -> Vec<(JobId, LotView)> {
        let jobs = query::jobs(&self.net.state, None, usize::MAX);
        let open = jobs.into_iter().filter(|job| job.outcome.is_none());
        let lots = open.flat_map(|job| self.net.job(job.id).lots.into_iter().map(move |lot| (job.id, lot)));
        lots.filter(|(_, lot)| fits(lot)).collect()
    }

    fn replicas(&self, phase: ReplicaPhase) -> Vec<(JobId, LotView, String)> {
        let of = |(id, lot): (JobId, LotView)| {
            let who: Vec<_> = lot.replicas.iter().filter(|r| r.phase == phase).map(|r| name_of(r.provider)).collect();
            who.into_iter().map(move |who| (id, lot.clone(), who))
        };
        self.lots(|_| true).into_iter().flat_map(of).collect()
    }

    fn act(&mut self, act: &Act) {
        let pick = usize::from(act.pick);
        if act.how.is_multiple_of(2) || act.who.is_multiple_of(2) {
            self.challenged(act);
        }
        fn one<T: Clone>(all: &[T], pick: usize) -> Option<T> {
            (!all.is_empty()).then(|| all[pick % all.len()].clone())
        }
        let who = PROVIDERS_NAMED[usize::from(act.who) % 4];
        match act.what {
            0 => self.submit(act),
            1 => self.pass(act.pick % 6),
            2..=4 => {
                let Some((job, ..)) = one(&self.replicas(ReplicaPhase::AwaitingKey), pick) else { return };
                for (_, _, who) in self.replicas(ReplicaPhase::AwaitingKey).into_iter().filter(|r| r.0 == job) {
                    let call = IJobs::deliverKeyCall { job, provider: addr(&who), sealedKey: vec![1; 60].into() };
                    self.send("renter", JOBS, 0, call);
                }
            }
            5..=8 => {
                let Some((id, lot, _)) = one(&self.replicas(ReplicaPhase::Running), pick) else { return };
                let audited = self.net.job(id).spec.audit_bps > 0;
                for (at, who) in self.speakers(id, &lot, ReplicaPhase::Running, act).into_iter().enumerate() {
                    let lie = act.how.is_multiple_of(4) || (act.how % 4 == 1 && at == 0);
                    let leaves = if lie { lies(&lot, act.how % 3 * u8::from(at > 0)) } else { truths(&lot) };
                    let call = self.net.commit_call(id, lot.index, &who, &leaves);
                    let said = match audited {
                        true => self.send(&who, JOBS, 0, with_bill(call, &leaves)),
                        false => self.send(&who, JOBS, 0, call),
                    };
                    if said {
                        self.said.insert((id, lot.index, who), leaves);
                    }
                }
            }
            9..=12 => {
                let Some((id, lot, _)) = one(&self.replicas(ReplicaPhase::Committed), pick) else { return };
                for who in self.speakers(id, &lot, ReplicaPhase::Committed, act) {
                    let leaves = self.said[&(id, lot.index, who.clone())].clone();
                    let call = self.net.reveal_call(id, lot.index, &who, &leaves);
                    self.send(&who, JOBS, 0, call);
                }
            }
            13 => {
                if let Some((job, lot, who)) = one(&self.replicas(ReplicaPhase::Running), pick) {
                    self.send(&who, JOBS, 0, IJobs::declineCall { job, lot: lot.index, reason: 1 });
                }
            }
            14 => {
                if let Some((job, _)) = one(&self.lots(|_| true), pick).filter(|_| act.how < 30) {
                    self.send("renter", JOBS, 0, IJobs::cancelCall { job });
                }
            }
            15..=16 => {
                if let Some((job, _)) = one(&self.lots(|lot| lot.phase == LotPhase::Disclosing), pick) {
                    self.send("renter", DISPUTES, 0, IDisputes::discloseKeyCall { job, key: KEY });
                }
            }
            17..=19 => {
                let count = if act.how.is_multiple_of(5) { 2 } else { 4 };
                VALIDATORS.iter().take(count).for_each(|who| self.verdict(who, act.how.is_multiple_of(7), pick));
            }
            20 => {
                if let Some((job, lot)) = one(&self.lots(|lot| lot.phase == LotPhase::Agreed), pick) {
                    let call = IJobs::challengeCall { job, task: lot.first_task };
                    self.send("stranger", JOBS, BOND, call);
                }
            }
            21 => {
                if let Some((job, lot)) = one(&self.lots(|lot| lot.phase == LotPhase::Agreed), pick) {
                    let call = IJobs::demandDeliveryCall { job, task: lot.first_task };
                    self.send("renter", JOBS, BOND, call);
                }
            }
            22..=23 => {
                if let Some((job, lot)) = one(&self.lots(|lot| lot.delivery.is_some()), pick) {
                    let mask = u32::from(act.how) % 2;
                    let call = IJobs::attestDeliveryCall { job, lot: lot.index, deliveredMask: mask };
                    self.send(who, JOBS, 0, call);
                }
            }
            24 if act.who.is_multiple_of(2) => self.bid(act),
            24 => {
                let amount = u128::from(act.how) * GRAINS_PER_KRT / 64;
                match act.pick % 3 {
                    0 => self.send(who, PROVIDERS, 0, IProviders::requestWithdrawalCall { amount }),
                    1 => self.send(who, PROVIDERS, 0, IProviders::withdrawCall {}),
                    _ => self.send(who, PROVIDERS, amount, IProviders::depositCollateralCall {}),
                };
            }
            26..=28 => self.auditors_commit(act),
            29..=31 => self.auditors_reveal(),
            33 => {
                if let Some(appeal) = one(&self.model.held, pick) {
                    VALIDATORS.iter().take(2 + usize::from(act.how % 3)).for_each(|who| {
                        self.send(who, DISPUTES, 0, IDisputes::excuseCall { appeal });
                    });
                }
            }
            34..=37 => self.stake(act),
            38..=41 => self.govern(act),
            42 => {
                self.send(who, REWARDS, 0, IRewards::claimCall {});
            }
            32 if act.how < 60 => {
                self.send(who, PROVIDERS, 0, IProviders::exitCall {});
            }
            _ => {
                let ask = IProviders::Ask { open: act.how < 200, ..ask(PRICE / 4 + u128::from(act.how)) };
                let call = IProviders::updateCall { sealingKey: B256::ZERO, endpoint: vec![].into(), ask };
                self.send(who, PROVIDERS, 0, call);
            }
        }
    }

    /// The renter proposes, adds to a deposit or cancels; validators vote.
    fn govern(&mut self, act: &Act) {
        let open = query::proposals(&self.net.state, 99);
        let of = |status| open.iter().filter(|one| one.status == status).map(|one| one.id).collect::<Vec<_>>();
        let (depositing, voting) = (of(ProposalStatus::Depositing), of(ProposalStatus::Voting));
        let one = |all: &[u64]| all.get(usize::from(act.pick) % all.len().max(1)).copied();
        match (one(&depositing), one(&voting)) {
            (Some(id), _) if act.how.is_multiple_of(9) => {
                self.send("renter", GOVERNANCE, 0, IGovernance::cancelCall { id });
            }
            (Some(id), _) if act.how.is_multiple_of(2) => {
                let value = u128::from(act.how) * GRAINS_PER_KRT / 4;
                self.send("renter", GOVERNANCE, value, IGovernance::depositCall { id });
            }
            (_, Some(id)) if !act.how.is_multiple_of(5) => {
                for (at, who) in VALIDATORS.into_iter().enumerate().take(usize::from(act.who % 5)) {
                    let option = if act.how.is_multiple_of(3) { act.pick.wrapping_add(at as u8) % 4 + 1 } else { 1 };
                    self.send(who, GOVERNANCE, 0, IGovernance::voteCall { id, option });
                }
            }
            _ => {
                let value = if act.how.is_multiple_of(2) { 40 * GRAINS_PER_KRT } else { 5 * GRAINS_PER_KRT };
                let amount = u128::from(act.pick) * GRAINS_PER_KRT / 512;
                let changes = format!("{{\"max_attempts\": {}}}", 2 + act.pick % 3);
                match act.who % 3 {
                    0 => self.send("renter", GOVERNANCE, value, IGovernance::proposeTextCall { about: about("text") }),
                    1 => self.send("renter", GOVERNANCE, value, changing(&changes)),
                    _ => {
                        let to = addr("renter");
                        let call = IGovernance::proposePaymentCall { about: about("pay"), to, amount };
                        self.send("renter", GOVERNANCE, value, call)
                    }
                };
            }
        }
    }

    /// Replicas of a lot in a phase, the first of them silent in one case of eight.
    fn speakers(&self, id: JobId, lot: &LotView, phase: ReplicaPhase, act: &Act) -> Vec<String> {
        let here = self.replicas(phase).into_iter().filter(|r| (r.0, r.1.index) == (id, lot.index));
        here.map(|r| r.2).skip(usize::from(act.who.is_multiple_of(8))).collect()
    }

    fn submit(&mut self, act: &Act) {
        let shape = spec(1 + u32::from(act.pick % 4), 1 + u32::from(act.how % 2), 1 + act.who % 3);
        let lifetime = 100 + 3 * u32::from(act.how);
        let challenge = 6 + u32::from(act.how % 9);
        let audited = shape.replicas == 1 && !act.pick.is_multiple_of(3);
        let shape = match audited {
            true => JobSpec { auditBps: 8_000, auditDraws: 2, auditors: 1 + act.how % 2, ..shape },
            false => shape,
        };
        let spec = JobSpec { lifetime, commitWindow: 30, challengeWindow: challenge, ..shape };
        let escrow = spec.escrow().expect("fits");
        self.send("renter", JOBS, escrow, IJobs::submitCall { spec });
    }

    /// Every auditor that has not spoken does: rightly, wrongly, with the decoys a friend gave it, or it declines.
    fn auditors_commit(&mut self, act: &Act) {
        for (job, lot) in self.lots(|lot| lot.phase == LotPhase::Auditing) {
            let Some(audit) = lot.audit else { continue };
            for (at, auditor) in audit.auditors.iter().enumerate().filter(|(_, one)| one.commitment.is_none()) {
                let who = name_of(auditor.auditor);
                if !auditor.has_key && act.pick.is_multiple_of(2) {
                    let call = IJobs::deliverKeyCall { job, provider: auditor.auditor, sealedKey: vec![1; 60].into() };
                    self.send("renter", JOBS, 0, call);
                }
                let told = |task: &u32| match (act.how as usize + at) % 6 {
                    0 => wrong(*task, 0xee),
                    1 => Leaf {
                        output: decoy(salt(&name_of(lot.replicas[0].provider)), truth(*task).output),
                        ..truth(*task)
                    },
                    _ => truth(*task),
                };
                let leaves: Vec<Leaf> = audit.tasks.iter().map(told).collect();
                if act.how.is_multiple_of(13) {
                    self.send(&who, AUDITS, 0, IAudits::declineCall { job, lot: lot.index, reason: 1 });
                } else {
                    let call = audit_call(job, lot.index, &who, &leaves);
                    if self.send(&who, AUDITS, 0, call) {
                        self.checked.insert((job, lot.index, who), leaves);
                    }
                }
            }
        }
    }

    fn auditors_reveal(&mut self) {
        for (job, lot) in self.lots(|lot| lot.phase == LotPhase::Revealing && lot.audit.is_some()) {
            for auditor in lot.audit.expect("filtered").auditors {
                let who = name_of(auditor.auditor);
                if let Some(leaves) = self.checked.remove(&(job, lot.index, who.clone())) {
                    self.send(&who, AUDITS, 0, audit_opening(job, lot.index, &who, &leaves));
                }
            }
        }
    }

    /// Stake goes in, out and about; seats show that they are there, or are shown to have voted for two things.
    fn stake(&mut self, act: &Act) {
        let of = |at: u8| ["v1", "v2", "v3", "v4", "stranger"][usize::from(at) % 5];
        let (who, from, to) = (of(act.who), addr(of(act.pick)), addr(of(act.pick / 5)));
        let amount = u128::from(act.how) * GRAINS_PER_KRT / 7;
        match act.what * 2 + act.who % 2 {
            68 | 69 => self.send(who, STAKING, amount, IStaking::delegateCall { validator: to }),
            70 => self.send(who, STAKING, 0, IStaking::undelegateCall { validator: from, amount }),
            71 => self.send(who, STAKING, 0, IStaking::redelegateCall { from, to, amount }),
            72 if act.how < 128 => self.send("stranger", STAKING, 100 * GRAINS_PER_KRT, registration("stranger")),
            72 => self.send(who, STAKING, 0, IStaking::heartbeatCall {}),
            73 => self.send(who, STAKING, 0, IStaking::claimRewardsCall { validator: from }),
            _ if act.how < 64 => {
                let epoch = (self.net.height / 30).saturating_sub(u64::from(act.pick) % 3);
                let evidence = evidence(epoch, 1, &[1 + act.pick % 2; 48]);
                self.send("p1", STAKING, 0, IStaking::reportEquivocationCall { evidence })
            }
            _ => self.send(who, STAKING, 0, IStaking::unjailCall {}),
        };
    }

    /// A sealed bid of the renter: opened at once or late, or never, or it locked too little.
    fn bid(&mut self, act: &Act) {
        let expires = self.net.height + 20 + u64::from(act.how);
        let order = IMarket::placeCall { expires, ..place(0, 900 + 10 * u128::from(act.pick % 20), 1_000) };
        let value = if act.who.is_multiple_of(16) { 80 } else { 1_200 };
        self.send("renter", MARKET, value, seals("renter", &order));
        self.net.time_ms += 2_500;
        self.pass(act.who % 15);
        if !act.how.is_multiple_of(4) {
            self.send("renter", MARKET, 0, opens("renter", &order));
        }
    }

    /// A validator does its next step in one dispute.
    fn verdict(&mut self, who: &str, odd: bool, pick: usize) {
        let judged = self.lots(|lot| matches!(lot.phase, LotPhase::Judging | LotPhase::Deciding));
        let Some((job, lot)) = judged.get(pick % judged.len().max(1)).cloned() else { return };
        let tasks = lot.dispute.expect("in dispute").tasks;
        let honest: Vec<Leaf> = tasks.iter().map(|task| truth(*task)).collect();
        let leaves = if odd && who == "v4" { tasks.iter().map(|task| wrong(*task, 0xf4)).collect() } else { honest };
        if lot.phase == LotPhase::Judging {
            let root = lot_root(0, &leaves).expect("leaves");
            let commitment = verdict_commitment(CHAIN_ID, job, lot.index, addr(who), salt(who), root.hash, root.fuel);
            self.send(who, DISPUTES, 0, IDisputes::commitVerdictCall { job, lot: lot.index, commitment });
        } else {
            let leaves = leaves.into_iter().map(|l| IDisputes::Leaf { output: l.output, fuel: l.fuel }).collect();
            let call = IDisputes::revealVerdictCall { job, lot: lot.index, salt: salt(who), leaves };
            self.send(who, DISPUTES, 0, call);
        }
    }

    /// Challenged providers answer, rightly or not, and open what they filled; one in four stays silent.
    fn challenged(&mut self, act: &Act) {
        for (at, who) in PROVIDERS_NAMED.into_iter().enumerate() {
            let Some(challenge) = self.net.provider(who).challenge else { continue };
            let silent = (usize::from(act.how) + at).is_multiple_of(4);
            if challenge.answer.is_none() && !silent {
                let made_up = act.pick.is_multiple_of(5);
                let roots = match made_up {
                    true => vec![B256::repeat_byte(act.pick); 3],
                    false => capacity::roots(&capacity::task_of(who, &challenge), 1 + u32::from(act.who % 3)),
                };
                let answer = capacity::answer_call(challenge.round, &roots);
                if self.send(who, CAPACITY, 0, answer) {
                    self.posted.insert(who.to_owned(), (challenge.round, roots));
                }
            }
            let posted = self.posted.get(who).filter(|(round, _)| *round == challenge.round);
            if let (Some(_), Some((_, roots))) = (challenge.drawn, posted.cloned()) {
                let call = capacity::opening(&self.net, who, who, &roots);
                self.send(who, CAPACITY, 0, call);
            }
        }
    }

    /// Nobody does anything any more.
    fn everyone_leaves(&mut self) {
        for _ in 0..1_200 {
            let jobs = query::jobs(&self.net.state, None, usize::MAX);
            if jobs.iter().all(|job| job.outcome.is_some()) && self.net.books().escrow == 0 {
                break;
            }
            self.pass(1);
        }
        for job in query::jobs(&self.net.state, None, usize::MAX) {
            assert!(job.outcome.is_some(), "{} is open at height {}", job.id, self.net.height);
            let view = self.net.job(job.id);
            // The bound of docs/protocol/jobs.md, and what four lots a block can delay.
            // A lot with audits waits for its draw and its auditors first.
            let audits = if view.spec.audit_bps > 0 { 4 + 30 + view.spec.commit_window } else { 0 };
            let bound = u64::from(view.spec.lifetime + audits + 12 + view.spec.challenge_window + 12 + 2 * 36) + 40;
            let result = query::result(&self.net.state, job.id).expect("a closed job has a result");
            assert_eq!((result.paid, result.refunded), (view.paid, view.refunded));
            assert!(result.closed_at <= result.submitted_at + bound, "closed at {}", result.closed_at);
        }
        self.pass(26);
        assert_eq!(self.net.books().escrow, 0, "no escrow and no bond is left");
        assert!(PROVIDERS_NAMED.into_iter().all(|who| self.net.provider(who).locked == 0));
        for who in PROVIDERS_NAMED {
            let provider = self.net.provider(who);
            let proved = provider.proved_capacity.expect("rounds are on");
            assert!(proved <= 40_000, "what a newcomer may, or three lanes at most");
        }
        // A round under way ends by itself, and the next is far.
        for _ in 0..60 {
            if assay_ledger::work_pending(&self.net.state) {
                self.pass(1);
            }
        }
        assert!(!assay_ledger::work_pending(&self.net.state), "an idle chain rests");
    }
}

fn act() -> impl Strategy<Value = Act> {
    (0u8..43, any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(what, who, pick, how)| Act { what, who, pick, how })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_any_history_money_moves_as_the_model_says_and_every_escrow_ends(
        acts in prop::collection::vec(act(), 40..220),
    ) {
        let mut world = World::new();
        world.submit(&Act { what: 0, who: 1, pick: 3, how: 200 });
        for act in &acts {
            world.act(act);
        }
        world.everyone_leaves();
    }
}
