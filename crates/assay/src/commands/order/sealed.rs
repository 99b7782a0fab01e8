//! `assay order place --sealed` and `assay order open`.

use alloy_sol_types::SolCall;
use assay_client::{SealedOrder, SealedOrderError, TxSender};
use assay_types::{
    Bytes, Grains,
    abi::IMarket,
    system,
    view::{OrderView, Unfilled},
};
use jsonrpsee::rpc_params;
use serde_json::json;

use super::sender;
use crate::{
    cli::{ClientArgs, OpenArgs, PlaceArgs},
    commands::connect,
    failure::{Code, Failure, Outcome},
    terminal::Terminal,
    words::{krt, thousands},
};

/// Least blocks a sealed order rests: the window counts from a block nobody knows before.
const LEAST_BLOCKS: u64 = 100;

/// Seals an order and opens it in a later block. `worst` is locked; a bid keeps it as its escrow.
pub(super) async fn place(
    args: &PlaceArgs,
    sender: &TxSender,
    order: &IMarket::placeCall,
    (worst, escrow): (Grains, Grains),
    terminal: &Terminal,
) -> Outcome<()> {
    if args.blocks < LEAST_BLOCKS {
        return Err(Failure::new(Code::BadInput, format!("a sealed order rests {LEAST_BLOCKS} blocks at least"))
            .why("it would forfeit part of what it locks if it ended before it took part")
            .next("raise --blocks"));
    }
    try_out(&args.client, sender, order, escrow).await?;
    let salt: [u8; 32] = rand::random();
    let IMarket::placeCall { class, window, side, price, quantity, minFill, expires } = *order;
    let opening = IMarket::openSealedCall { salt: salt.into(), class, window, side, price, quantity, minFill, expires };
    let dir = args.client.jobs_dir.join("orders");
    let sealed = SealedOrder::create(&dir, sender.chain_id(), sender.address(), worst, &opening)?;
    go_on(sealed, &args.client, sender, terminal).await
}

/// Opens an order that another run of this program sealed.
pub(super) async fn open(args: &OpenArgs, terminal: &Terminal) -> Outcome<()> {
    let sealed = SealedOrder::load(&args.file)?;
    go_on(sealed, &args.client, &sender(&args.client).await?, terminal).await
}

/// Has the node try the order in the open: one that is refused only when it is opened forfeits.
async fn try_out(client: &ClientArgs, sender: &TxSender, order: &IMarket::placeCall, value: Grains) -> Outcome<()> {
    let data: Bytes = order.abi_encode().into();
    let call = json!({ "from": sender.address(), "to": system::MARKET, "value": format!("{value:#x}"), "data": data });
    connect::try_out(&client.rpc, call).await
}

/// Seals and opens an order, as far as that is not done.
async fn go_on(mut sealed: SealedOrder, client: &ClientArgs, sender: &TxSender, terminal: &Terminal) -> Outcome<()> {
    let (commitment, locked) = (sealed.commitment()?, sealed.state().value);
    let path = sealed.path().to_owned();
    let sealed_at = sealed.seal(sender).await?;
    if let Some(height) = sealed_at {
        terminal.note(format!("sealed in block {}: {} KRT behind {commitment}", thousands(height), krt(locked)));
    }
    let (id, height) = sealed.open(sender).await.map_err(|error| match error {
        SealedOrderError::Tx(_) => Failure::from(error)
            .why("what was locked forfeits a part if it stays so")
            .next(format!("try again within ten seconds of its sealing: `assay order open {}`", path.display())),
        other => other.into(),
    })?;
    let order: Option<OrderView> = connect::ask(&client.rpc, "assay_order", rpc_params![id]).await?;
    let from = match order.as_ref().and_then(|order| order.unfilled.as_ref()) {
        Some(Unfilled::Sealed { until }) => *until,
        _ => height,
    };
    let escrow = order.map_or(0, |order| order.escrow);
    terminal.document(&json!({
        "order": id, "height": height, "sealed_height": sealed_at, "takes_part_from": from,
        "commitment": commitment, "locked_grains": locked.to_string(), "escrow_grains": escrow.to_string(),
    }));
    terminal.line(format!(
        "order {id} was opened in block {} and takes part from block {}; {} KRT in escrow",
        thousands(height),
        thousands(from),
        krt(escrow)
    ));
    Ok(())
}
