//! `assay claims`: capacity in a later window, owned and traded before it is used.

use alloy_primitives::U256;
use alloy_sol_types::SolCall;
use assay_client::TxRequest;
use assay_types::{
    ClaimId, Grains, Params,
    abi::{IClaims, IMarket},
    system,
    view::{ClaimStatus, ClaimView, IssuanceView},
};
use jsonrpsee::rpc_params;
use serde_json::json;

use super::{
    connect,
    market::live::{all, pick, units},
    order::{amount, sender, thousandths},
};
use crate::{
    cli::{BuyArgs, ClaimsCommand, ClientArgs, IssueArgs, SellArgs},
    failure::{Code, Failure, Outcome},
    terminal::{Grid, Terminal},
    words::{krt, short_address, thousands},
};

/// Runs it.
pub(crate) async fn run(command: ClaimsCommand, terminal: &Terminal) -> Outcome<()> {
    match command {
        ClaimsCommand::List(client) => list(&client, terminal).await,
        ClaimsCommand::Issued(which) => {
            let classes = all(&which.client).await?;
            let class = pick(&classes, which.class.as_deref())?;
            let issued: Vec<IssuanceView> =
                connect::ask(&which.client.rpc, "assay_issuances", rpc_params![class.class.id]).await?;
            terminal.document(&json!({ "class": class.class, "issuances": issued }));
            table(issued.iter().map(|one| (one, one.outstanding)), "outstanding", terminal);
            Ok(())
        }
        ClaimsCommand::Issue(args) => issue(&args, terminal).await,
        ClaimsCommand::Sell(args) => sell(&args, terminal).await,
        ClaimsCommand::Buy(args) => buy(&args, terminal).await,
        ClaimsCommand::Transfer { which, to, gigafuel } => {
            let call = IClaims::safeTransferFromCall {
                from: connect::account(&which.client)?,
                to: connect::address(&to)?,
                id: id(&which.claim)?,
                amount: U256::from(thousandths("--gigafuel", &gigafuel)?),
                data: Default::default(),
            };
            act(&which.client, &call, 0, "sent", terminal).await
        }
        ClaimsCommand::TopUp { which, amount: value } => {
            let value = amount("--amount", &value)?;
            act(&which.client, &IClaims::topUpCall { id: id(&which.claim)? }, value, "added", terminal).await
        }
        ClaimsCommand::Withdraw(which) => {
            act(&which.client, &IClaims::withdrawSurplusCall { id: id(&which.claim)? }, 0, "taken out", terminal).await
        }
        ClaimsCommand::TakeOver { which, collateral } => {
            let value = amount("--collateral", &collateral)?;
            act(&which.client, &IClaims::takeOverCall { id: id(&which.claim)? }, value, "taken over", terminal).await
        }
        ClaimsCommand::Collect(which) => {
            let call = IClaims::collectCall { id: id(&which.claim)?, holder: connect::account(&which.client)? };
            act(&which.client, &call, 0, "collected", terminal).await
        }
    }
}

/// An issuance by CLASS/WINDOW/ISSUER or by its ERC-1155 id.
pub(crate) fn id(text: &str) -> Outcome<U256> {
    let bad = || {
        Failure::new(Code::BadInput, format!("'{text}' names no claims"))
            .next("write CLASS/WINDOW/ISSUER, as 1/3/0x12ab…, or the ERC-1155 id; `assay claims issued` shows both")
    };
    let parts: Vec<&str> = text.trim().split('/').collect();
    if let [class, window, issuer] = parts.as_slice() {
        let class = class.parse().map_err(|_| bad())?;
        let window = window.parse().ok().filter(|window| *window != 0).ok_or_else(bad)?;
        return Ok(ClaimId { class, window, issuer: connect::address(issuer)? }.to_u256());
    }
    let id = text.trim().parse::<U256>().map_err(|_| bad())?;
    ClaimId::from_u256(id).map(|_| id).ok_or_else(bad)
}

async fn act(client: &ClientArgs, call: &impl SolCall, value: Grains, done: &str, terminal: &Terminal) -> Outcome<()> {
    let request = TxRequest::call(system::CLAIMS, call).with_value(value);
    let receipt = sender(client).await?.send(request).await?;
    terminal.document(&json!({ "done": done, "height": receipt.height }));
    terminal.line(format!("{done} in block {}", thousands(receipt.height)));
    Ok(())
}

async fn list(client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let owner = connect::account(client)?;
    let claims: Vec<ClaimView> = connect::ask(&client.rpc, "assay_claims", rpc_params![owner]).await?;
    terminal.document(&json!({ "claims": claims }));
    table(claims.iter().map(|one| (&one.issuance, one.amount)), "yours", terminal);
    Ok(())
}

fn table<'a>(rows: impl Iterator<Item = (&'a IssuanceView, u64)>, amount: &str, terminal: &Terminal) {
    let head = ["claim", amount, "window", "redeem until", "issue price", "rate", "collateral", "needs", "stands"];
    let mut grid = Grid::new(head).text(&[8]);
    let mut any = false;
    for (one, amount) in rows {
        any = true;
        let ClaimId { class, window, issuer } = one.claim;
        let stands = match &one.status {
            ClaimStatus::Good => "good".to_owned(),
            ClaimStatus::Called { deadline } => format!("called, due by block {}", thousands(*deadline)),
            ClaimStatus::Offered { until, .. } => format!("offered until block {}", thousands(*until)),
            ClaimStatus::ClosedOut { pool, .. } => format!("closed out, {} KRT to collect", krt(*pool)),
        };
        grid.row([
            format!("{class}/{window}/{issuer}"),
            format!("{} Gf", units(amount)),
            format!("{} to {}", thousands(one.starts), thousands(one.ends)),
            thousands(one.last_redemption),
            krt(one.issue_price),
            format!("{} Gf", units(one.max_rate)),
            krt(one.collateral),
            krt(one.maintenance),
            format!("{stands}; owed by {}", short_address(&one.obligor)),
        ]);
    }
    match any {
        true => terminal.table(&grid),
        false => terminal.line("no claims"),
    }
}

async fn issue(args: &IssueArgs, terminal: &Terminal) -> Outcome<()> {
    let client = &args.which.client;
    let classes = all(client).await?;
    let class = pick(&classes, args.which.class.as_deref())?;
    let (quantity, price) = (thousandths("--gigafuel", &args.gigafuel)?, amount("--price", &args.price)?);
    let params: Params = connect::chain(client)?.params().await?;
    // What the network asks for, rounded up as it does; a little more would only lie in the pot.
    let value = price
        .max(class.reference)
        .checked_mul(u128::from(quantity))
        .map(|all| all.div_ceil(1_000))
        .and_then(|all| all.checked_mul(u128::from(params.claim_initial_bps)))
        .map(|all| all.div_ceil(10_000).saturating_add(1))
        .ok_or_else(|| Failure::new(Code::BadInput, "the collateral cannot be counted").next("lower --gigafuel"))?;
    let call = IClaims::issueCall {
        class: class.class.id,
        window: args.window,
        amount: quantity,
        issuePrice: price,
        maxRate: thousandths("--rate", &args.rate)?,
    };
    let receipt = sender(client).await?.send(TxRequest::call(system::CLAIMS, &call).with_value(value)).await?;
    let claim = ClaimId { class: class.class.id, window: args.window, issuer: receipt.receipt.from };
    terminal.document(&json!({
        "id": claim.to_u256(), "claim": claim, "height": receipt.height, "collateral_grains": value.to_string(),
    }));
    terminal.line(format!(
        "{}/{}/{}: {} Gf issued, {} KRT of collateral behind it",
        claim.class,
        claim.window,
        claim.issuer,
        units(quantity),
        krt(value)
    ));
    Ok(())
}

async fn height(client: &ClientArgs) -> Outcome<u64> {
    Ok(connect::chain(client)?.status().await?.height)
}

async fn sell(args: &SellArgs, terminal: &Terminal) -> Outcome<()> {
    let client = &args.which.client;
    let call = IClaims::sellCall {
        id: id(&args.which.claim)?,
        amount: thousandths("--gigafuel", &args.gigafuel)?,
        price: amount("--price", &args.price)?,
        minFill: 0,
        expires: height(client).await?.saturating_add(args.blocks),
    };
    act(client, &call, 0, "offered", terminal).await
}

async fn buy(args: &BuyArgs, terminal: &Terminal) -> Outcome<()> {
    let client = &args.which.client;
    let classes = all(client).await?;
    let class = pick(&classes, args.which.class.as_deref())?;
    let (quantity, price) = (thousandths("--gigafuel", &args.gigafuel)?, amount("--price", &args.price)?);
    let escrow = price.checked_mul(u128::from(quantity)).map(|all| all.div_ceil(1_000)).ok_or_else(|| {
        Failure::new(Code::BadInput, "price times amount cannot be counted").next("lower one of them")
    })?;
    let call = IMarket::placeCall {
        class: class.class.id,
        window: args.window,
        side: 0,
        price,
        quantity,
        minFill: 0,
        expires: height(client).await?.saturating_add(args.blocks),
    };
    let receipt = sender(client).await?.send(TxRequest::call(system::MARKET, &call).with_value(escrow)).await?;
    terminal.document(&json!({ "height": receipt.height, "escrow_grains": escrow.to_string() }));
    terminal.line(format!("bid in block {}, {} KRT in escrow", thousands(receipt.height), krt(escrow)));
    Ok(())
}
