//! Audits: who is drawn, who is paid, and what each way of cheating or failing costs.

use alloy_primitives::{B256, keccak256};
use alloy_sol_types::SolCall;
use assay_proof::audit::{FuelLine, is_audited, is_forced};
use assay_types::{
    GRAINS_PER_KRT, JobCause, JobId, JobOutcome, JobSpec, Leaf,
    abi::{IAudits, IDisputes, IJobs},
    job::decoy,
    system::{AUDITS, DISPUTES, JOBS},
    view::{LotPhase, Role},
};

use crate::{kit::*, scenario::*};

/// One lot of eight tasks whose every task is looked at by `auditors`.
fn thorough(auditors: u8) -> JobSpec {
    JobSpec { auditBps: 10_000, auditDraws: 500, auditors, ..spec(8, 8, 1) }
}

/// Without traps, so that each test sees only what it is about.
fn network() -> Net {
    network_with(0)
}

fn network_with(forced_error_bps: u32) -> Net {
    let mut genesis = genesis();
    genesis.params.forced_error_bps = forced_error_bps;
    Net::of(&genesis)
}

/// A job of one lot up to its provider's commitment to `says`; its id and the provider's name.
fn committed(net: &mut Net, spec: JobSpec, says: impl Fn(u32) -> Leaf) -> (JobId, String, Vec<Leaf>) {
    let id = net.assigned(spec);
    net.deliver_keys(id);
    let who = net.replicas(id, 0).remove(0);
    let leaves: Vec<Leaf> = (0..net.lot(id, 0).tasks).map(says).collect();
    let call = with_bill(net.commit_call(id, 0, &who, &leaves), &leaves);
    net.ok(&who, JOBS, 0, call);
    (id, who, leaves)
}

fn auditors(net: &Net, id: JobId) -> Vec<String> {
    net.lot(id, 0).audit.expect("an audit").auditors.iter().map(|one| name_of(one.auditor)).collect()
}

fn drawn(net: &Net, id: JobId) -> Vec<u32> {
    net.lot(id, 0).audit.expect("an audit").tasks
}

fn in_phase(net: &mut Net, id: JobId, phase: LotPhase) {
    net.until(80, |net| net.lot(id, 0).phase == phase);
}

/// All auditors get the key and commit to what `says` of each drawn task.
fn audited(net: &mut Net, id: JobId, says: impl Fn(&str, u32) -> Leaf) {
    in_phase(net, id, LotPhase::Auditing);
    for who in auditors(net, id) {
        let has_key =
            net.lot(id, 0).audit.expect("an audit").auditors.iter().any(|a| a.auditor == addr(&who) && a.has_key);
        if !has_key {
            let call = IJobs::deliverKeyCall { job: id, provider: addr(&who), sealedKey: vec![7; 80].into() };
            net.ok("renter", JOBS, 0, call);
        }
        let leaves = told(net, id, &who, &says);
        net.ok(&who, AUDITS, 0, audit_call(id, 0, &who, &leaves));
    }
    in_phase(net, id, LotPhase::Revealing);
}

fn told(net: &Net, id: JobId, who: &str, says: &impl Fn(&str, u32) -> Leaf) -> Vec<Leaf> {
    drawn(net, id).into_iter().map(|task| says(who, task)).collect()
}

/// What the beacon of a height says about a lot.
fn seed(id: JobId, lot: u32, height: u64) -> B256 {
    let beacon = keccak256(height.to_be_bytes());
    keccak256([b"assay/audit".as_slice(), beacon.as_slice(), id.as_slice(), &lot.to_be_bytes()].concat())
}

/// Provider and auditors open.
fn opened(net: &mut Net, id: JobId, provider: &str, leaves: &[Leaf], says: impl Fn(&str, u32) -> Leaf) {
    let openings: Vec<_> = auditors(net, id).into_iter().map(|who| (told(net, id, &who, &says), who)).collect();
    net.reveal(id, 0, provider, leaves);
    for (told, who) in openings {
        net.ok(&who, AUDITS, 0, audit_opening(id, 0, &who, &told));
    }
}

fn settled(net: &mut Net, id: JobId) {
    net.until(20, |net| net.job(id).outcome.is_some());
    assert_eq!(net.job(id).outcome, Some(JobOutcome::Completed));
    assert_eq!(net.books().escrow, 0);
}

#[test]
fn an_honest_lot_is_run_again_by_auditors_who_are_paid_for_the_fuel() {
    let mut net = network();
    net.register_all(&["p1", "p2", "p3", "p4"]);
    let before = net.balance("renter");
    let (id, provider, leaves) = committed(&mut net, thorough(2), truth);
    assert_eq!(net.lot(id, 0).phase, LotPhase::Drawing);
    assert!(net.lot(id, 0).audit.expect("known").fuels.iter().eq(leaves.iter().map(|leaf| &leaf.fuel)));
    in_phase(&mut net, id, LotPhase::Auditing);
    let chosen = auditors(&net, id);
    assert!(chosen.len() == 2 && !chosen.contains(&provider), "{chosen:?}");
    let work = assay_ledger::query::work(&net.state, addr(&chosen[0]));
    assert_eq!(work.iter().map(|item| item.role).collect::<Vec<_>>(), [Role::Auditor]);
    let balances: Vec<u128> = chosen.iter().map(|who| net.provider(who).earned).collect();
    audited(&mut net, id, |_, task| truth(task));
    opened(&mut net, id, &provider, &leaves, |_, task| truth(task));
    settled(&mut net, id);
    let price = net.provider(&provider).earned;
    for (who, had) in chosen.iter().zip(balances) {
        assert_eq!(net.provider(who).earned - had, price, "all tasks, at the provider's price");
        assert_eq!((net.provider(who).locked, net.provider(who).active_lots), (0, 0));
    }
    let job = net.job(id);
    assert_eq!((after_burn(job.paid / 3), job.fuel), (price, leaves.iter().map(|leaf| leaf.fuel).sum()));
    assert!(before - net.balance("renter") < job.paid + GRAINS_PER_KRT / 100, "the rest of the escrow came back");
}

#[test]
fn the_beacon_of_a_fixed_height_decides_whether_and_where() {
    let (mut audited_once, mut spared_once) = (false, false);
    for trial in 0..24 {
        let mut net = network();
        net.register_all(&["p1", "p2"]);
        net.pass(trial);
        let spec = JobSpec { auditBps: 5_000, auditDraws: 2, auditors: 1, ..spec(8, 8, 1) };
        let (id, provider, leaves) = committed(&mut net, spec, truth);
        let audit = net.lot(id, 0).audit.expect("known");
        let committed_at = net.height;
        assert_eq!(audit.draws_at, committed_at + 2, "more than a third of four seats");
        net.until(5, |net| net.lot(id, 0).phase != LotPhase::Drawing);
        let event = net.events::<IAudits::AuditDrawn>().remove(0);
        if is_audited(seed(id, 0, committed_at + 2), 5_000) {
            assert_eq!(net.height, committed_at + 4, "where is a later beacon's matter");
            assert_eq!(event.tasks, FuelLine::new(&audit.fuels).draw(seed(id, 0, committed_at + 4), 2));
            assert_eq!(net.lot(id, 0).phase, LotPhase::Auditing);
            audited_once = true;
        } else {
            assert!(event.tasks.is_empty() && event.auditors.is_empty());
            net.reveal(id, 0, &provider, &leaves);
            settled(&mut net, id);
            spared_once = true;
        }
    }
    assert!(audited_once && spared_once);
}

#[test]
fn a_draw_that_comes_late_takes_the_beacon_of_its_height_all_the_same() {
    let mut genesis = genesis();
    genesis.params.max_due_per_block = 1;
    let mut net = Net::of(&genesis);
    net.register_all(&["p1", "p2"]);
    let id = net.submit(JobSpec { auditBps: 10_000, auditDraws: 1, auditors: 1, ..spec(32, 8, 1) });
    net.until(20, |net| net.job(id).lots.iter().all(|lot| lot.replicas.len() == 1));
    net.deliver_keys(id);
    let mut nonces = std::collections::BTreeMap::new();
    let mut txs = Vec::new();
    for index in 0..4 {
        let lot = net.lot(id, index);
        let (who, leaves) = (net.replicas(id, index).remove(0), truths(&lot));
        let call = with_bill(net.commit_call(id, index, &who, &leaves), &leaves);
        let nonce = nonces.entry(who.clone()).or_insert_with(|| net.nonce(&who));
        let signed = sign(&who, tx(*nonce, JOBS, 0, call.abi_encode()));
        *nonce += 1;
        txs.push(assay_ledger::check(&signed, &rules()).expect("valid"));
    }
    assert!(net.run(&txs).into_iter().all(|result| outcome(&result.expect("in the block")) == "ok"));
    let mut late = 0;
    for _ in 0..20 {
        net.pass(1);
        for event in net.events::<IAudits::AuditDrawn>() {
            let audit = net.lot(id, event.lot).audit.expect("known");
            late += u64::from(net.height > audit.draws_at);
            let places = FuelLine::new(&audit.fuels).draw(seed(id, event.lot, audit.draws_at), 1);
            assert_eq!(event.tasks, places.iter().map(|place| 8 * event.lot + place).collect::<Vec<_>>());
        }
    }
    assert!(late > 0, "with one thing done a block some draw was late");
    assert!((0..4).all(|lot| net.lot(id, lot).audit.is_some_and(|audit| audit.drawn)));
}

#[test]
fn a_liar_is_caught_by_an_auditor_adjudicated_slashed_and_the_lot_redone() {
    let mut net = network();
    net.register_all(&["p1", "p2", "p3"]);
    let (id, liar, leaves) =
        committed(&mut net, thorough(1), |task| if task == 5 { wrong(5, 0xbb) } else { truth(task) });
    audited(&mut net, id, |_, task| truth(task));
    let auditor = auditors(&net, id).remove(0);
    let locked = net.provider(&liar).locked;
    opened(&mut net, id, &liar, &leaves, |_, task| truth(task));
    assert_eq!(net.events::<IDisputes::DisputeOpened>().remove(0).cause, 3);
    net.disclose(id);
    let had = net.balance(&auditor);
    net.judge(id, 0, right);
    let slash = net.events::<IJobs::Slashed>().remove(0);
    assert_eq!((slash.provider, slash.fault, slash.amount), (addr(&liar), 1, locked));
    assert_eq!(net.balance(&auditor) - had, locked * 2 / 10, "half of the catchers' share");
    assert_eq!(net.lot(id, 0).cause, JobCause::WrongResult);
    assert!(net.lot(id, 0).audit.is_none() && net.provider(&auditor).locked == 0);
    net.until(3, |net| net.replicas(id, 0).len() == 1);
    assert_ne!(net.replicas(id, 0), [liar]);
    net.deliver_keys(id);
    let honest = net.replicas(id, 0).remove(0);
    let leaves: Vec<Leaf> = (0..8).map(truth).collect();
    let call = with_bill(net.commit_call(id, 0, &honest, &leaves), &leaves);
    net.ok(&honest, JOBS, 0, call);
    audited(&mut net, id, |_, task| truth(task));
    opened(&mut net, id, &honest, &leaves, |_, task| truth(task));
    settled(&mut net, id);
}

#[test]
fn an_auditor_that_objects_falsely_pays_for_it_and_the_provider_is_cleared() {
    let mut net = network();
    net.register_all(&["p1", "p2"]);
    let (id, provider, leaves) = committed(&mut net, thorough(1), truth);
    audited(&mut net, id, |_, task| wrong(task, 0xaa));
    let objector = auditors(&net, id).remove(0);
    let locked = net.provider(&objector).locked;
    opened(&mut net, id, &provider, &leaves, |_, task| wrong(task, 0xaa));
    net.disclose(id);
    net.judge(id, 0, right);
    let slash = net.events::<IJobs::Slashed>().remove(0);
    assert_eq!((slash.provider, slash.fault, slash.amount), (addr(&objector), 5, locked));
    settled(&mut net, id);
    assert_eq!((net.provider(&provider).faults, net.provider(&objector).earned), (0, 0));
    assert!(net.provider(&provider).earned > 0);
}

#[test]
fn a_silent_auditor_is_replaced_by_the_validators_and_pays_if_it_had_the_key() {
    for has_key in [true, false] {
        let mut net = network();
        net.register_all(&["p1", "p2"]);
        let (id, provider, leaves) = committed(&mut net, thorough(1), truth);
        in_phase(&mut net, id, LotPhase::Auditing);
        let silent = auditors(&net, id).remove(0);
        if has_key {
            let call = IJobs::deliverKeyCall { job: id, provider: addr(&silent), sealedKey: vec![7; 80].into() };
            net.ok(&provider, JOBS, 0, call);
        }
        let locked = net.provider(&silent).locked;
        in_phase(&mut net, id, LotPhase::Revealing);
        net.reveal(id, 0, &provider, &leaves);
        in_phase(&mut net, id, LotPhase::Disclosing);
        net.disclose(id);
        net.judge(id, 0, right);
        let slashes: Vec<_> =
            net.events::<IJobs::Slashed>().into_iter().map(|e| (e.provider, e.fault, e.amount)).collect();
        if has_key {
            assert_eq!(slashes, [(addr(&silent), 6, locked / 10)]);
        } else {
            assert!(slashes.is_empty(), "{slashes:?}");
        }
        settled(&mut net, id);
    }
}

#[test]
fn an_auditor_is_not_to_blame_for_a_key_that_came_late_or_is_wrong() {
    // Reason 2: the key is wrong. Reason 3: its host failed, which is its own affair.
    for (late, reason, slashed) in [(true, None, false), (false, Some(2), false), (false, Some(3), true)] {
        let mut net = network();
        net.register_all(&["p1", "p2"]);
        let (id, provider, leaves) = committed(&mut net, thorough(1), truth);
        in_phase(&mut net, id, LotPhase::Auditing);
        let auditor = auditors(&net, id).remove(0);
        if late {
            // With less time left than the job gives its providers.
            net.pass(10);
        }
        let call = IJobs::deliverKeyCall { job: id, provider: addr(&auditor), sealedKey: vec![7; 80].into() };
        net.ok(&provider, JOBS, 0, call);
        if let Some(reason) = reason {
            net.ok(&auditor, AUDITS, 0, IAudits::declineCall { job: id, lot: 0, reason });
        }
        in_phase(&mut net, id, LotPhase::Revealing);
        net.reveal(id, 0, &provider, &leaves);
        in_phase(&mut net, id, LotPhase::Disclosing);
        net.disclose(id);
        net.judge(id, 0, right);
        assert_eq!(net.provider(&auditor).faults, u64::from(slashed), "late {late}, reason {reason:?}");
        settled(&mut net, id);
    }
}

#[test]
fn a_draw_whose_beacon_is_forgotten_is_made_with_another_and_what_was_decided_stands() {
    let mut genesis = genesis();
    // One thing a block: enough jobs that end keep the chain busy for longer than beacons are kept.
    genesis.params.max_due_per_block = 1;
    genesis.params.max_orders_per_account = 1_000;
    genesis.params.key_window = 5_000;
    let mut net = Net::of(&genesis);
    net.register_all(&["p1", "p2"]);
    let id = net.assigned(JobSpec { lifetime: 9_000, commitWindow: 1_000, ..thorough(1) });
    net.deliver_keys(id);
    // Their ends are due between the two draws.
    let short = JobSpec { lifetime: 8, commitWindow: 2, maxPricePerGigafuel: PRICE / 4, ..spec(1, 1, 1) };
    let ends: Vec<_> = (0..300)
        .map(|n| {
            let escrow = short.escrow().expect("fits");
            let call = IJobs::submitCall { spec: short.clone() };
            let signed = sign("renter", tx(net.nonce("renter") + n, JOBS, escrow, call.abi_encode()));
            assay_ledger::check(&signed, &rules()).expect("valid")
        })
        .collect();
    assert!(net.run(&ends).into_iter().all(|result| outcome(&result.expect("in the block")) == "ok"));
    net.pass(4);
    let (who, leaves) = (net.replicas(id, 0).remove(0), truths(&net.lot(id, 0)));
    let call = with_bill(net.commit_call(id, 0, &who, &leaves), &leaves);
    net.ok(&who, JOBS, 0, call);
    net.pass(2);
    let audit = net.lot(id, 0).audit.expect("known");
    let wanted_at = audit.draws_at;
    assert!(audit.audited && !audit.drawn && wanted_at == net.height + 2, "{audit:?} at {}", net.height);
    net.until(2_000, |net| net.lot(id, 0).audit.is_some_and(|audit| audit.drawn));
    let audit = net.lot(id, 0).audit.expect("known");
    assert!(net.height > wanted_at + 256, "the chain was busy for {} blocks", net.height - wanted_at);
    assert!(audit.draws_at > wanted_at + 256, "another beacon decided");
    let places = FuelLine::new(&audit.fuels).draw(seed(id, 0, audit.draws_at), 500);
    assert_eq!((audit.audited, audit.tasks), (true, places));
}

#[test]
fn a_provider_that_does_not_open_loses_its_lock_to_those_who_did_their_part() {
    let mut net = network();
    net.register_all(&["p1", "p2"]);
    let (id, provider, _) = committed(&mut net, thorough(1), truth);
    audited(&mut net, id, |_, task| truth(task));
    let auditor = auditors(&net, id).remove(0);
    let (locked, had) = (net.provider(&provider).locked, net.balance(&auditor));
    net.until(8, |net| net.lot(id, 0).cause == JobCause::Late);
    let slash = net.events::<IJobs::Slashed>().remove(0);
    assert_eq!((slash.provider, slash.fault, slash.amount), (addr(&provider), 3, locked));
    assert_eq!(net.balance(&auditor) - had, locked * 4 / 10);
}

#[test]
fn without_auditors_the_validators_run_the_drawn_tasks() {
    let mut net = network();
    net.register_all(&["p1"]);
    let (id, provider, leaves) = committed(&mut net, thorough(2), truth);
    in_phase(&mut net, id, LotPhase::Revealing);
    assert!(auditors(&net, id).is_empty());
    net.reveal(id, 0, &provider, &leaves);
    assert_eq!(net.lot(id, 0).dispute.expect("open").tasks, (0..8).collect::<Vec<u32>>());
    net.disclose(id);
    net.judge(id, 0, right);
    settled(&mut net, id);
}

#[test]
fn a_key_that_nobody_discloses_is_its_providers_fault() {
    let mut net = network();
    net.register_all(&["p1"]);
    let (id, provider, leaves) = committed(&mut net, thorough(1), truth);
    let locked = net.provider(&provider).locked;
    in_phase(&mut net, id, LotPhase::Revealing);
    net.reveal(id, 0, &provider, &leaves);
    net.until(8, |net| net.lot(id, 0).phase == LotPhase::Running);
    let slash = net.events::<IJobs::Slashed>().remove(0);
    assert_eq!((slash.provider, slash.fault, slash.amount), (addr(&provider), 7, locked));
}

#[test]
fn without_two_thirds_nobody_is_punished_and_the_lot_is_redone() {
    let mut net = network();
    net.register_all(&["p1", "p2", "p3"]);
    let (id, provider, leaves) =
        committed(&mut net, thorough(1), |task| if task == 0 { wrong(0, 1) } else { truth(task) });
    audited(&mut net, id, |_, task| truth(task));
    let auditor = auditors(&net, id).remove(0);
    opened(&mut net, id, &provider, &leaves, |_, task| truth(task));
    net.disclose(id);
    net.judge(id, 0, |who, tasks| match who {
        "v1" | "v2" => right(who, tasks),
        _ => Some(tasks.iter().map(|task| wrong(*task, who.as_bytes()[1])).collect()),
    });
    net.until(10, |net| net.lot(id, 0).cause == JobCause::Undecided);
    assert_eq!((net.provider(&provider).faults, net.provider(&auditor).faults), (0, 0));
    assert!(net.lot(id, 0).audit.is_none());
}

#[test]
fn a_challenge_after_a_passed_audit_costs_the_auditor_that_agreed() {
    let mut net = network();
    net.register_all(&["p1", "p2", "p3"]);
    let lie = |task: u32| if task == 2 { wrong(2, 9) } else { truth(task) };
    let (id, provider, leaves) = committed(&mut net, thorough(1), lie);
    audited(&mut net, id, |_, task| lie(task));
    let friend = auditors(&net, id).remove(0);
    opened(&mut net, id, &provider, &leaves, |_, task| lie(task));
    assert_eq!(net.lot(id, 0).phase, LotPhase::Agreed, "they collude");
    net.ok("stranger", JOBS, GRAINS_PER_KRT, IJobs::challengeCall { job: id, task: 2 });
    net.disclose(id);
    net.judge(id, 0, right);
    let mut faults: Vec<_> =
        net.events::<IJobs::Slashed>().into_iter().map(|e| (e.fault, name_of(e.provider))).collect();
    faults.sort();
    assert_eq!(faults, [(1, provider), (5, friend)]);
}

#[test]
fn a_trap_costs_who_copies_and_pays_who_objects() {
    let (mut fell, mut objected) = (false, false);
    for trial in 0..12 {
        let mut net = network_with(5_000);
        net.register_all(&["p1", "p2"]);
        net.pass(trial);
        let (id, provider, leaves) = committed(&mut net, thorough(1), truth);
        in_phase(&mut net, id, LotPhase::Auditing);
        // What the provider alone can know before it opens.
        let drawn_at = net.lot(id, 0).audit.expect("known").draws_at;
        let trap = is_forced(salt(&provider), seed(id, 0, drawn_at), 5_000);
        let copies = trial % 2 == 0;
        let given = |_: &str, task: u32| match (trap, copies) {
            (true, true) => Leaf { output: decoy(salt(&provider), truth(task).output), ..truth(task) },
            _ => truth(task),
        };
        audited(&mut net, id, given);
        let auditor = auditors(&net, id).remove(0);
        let (locked, setter) = (net.provider(&auditor).locked, net.balance(&provider));
        let treasury = net.books().treasury;
        opened(&mut net, id, &provider, &leaves, given);
        assert_eq!(net.events::<IAudits::ForcedError>().len(), usize::from(trap));
        if trap && copies {
            let slash = net.events::<IJobs::Slashed>().remove(0);
            assert_eq!((slash.provider, slash.fault, slash.amount), (addr(&auditor), 5, locked));
            assert_eq!(net.lot(id, 0).phase, LotPhase::Disclosing, "nobody has looked at it yet");
            assert!(net.balance(&provider) > setter, "what a friend lost is the provider's");
            net.disclose(id);
            net.judge(id, 0, right);
            fell = true;
        }
        settled(&mut net, id);
        let bounty = treasury - net.books().treasury;
        if trap && !copies {
            assert_eq!(
                after_burn(bounty / 2),
                net.provider(&provider).earned,
                "twice the fee, and nothing of it burns"
            );
            objected = true;
        } else {
            assert_eq!(bounty, 0);
        }
    }
    assert!(fell && objected);
}

#[test]
fn what_does_not_fit_is_refused_and_loses_nothing() {
    let mut net = network();
    net.register_all(&["p1", "p2", "p3"]);
    for (spec, name) in [
        (JobSpec { auditBps: 10_001, ..thorough(1) }, "SpecAudit"),
        (JobSpec { auditBps: 1, ..thorough(1) }, "SpecAudit"),
        (JobSpec { auditDraws: 0, ..thorough(1) }, "SpecAudit"),
        (JobSpec { auditDraws: 513, ..thorough(1) }, "SpecAudit"),
        (thorough(0), "SpecAudit"),
        (thorough(5), "SpecAudit"),
        (JobSpec { replicas: 2, ..thorough(1) }, "SpecAudit"),
        (JobSpec { auditBps: 0, ..thorough(1) }, "SpecAudit"),
    ] {
        assert_eq!(net.fail("renter", JOBS, 10 * GRAINS_PER_KRT, IJobs::submitCall { spec }), name);
    }
    let id = net.assigned(thorough(1));
    net.deliver_keys(id);
    let who = net.replicas(id, 0).remove(0);
    let leaves: Vec<Leaf> = (0..8).map(truth).collect();
    let plain = net.commit_call(id, 0, &who, &leaves);
    assert_eq!(net.fail(&who, JOBS, 0, plain.clone()), "FuelsInTheOpen");
    let short = with_bill(plain.clone(), &leaves[1..]);
    assert_eq!(net.fail(&who, JOBS, 0, short), "LeafCount");
    let mut above = with_bill(plain.clone(), &leaves);
    above.fuels[0] = u64::MAX;
    assert_eq!(net.fail(&who, JOBS, 0, above), "FuelAboveCap");
    let mut other_bill = with_bill(plain.clone(), &leaves);
    other_bill.fuels[0] -= 1;
    net.ok(&who, JOBS, 0, other_bill);
    assert_eq!(net.fail(&who, JOBS, 0, with_bill(plain, &leaves)), "AlreadyCommitted");
    let audit = |who: &str| audit_call(id, 0, who, &[truth(0)]);
    assert_eq!(net.fail(&who, AUDITS, 0, audit(&who)), "NotAuditor");
    assert_eq!(net.fail("stranger", AUDITS, 1, audit("stranger")), "NotPayable");
    in_phase(&mut net, id, LotPhase::Auditing);
    let auditor = auditors(&net, id).remove(0);
    let decline = |reason| IAudits::declineCall { job: id, lot: 0, reason };
    assert_eq!(net.fail(&auditor, AUDITS, 0, decline(9)), "BadReason");
    assert_eq!(net.fail(&auditor, AUDITS, 0, audit_opening(id, 0, &auditor, &leaves)), "WrongPhase");
    net.ok(&auditor, AUDITS, 0, audit_call(id, 0, &auditor, &leaves));
    assert_eq!(net.fail(&auditor, AUDITS, 0, decline(1)), "AuditorSpoke");
    let opening = net.reveal_call(id, 0, &who, &leaves);
    assert_eq!(net.fail(&who, JOBS, 0, opening), "RevealMismatch", "it bills other fuels than it said");
    assert_eq!(net.fail(&auditor, AUDITS, 0, audit_opening(id, 0, &auditor, &leaves[1..])), "LeafCount");
    let mut lie = leaves.clone();
    lie[3] = wrong(3, 3);
    assert_eq!(net.fail(&auditor, AUDITS, 0, audit_opening(id, 0, &auditor, &lie)), "RevealMismatch");
    net.ok(&auditor, AUDITS, 0, audit_opening(id, 0, &auditor, &leaves));
    let vote = IDisputes::commitVerdictCall { job: id, lot: 0, commitment: B256::ZERO };
    assert_eq!(net.fail("v1", DISPUTES, 0, vote), "WrongPhase");
    net.pass(100);
    assert_eq!(net.provider(&who).faults, 1, "what it cannot open it loses");
}

#[test]
fn locks_follow_the_tier() {
    let mut net = Net::new();
    net.register_all(&["p1", "p2", "p3"]);
    let most = 8 * 10 * PRICE / 2;
    let lock = |net: &mut Net, spec: JobSpec| {
        let id = net.assigned(spec);
        net.lot(id, 0).replicas[0].locked
    };
    // A coalition of a fifth, a draw that can be repeated: a' = .25 * .8 = .2, so 1.5 * .8 / .2 = 6 times.
    let half = JobSpec { auditBps: 5_000, auditDraws: 7, auditors: 1, ..spec(8, 8, 1) };
    assert_eq!(lock(&mut net, half), 6 * most);
    assert_eq!(lock(&mut net, thorough(1)), most * 3 / 2, "the floor");
    assert_eq!(lock(&mut net, spec(8, 8, 2)), most * 3 / 2, "the floor");
    assert_eq!(lock(&mut net, spec(8, 8, 1)), most * 3 / 2, "the floor");
    let call = IAudits::locksCall { auditBps: 5_000, auditors: 1, mostEarned: most, mostFee: 1_000 };
    let answer = assay_ledger::call(&net.state, &net.context(), AUDITS, addr("renter"), 0, &call.abi_encode());
    let answer = IAudits::locksCall::abi_decode_returns(&answer.expect("answers")).expect("decodes");
    assert_eq!((answer.provider, answer.auditor), (6 * most, 73_500));
}
