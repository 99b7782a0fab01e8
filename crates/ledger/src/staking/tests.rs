//! Shares, rewards and slashes by hand, and random histories of staking alone.

mod bench;
mod history;

use assay_types::GRAINS_PER_KRT as KRT;
use bench::{Bench, delegator, validator};

use super::*;
use crate::{
    money::held,
    reject::{Failure, Stop},
};

fn delegate(step: &mut Step<'_>, who: Address, to: Address, amount: Grains) -> Done {
    delegations::delegate(step, who, to, amount, Pot::Account(who))
}

/// Rewards come out of the treasury here.
fn rewarded(bench: &mut Bench, at: u8, amount: Grains) {
    bench.ok(|step| reward(step, &validator(at), amount, Pot::Treasury));
}

#[test]
fn a_reward_is_the_validators_commission_and_the_rest_by_shares_to_the_grain() {
    let mut bench = Bench::new();
    // Its own 100 KRT, and 200 and 700 of others: 1 to 2 to 7.
    bench.ok(|step| delegate(step, delegator(1), validator(1), 200 * KRT));
    bench.ok(|step| delegate(step, delegator(2), validator(1), 700 * KRT));
    rewarded(&mut bench, 1, 1_001);
    // 5 % of 1001 is 50 rounded down; 951 are left: 95.1, 190.2, 665.7.
    assert_eq!(held(&bench.state, Pot::Commission(validator(1))), Ok(50));
    let claims = [validator(1), delegator(1), delegator(2)].map(|who| bench.pending(who, 1));
    assert_eq!(claims, [95, 190, 665]);
    assert_eq!(held(&bench.state, Pot::Rewards(validator(1))), Ok(951), "nothing went elsewhere");
    // The fractions are kept: with 17 more it is 96.8, 193.6, 677.6.
    rewarded(&mut bench, 1, 17);
    assert_eq!([validator(1), delegator(1), delegator(2)].map(|who| bench.pending(who, 1)), [96, 193, 677]);
    let before = bench.balance(delegator(2));
    bench.ok(|step| rewards::claim(step, delegator(2), validator(1)));
    assert_eq!(bench.balance(delegator(2)), before + 677);
    assert_eq!(bench.fails(|step| rewards::claim(step, delegator(2), validator(1))), Failure::NothingToClaim);
    assert_eq!(bench.fails(|step| rewards::claim(step, delegator(3), validator(1))), Failure::NotDelegated);
    assert_eq!(bench.fails(|step| rewards::claim(step, delegator(3), delegator(3))), Failure::UnknownValidator);
}

#[test]
fn who_delegates_later_has_no_part_in_earlier_rewards_and_who_leaves_is_paid() {
    let mut bench = Bench::new();
    bench.ok(|step| delegate(step, delegator(1), validator(1), 100 * KRT));
    rewarded(&mut bench, 1, 2_003);
    bench.ok(|step| delegate(step, delegator(2), validator(1), 200 * KRT));
    assert_eq!(bench.pending(delegator(1), 1), 951, "half of 1903, rounded down");
    assert_eq!(bench.pending(delegator(2), 1), 0);
    let before = bench.balance(delegator(1));
    bench.ok(|step| flights::undelegate(step, delegator(1), validator(1), 50 * KRT));
    assert_eq!(bench.balance(delegator(1)), before + 951, "paid as its shares change");
    rewarded(&mut bench, 1, 7_003);
    // 6653 over 100, 50 and 200: 1900.9, 950.4, 3801.7, and the first has 951.5 from before.
    assert_eq!([validator(1), delegator(1), delegator(2)].map(|who| bench.pending(who, 1)), [2_852, 950, 3_801]);
}

#[test]
fn rewards_of_a_validator_without_stake_or_of_nobody_go_to_the_treasury() {
    let mut bench = Bench::new();
    bench.ok(|step| flights::undelegate(step, validator(1), validator(1), 100 * KRT));
    let treasury = bench.held(Pot::Treasury);
    rewarded(&mut bench, 1, 1_000);
    rewarded(&mut bench, 99, 1_000);
    assert_eq!(bench.held(Pot::Treasury), treasury - 50, "but for the commission");
    assert_eq!(bench.held(Pot::Rewards(validator(1))), 0);
}

#[test]
fn what_rounding_left_goes_to_the_treasury_with_the_last_share() {
    let mut bench = Bench::new();
    bench.ok(|step| delegate(step, delegator(1), validator(1), 50 * KRT));
    rewarded(&mut bench, 1, 103);
    // 98 over 2 to 1: 65.3 and 32.7, so a grain stays.
    bench.ok(|step| flights::undelegate(step, delegator(1), validator(1), 50 * KRT));
    let treasury = bench.held(Pot::Treasury);
    assert_eq!(bench.held(Pot::Rewards(validator(1))), 66);
    bench.ok(|step| flights::undelegate(step, validator(1), validator(1), 100 * KRT));
    assert_eq!((bench.held(Pot::Rewards(validator(1))), bench.held(Pot::Treasury)), (0, treasury + 1));
}

#[test]
fn a_slash_takes_alike_from_all_who_delegated_and_new_shares_cost_less() {
    let mut bench = Bench::new();
    bench.ok(|step| delegate(step, delegator(1), validator(1), 300 * KRT));
    bench.until_epoch(1);
    bench.equivocates(1, 1);
    // 5 % of 400, of which 5 % is the reporter's.
    assert_eq!(bench.tokens(1), 380 * KRT);
    assert_eq!(bench.amount(validator(1), 1), 95 * KRT);
    assert_eq!(bench.amount(delegator(1), 1), 285 * KRT);
    assert_eq!(bench.fails(|step| delegate(step, delegator(2), validator(1), KRT)), Failure::TombstonedValidator);
    // Where it is not for good, who comes later buys at the new rate and owns what it paid.
    bench.ok(|step| slashing::fine(step, &validator(2), 50 * KRT).map(|_| ()));
    bench.ok(|step| delegate(step, delegator(2), validator(2), 50 * KRT));
    assert_eq!((bench.amount(validator(2), 2), bench.amount(delegator(2), 2)), (50 * KRT, 50 * KRT));
    assert_eq!(bench.record(2).shares, 200 * KRT);
}

#[test]
fn stake_without_worth_takes_no_more_and_dust_buys_no_share() {
    let mut bench = Bench::new();
    bench.ok(|step| slashing::fine(step, &validator(1), 100 * KRT).map(|_| ()));
    assert_eq!(bench.fails(|step| delegate(step, delegator(1), validator(1), KRT)), Failure::StakeWorthless);
    assert_eq!(bench.fails(|step| flights::undelegate(step, validator(1), validator(1), 1)), Failure::NotDelegated);
    // Tokens can outgrow shares by roundings only; a grain at two tokens a share would buy nothing.
    bench.ok(|step| {
        transfer(step, Pot::Treasury, Pot::Stake(validator(2)), 100 * KRT)?;
        Validator::must(&step.state, &validator(2))?.store(step, &validator(2))
    });
    assert_eq!(bench.fails(|step| delegate(step, delegator(1), validator(2), 1)), Failure::DelegationTooSmall);
    assert_eq!(bench.fails(|step| delegate(step, delegator(1), validator(2), 0)), Failure::AmountZero);
}

#[test]
fn stake_that_left_answers_for_faults_of_its_time_and_only_for_those() {
    let mut bench = Bench::new();
    // Left in epoch 0 and in epoch 1; the fault is of epoch 1.
    bench.ok(|step| delegate(step, delegator(1), validator(1), 300 * KRT));
    bench.ok(|step| flights::undelegate(step, delegator(1), validator(1), 100 * KRT));
    bench.until_epoch(1);
    bench.ok(|step| flights::undelegate(step, delegator(1), validator(1), 100 * KRT));
    bench.ok(|step| flights::redelegate(step, delegator(1), validator(1), validator(2), 40 * KRT));
    let burned = bench.held(Pot::Burn);
    bench.equivocates(1, 1);
    let left: Vec<Grains> =
        views::unbondings(&bench.state, &delegator(1)).expect("reads").iter().map(|one| one.left).collect();
    assert_eq!(left, [100 * KRT, 95 * KRT, 38 * KRT]);
    bench.pass(2);
    assert_eq!(bench.amount(delegator(1), 2), 38 * KRT, "what moved on pays as well, by the sweep");
    // The seat had 300; what is bonded now, 160, pays its share: 8, of which 0.4 are the reporter's.
    assert_eq!(bench.tokens(1), 152 * KRT);
    assert_eq!(bench.held(Pot::Burn) - burned, 7_600 * KRT / 1_000 + 5 * KRT + 2 * KRT);
    let before = bench.balance(delegator(1));
    bench.unbonded();
    assert_eq!(bench.balance(delegator(1)), before + 195 * KRT);
    assert!(views::unbondings(&bench.state, &delegator(1)).expect("reads").is_empty());
}

#[test]
fn who_joined_after_the_fault_pays_for_no_more_than_the_seat_had() {
    let mut bench = Bench::new();
    bench.until_epoch(1);
    bench.ok(|step| delegate(step, delegator(1), validator(1), 900 * KRT));
    bench.equivocates(1, 0);
    assert_eq!(bench.tokens(1), 995 * KRT, "5 % of the 100 that voted");
}

#[test]
fn stake_cannot_run_from_a_slash_by_moving_and_leaving() {
    let mut bench = Bench::new();
    bench.ok(|step| delegate(step, delegator(1), validator(1), 100 * KRT));
    bench.ok(|step| flights::redelegate(step, delegator(1), validator(1), validator(2), 100 * KRT));
    assert_eq!(
        bench.fails(|step| flights::redelegate(step, delegator(1), validator(2), validator(3), KRT)),
        Failure::TransitiveRedelegation
    );
    bench.ok(|step| flights::undelegate(step, delegator(1), validator(2), 98 * KRT));
    bench.equivocates(1, 0);
    bench.pass(2);
    // 5 KRT are owed: 2 were still delegated, 3 come out of what is leaving.
    assert_eq!(bench.amount(delegator(1), 2), 0);
    let before = bench.balance(delegator(1));
    bench.unbonded();
    assert_eq!(bench.balance(delegator(1)), before + 95 * KRT);
}

#[test]
fn what_matures_before_the_sweep_reaches_it_has_answered() {
    let mut bench = Bench::new();
    // More flights than a sweep takes in one block; the last to be swept is due next block.
    bench.params(|params| params.max_unbondings = 64);
    bench.ok(|step| {
        for at in 1..=100 {
            delegate(step, delegator(at), validator(1), 10 * KRT)?;
            flights::undelegate(step, delegator(at), validator(1), 10 * KRT)?;
        }
        Ok(())
    });
    let before = bench.balance(delegator(100));
    bench.skip(bench.unbonding_ms() - 1);
    bench.equivocates(1, 0);
    bench.pass(3);
    assert_eq!(bench.balance(delegator(100)), before + 19 * KRT / 2);
    assert_eq!(bench.held(Pot::Burn), 100 * KRT / 2 + 5 * KRT - KRT / 4);
}

#[test]
fn flights_are_paid_by_time_a_bounded_number_a_block() {
    let mut bench = Bench::new();
    bench.params(|params| params.max_due_per_block = 2);
    for at in 1..=5 {
        bench.ok(|step| delegate(step, delegator(at), validator(1), KRT));
        bench.ok(|step| flights::undelegate(step, delegator(at), validator(1), KRT));
    }
    bench.skip(bench.unbonding_ms());
    let left = |bench: &Bench| {
        (1..=5).filter(|at| !flights::of(&bench.state, &delegator(*at)).expect("reads").is_empty()).count()
    };
    let mut seen = vec![left(&bench)];
    for _ in 0..2 {
        bench.pass(1);
        seen.push(left(&bench));
    }
    assert_eq!(seen, [3, 1, 0]);
}

#[test]
fn the_bounds_of_delegators_hold() {
    let mut bench = Bench::new();
    bench.ok(|step| delegate(step, delegator(1), validator(1), 100 * KRT));
    let most = bench.env().params.max_unbondings;
    for _ in 0..most {
        bench.ok(|step| flights::undelegate(step, delegator(1), validator(1), KRT));
    }
    let again = bench.fails(|step| flights::undelegate(step, delegator(1), validator(1), KRT));
    assert_eq!(again, Failure::TooManyUnbondings);
    for _ in 0..most {
        bench.ok(|step| flights::redelegate(step, delegator(1), validator(1), validator(2), KRT));
    }
    let again = bench.fails(|step| flights::redelegate(step, delegator(1), validator(1), validator(2), KRT));
    assert_eq!(again, Failure::TooManyUnbondings);
    bench.ok(|step| flights::redelegate(step, delegator(1), validator(1), validator(3), KRT));
    bench.ok(|step| {
        for at in 10..73 {
            let mut one = Validator::new([at; 32].into(), vec![at; 48].into(), String::new());
            one.shares = 0;
            one.store(step, &validator(at))?;
            let done = delegate(step, delegator(2), validator(at), KRT);
            assert_eq!(done, Ok(()), "{at}");
        }
        Ok(())
    });
    bench.ok(|step| delegate(step, delegator(2), validator(1), KRT));
    assert_eq!(delegations_of(&bench.state, &delegator(2)).expect("reads").len(), 64);
    assert_eq!(bench.fails(|step| delegate(step, delegator(2), validator(2), KRT)), Failure::TooManyDelegations);
}

#[test]
fn counts_by_stake_say_who_sits_and_what_delegators_have() {
    let mut bench = Bench::new();
    assert_eq!(bonded_total(&bench.state), Ok(500 * KRT));
    bench.ok(|step| delegate(step, delegator(1), validator(3), 7 * KRT));
    bench.ok(|step| flights::undelegate(step, validator(1), validator(1), 40 * KRT));
    assert_eq!(bonded_total(&bench.state), Ok(467 * KRT));
    assert_eq!(tokens_of(&bench.state, &validator(3)), Ok(107 * KRT));
    assert_eq!(delegations_of(&bench.state, &delegator(1)), Ok(vec![(validator(3), 7 * KRT)]));
    assert_eq!(delegations_of(&bench.state, &validator(1)), Ok(vec![(validator(1), 60 * KRT)]));
    assert!(is_seated(&bench.state, &validator(1)) && !is_seated(&bench.state, &delegator(1)));
    assert_eq!(seats(&bench.state).len(), 5);
}

#[test]
fn a_broken_pot_halts_instead_of_paying() {
    let mut bench = Bench::new();
    rewarded(&mut bench, 1, 1_000);
    let stopped = bench.tries(|step| {
        transfer(step, Pot::Rewards(validator(1)), Pot::Treasury, 10)?;
        rewards::claim(step, validator(1), validator(1))
    });
    assert_eq!(stopped, Err(Stop::Broken(BrokenInvariant::PotShort)));
}
