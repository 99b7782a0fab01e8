//! Random histories: books balance after each block, claims never exceed their pot, and nobody gains by what it does.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Delegate { who: u8, to: u8, amount: u128 },
    Undelegate { who: u8, from: u8, part: u8 },
    Redelegate { who: u8, from: u8, to: u8, part: u8 },
    Claim { who: u8, at: u8 },
    Commission { at: u8 },
    Reward { at: u8, amount: u128 },
    Equivocate { at: u8, back: u64 },
    Down { at: u8 },
    Fine { at: u8, amount: u128 },
    Unjail { at: u8 },
    Pass { blocks: u8 },
    Skip { ms: u64 },
}

/// Delegators 1 to 4, validators 1 to 5 as 5 to 9.
fn account(who: u8) -> Address {
    if who <= 4 { delegator(who) } else { validator(who - 4) }
}

fn act() -> impl Strategy<Value = Act> {
    let who = 1u8..=9;
    let at = 1u8..=5;
    let amount = prop_oneof![1u128..1_000, 1u128..100 * KRT, Just(KRT / 3)];
    prop_oneof![
        4 => (who.clone(), at.clone(), amount.clone()).prop_map(|(who, to, amount)| Act::Delegate { who, to, amount }),
        3 => (who.clone(), at.clone(), any::<u8>()).prop_map(|(who, from, part)| Act::Undelegate { who, from, part }),
        3 => (who.clone(), at.clone(), at.clone(), any::<u8>())
            .prop_map(|(who, from, to, part)| Act::Redelegate { who, from, to, part }),
        2 => (who, at.clone()).prop_map(|(who, at)| Act::Claim { who, at }),
        1 => at.clone().prop_map(|at| Act::Commission { at }),
        3 => (at.clone(), amount.clone()).prop_map(|(at, amount)| Act::Reward { at, amount }),
        1 => (at.clone(), 0u64..2).prop_map(|(at, back)| Act::Equivocate { at, back }),
        2 => at.clone().prop_map(|at| Act::Down { at }),
        1 => (at.clone(), amount).prop_map(|(at, amount)| Act::Fine { at, amount }),
        1 => at.prop_map(|at| Act::Unjail { at }),
        1 => (1u8..60).prop_map(|blocks| Act::Pass { blocks }),
        1 => (1u64..22 * 86_400_000).prop_map(|ms| Act::Skip { ms }),
    ]
}

/// A part of what `who` has with a validator, in 255ths; sometimes a grain too much.
fn part_of(bench: &Bench, who: u8, at: u8, part: u8) -> Grains {
    let has = bench.amount(account(who), at);
    if part == 0 { has + 1 } else { has * u128::from(part) / 255 }
}

fn run(bench: &mut Bench, act: &Act) {
    let actor = match act {
        Act::Delegate { who, .. }
        | Act::Undelegate { who, .. }
        | Act::Redelegate { who, .. }
        | Act::Claim { who, .. } => Some(account(*who)),
        _ => None,
    };
    let before = actor.map(|who| bench.wealth(who));
    let epoch = seats_epoch(bench);
    let outcome = match *act {
        Act::Delegate { who, to, amount } => bench.tries(|step| delegate(step, account(who), validator(to), amount)),
        Act::Undelegate { who, from, part } => {
            let amount = part_of(bench, who, from, part);
            bench.tries(|step| flights::undelegate(step, account(who), validator(from), amount))
        }
        Act::Redelegate { who, from, to, part } => {
            let amount = part_of(bench, who, from, part);
            bench.tries(|step| flights::redelegate(step, account(who), validator(from), validator(to), amount))
        }
        Act::Claim { who, at } => bench.tries(|step| rewards::claim(step, account(who), validator(at))),
        Act::Commission { at } => bench.tries(|step| rewards::claim_commission(step, validator(at))),
        Act::Reward { at, amount } => bench.tries(|step| reward(step, &validator(at), amount, Pot::Treasury)),
        Act::Equivocate { at, back } => {
            let evidence = [validator(at).as_slice(), &epoch.saturating_sub(back).to_be_bytes()].concat();
            bench.tries(|step| slashing::report(step, delegator(99), &evidence))
        }
        Act::Down { at } => {
            let since = epoch * 50;
            bench.tries(|step| match Validator::must(&step.state, &validator(at))?.tombstoned {
                true => Ok(()),
                false => slashing::down(step, &validator(at), since),
            })
        }
        Act::Fine { at, amount } => bench.tries(|step| slashing::fine(step, &validator(at), amount).map(|_| ())),
        Act::Unjail { at } => bench.tries(|step| slashing::unjail(step, validator(at))),
        Act::Pass { blocks } => {
            bench.pass(u64::from(blocks));
            Ok(())
        }
        Act::Skip { ms } => {
            bench.skip(ms);
            Ok(())
        }
    };
    assert!(!matches!(outcome, Err(Stop::Broken(_))), "{act:?}: {outcome:?}");
    if let (Some(who), Some(before)) = (actor, before) {
        assert!(bench.wealth(who) <= before, "{act:?} made {} out of {before}", bench.wealth(who));
    }
}

fn seats_epoch(bench: &Bench) -> u64 {
    committees::epoch_of(&bench.env().params, bench.env().ctx.height)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_any_history_of_staking_all_adds_up_and_all_can_leave(acts in prop::collection::vec(act(), 20..120)) {
        let mut bench = Bench::new();
        for act in &acts {
            run(&mut bench, act);
        }
        // Everybody takes all out, waits, and nothing is left behind.
        bench.unbonded();
        bench.pass(2);
        bench.params(|params| params.max_unbondings = 64);
        for who in 1..=9 {
            for (at, amount) in delegations_of(&bench.state, &account(who)).expect("reads") {
                if rewards::pending(&bench.state, &account(who), &at) != Ok(0) {
                    bench.ok(|step| rewards::claim(step, account(who), at));
                }
                if amount > 0 {
                    bench.ok(|step| flights::undelegate(step, account(who), at, amount));
                }
            }
        }
        bench.unbonded();
        for at in 1..=5 {
            if bench.held(Pot::Commission(validator(at))) > 0 {
                bench.ok(|step| rewards::claim_commission(step, validator(at)));
            }
        }
        // Shares that slashes or roundings left worth less than a grain stay where they are.
        let books = crate::books(&bench.state).expect("reads");
        prop_assert!(books.stake < 10_000, "{books:?}");
    }
}
