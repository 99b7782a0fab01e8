//! `assay market`: what trades at what price, and the auction's rule for everybody to check.

pub(crate) mod live;

use std::{collections::BTreeMap, path::Path};

use assay_market::{Clearing, Order, Rule, Side, Sorted, Why, clear, why};
use assay_types::B256;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    cli::{ClearArgs, MarketCommand},
    failure::{Code, Failure, Outcome},
    terminal::{Grid, Terminal},
};

/// Runs it.
pub(crate) async fn run(command: &MarketCommand, terminal: &Terminal) -> Outcome<()> {
    match command {
        MarketCommand::Classes(client) => live::classes(client, terminal).await,
        MarketCommand::Book(which) => live::book(which, terminal).await,
        MarketCommand::Prices { which, limit } => live::prices(which, *limit, terminal).await,
        MarketCommand::Estimate(args) => live::estimate(args, terminal).await,
        MarketCommand::Clear(args) => clear_file(args, terminal),
    }
}

/// A line of a book.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: u64,
    side: RowSide,
    price: u128,
    quantity: u64,
    min_fill: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RowSide {
    Bid,
    Ask,
}

fn bad(what: impl Into<String>) -> Failure {
    Failure::new(Code::BadInput, what)
}

fn read(path: &Path) -> Outcome<Vec<Order>> {
    let name = path.display();
    let file = std::fs::File::open(path).map_err(|e| Failure::io(format!("could not read {name}"), &e))?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let mut orders = Vec::new();
    for row in reader.deserialize::<Row>() {
        let row = row.map_err(|error| {
            // The line is in the error's text.
            bad(format!("{name} is not a book of orders"))
                .because(&error)
                .next("the columns are id,side,price,quantity,min_fill; see `assay market clear --help`")
        })?;
        let Row { id, side, price, quantity, min_fill } = row;
        let side = match side {
            RowSide::Bid => Side::Bid,
            RowSide::Ask => Side::Ask,
        };
        orders.push(Order { id, side, price, quantity, min_fill });
    }
    Ok(orders)
}

fn clear_file(args: &ClearArgs, terminal: &Terminal) -> Outcome<()> {
    let orders = read(&args.book)?;
    let beacon: B256 = args.beacon.parse().map_err(|_| bad("--beacon is not 32 bytes of hex"))?;
    let rule = Rule::new(args.reference, args.band_bps, beacon)
        .map_err(|error| bad("the rule makes no sense").because(&error))?;
    let book = Sorted::new(orders.iter().copied())
        .map_err(|error| bad(format!("{} cannot be cleared", args.book.display())).because(&error))?;
    let clearing = clear(&book, &rule);
    let fills: BTreeMap<u64, u64> = clearing.fills().map(|(_, fill)| (fill.id, fill.quantity)).collect();
    terminal.document(&document(&orders, &clearing, &fills, &rule));
    show(&orders, &clearing, &fills, &rule, terminal);
    Ok(())
}

/// A number where JSON readers keep it exact, else its decimals.
fn number(value: u128) -> Value {
    u64::try_from(value).map_or_else(|_| Value::from(value.to_string()), Value::from)
}

fn document(orders: &[Order], clearing: &Clearing, fills: &BTreeMap<u64, u64>, rule: &Rule) -> Value {
    let unfilled: BTreeMap<String, String> = orders
        .iter()
        .map(|order| (order, fills.get(&order.id).copied().unwrap_or(0)))
        .filter(|(order, got)| *got < order.quantity)
        .map(|(order, got)| (order.id.to_string(), reason(why(order, got, clearing, rule))))
        .collect();
    json!({
        "price": clearing.price.map(number),
        "volume": number(clearing.volume),
        "lo": clearing.range.map(|(low, _)| number(low)),
        "hi": clearing.range.map(|(_, high)| number(high)),
        "fills": fills,
        "left_out": clearing.left_out.keys().collect::<Vec<_>>(),
        "why": unfilled,
        "band": { "low": number(rule.band().low), "high": number(rule.band().high) },
    })
}

fn reason(why: Why) -> String {
    match why {
        Why::Filled => "filled".to_owned(),
        Why::OutsideBand { by } => format!("rests: {by} outside the band"),
        Why::Price { by } => format!("price: {by} short"),
        Why::Rationed { got } => format!("at the margin, shared pro rata: got {got}"),
        Why::MinFill { got, least } => format!("would have got {got}, takes no less than {least}"),
        Why::NobodyThere => "nobody on the other side".to_owned(),
    }
}

/// Most rows printed; the document has all.
const ROWS: usize = 40;

fn show(orders: &[Order], clearing: &Clearing, fills: &BTreeMap<u64, u64>, rule: &Rule, terminal: &Terminal) {
    let band = rule.band();
    match (clearing.price, clearing.range) {
        (Some(price), Some((low, high))) => terminal.line(format!(
            "{} units at {price}; {low} to {high} would clear as much, the reference is {}, the band {} to {}",
            clearing.volume,
            rule.reference(),
            band.low,
            band.high
        )),
        _ => terminal.line(format!("nothing trades between {} and {}", band.low, band.high)),
    }
    let mut grid = Grid::new(["order", "side", "limit", "wanted", "got", "why not all"]).text(&[1, 5]);
    for order in orders.iter().take(ROWS) {
        let got = fills.get(&order.id).copied().unwrap_or(0);
        let reason = match why(order, got, clearing, rule) {
            Why::Filled => String::new(),
            other => reason(other),
        };
        let side = if order.side == Side::Bid { "bid" } else { "ask" };
        let cells = [order.id.to_string(), side.to_owned(), order.price.to_string(), order.quantity.to_string()];
        let [id, side, limit, wanted] = cells;
        grid.row([id, side, limit, wanted, got.to_string(), reason]);
    }
    terminal.table(&grid);
    if let Some(more) = orders.len().checked_sub(ROWS).filter(|more| *more > 0) {
        terminal.line(format!("and {more} more: `--output json` has all"));
    }
}
