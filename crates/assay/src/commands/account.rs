//! `assay account`: keys and balances.

use std::{io::Read, path::Path};

use assay_client::{Keystore, SenderConfig, TokioHost, TxRequest, TxSender, Wallet};
use assay_types::{format_krt, parse_krt};
use serde_json::json;
use std::sync::Arc;

use super::connect;
use crate::{
    cli::{AccountCommand, ClientArgs},
    failure::{Code, Failure, Outcome},
    terminal::{Grid, Terminal},
    words::thousands,
};

/// Runs it.
pub(crate) async fn run(command: AccountCommand, terminal: &Terminal) -> Outcome<()> {
    match command {
        AccountCommand::New(client) => keep(&Wallet::random(), &client, terminal),
        AccountCommand::Import { file, old_password_file, client } => {
            keep(&read(&file, old_password_file.as_deref())?, &client, terminal)
        }
        AccountCommand::List(client) => list(&client, terminal).await,
        AccountCommand::Balance { address, client } => balance(address.as_deref(), &client, terminal).await,
        AccountCommand::Send { to, amount, client } => send(&to, &amount, &client, terminal).await,
    }
}

fn keep(wallet: &Wallet, client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let keystore = Keystore::open(&client.keys)?;
    let (password, made) = connect::password_or_new(client)?;
    let path = keystore.import(wallet, &password)?;
    terminal.document(&json!({ "address": wallet.address(), "keystore": path }));
    terminal.line(format!("{}\nkept in {}", wallet.address(), path.display()));
    if let Some(made) = made {
        terminal.line(format!("its password was made for you: {}", made.display()));
    }
    Ok(())
}

/// A key from a file or standard input: hexadecimal, or a keystore file with its password.
fn read(file: &Path, old_password: Option<&Path>) -> Outcome<Wallet> {
    let text = |path: &Path| {
        std::fs::read_to_string(path).map_err(|e| Failure::io(format!("could not read {}", path.display()), &e))
    };
    if let Some(password) = old_password {
        return Ok(Wallet::open(file, text(password)?.trim_end_matches(['\r', '\n']))?);
    }
    let key = if file == Path::new("-") {
        let mut key = String::new();
        let read = std::io::stdin().read_to_string(&mut key);
        read.map_err(|e| Failure::io("could not read standard input", &e))?;
        key
    } else {
        text(file)?
    };
    if key.trim_start().starts_with('{') {
        return Err(Failure::new(Code::NoKey, format!("{} is a keystore file", file.display()))
            .next("name its password with --old-password-file FILE"));
    }
    Ok(Wallet::from_hex(&key)?)
}

async fn list(client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let keys = if client.keys.is_dir() { Keystore::open(&client.keys)?.list()? } else { Vec::new() };
    let chain = connect::chain(client)?;
    let mut grid = Grid::new(["account", "balance, KRT", "file"]).text(&[2]);
    let mut rows = Vec::new();
    for key in keys {
        // Keys are there without a node too.
        let balance = chain.account(key.address).await.ok().map(|a| a.balance);
        let shown = balance.map_or_else(|| "no node".to_owned(), format_krt);
        grid.row([key.address.to_string(), shown, key.path.display().to_string()]);
        rows.push(json!({
            "address": key.address, "balance_grains": balance.map(|b| b.to_string()), "keystore": key.path,
        }));
    }
    terminal.document(&json!({ "accounts": rows }));
    if rows.is_empty() {
        terminal.line(format!("no keys in {}: make one with `assay account new`", client.keys.display()));
    } else {
        terminal.table(&grid);
    }
    Ok(())
}

async fn balance(whose: Option<&str>, client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let address = match whose {
        Some(text) => connect::address(text)?,
        None => connect::account(client)?,
    };
    let account = connect::chain(client)?.account(address).await?;
    terminal.document(&json!({
        "address": address, "balance_grains": account.balance.to_string(), "nonce": account.nonce,
    }));
    terminal.line(format!("{} KRT", format_krt(account.balance)));
    Ok(())
}

async fn send(to: &str, amount: &str, client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let to = connect::address(to)?;
    let value = parse_krt(amount).map_err(|e| Failure::new(Code::BadInput, "the amount cannot be read").because(&e))?;
    let wallet = connect::wallet(client)?;
    let chain = connect::chain(client)?;
    let chain_id = chain.status().await?.chain_id;
    let sender = TxSender::new(chain, Arc::new(TokioHost), wallet, chain_id, SenderConfig::default());
    let receipt = sender.send(TxRequest::transfer(to, value)).await?;
    terminal.document(&json!({
        "hash": receipt.receipt.tx_hash, "height": receipt.height, "to": to, "value_grains": value.to_string(),
    }));
    terminal.line(format!(
        "sent {} KRT to {to}\n{} is final in block {}",
        format_krt(value),
        receipt.receipt.tx_hash,
        thousands(receipt.height)
    ));
    Ok(())
}
