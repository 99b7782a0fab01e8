//! Broken chains are refused, and say where they are broken.

use quant::date::Date;
use vol_surface::{Chain, ChainError, RowError, read_chain};

const HEADER: &str = "contract,type,expiration,strike,bid,ask,last,volume,open_interest";
const GOOD: &str = "SPXW260202C02800000,call,2026-02-02,2800,4122.2,4148.5,4139.54,6,3";

fn as_of() -> Date {
    Date::parse("2026-01-30").expect("a date")
}

fn read(text: &str) -> Result<Chain, ChainError> {
    read_chain(text.as_bytes(), as_of())
}

/// The error of a chain whose third line is `row`.
fn row_error(row: &str) -> RowError {
    match read(&format!("{HEADER}\n{GOOD}\n{row}\n")) {
        Err(ChainError::Row { line: 3, error }) => error,
        other => panic!("{row}: {other:?}"),
    }
}

#[test]
fn a_broken_row_is_named_by_its_line_and_by_what_is_wrong() {
    let number = |column, value: &str| RowError::Number { column, value: value.into() };
    let negative = |column, value: &str| RowError::Negative { column, value: value.into() };
    let cases = [
        ("SPXW260202P02800000,put,2026-02-02,2800,1.0,1.5", RowError::FieldCount { expected: 9, found: 6 }),
        ("SPXW,put,2026-02-02,2800,1,2,0,0,0", RowError::Contract("SPXW".into())),
        ("SPXW260231P02800000,put,2026-02-02,2800,1,2,0,0,0", RowError::Contract("SPXW260231P02800000".into())),
        ("SPXW260202P02800000,put,2026-2-2,2800,1,2,0,0,0", RowError::Date("2026-2-2".into())),
        ("SPXW260202P02800000,put,2026-02-03,2800,1,2,0,0,0", RowError::Disagrees { column: "expiration" }),
        ("SPXW260202P02800000,straddle,2026-02-02,2800,1,2,0,0,0", RowError::Kind("straddle".into())),
        ("SPXW260202P02800000,call,2026-02-02,2800,1,2,0,0,0", RowError::Disagrees { column: "type" }),
        ("SPXW260202P02800000,put,2026-02-02,2900,1,2,0,0,0", RowError::Disagrees { column: "strike" }),
        ("SPXW260202P02800000,put,2026-02-02,,1,2,0,0,0", number("strike", "")),
        ("SPXW260202P02800000,put,2026-02-02,2800,one,2,0,0,0", number("bid", "one")),
        ("SPXW260202P02800000,put,2026-02-02,2800,NaN,2,0,0,0", number("bid", "NaN")),
        ("SPXW260202P02800000,put,2026-02-02,2800,1,inf,0,0,0", number("ask", "inf")),
        ("SPXW260202P02800000,put,2026-02-02,2800,-1,2,0,0,0", negative("bid", "-1")),
        ("SPXW260202P02800000,put,2026-02-02,-2800,1,2,0,0,0", negative("strike", "-2800")),
        ("SPXW260202P00000000,put,2026-02-02,0,1,2,0,0,0", negative("strike", "0")),
        (GOOD, RowError::Duplicate { first_line: 2 }),
    ];
    for (row, want) in cases {
        assert_eq!(row_error(row), want, "{row}");
    }
    let text = read(&format!("{HEADER}\n{GOOD}\n{GOOD}\n")).expect_err("a duplicate").to_string();
    assert_eq!(text, "line 3: the contract stands on line 2 already");
}

#[test]
fn files_without_rows_or_columns_are_refused() {
    assert!(matches!(read(""), Err(ChainError::Empty)));
    assert!(matches!(read("\n\n"), Err(ChainError::Empty)));
    assert!(matches!(read(HEADER), Err(ChainError::Empty)));
    assert!(matches!(read("contract,type,expiration,strike,bid\n"), Err(ChainError::MissingColumn("ask"))));
    assert!(matches!(read_chain(&[0xFF, 0xFE, 0x00][..], as_of()), Err(ChainError::Io(_))));
    let late = read_chain(format!("{HEADER}\n{GOOD}\n").as_bytes(), Date::parse("2026-02-02").expect("a date"));
    assert!(matches!(late, Err(ChainError::AllExpired { .. })));
}

#[test]
fn columns_may_come_in_any_order_with_windows_line_ends_quotes_and_a_byte_order_mark() {
    let text = "\u{feff}ask,\"Bid\",strike,expiration,type,contract\r\n\r\n2.5,,2800,2026-02-02,PUT,\"SPXW260202P02800000\"\r\n";
    let chain = read(text).expect("a chain");
    let quote = chain.quote("SPXW260202P02800000").expect("the quote");
    assert_eq!((quote.bid, quote.ask, quote.mid()), (0.0, 2.5, None));
    assert_eq!((chain.rows, chain.expired, chain.expirations()), (1, 0, 1));
}

#[test]
fn expired_rows_are_counted_and_set_aside() {
    let text = format!("{HEADER}\n{GOOD}\nSPXW260130P02800000,put,2026-01-30,2800,1,2,0,0,0\n");
    let chain = read(&text).expect("a chain");
    assert_eq!((chain.rows, chain.expired, chain.slices.len()), (2, 1, 1));
}
