//! What follows from openings and verdicts: who is paid, who is slashed, what is adjudicated.

use alloy_primitives::Address;
use assay_proof::audit::is_forced;
use assay_types::{
    Fault, Grains, JobCause, Leaf,
    abi::IAudits,
    job::decoy,
    system,
    view::{LotPhase, ReplicaPhase},
};

use super::{Audit, Auditor, release};
use crate::{
    disputes,
    jobs::{Case, assign, lifecycle},
    keys::{self, AUDIT},
    math,
    money::{self, Pot, transfer},
    providers::Provider,
    reject::{BrokenInvariant, Done, sane},
    reputation, rewards,
    slash::{self, Catchers},
    step::Step,
};

/// Openings are due of a lot that may be audited.
pub(crate) fn revealing(step: &mut Step<'_>, case: &mut Case, mut audit: Audit) -> Done {
    let over = step.env.height() >= case.lot.due;
    if !case.lot.all(ReplicaPhase::Revealed) {
        return if over { silent_provider(step, case, &audit) } else { Ok(()) };
    }
    let waits = |auditor: &Auditor| auditor.commitment.is_some() && auditor.leaves.is_empty();
    if !over && audit.auditors.iter().any(waits) {
        return Ok(());
    }
    let leaves = audit.drawn_of(&opened(case)?);
    spring_trap(step, case, &mut audit, &leaves)?;
    audit.store(step, case);
    let found_right = !audit.auditors.is_empty() && audit.auditors.iter().all(|auditor| auditor.leaves == leaves);
    if audit.tasks.is_empty() || found_right {
        return lifecycle::agree(step, case);
    }
    disputes::open(step, case, audit.tasks, None)
}

/// What the provider opened.
fn opened(case: &Case) -> Done<Vec<Leaf>> {
    let replica = case.lot.replicas.first().ok_or(BrokenInvariant::Missing(keys::LOT))?;
    Ok(replica.leaves.clone())
}

/// To refuse to open costs what a lie costs. Auditors that did their part share what it loses.
fn silent_provider(step: &mut Step<'_>, case: &mut Case, audit: &Audit) -> Done {
    let spoke = audit.auditors.iter().filter(|auditor| auditor.commitment.is_some());
    let catchers = Catchers::whole(spoke.map(|auditor| auditor.account).collect());
    for replica in std::mem::take(&mut case.lot.replicas) {
        slash::wholly(step, case, &replica, Fault::LateReveal, &catchers)?;
        case.lot.excluded.push(replica.operator);
    }
    assign::requeue(step, case, JobCause::Late)
}

/// If the audit was a trap: auditors that hold the decoys never ran the tasks. What they lose goes to the provider
/// that did not warn them, so that a friend's word is worth nothing.
fn spring_trap(step: &mut Step<'_>, case: &mut Case, audit: &mut Audit, leaves: &[Leaf]) -> Done {
    let (Some(salt), Some(seed)) = (audit.salt, audit.seed) else { return Ok(()) };
    audit.forced = !audit.auditors.is_empty() && is_forced(salt, seed, step.env.params.forced_error_bps);
    if !audit.forced {
        return Ok(());
    }
    step.emit(system::AUDITS, &IAudits::ForcedError { job: case.id, lot: case.index });
    let decoys: Vec<Leaf> =
        leaves.iter().map(|leaf| Leaf { output: decoy(salt, leaf.output), fuel: leaf.fuel }).collect();
    let (fallen, rest): (Vec<_>, Vec<_>) = audit.auditors.drain(..).partition(|auditor| auditor.leaves == decoys);
    audit.auditors = rest;
    let setter = case.lot.replicas.iter().map(|replica| replica.provider).collect();
    let catchers = Catchers::whole(setter);
    for auditor in fallen {
        punish(step, case, &auditor, Fault::WrongAudit, auditor.locked, &catchers)?;
    }
    Ok(())
}

/// Takes `amount` of an auditor's collateral and lets it go.
fn punish(
    step: &mut Step<'_>,
    case: &mut Case,
    auditor: &Auditor,
    fault: Fault,
    amount: Grains,
    catchers: &Catchers,
) -> Done {
    slash::fine(step, case, &auditor.account, fault, (amount, auditor.units), catchers)?;
    release(step, case, auditor)
}

/// The validators found the drawn tasks' leaves to be `truth`.
pub(crate) fn decided(
    step: &mut Step<'_>,
    case: &mut Case,
    mut audit: Audit,
    truth: &[Leaf],
    judges: Vec<Address>,
) -> Done {
    let provider_right = audit.drawn_of(&opened(case)?) == truth;
    let mut right = Vec::new();
    let mut wrong = Vec::new();
    for auditor in std::mem::take(&mut audit.auditors) {
        if auditor.leaves == truth { right.push(auditor) } else { wrong.push(auditor) }
    }
    let found: Vec<Address> = right.iter().map(|auditor| auditor.account).collect();
    let stood: Vec<Address> = case.lot.replicas.iter().map(|replica| replica.provider).collect();
    for auditor in wrong {
        let lied = !auditor.leaves.is_empty();
        let share = match (lied, auditor.to_blame(audit.due, case.terms.commit_window)) {
            (true, _) => 10_000,
            (false, true) => step.env.params.late_slash_bps,
            (false, false) => 0,
        };
        let fault = if lied { Fault::WrongAudit } else { Fault::SilentAuditor };
        let amount = sane(math::share(auditor.locked, share))?;
        let others = if provider_right { stood.clone() } else { found.clone() };
        match amount {
            0 => release(step, case, &auditor)?,
            _ => punish(step, case, &auditor, fault, amount, &Catchers::halves(judges.clone(), others))?,
        }
    }
    audit.auditors = right;
    audit.store(step, case);
    if provider_right {
        disputes::resolve::resolved(step, case, disputes::resolve::DECIDED, &[]);
        case.lot.adjudicated = true;
        return lifecycle::agree(step, case);
    }
    let replicas = std::mem::take(&mut case.lot.replicas);
    disputes::resolve::resolved(step, case, disputes::resolve::DECIDED, &replicas);
    disputes::resolve::punish(step, case, replicas, &Catchers::halves(judges, found))?;
    case.lot.adjudicated = false;
    assign::requeue(step, case, JobCause::WrongResult)
}

/// The key was not disclosed: the provider, who had it to commit at all, keeps it back to hide what it did.
pub(crate) fn withheld_key(step: &mut Step<'_>, case: &mut Case) -> Done {
    for replica in std::mem::take(&mut case.lot.replicas) {
        slash::wholly(step, case, &replica, Fault::WithheldKey, &Catchers::default())?;
        case.lot.excluded.push(replica.operator);
    }
    assign::requeue(step, case, JobCause::WrongResult)
}

/// A challenge showed that the leaf at `place` is `truth`: auditors that said otherwise lose what they locked.
pub(crate) fn found_complicit(
    step: &mut Step<'_>,
    case: &mut Case,
    place: u32,
    truth: &Leaf,
    catcher: Address,
) -> Done {
    let Some(mut audit) = Audit::load(step, case)? else { return Ok(()) };
    let Some(at) = audit.tasks.iter().position(|task| *task == place) else { return Ok(()) };
    let (stay, wrong): (Vec<_>, Vec<_>) =
        audit.auditors.drain(..).partition(|auditor| auditor.leaves.get(at) == Some(truth));
    audit.auditors = stay;
    audit.store(step, case);
    for auditor in wrong {
        let catchers = Catchers::whole(vec![catcher]);
        punish(step, case, &auditor, Fault::WrongAudit, auditor.locked, &catchers)?;
    }
    Ok(())
}

/// Pays the auditors of a lot that settles: the fuel they ran at the provider's price, rounded down a task, and
/// a bounty for having objected in a trap, as far as the treasury has it. What they got of the escrow.
pub(crate) fn pay(step: &mut Step<'_>, case: &Case) -> Done<Grains> {
    let Some(audit) = Audit::load(step, case)? else { return Ok(0) };
    let mut paid: Grains = 0;
    for auditor in &audit.auditors {
        let mut fee: Grains = 0;
        let mut fuel = 0u64;
        for leaf in &auditor.leaves {
            fuel = sane(fuel.checked_add(leaf.fuel))?;
            fee = sane(fee.checked_add(sane(math::earning(leaf.fuel, auditor.price))?))?;
        }
        let class = Provider::must(step, &auditor.account)?.class;
        let net = rewards::pay_provider(step, Pot::Escrow(case.id), auditor.account, class, fee)?;
        let bounty = if audit.forced { bounty(step, fee)? } else { 0 };
        transfer(step, Pot::Treasury, Pot::Account(auditor.account), bounty)?;
        paid = sane(paid.checked_add(fee))?;
        release(step, case, auditor)?;
        let mut provider = Provider::must(step, &auditor.account)?;
        provider.earned = sane(provider.earned.checked_add(net).and_then(|sum| sum.checked_add(bounty)))?;
        provider.late_streak = 0;
        provider.store(step, &auditor.account);
        reputation::delivered(step, &auditor.account, fuel)?;
        step.emit(
            system::AUDITS,
            &IAudits::AuditorPaid { job: case.id, lot: case.index, auditor: auditor.account, fee, bounty },
        );
    }
    step.state.delete(keys::of_lot(AUDIT, &case.id, case.index));
    debug_assert_eq!(case.lot.phase, LotPhase::Agreed);
    Ok(paid)
}

fn bounty(step: &Step<'_>, fee: Grains) -> Done<Grains> {
    let due = math::share(fee, step.env.params.bounty_bps).unwrap_or(Grains::MAX);
    Ok(due.min(money::held(&step.state, Pot::Treasury)?))
}
