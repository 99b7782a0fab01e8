//! `assay order`: open orders, and why one is not filled.

mod sealed;

use std::sync::Arc;

use assay_client::{SenderConfig, TokioHost, TxRequest, TxSender};
use assay_types::{
    Grains,
    abi::{IJobs, IMarket},
    job::run_ceiling,
    parse_krt, system,
    view::{Lack, OrderKind, OrderView, WaitingLot},
};
use jsonrpsee::rpc_params;
use serde_json::json;

use super::{
    connect, job,
    market::live::{all, pick, unit, units, words as reason},
};
use crate::{
    cli::{AmendArgs, ClientArgs, OrderCommand, PlaceArgs, SideArg, WhichJob, WhichOrder},
    failure::{Code, Failure, Outcome},
    terminal::{Grid, Terminal, Tone},
    words::{basis_points, krt, short_address, thousands},
};

/// Clearings that `why` shows.
const CLEARINGS: usize = 10;

/// Runs it.
pub(crate) async fn run(command: OrderCommand, terminal: &Terminal) -> Outcome<()> {
    match command {
        OrderCommand::List { all, limit, client } => list(all, limit, &client, terminal).await,
        OrderCommand::Why(which) => why(which, terminal).await,
        OrderCommand::Place(args) => place(&args, terminal).await,
        OrderCommand::Open(args) => sealed::open(&args, terminal).await,
        OrderCommand::Amend(args) => amend(args, terminal).await,
        OrderCommand::Cancel(which) => cancel(which, terminal).await,
    }
}

/// What somebody named: an order, or a job by its id.
enum Named {
    Order(u64),
    Job(WhichJob),
}

fn named(order: String, client: ClientArgs) -> Named {
    // Order numbers are short; a job's digits are hexadecimal and usually begin with 0x.
    match order.trim().parse::<u64>().ok().filter(|_| order.trim().len() < 10) {
        Some(id) => Named::Order(id),
        None => Named::Job(WhichJob { job: order, client }),
    }
}

pub(super) async fn sender(client: &ClientArgs) -> Outcome<TxSender> {
    let wallet = connect::wallet(client)?;
    let chain = connect::chain(client)?;
    let chain_id = chain.status().await?.chain_id;
    Ok(TxSender::new(chain, Arc::new(TokioHost), wallet, chain_id, SenderConfig::default()))
}

pub(super) fn amount(option: &str, text: &str) -> Outcome<Grains> {
    parse_krt(text).map_err(|e| Failure::new(Code::BadInput, format!("{option} cannot be read")).because(&e))
}

/// Units with up to three decimals, as thousandths.
pub(super) fn thousandths(option: &str, text: &str) -> Outcome<u64> {
    let bad = || {
        Failure::new(Code::BadInput, format!("{option} cannot be read: '{text}'"))
            .next("write units with up to three decimals, as 2.5")
    };
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if part.len() > 3 || !digits(whole) || !digits(part) || whole.is_empty() {
        return Err(bad());
    }
    format!("{whole}{part:0<3}").parse().map_err(|_| bad())
}

async fn fetch(client: &ClientArgs, id: u64) -> Outcome<OrderView> {
    let found: Option<OrderView> = connect::ask(&client.rpc, "assay_order", rpc_params![id]).await?;
    found.ok_or_else(|| {
        Failure::new(Code::NotFound, format!("there is no open order {id}"))
            .next("it may be filled or over; `assay order list` shows what is open")
    })
}

async fn list(all: bool, limit: u32, client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let owner = if all { None } else { Some(connect::account(client)?) };
    let orders: Vec<OrderView> = connect::ask(&client.rpc, "assay_orders", rpc_params![owner, limit]).await?;
    terminal.document(&json!({ "orders": orders }));
    let mut grid =
        Grid::new(["order", "owner", "class", "for", "side", "limit", "left", "escrow", "not filled because"])
            .text(&[1, 3, 4, 8]);
    for order in &orders {
        let what = match order.kind {
            OrderKind::Job { job } => format!("job {}", crate::words::short_hash(&job)),
            OrderKind::Capacity => "capacity".to_owned(),
            OrderKind::Limit => "trade".to_owned(),
        };
        let why = order.unfilled.as_ref().map_or_else(|| "nothing is left to fill".to_owned(), reason);
        grid.row([
            order.id.to_string(),
            short_address(&order.owner),
            order.class.to_string(),
            what,
            if order.bid { "bid" } else { "ask" }.to_owned(),
            krt(order.price),
            units(order.quantity),
            krt(order.escrow),
            why,
        ]);
    }
    match orders.is_empty() {
        true => terminal.line("no open orders"),
        false => terminal.table(&grid),
    }
    Ok(())
}

async fn why(which: WhichOrder, terminal: &Terminal) -> Outcome<()> {
    match named(which.order, which.client.clone()) {
        Named::Order(id) => {
            let order = fetch(&which.client, id).await?;
            terminal.document(&json!({ "order": order }));
            say(&order, terminal);
        }
        Named::Job(which) => {
            let view = job::view(&which).await?;
            let id = view.id;
            let rpc = &which.client.rpc;
            let waiting: Vec<WaitingLot> = connect::ask(rpc, "assay_whyWaiting", rpc_params![id]).await?;
            let orders: Vec<OrderView> = connect::ask(rpc, "assay_orders", rpc_params![view.renter, u32::MAX]).await?;
            let order = orders.into_iter().find(|order| order.kind == OrderKind::Job { job: id });
            terminal.document(&json!({ "job_id": id, "outcome": view.outcome, "order": order, "waiting": waiting }));
            if waiting.is_empty() {
                terminal.line(match view.outcome {
                    Some(_) => format!("{id} is over: see `assay job status`"),
                    None => format!("{id} waits for nobody: every lot has its providers"),
                });
                return Ok(());
            }
            if let Some(order) = &order {
                say(order, terminal);
            }
            waiting.iter().for_each(|lot| show(lot, terminal));
        }
    }
    Ok(())
}

/// What keeps an order, and what the latest clearings would have needed of it.
fn say(order: &OrderView, terminal: &Terminal) {
    let side = if order.bid { "bid" } else { "ask" };
    terminal.line(format!(
        "order {}: {side} for {} units of class {} at {} KRT, until block {}",
        order.id,
        units(order.quantity),
        order.class,
        krt(order.price),
        if order.expires == u64::MAX { "–".to_owned() } else { thousands(order.expires) }
    ));
    if let Some(why) = &order.unfilled {
        terminal.line(terminal.paint(Tone::Warn, &format!("not filled: {}", reason(why))));
    }
    if order.would_have_cleared_at.is_empty() {
        return;
    }
    let mut grid = Grid::new(["block", "cleared at", "one unit more from", "would have done"]).text(&[3]);
    for one in order.would_have_cleared_at.iter().take(CLEARINGS) {
        let left = if order.bid { one.best_ask_left } else { one.best_bid_left };
        let done = left.is_some_and(|left| if order.bid { order.price >= left } else { order.price <= left });
        let maybe = |price: Option<Grains>| price.map_or_else(|| "–".to_owned(), krt);
        let needed = match left {
            None => "nobody had more".to_owned(),
            Some(_) if done => "this limit".to_owned(),
            Some(left) => {
                format!("{} KRT {}", krt(left.abs_diff(order.price)), if order.bid { "more" } else { "less" })
            }
        };
        grid.row([thousands(one.height), maybe(one.price), maybe(left), needed]);
    }
    terminal.table(&grid);
}

fn show(lot: &WaitingLot, terminal: &Terminal) {
    let since = lot.since.map_or_else(String::new, |height| format!(" since block {}", thousands(height)));
    terminal.line(terminal.paint(
        Tone::Warn,
        &format!("lot {} lacks {} providers{since}; {} could take it now", lot.lot, lot.missing, lot.able),
    ));
    match lot.enough_at {
        Some(price) => terminal.line(format!("enough would at {} KRT a gigafuel", krt(price))),
        None => terminal.line("no price would do: too few providers could take it at all"),
    }
    let mut grid = Grid::new(["provider", "operator", "asks a Gf", "lacks"]).text(&[0, 1, 3]);
    for ask in &lot.asks {
        let lacks: Vec<String> = ask.lacks.iter().map(words).collect();
        let lacks = if lacks.is_empty() { "nothing".to_owned() } else { lacks.join("; ") };
        grid.row([ask.provider.to_string(), short_address(&ask.operator), krt(ask.price_per_gigafuel), lacks]);
    }
    terminal.table(&grid);
}

fn words(lack: &Lack) -> String {
    match lack {
        Lack::Price { by } => format!("price: {} KRT above the limit", krt(*by)),
        Lack::Fuel { by } => format!("takes tasks with {} fuel less", thousands(*by)),
        Lack::Memory { by_mib } => format!("has {by_mib} MiB less"),
        Lack::Capacity { lots, proved: None } => format!("has no room beside the {lots} lots it works on"),
        Lack::Capacity { lots, proved: Some(proved) } => format!(
            "offers more than it proved: {} gigafuel at once, with {lots} lots at work",
            thousands(*proved / 1_000)
        ),
        Lack::Collateral { by } => format!("collateral: {} KRT short", krt(*by)),
        Lack::Reputation { by } => format!("reputation: {} short", basis_points(*by)),
        Lack::Suspended { until } => format!("missed deadlines, back at block {}", thousands(*until)),
        Lack::Runtime => "runs another runtime".to_owned(),
        Lack::Own => "it is your own".to_owned(),
        Lack::Class { class } => format!("sells in class {class}, which the job does not name"),
        Lack::Operator => "its operator is in this lot or failed it".to_owned(),
    }
}

async fn place(args: &PlaceArgs, terminal: &Terminal) -> Outcome<()> {
    let classes = all(&args.client).await?;
    let class = pick(&classes, Some(&args.class))?;
    let (price, quantity) = (amount("--price", &args.price)?, thousandths("--quantity", &args.quantity)?);
    let sender = sender(&args.client).await?;
    let chain = connect::chain(&args.client)?;
    let height = chain.status().await?.height;
    let window = if args.sealed { u64::from(chain.params().await?.seal_window) } else { 0 };
    let call = IMarket::placeCall {
        class: class.class.id,
        window: 0,
        side: u8::from(args.side == SideArg::Ask),
        price,
        quantity,
        minFill: thousandths("--min-fill", &args.min_fill)?,
        expires: height.saturating_add(window).saturating_add(args.blocks),
    };
    let worst = price.checked_mul(u128::from(quantity)).map(|all| all.div_ceil(1_000)).ok_or_else(|| {
        Failure::new(Code::BadInput, "price times quantity cannot be counted").next("lower one of them")
    })?;
    let escrow = if args.side == SideArg::Bid { worst } else { 0 };
    if args.sealed {
        return sealed::place(args, &sender, &call, (worst, escrow), terminal).await;
    }
    let receipt = sender.send(TxRequest::call(system::MARKET, &call).with_value(escrow)).await?;
    let placed = receipt.receipt.logs.iter().find_map(|log| {
        alloy_sol_types::SolEvent::decode_log_data(&log.data).ok().map(|event: IMarket::OrderPlaced| event.id)
    });
    let placed = placed.ok_or_else(|| {
        Failure::new(Code::Internal, "the order is final, but its number is not in the receipt")
            .next("`assay order list` shows it")
    })?;
    terminal.document(&json!({ "order": placed, "height": receipt.height, "escrow_grains": escrow.to_string() }));
    terminal.line(format!(
        "order {} rests from block {}: {} {} at {} KRT, {} KRT in escrow",
        placed,
        thousands(receipt.height),
        units(quantity),
        unit(&class.class),
        krt(price),
        krt(escrow)
    ));
    Ok(())
}

async fn amend(args: AmendArgs, terminal: &Terminal) -> Outcome<()> {
    let client = args.client.clone();
    let price = args.price.as_deref().map(|text| amount("--price", text)).transpose()?;
    let sender = sender(&client).await?;
    let request = match named(args.order, args.client) {
        Named::Job(which) => {
            let view = job::view(&which).await?;
            let price = price
                .ok_or_else(|| Failure::new(Code::BadInput, "a job's order has a price to change: give --price"))?;
            let open = view.lots.iter().filter(|lot| {
                !matches!(lot.phase, assay_types::view::LotPhase::Settled | assay_types::view::LotPhase::Refunded)
            });
            let tasks: u64 = open.map(|lot| u64::from(lot.tasks)).sum();
            let runs = u128::from(tasks) * u128::from(view.spec.replicas);
            let needed = run_ceiling(view.spec.fuel_per_task, price).and_then(|run| run.checked_mul(runs));
            let needed = needed
                .ok_or_else(|| Failure::new(Code::BadInput, "the escrow cannot be counted").next("lower --price"))?;
            let call = IJobs::amendCall { job: view.id, maxPricePerGigafuel: price };
            TxRequest::call(system::JOBS, &call).with_value(needed.saturating_sub(view.escrow))
        }
        Named::Order(id) => {
            let order = fetch(&client, id).await?;
            let quantity = args.quantity.as_deref().map(|text| thousandths("--quantity", text)).transpose()?;
            let (price, quantity) = (price.unwrap_or(order.price), quantity.unwrap_or(order.quantity));
            let height = connect::chain(&client)?.status().await?.height;
            let expires = args.blocks.map_or(order.expires, |blocks| height.saturating_add(blocks));
            let needed = price.checked_mul(u128::from(quantity)).map_or(Grains::MAX, |all| all.div_ceil(1_000));
            let value = if order.bid { needed.saturating_sub(order.escrow) } else { 0 };
            TxRequest::call(system::MARKET, &IMarket::amendCall { id, price, quantity, expires }).with_value(value)
        }
    };
    let receipt = sender.send(request).await?;
    terminal.document(&json!({ "amended": true, "height": receipt.height }));
    terminal.line(format!("changed in block {}", thousands(receipt.height)));
    Ok(())
}

async fn cancel(which: WhichOrder, terminal: &Terminal) -> Outcome<()> {
    let client = which.client.clone();
    let request = match named(which.order, which.client) {
        Named::Order(id) => TxRequest::call(system::MARKET, &IMarket::cancelCall { id }),
        Named::Job(which) => {
            let view = job::view(&which).await?;
            TxRequest::call(system::JOBS, &IJobs::cancelCall { job: view.id })
        }
    };
    let receipt = sender(&client).await?.send(request).await?;
    terminal.document(&json!({ "cancelled": true, "height": receipt.height }));
    terminal.line(format!("cancelled in block {}; what was locked is back", thousands(receipt.height)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_to_the_thousandth_and_nothing_else_is() {
        let read = |text| thousandths("--quantity", text).ok();
        assert_eq!(
            (read("2.5"), read("2"), read(" 0.001 "), read("7.")),
            (Some(2_500), Some(2_000), Some(1), Some(7_000))
        );
        for bad in ["", ".5", "-1", "1.2345", "1e3", "abc", "99999999999999999999"] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }
}
