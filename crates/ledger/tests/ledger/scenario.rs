//! Verbs for scenarios: providers that register, renters that submit, replicas that say something.

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::{SolCall, SolEvent};
use assay_ledger::query;
use assay_proof::lot_root;
use assay_types::{
    GIGAFUEL, GRAINS_PER_KRT, JobId, JobSpec, Leaf, Receipt,
    abi::{IAudits, IDisputes, IJobs, IProviders},
    job::{audit_commitment, job_id, key_hash, result_commitment, verdict_commitment},
    system::{DISPUTES, JOBS, PROVIDERS},
    view::{JobView, LotPhase, LotView, ReplicaPhase},
};

use crate::kit::*;

pub(crate) const KEY: B256 = B256::repeat_byte(0x4b);

pub(crate) fn ask(price: u128) -> IProviders::Ask {
    IProviders::Ask {
        runtimeId: RUNTIME,
        class: 1,
        capacity: 4_000_000,
        pricePerGigafuel: price,
        maxLots: 8,
        maxFuelPerTask: 100 * GIGAFUEL,
        maxMemoryMib: 1_024,
        open: true,
    }
}

pub(crate) fn spec(tasks: u32, per_lot: u32, replicas: u8) -> JobSpec {
    JobSpec {
        program: keccak256("program"),
        programSealed: false,
        abi: 0,
        runtimeId: RUNTIME,
        class: 1,
        substitutes: Vec::new(),
        inputs: (0..tasks).map(|task| keccak256(task.to_be_bytes())).collect(),
        fuelPerTask: 10 * GIGAFUEL,
        memoryMib: 64,
        outputBytes: 1 << 16,
        tasksPerLot: per_lot,
        replicas,
        auditBps: 0,
        auditDraws: 0,
        auditors: 0,
        minReputation: 0,
        maxPricePerGigafuel: PRICE,
        commitWindow: 10,
        challengeWindow: 4,
        lifetime: 400,
        keyHash: key_hash(&KEY),
        source: vec![1, 2, 3].into(),
    }
}

/// The right result of a task.
pub(crate) fn truth(task: u32) -> Leaf {
    Leaf { output: keccak256(("output", task).0.to_owned() + &task.to_string()), fuel: 2 * GIGAFUEL + u64::from(task) }
}

/// A wrong result; liars with different `lie` say different things.
pub(crate) fn wrong(task: u32, lie: u8) -> Leaf {
    Leaf { output: B256::repeat_byte(lie), fuel: truth(task).fuel }
}

pub(crate) fn truths(lot: &LotView) -> Vec<Leaf> {
    (lot.first_task..lot.first_task + lot.tasks).map(truth).collect()
}

/// The lot's right results but for a lie about its first task.
pub(crate) fn lies(lot: &LotView, lie: u8) -> Vec<Leaf> {
    let mut leaves = truths(lot);
    leaves[0] = wrong(lot.first_task, lie);
    leaves
}

pub(crate) fn salt(who: &str) -> B256 {
    keccak256(format!("salt of {who}"))
}

/// What a provider has of a payment for work.
pub(crate) fn after_burn(paid: u128) -> u128 {
    paid - (paid * 500).div_ceil(10_000)
}

/// Name of a failure, or "ok".
pub(crate) fn outcome(receipt: &Receipt) -> &str {
    receipt.failure.as_ref().map_or("ok", |failure| failure.name.as_str())
}

pub(crate) fn name_of(address: Address) -> String {
    let names = ["renter", "p1", "p2", "p3", "p4", "v1", "v2", "v3", "v4", "stranger"];
    names.into_iter().find(|name| addr(name) == address).expect("known").to_owned()
}

impl Net {
    /// One block with one call; the receipt.
    pub(crate) fn send(&mut self, who: &str, to: Address, value: u128, call: impl SolCall) -> Receipt {
        let tx = self.tx(who, to, value, call.abi_encode());
        self.run(&[tx]).remove(0).expect("in the block")
    }

    /// As [`Net::send`], asserting success.
    pub(crate) fn ok(&mut self, who: &str, to: Address, value: u128, call: impl SolCall) -> Receipt {
        let receipt = self.send(who, to, value, call);
        assert_eq!(outcome(&receipt), "ok", "{who} at height {}", self.height);
        receipt
    }

    /// As [`Net::send`], the failure's name.
    pub(crate) fn fail(&mut self, who: &str, to: Address, value: u128, call: impl SolCall) -> String {
        outcome(&self.send(who, to, value, call)).to_owned()
    }

    /// Empty blocks.
    pub(crate) fn pass(&mut self, blocks: u64) {
        (0..blocks).for_each(|_| {
            self.run(&[]);
        });
    }

    /// Empty blocks until `done`, at most `most`.
    pub(crate) fn until(&mut self, most: u64, done: impl Fn(&Self) -> bool) {
        for _ in 0..most {
            if done(self) {
                return;
            }
            self.pass(1);
        }
        assert!(done(self), "not reached within {most} blocks, height {}", self.height);
    }

    pub(crate) fn register(&mut self, who: &str, price: u128) {
        let call = IProviders::registerCall {
            operator: Address::ZERO,
            sealingKey: keccak256(who),
            endpoint: vec![9; 40].into(),
            ask: ask(price),
        };
        self.ok(who, PROVIDERS, 100 * GRAINS_PER_KRT, call);
    }

    pub(crate) fn register_all(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.register(name, PRICE / 2));
    }

    pub(crate) fn submit(&mut self, spec: JobSpec) -> JobId {
        let id = job_id(CHAIN_ID, addr("renter"), self.nonce("renter"));
        let escrow = spec.escrow().expect("fits");
        self.ok("renter", JOBS, escrow, IJobs::submitCall { spec });
        id
    }

    pub(crate) fn job(&self, id: JobId) -> JobView {
        query::job(&self.state, id).expect("known job")
    }

    pub(crate) fn lot(&self, id: JobId, index: u32) -> LotView {
        query::lot(&self.state, id, index).expect("known lot")
    }

    /// Names of the present replicas of a lot.
    pub(crate) fn replicas(&self, id: JobId, index: u32) -> Vec<String> {
        self.lot(id, index).replicas.iter().map(|replica| name_of(replica.provider)).collect()
    }

    /// Submits and waits for assignment of every lot.
    pub(crate) fn assigned(&mut self, spec: JobSpec) -> JobId {
        let replicas = usize::from(spec.replicas);
        let id = self.submit(spec);
        self.until(3, |net| net.job(id).lots.iter().all(|lot| lot.replicas.len() == replicas));
        id
    }

    /// The renter delivers the key to everyone who waits for it.
    pub(crate) fn deliver_keys(&mut self, id: JobId) {
        let waiting: Vec<Address> = self
            .job(id)
            .lots
            .iter()
            .flat_map(|lot| &lot.replicas)
            .filter(|replica| replica.phase == ReplicaPhase::AwaitingKey)
            .map(|replica| replica.provider)
            .collect();
        let mut told = Vec::new();
        for provider in waiting {
            if !told.contains(&provider) {
                told.push(provider);
                let call = IJobs::deliverKeyCall { job: id, provider, sealedKey: vec![7; 80].into() };
                self.ok("renter", JOBS, 0, call);
            }
        }
    }

    pub(crate) fn commit_call(&self, id: JobId, index: u32, who: &str, leaves: &[Leaf]) -> IJobs::commitCall {
        let lot = self.lot(id, index);
        let root = lot_root(lot.first_task, leaves).expect("leaves");
        let commitment = result_commitment(CHAIN_ID, id, index, addr(who), salt(who), root.hash, root.fuel);
        IJobs::commitCall { job: id, lot: index, commitment }
    }

    pub(crate) fn commit(&mut self, id: JobId, index: u32, who: &str, leaves: &[Leaf]) {
        let call = self.commit_call(id, index, who, leaves);
        self.ok(who, JOBS, 0, call);
    }

    pub(crate) fn reveal_call(&self, id: JobId, index: u32, who: &str, leaves: &[Leaf]) -> IJobs::revealCall {
        IJobs::revealCall { job: id, lot: index, salt: salt(who), leaves: leaves.to_vec() }
    }

    pub(crate) fn reveal(&mut self, id: JobId, index: u32, who: &str, leaves: &[Leaf]) {
        let call = self.reveal_call(id, index, who, leaves);
        self.ok(who, JOBS, 0, call);
    }

    /// All present replicas of a lot commit and reveal what `says` has them say.
    pub(crate) fn perform(&mut self, id: JobId, index: u32, says: impl Fn(&str, &LotView) -> Vec<Leaf>) {
        let lot = self.lot(id, index);
        let speakers: Vec<_> = lot
            .replicas
            .iter()
            .map(|replica| (name_of(replica.provider), replica.phase))
            .filter(|(_, phase)| *phase != ReplicaPhase::Revealed)
            .collect();
        for (who, phase) in &speakers {
            if *phase == ReplicaPhase::Running {
                self.commit(id, index, who, &says(who, &lot));
            }
        }
        for (who, _) in &speakers {
            self.reveal(id, index, who, &says(who, &lot));
        }
    }

    /// Validators commit and reveal what `says` has them say; None stays silent.
    pub(crate) fn judge(&mut self, id: JobId, index: u32, says: impl Fn(&str, &[u32]) -> Option<Vec<Leaf>>) {
        let tasks = self.lot(id, index).dispute.expect("a dispute").tasks;
        let names = ["v1", "v2", "v3", "v4"];
        for who in names {
            if let Some(leaves) = says(who, &tasks) {
                let root = lot_root(0, &leaves).expect("leaves");
                let commitment = verdict_commitment(CHAIN_ID, id, index, addr(who), salt(who), root.hash, root.fuel);
                self.ok(who, DISPUTES, 0, IDisputes::commitVerdictCall { job: id, lot: index, commitment });
            }
        }
        self.until(20, |net| net.lot(id, index).phase != LotPhase::Judging);
        for who in names {
            if let Some(leaves) = says(who, &tasks) {
                let leaves = leaves.into_iter().map(|l| IDisputes::Leaf { output: l.output, fuel: l.fuel }).collect();
                let call = IDisputes::revealVerdictCall { job: id, lot: index, salt: salt(who), leaves };
                self.ok(who, DISPUTES, 0, call);
            }
        }
    }

    pub(crate) fn disclose(&mut self, id: JobId) {
        self.ok("renter", DISPUTES, 0, IDisputes::discloseKeyCall { job: id, key: KEY });
    }

    /// Events of one kind in the last block.
    pub(crate) fn events<E: SolEvent>(&self) -> Vec<E> {
        let output = self.last.as_ref().expect("a block");
        let logs = output.receipts.iter().flat_map(|receipt| &receipt.logs).chain(&output.end_logs);
        logs.filter_map(|log| E::decode_log_data(&log.data).ok()).collect()
    }

    pub(crate) fn provider(&self, who: &str) -> assay_types::view::ProviderView {
        query::provider(&self.state, addr(who)).expect("registered")
    }
}

/// A commitment with the fuels of `leaves` in the open.
pub(crate) fn with_bill(call: IJobs::commitCall, leaves: &[Leaf]) -> IJobs::commitAuditedCall {
    let fuels = leaves.iter().map(|leaf| leaf.fuel).collect();
    IJobs::commitAuditedCall { job: call.job, lot: call.lot, commitment: call.commitment, fuels }
}

/// An auditor's commitment to `leaves`.
pub(crate) fn audit_call(job: JobId, lot: u32, who: &str, leaves: &[Leaf]) -> IAudits::commitCall {
    let root = lot_root(0, leaves).expect("leaves");
    let commitment = audit_commitment(CHAIN_ID, job, lot, addr(who), salt(who), root.hash, root.fuel);
    IAudits::commitCall { job, lot, commitment }
}

/// And its opening.
pub(crate) fn audit_opening(job: JobId, lot: u32, who: &str, leaves: &[Leaf]) -> IAudits::revealCall {
    let leaves = leaves.iter().map(|leaf| IAudits::Leaf { output: leaf.output, fuel: leaf.fuel }).collect();
    IAudits::revealCall { job, lot, salt: salt(who), leaves }
}

pub(crate) fn honest(_: &str, lot: &LotView) -> Vec<Leaf> {
    truths(lot)
}

pub(crate) fn right(_: &str, tasks: &[u32]) -> Option<Vec<Leaf>> {
    Some(tasks.iter().map(|task| truth(*task)).collect())
}
