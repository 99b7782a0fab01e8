//! How disputes end.

use alloy_primitives::Address;
use assay_types::{Fault, JobCause, Leaf, abi::IDisputes, system};

use super::{Dispute, Verdict, quarantine};
use crate::{
    audits::{self, Audit, judge},
    jobs::{Case, Replica, assign, lifecycle},
    keys::{self, DISPUTE, WORK_JUDGE},
    math,
    money::{BondKind, Pot, transfer},
    reject::{Done, sane},
    slash::{self, Catchers},
    staking,
    step::Step,
};

pub(crate) const DECIDED: u8 = 1;
pub(crate) const NO_TWO_THIRDS: u8 = 2;
pub(crate) const NOT_DISCLOSED: u8 = 3;
const QUARANTINED: u8 = 4;

/// Counts the verdicts: more than two thirds of all seats on one leaf decide a task, and every
/// disputed task must be decided.
pub(crate) fn decide(step: &mut Step<'_>, case: &mut Case, dispute: &Dispute) -> Done {
    let seats = dispute.judges.len();
    let truth: Option<Vec<Leaf>> = (0..dispute.tasks.len()).map(|at| two_thirds(dispute, at, seats)).collect();
    let Some(truth) = truth else {
        let spoke = dispute.verdicts.iter().filter(|verdict| verdict.leaves.is_some()).count();
        if spoke.saturating_mul(3) > seats.saturating_mul(2) {
            quarantine::impose(step, case);
        }
        return undecided(step, case, dispute, NO_TWO_THIRDS);
    };
    if quarantine::holds(step, &case.terms.runtime_id)? {
        return undecided(step, case, dispute, QUARANTINED);
    }
    fine_sleepers(step, case, dispute)?;
    let agrees = |leaves: &Option<Vec<Leaf>>| leaves.as_ref() == Some(&truth);
    let judges: Vec<Address> =
        dispute.verdicts.iter().filter(|verdict| agrees(&verdict.leaves)).map(|verdict| verdict.validator).collect();
    close_record(step, case);
    match (dispute.challenger, Audit::load(step, case)?) {
        (None, Some(audit)) => judge::decided(step, case, audit, &truth, judges),
        (None, None) => settle_disagreement(step, case, dispute, &truth, judges),
        (Some((challenger, bond)), _) => settle_challenge(step, case, dispute, &truth, judges, challenger, bond),
    }
}

/// Validators that left a decided dispute to others lose a little, and their delegators with them.
fn fine_sleepers(step: &mut Step<'_>, case: &Case, dispute: &Dispute) -> Done {
    for validator in dispute.judges.clone() {
        let spoke = |verdict: &Verdict| verdict.validator == validator && verdict.leaves.is_some();
        if dispute.verdicts.iter().any(spoke) {
            continue;
        }
        let burned = staking::slashing::fine(step, &validator, step.env.params.sleeper_fine)?;
        step.emit(system::DISPUTES, &IDisputes::Slept { job: case.id, lot: case.index, validator, burned });
    }
    Ok(())
}

fn two_thirds(dispute: &Dispute, at: usize, seats: usize) -> Option<Leaf> {
    let said = || dispute.verdicts.iter().filter_map(|verdict| verdict.leaves.as_ref()?.get(at));
    let wins = |leaf: &&Leaf| {
        let votes = said().filter(|other| other == leaf).count();
        votes.saturating_mul(3) > seats.saturating_mul(2)
    };
    said().find(wins).cloned()
}

fn is_wrong(dispute: &Dispute, truth: &[Leaf], leaves: &[Leaf]) -> bool {
    let at = |place: &u32| usize::try_from(*place).ok().and_then(|place| leaves.get(place));
    dispute.tasks.iter().zip(truth).any(|(place, leaf)| at(place) != Some(leaf))
}

fn close_record(step: &mut Step<'_>, case: &Case) {
    step.state.delete(keys::of_lot(DISPUTE, &case.id, case.index));
    step.state.delete(keys::of_lot(WORK_JUDGE, &case.id, case.index));
}

pub(crate) fn resolved(step: &mut Step<'_>, case: &Case, outcome: u8, wrong: &[Replica]) {
    let wrong = wrong.iter().map(|replica| replica.provider).collect();
    step.emit(system::DISPUTES, &IDisputes::DisputeResolved { job: case.id, lot: case.index, outcome, wrong });
}

/// Replicas disagreed: the wrong ones lose what was locked, the right ones stand and wait for others
/// to agree with them.
fn settle_disagreement(
    step: &mut Step<'_>,
    case: &mut Case,
    dispute: &Dispute,
    truth: &[Leaf],
    judges: Vec<Address>,
) -> Done {
    let (wrong, right): (Vec<_>, Vec<_>) =
        case.lot.replicas.drain(..).partition(|replica| is_wrong(dispute, truth, &replica.leaves));
    resolved(step, case, DECIDED, &wrong);
    let catchers = Catchers::halves(judges, right.iter().map(|replica| replica.provider).collect());
    case.lot.adjudicated = !right.is_empty();
    case.lot.replicas = right;
    punish(step, case, wrong, &catchers)?;
    assign::requeue(step, case, JobCause::WrongResult)
}

/// Slashes replicas for a wrong result.
pub(crate) fn punish(step: &mut Step<'_>, case: &mut Case, wrong: Vec<Replica>, catchers: &Catchers) -> Done {
    for replica in wrong {
        slash::wholly(step, case, &replica, Fault::WrongResult, catchers)?;
        case.lot.excluded.push(replica.operator);
    }
    Ok(())
}

/// A challenger was right, and every replica is wrong together; or it was wrong, and its bond is
/// half burned, half the adjudicators' (the remainder the renter's).
fn settle_challenge(
    step: &mut Step<'_>,
    case: &mut Case,
    dispute: &Dispute,
    truth: &[Leaf],
    judges: Vec<Address>,
    challenger: Address,
    bond: u128,
) -> Done {
    let pot = Pot::Bond(BondKind::Challenge, case.id, case.index);
    if is_wrong(dispute, truth, &case.lot.leaves) {
        let wrong = std::mem::take(&mut case.lot.replicas);
        resolved(step, case, DECIDED, &wrong);
        transfer(step, pot, Pot::Account(challenger), bond)?;
        case.lot.adjudicated = false;
        for (place, leaf) in dispute.tasks.iter().zip(truth) {
            judge::found_complicit(step, case, *place, leaf, challenger)?;
        }
        punish(step, case, wrong, &Catchers::halves(judges, vec![challenger]))?;
        return assign::requeue(step, case, JobCause::WrongResult);
    }
    resolved(step, case, DECIDED, &[]);
    let burned = sane(math::share(bond, 5_000))?;
    transfer(step, pot, Pot::Burn, burned)?;
    let rest = sane(bond.checked_sub(burned))?;
    let paid = slash::pay_equally(step, pot, rest, &judges)?;
    transfer(step, pot, Pot::Account(case.job.renter), sane(rest.checked_sub(paid))?)?;
    lifecycle::resume(step, case);
    Ok(())
}

/// Nobody can say who was wrong: nobody is punished. Replicas that disagreed are let go unpaid and
/// the lot is handed out anew; after a challenge the lot stands as it was and the bond goes back.
pub(crate) fn undecided(step: &mut Step<'_>, case: &mut Case, dispute: &Dispute, outcome: u8) -> Done {
    close_record(step, case);
    resolved(step, case, outcome, &[]);
    if let Some((challenger, bond)) = dispute.challenger {
        let pot = Pot::Bond(BondKind::Challenge, case.id, case.index);
        transfer(step, pot, Pot::Account(challenger), bond)?;
        lifecycle::resume(step, case);
        return Ok(());
    }
    if outcome == NOT_DISCLOSED && audits::applies(case) {
        return judge::withheld_key(step, case);
    }
    for replica in std::mem::take(&mut case.lot.replicas) {
        assign::release(step, case, &replica)?;
    }
    assign::requeue(step, case, JobCause::Undecided)
}
