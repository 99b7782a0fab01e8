//! `assay stake`: validators, delegations and rewards.

use std::path::Path;

use alloy_sol_types::SolCall;
use assay_chain::keys::ValidatorKeys;
use assay_client::{SenderConfig, TokioHost, TxRequest, TxSender, Wallet};
use assay_types::{
    Address, Grains,
    abi::IStaking::{self, Flight, Validator},
    system,
};
use serde_json::json;
use std::sync::Arc;

use super::{
    connect,
    init::KeyFile,
    order::{amount, sender},
};
use crate::{
    cli::{AmountArgs, ClientArgs, RegisterArgs, SignerArgs, StakeCommand},
    failure::{Code, Failure, Outcome},
    network::write_file,
    terminal::{Grid, Terminal, Tone},
    words::{krt, percent, thousands},
};

/// Runs it.
pub(crate) async fn run(command: StakeCommand, terminal: &Terminal) -> Outcome<()> {
    match command {
        StakeCommand::List(client) => list(&client, terminal).await,
        StakeCommand::Show { validator, client } => show(&validator, &client, terminal).await,
        StakeCommand::Rewards(client) => rewards(&client, terminal).await,
        StakeCommand::Keys { out } => make_keys(&out, terminal),
        StakeCommand::Register(args) => register(&args, terminal).await,
        StakeCommand::Delegate(AmountArgs { at, amount: value, signer }) => {
            let call = IStaking::delegateCall { validator: connect::address(&at)? };
            act(&signer, &call, amount("--amount", &value)?, "delegated", terminal).await
        }
        StakeCommand::Undelegate(AmountArgs { at, amount: value, signer }) => {
            let (validator, amount) = (connect::address(&at)?, amount("--amount", &value)?);
            act(&signer, &IStaking::undelegateCall { validator, amount }, 0, "on its way out", terminal).await
        }
        StakeCommand::Redelegate { from, to, amount: value, signer } => {
            let (from, to) = (connect::address(&from)?, connect::address(&to)?);
            let call = IStaking::redelegateCall { from, to, amount: amount("--amount", &value)? };
            act(&signer, &call, 0, "moved", terminal).await
        }
        StakeCommand::Claim { of: Some(of), signer, .. } => {
            let call = IStaking::claimRewardsCall { validator: connect::address(&of)? };
            act(&signer, &call, 0, "claimed", terminal).await
        }
        StakeCommand::Claim { of: None, signer, .. } => {
            act(&signer, &IStaking::claimCommissionCall {}, 0, "claimed", terminal).await
        }
        StakeCommand::Unjail(signer) => act(&signer, &IStaking::unjailCall {}, 0, "free", terminal).await,
        StakeCommand::RotateKeys { new, signer } => {
            let (_, keys) = read_keys(&new)?;
            let call = IStaking::rotateKeysCall {
                networkKey: keys.network_key(),
                voteKey: keys.vote_key(),
                proofOfPossession: keys.proof_of_possession(),
            };
            act(&signer, &call, 0, "other keys from the next committee on", terminal).await
        }
        StakeCommand::SetAddress { peer, signer } => {
            let call = IStaking::setAddressCall { peer };
            act(&signer, &call, 0, "another address from the next committee on", terminal).await
        }
        StakeCommand::SetCommission { commission_bps, signer } => {
            let call = IStaking::setCommissionCall { commissionBps: commission_bps };
            act(&signer, &call, 0, "commission set", terminal).await
        }
        StakeCommand::Heartbeat(signer) => act(&signer, &IStaking::heartbeatCall {}, 0, "seen", terminal).await,
    }
}

fn read_keys(path: &Path) -> Outcome<(Wallet, ValidatorKeys)> {
    let bad = |error: &dyn std::error::Error| {
        Failure::new(Code::BadInput, format!("{} is not a validator's key file", path.display()))
            .because(error)
            .next("`assay stake keys --out FILE` makes one")
    };
    let text =
        std::fs::read_to_string(path).map_err(|e| Failure::io(format!("could not read {}", path.display()), &e))?;
    let file: KeyFile = serde_json::from_str(&text).map_err(|e| bad(&e))?;
    let keys = ValidatorKeys::from_bytes(&file.node).map_err(|e| bad(&e))?;
    Ok((Wallet::from_key(&file.account)?, keys))
}

fn make_keys(out: &Path, terminal: &Terminal) -> Outcome<()> {
    if out.exists() {
        return Err(Failure::new(Code::BadInput, format!("{} is there already", out.display()))
            .why("keys that are overwritten are lost")
            .next("name another file"));
    }
    let (wallet, keys) = (Wallet::random(), ValidatorKeys::generate(&mut rand::rng()));
    let file = KeyFile { account: wallet.key(), node: keys.to_bytes().into() };
    let text = serde_json::to_string_pretty(&file).expect("keys are plain data");
    write_file(out, text.as_bytes(), 0o600)?;
    terminal.document(&json!({
        "file": out, "account": wallet.address(), "network_key": keys.network_key(), "vote_key": keys.vote_key(),
    }));
    terminal.line(format!("{}\nkept in {}: send it its stake, then register", wallet.address(), out.display()));
    Ok(())
}

async fn register(args: &RegisterArgs, terminal: &Terminal) -> Outcome<()> {
    let (wallet, keys) = read_keys(&args.validator)?;
    let call = IStaking::registerCall {
        networkKey: keys.network_key(),
        voteKey: keys.vote_key(),
        proofOfPossession: keys.proof_of_possession(),
        peer: args.peer.clone(),
        commissionBps: args.commission_bps,
    };
    let request = TxRequest::call(system::STAKING, &call).with_value(amount("--amount", &args.amount)?);
    let account = wallet.address();
    let receipt = signed_by(wallet, &args.client).await?.send(request).await?;
    terminal.document(&json!({ "validator": account, "height": receipt.height }));
    terminal.line(format!(
        "{account} is a validator since block {}; it sits from the next epoch on if its stake is high enough",
        thousands(receipt.height)
    ));
    Ok(())
}

async fn signed_by(wallet: Wallet, client: &ClientArgs) -> Outcome<TxSender> {
    let chain = connect::chain(client)?;
    let chain_id = chain.status().await?.chain_id;
    Ok(TxSender::new(chain, Arc::new(TokioHost), wallet, chain_id, SenderConfig::default()))
}

async fn act(by: &SignerArgs, call: &impl SolCall, value: Grains, done: &str, terminal: &Terminal) -> Outcome<()> {
    let sender = match &by.validator {
        Some(file) => signed_by(read_keys(file)?.0, &by.client).await?,
        None => sender(&by.client).await?,
    };
    let receipt = sender.send(TxRequest::call(system::STAKING, call).with_value(value)).await?;
    terminal.document(&json!({ "done": done, "height": receipt.height }));
    terminal.line(format!("{done} in block {}", thousands(receipt.height)));
    Ok(())
}

async fn ask<C: SolCall>(client: &ClientArgs, call: &C) -> Outcome<C::Return> {
    let bytes = connect::view(&client.rpc, system::STAKING, &call.abi_encode()).await?;
    C::abi_decode_returns(&bytes)
        .map_err(|e| Failure::new(Code::Unreachable, format!("{} answers something else", client.rpc)).because(&e))
}

fn share(bps: u32) -> String {
    percent(f64::from(bps) / 10_000.0, 2)
}

fn stands(one: &Validator) -> (String, Tone) {
    match one {
        Validator { tombstoned: true, .. } => ("never again: voted for two things".to_owned(), Tone::Bad),
        Validator { jailedUntilMs: 1.., seated: true, .. } => {
            ("jailed, sits until the epoch is over".to_owned(), Tone::Warn)
        }
        Validator { jailedUntilMs: 1.., .. } => ("jailed".to_owned(), Tone::Warn),
        Validator { seated: true, .. } => ("sits".to_owned(), Tone::Good),
        Validator { .. } => ("waits".to_owned(), Tone::Dim),
    }
}

fn document(one: &Validator) -> serde_json::Value {
    json!({
        "account": one.account, "tokens_grains": one.tokens.to_string(), "self_stake_grains": one.selfStake.to_string(),
        "commission_bps": one.commissionBps, "seated": one.seated, "tombstoned": one.tombstoned,
        "jailed_until_ms": (one.jailedUntilMs != 0).then_some(one.jailedUntilMs),
        "network_key": one.networkKey, "vote_key": one.voteKey, "peer": one.peer,
    })
}

async fn list(client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let all = ask(client, &IStaking::validatorsCall {}).await?;
    let spread = ask(client, &IStaking::decentralisationCall {}).await?;
    terminal.document(&json!({
        "validators": all.iter().map(document).collect::<Vec<_>>(),
        "decentralisation": {
            "seats": spread.seats, "third": spread.third, "third_stake_bps": spread.thirdStakeBps,
            "entry_stake_grains": spread.entryStake.to_string(), "nakamoto_stake": spread.nakamotoStake,
        },
    }));
    let mut grid = Grid::new(["validator", "stake, KRT", "its own", "keeps", "stands", "peer"]).text(&[4, 5]);
    for one in &all {
        let plain = |text: String| (text, Tone::Plain);
        grid.toned([
            plain(one.account.to_string()),
            plain(krt(one.tokens)),
            plain(krt(one.selfStake)),
            plain(share(one.commissionBps)),
            stands(one),
            plain(one.peer.clone()),
        ]);
    }
    terminal.table(&grid);
    terminal.line(format!(
        "{} of {} seats can halt the network: the cheapest have {} of all stake behind them, newcomers need {} KRT",
        spread.third,
        spread.seats,
        share(spread.thirdStakeBps),
        krt(spread.entryStake)
    ));
    terminal.line(format!("{} by stake, the largest first, hold a third of what sits", spread.nakamotoStake));
    Ok(())
}

async fn show(validator: &str, client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let one = ask(client, &IStaking::validatorCall { account: connect::address(validator)? }).await?;
    terminal.document(&document(&one));
    let mut grid = Grid::new(["", ""]).text(&[1]);
    for (name, value) in [
        ("validator", one.account.to_string()),
        ("stake", format!("{} KRT, {} of its own", krt(one.tokens), krt(one.selfStake))),
        ("keeps", share(one.commissionBps)),
        ("stands", stands(&one).0),
        ("network key", one.networkKey.to_string()),
        ("vote key", one.voteKey.to_string()),
        ("peer", one.peer.clone()),
    ] {
        grid.row([name.to_owned(), value]);
    }
    terminal.table(&grid);
    Ok(())
}

async fn rewards(client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let delegator: Address = connect::account(client)?;
    let delegations = ask(client, &IStaking::delegationsCall { delegator }).await?;
    let flights: Vec<Flight> = ask(client, &IStaking::unbondingsCall { delegator }).await?;
    terminal.document(&json!({
        "delegations": delegations.iter().map(|one| json!({
            "validator": one.validator, "amount_grains": one.amount.to_string(),
            "rewards_grains": one.rewards.to_string(),
        })).collect::<Vec<_>>(),
        "on_their_way": flights.iter().map(|one| json!({
            "id": one.id, "from": one.from, "to": (one.to != Address::ZERO).then_some(one.to),
            "initial_grains": one.initial.to_string(), "left_grains": one.left.to_string(), "due_ms": one.dueMs,
        })).collect::<Vec<_>>(),
    }));
    if delegations.is_empty() && flights.is_empty() {
        terminal.line("nothing is delegated and nothing on its way");
        return Ok(());
    }
    let mut grid = Grid::new(["validator", "delegated, KRT", "to claim, KRT"]);
    for one in &delegations {
        grid.row([one.validator.to_string(), krt(one.amount), krt(one.rewards)]);
    }
    terminal.table(&grid);
    if !flights.is_empty() {
        let mut grid = Grid::new(["from", "to", "left, KRT", "when it began", "until, Unix ms"]).text(&[1]);
        for one in &flights {
            let to = if one.to == Address::ZERO { "paid out".to_owned() } else { one.to.to_string() };
            grid.row([one.from.to_string(), to, krt(one.left), krt(one.initial), thousands(one.dueMs)]);
        }
        terminal.table(&grid);
    }
    Ok(())
}
