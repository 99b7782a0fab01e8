//! What transactions cost in gas: Ethereum's intrinsic cost plus a schedule for protocol calls.
//!
//! The cost of a call is a function of the call alone, so it is known before execution, the sender
//! pays exactly that, and no transaction runs out of gas half way.
//!
//! | part | gas |
//! |---|---|
//! | any transaction | 21,000 |
//! | byte of calldata, zero / other | 4 / 16 |
//! | submit, openSealed, redeem | 60,000 + 2,000 a task + 20,000 a lot |
//! | reveal, revealVerdict, an audit's reveal | 40,000 + 2,000 a leaf |
//! | commitAudited | 40,000 + 500 a task |
//! | register, update, challenge, demandDelivery, issue, takeOver, an opening of capacity | 60,000 |
//! | safeBatchTransferFrom | 40,000 + 20,000 an id |
//! | register and rotateKeys of a validator (two pairings) | 500,000 |
//! | reportEquivocation (four pairings) | 1,000,000 |
//! | a proposal | 200,000 |
//! | any other call | 40,000 |

use assay_types::{
    Call,
    abi::{
        IAudits::IAuditsCalls, ICapacity::ICapacityCalls, IClaims::IClaimsCalls, IDisputes::IDisputesCalls,
        IGovernance::IGovernanceCalls, IJobs::IJobsCalls, IProviders::IProvidersCalls, IStaking::IStakingCalls,
    },
};

const TRANSACTION: u64 = 21_000;
const ZERO_BYTE: u64 = 4;
const OTHER_BYTE: u64 = 16;

/// Gas of a transaction with `input` that asks for `call`.
pub(crate) fn cost(input: &[u8], call: &Call) -> u64 {
    let zeros = input.iter().filter(|byte| **byte == 0).count();
    let others = input.len().saturating_sub(zeros);
    TRANSACTION
        .saturating_add(times(zeros, ZERO_BYTE))
        .saturating_add(times(others, OTHER_BYTE))
        .saturating_add(call_cost(call))
}

fn submission(tasks: usize, per_lot: u32) -> u64 {
    let per_lot = usize::try_from(per_lot).unwrap_or(usize::MAX).max(1);
    60_000_u64.saturating_add(times(tasks, 2_000)).saturating_add(times(tasks.div_ceil(per_lot), 20_000))
}

fn times(count: usize, gas: u64) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(gas)
}

fn call_cost(call: &Call) -> u64 {
    const LARGE: u64 = 60_000;
    const SMALL: u64 = 40_000;
    const POSSESSION: u64 = 500_000;
    const EVIDENCE: u64 = 1_000_000;
    match call {
        Call::Transfer => 0,
        Call::Providers(IProvidersCalls::register(_) | IProvidersCalls::update(_)) => LARGE,
        Call::Jobs(IJobsCalls::submit(submit)) => submission(submit.spec.inputs.len(), submit.spec.tasksPerLot),
        Call::Jobs(IJobsCalls::openSealed(open)) => submission(open.spec.inputs.len(), open.spec.tasksPerLot),
        Call::Jobs(IJobsCalls::reveal(reveal)) => SMALL.saturating_add(times(reveal.leaves.len(), 2_000)),
        Call::Jobs(IJobsCalls::commitAudited(commit)) => SMALL.saturating_add(times(commit.fuels.len(), 500)),
        Call::Audits(IAuditsCalls::reveal(reveal)) => SMALL.saturating_add(times(reveal.leaves.len(), 2_000)),
        Call::Jobs(IJobsCalls::challenge(_) | IJobsCalls::demandDelivery(_)) => LARGE,
        Call::Disputes(IDisputesCalls::revealVerdict(reveal)) => {
            SMALL.saturating_add(times(reveal.leaves.len(), 2_000))
        }
        Call::Claims(IClaimsCalls::redeem(redeem)) => submission(redeem.spec.inputs.len(), redeem.spec.tasksPerLot),
        Call::Claims(IClaimsCalls::issue(_) | IClaimsCalls::takeOver(_)) => LARGE,
        Call::Claims(IClaimsCalls::safeBatchTransferFrom(batch)) => {
            SMALL.saturating_add(times(batch.ids.len(), 20_000))
        }
        Call::Capacity(ICapacityCalls::open(_)) => LARGE,
        Call::Staking(IStakingCalls::register(_) | IStakingCalls::rotateKeys(_)) => POSSESSION,
        Call::Staking(IStakingCalls::reportEquivocation(_)) => EVIDENCE,
        Call::Governance(
            IGovernanceCalls::deposit(_)
            | IGovernanceCalls::vote(_)
            | IGovernanceCalls::voteWeighted(_)
            | IGovernanceCalls::cancel(_)
            | IGovernanceCalls::proposal(_)
            | IGovernanceCalls::checkParams(_)
            | IGovernanceCalls::upgrade(_),
        ) => SMALL,
        Call::Governance(_) => 200_000,
        Call::Providers(_)
        | Call::Jobs(_)
        | Call::Disputes(_)
        | Call::Chain(_)
        | Call::Market(_)
        | Call::Claims(_)
        | Call::Audits(_)
        | Call::Capacity(_)
        | Call::Staking(_)
        | Call::Rewards(_) => SMALL,
    }
}
