//! What commands that talk to a node have in common: the connection, the key, the password.

use std::{path::PathBuf, sync::Arc, time::Duration};

use alloy_sol_types::SolCall;
use assay_client::{Chain, Keystore, RpcChain, RpcConfig, Wallet};
use assay_types::{Address, B256, Bytes};
use jsonrpsee::{
    core::{
        client::{ClientT, Error as ClientError},
        params::ArrayParams,
    },
    http_client::HttpClientBuilder,
    rpc_params,
};
use serde::de::DeserializeOwned;

use crate::{
    cli::ClientArgs,
    failure::{Code, Failure, Outcome},
    network::write_file,
};

/// How long a node has for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// The chain of the node that `args` name.
pub(crate) fn chain(args: &ClientArgs) -> Outcome<Arc<dyn Chain>> {
    Ok(Arc::new(RpcChain::new(RpcConfig::new(&args.rpc))?))
}

/// Why a node could not be asked.
enum Unasked {
    /// It answered that it will not.
    Refused(String),
    /// It gave no answer.
    Silent(Failure),
}

async fn request<T: DeserializeOwned>(url: &str, method: &str, params: ArrayParams) -> Result<T, Unasked> {
    let silent = |error: &dyn std::error::Error| {
        let failure = Failure::new(Code::Unreachable, format!("the node at {url} does not answer"));
        let next = "start a network with `assay up`, or name another node with --rpc URL";
        Unasked::Silent(failure.because(error).next(next))
    };
    let client = HttpClientBuilder::default().request_timeout(PATIENCE).build(url).map_err(|e| silent(&e))?;
    client.request(method, params).await.map_err(|error| match error {
        ClientError::Call(refusal) => Unasked::Refused(refusal.message().to_owned()),
        error => silent(&error),
    })
}

/// Asks a node for something that only people want to know.
pub(crate) async fn ask<T: DeserializeOwned>(url: &str, method: &str, params: ArrayParams) -> Outcome<T> {
    request(url, method, params).await.map_err(|unasked| match unasked {
        Unasked::Refused(why) => {
            Failure::new(Code::Unreachable, format!("the node at {url} has no answer to {method}"))
                .why(why)
                .next("is it of the same version? `assay chain status` shows it")
        }
        Unasked::Silent(failure) => failure,
    })
}

/// Tries a transaction on a node, as `eth_call` takes it; why it would be refused.
pub(crate) async fn try_out(url: &str, transaction: serde_json::Value) -> Outcome<()> {
    match request::<Bytes>(url, "eth_call", rpc_params![transaction, "latest"]).await {
        Ok(_) => Ok(()),
        Err(Unasked::Refused(why)) => Err(Failure::new(Code::Refused, "the network would refuse the transaction")
            .why(why)
            .next("docs/protocol/rejects.md explains the code")),
        Err(Unasked::Silent(failure)) => Err(failure),
    }
}

/// Asks a system contract, with `eth_call` as any wallet would.
pub(crate) async fn view<C: SolCall>(url: &str, to: Address, call: &C) -> Outcome<C::Return> {
    let asked = serde_json::json!({ "to": to, "input": Bytes::from(call.abi_encode()) });
    let answer = match request::<Bytes>(url, "eth_call", rpc_params![asked, "latest"]).await {
        Ok(answer) => answer,
        Err(Unasked::Refused(why)) => {
            return Err(Failure::new(Code::NotFound, "the chain has no answer to this").why(why));
        }
        Err(Unasked::Silent(failure)) => return Err(failure),
    };
    C::abi_decode_returns(&answer).map_err(|e| {
        Failure::new(Code::Unreachable, format!("the node at {url} answers something else than `{}`", C::SIGNATURE))
            .because(&e)
            .next("is it of the same version? `assay chain status` shows it")
    })
}

fn password_path(args: &ClientArgs) -> PathBuf {
    args.password_file.clone().unwrap_or_else(|| args.keys.join("password"))
}

/// The password of the keys, from its file.
pub(crate) fn password(args: &ClientArgs) -> Outcome<String> {
    let path = password_path(args);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
        Err(error) => Err(Failure::new(Code::NoKey, format!("no password at {}", path.display()))
            .because(&error)
            .next("name the file that holds it with --password-file FILE")),
    }
}

/// As [`password`]; makes one where there is no file yet and none was named.
pub(crate) fn password_or_new(args: &ClientArgs) -> Outcome<(String, Option<PathBuf>)> {
    let path = password_path(args);
    if args.password_file.is_some() || path.exists() {
        return password(args).map(|password| (password, None));
    }
    let random: [u8; 16] = rand::random();
    let password = hex::encode(random);
    write_file(&path, format!("{password}\n").as_bytes(), 0o600)?;
    Ok((password, Some(path)))
}

/// The account to act as.
pub(crate) fn account(args: &ClientArgs) -> Outcome<Address> {
    if let Some(text) = &args.account {
        return address(text);
    }
    let missing = |what: String| {
        Failure::new(Code::NoKey, what).next("make one with `assay account new`, or name the directory with --keys DIR")
    };
    if !args.keys.is_dir() {
        return Err(missing(format!("there are no keys at {}", args.keys.display())));
    }
    let keys = Keystore::open(&args.keys)?.list()?;
    match keys.as_slice() {
        [one] => Ok(one.address),
        [] => Err(missing(format!("there are no keys in {}", args.keys.display()))),
        several => Err(Failure::new(Code::NoKey, format!("{} holds {} keys", args.keys.display(), several.len()))
            .next("say which account to act as with --account ADDRESS")),
    }
}

/// The key to sign with.
pub(crate) fn wallet(args: &ClientArgs) -> Outcome<Wallet> {
    let account = account(args)?;
    Ok(Keystore::open(&args.keys)?.unlock(account, &password(args)?)?)
}

/// Reads an address.
pub(crate) fn address(text: &str) -> Outcome<Address> {
    text.trim().parse().map_err(|_| {
        Failure::new(Code::BadInput, format!("'{text}' is not an address"))
            .next("an address is 0x and 40 hexadecimal digits")
    })
}

/// Reads a hash.
pub(crate) fn hash(text: &str) -> Outcome<B256> {
    text.trim().parse().map_err(|_| {
        Failure::new(Code::BadInput, format!("'{text}' is not a hash")).next("a hash is 0x and 64 hexadecimal digits")
    })
}
