//! No bytes make a task or a reduction panic, and broken ones are refused.

use quant::date::Date;
use vol_surface::{ReduceError, decode_slice, read_chain, reduce, run};

/// Strikes, call bid, call ask, put bid, put ask of a small slice.
const QUOTES: [(u32, f64, f64, f64, f64); 7] = [
    (6_600, 352.0, 354.0, 11.8, 12.2),
    (6_700, 258.0, 260.0, 17.9, 18.3),
    (6_800, 170.0, 171.4, 29.0, 29.6),
    (6_900, 93.0, 94.0, 51.8, 52.6),
    (7_000, 36.0, 36.8, 94.5, 95.7),
    (7_100, 8.6, 9.0, 166.5, 168.5),
    (7_200, 1.3, 1.5, 258.8, 261.2),
];

fn text(quotes: &[(u32, f64, f64, f64, f64)], puts: bool) -> String {
    let mut out = String::from("contract,type,expiration,strike,bid,ask\n");
    for (strike, call_bid, call_ask, put_bid, put_ask) in quotes {
        out.push_str(&format!("SPXW260227C0{strike}000,call,2026-02-27,{strike},{call_bid},{call_ask}\n"));
        if puts {
            out.push_str(&format!("SPXW260227P0{strike}000,put,2026-02-27,{strike},{put_bid},{put_ask}\n"));
        }
    }
    out
}

fn task(quotes: &[(u32, f64, f64, f64, f64)], puts: bool) -> Vec<u8> {
    let as_of = Date::parse("2026-01-30").expect("a date");
    let chain = read_chain(text(quotes, puts).as_bytes(), as_of).expect("a chain");
    chain.tasks().remove(0)
}

#[test]
fn a_task_cut_short_or_with_bytes_to_spare_is_refused() {
    let whole = task(&QUOTES, true);
    assert!(run(&whole).is_ok());
    for end in 0..whole.len() {
        assert!(run(&whole[..end]).is_err(), "{end}");
    }
    let mut longer = whole;
    longer.push(0);
    assert!(run(&longer).expect_err("a byte too many").contains("bytes follow"));
    assert!(run(b"").is_err() && run(&[0xFF; 64]).is_err());
}

#[test]
fn no_changed_byte_makes_a_task_or_a_reduction_panic() {
    let whole = task(&QUOTES, true);
    let output = run(&whole).expect("a slice");
    for at in 0..whole.len() {
        for value in [0x00, 0x7F, 0x80, 0xFF, whole[at] ^ 1] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            if let Ok(output) = run(&bytes) {
                decode_slice(&output).expect("what runs gives a slice");
            }
        }
    }
    for at in 0..output.len() {
        for value in [0x00, 0x7F, 0xFF] {
            let mut bytes = output.clone();
            bytes[at] = value;
            let _unless_refused: Result<_, ReduceError> = reduce(&[bytes]);
        }
    }
}

#[test]
fn a_slice_alone_is_priced_and_one_without_pairs_alone_is_not_but_says_so() {
    let alone = reduce(&[run(&task(&QUOTES, true)).expect("a slice")]).expect("a surface");
    assert_eq!(alone.contracts_priced(), 14);
    let forward = alone.slices[0].forward.expect("a forward");
    assert!((6_940.0..6_960.0).contains(&forward), "{forward}");
    let calls = reduce(&[run(&task(&QUOTES, false)).expect("a slice")]).expect("a surface");
    assert_eq!(calls.contracts_priced(), 0);
    assert_eq!(calls.slices[0].flags.to_string(), "no-forward");
}

#[test]
fn few_quotes_give_a_flat_smile_that_is_flagged() {
    let few = reduce(&[run(&task(&QUOTES[2..5], true)).expect("a slice")]).expect("a surface");
    assert_eq!(few.contracts_priced(), 6);
    assert!(few.slices[0].flags.to_string().contains("few-quotes"));
    let vol = few.slices[0].atm_vol.expect("a vol");
    assert!((0.05..0.3).contains(&vol), "{vol}");
}

#[test]
fn slices_that_do_not_belong_together_are_refused() {
    let slice = run(&task(&QUOTES, true)).expect("a slice");
    assert!(matches!(reduce(&[slice.clone(), slice.clone()]), Err(ReduceError::Twice(_))));
    assert_eq!(reduce::<Vec<u8>>(&[]), Err(ReduceError::Empty));
    assert!(matches!(reduce(&[slice, vec![1, 2, 3]]), Err(ReduceError::Output { index: 1, .. })));
}
