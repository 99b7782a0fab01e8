//! `assay gov`: proposals, deposits, votes.

mod show;

use std::path::Path;

use alloy_primitives::keccak256;
use alloy_sol_types::SolCall;
use assay_client::TxRequest;
use assay_types::{
    B256, Grains, ParamChanges, Params,
    abi::IGovernance::{self, About},
    system::GOVERNANCE,
    view::ProposalView,
};
use clap::ValueEnum as _;
use jsonrpsee::rpc_params;
use serde_json::json;

use super::{
    connect,
    order::{amount, sender},
};
use crate::{
    cli::{AboutArgs, ClientArgs, GovCommand, ProposeCommand, VoteArg, VoteArgs},
    failure::{Code, Failure, Outcome},
    terminal::Terminal,
    words::thousands,
};

/// Runs it.
pub(crate) async fn run(command: GovCommand, terminal: &Terminal) -> Outcome<()> {
    match command {
        GovCommand::Propose(command) => propose(command, terminal).await,
        GovCommand::Deposit { id, amount: value, client } => {
            let value = amount("KRT", &value)?;
            act(&client, &IGovernance::depositCall { id }, value, id, "deposited", terminal).await
        }
        GovCommand::Vote(args) => vote(&args, terminal).await,
        GovCommand::Cancel(which) => {
            act(&which.client, &IGovernance::cancelCall { id: which.id }, 0, which.id, "cancelled", terminal).await
        }
        GovCommand::List { all, client } => show::list(all, &client, terminal).await,
        GovCommand::Show(which) => show::one(which.id, &which.client, terminal).await,
        GovCommand::Params(client) => show::params(&client, terminal).await,
    }
}

async fn act(
    client: &ClientArgs,
    call: &impl SolCall,
    value: Grains,
    id: u64,
    done: &str,
    terminal: &Terminal,
) -> Outcome<()> {
    let receipt = sender(client).await?.send(TxRequest::call(GOVERNANCE, call).with_value(value)).await?;
    terminal.document(&json!({ "done": done, "id": id, "height": receipt.height }));
    terminal.line(format!("{done} in block {}", thousands(receipt.height)));
    Ok(())
}

fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).map_err(|e| Failure::io(format!("could not read {}", path.display()), &e))
}

fn about(args: &AboutArgs) -> Outcome<About> {
    let text_hash = match &args.text {
        Some(path) => keccak256(read(path)?),
        None => B256::ZERO,
    };
    Ok(About { title: args.title.clone(), textHash: text_hash, uri: args.uri.clone() })
}

async fn propose(command: ProposeCommand, terminal: &Terminal) -> Outcome<()> {
    match command {
        ProposeCommand::Params { file, about: args } => {
            let changes = read(&file)?;
            let params = connect::chain(&args.client)?.params().await?;
            check(&file, &changes, &params)?;
            send(&args, &IGovernance::proposeParamsCall { about: about(&args)?, changes }, terminal).await
        }
        ProposeCommand::Class { file, about: args } => {
            let class = read(&file)?;
            serde_json::from_str::<assay_types::Class>(&class).map_err(|e| {
                Failure::new(Code::BadInput, format!("{} is no class", file.display()))
                    .because(&e)
                    .next("write it as `assay market classes --output json` does")
            })?;
            send(&args, &IGovernance::proposeClassCall { about: about(&args)?, class }, terminal).await
        }
        ProposeCommand::RetireClass { class, about: args } => {
            send(&args, &IGovernance::proposeRetireClassCall { about: about(&args)?, class }, terminal).await
        }
        ProposeCommand::Payment { to, amount: value, about: args } => {
            let (to, amount) = (connect::address(&to)?, amount("KRT", &value)?);
            send(&args, &IGovernance::proposePaymentCall { about: about(&args)?, to, amount }, terminal).await
        }
        ProposeCommand::Runtime { runtime, deactivate, about: args } => {
            let (runtime, active) = (connect::hash(&runtime)?, !deactivate);
            send(&args, &IGovernance::proposeRuntimeCall { about: about(&args)?, runtime, active }, terminal).await
        }
        ProposeCommand::Upgrade { name, height, protocol, cancel: _, about: args } => {
            let call = IGovernance::proposeUpgradeCall {
                about: about(&args)?,
                name: name.unwrap_or_default(),
                height: height.unwrap_or_default(),
                protocolVersion: protocol.unwrap_or_default(),
            };
            send(&args, &call, terminal).await
        }
        ProposeCommand::Text(args) => {
            send(&args, &IGovernance::proposeTextCall { about: about(&args)? }, terminal).await
        }
    }
}

/// The ledger says which kind of thing is wrong; here is which parameter.
fn check(file: &Path, changes: &str, params: &Params) -> Outcome<()> {
    let checked = ParamChanges::from_json(changes).and_then(|changes| changes.govern(params));
    checked.map(|_| ()).map_err(|error| {
        Failure::new(Code::BadInput, format!("{} cannot be proposed", file.display()))
            .because(&error)
            .next("`assay gov params` shows what each parameter may be")
    })
}

async fn send(args: &AboutArgs, call: &impl SolCall, terminal: &Terminal) -> Outcome<()> {
    let value = match &args.deposit {
        Some(text) => amount("--deposit", text)?,
        None => connect::chain(&args.client)?.params().await?.gov_min_deposit,
    };
    let sender = sender(&args.client).await?;
    let receipt = sender.send(TxRequest::call(GOVERNANCE, call).with_value(value)).await?;
    let id = receipt.receipt.logs.iter().find_map(|log| {
        use alloy_sol_types::SolEvent as _;
        IGovernance::Proposed::decode_log_data(&log.data).ok().map(|event| event.id)
    });
    let id = id.ok_or_else(|| {
        Failure::new(Code::Internal, "the proposal cannot be named").next("`assay gov list` shows it")
    })?;
    let proposal: ProposalView = find(id, &args.client).await?;
    terminal.document(&json!(proposal));
    show::short(&proposal, terminal);
    Ok(())
}

pub(super) async fn find(id: u64, client: &ClientArgs) -> Outcome<ProposalView> {
    let found: Option<ProposalView> = connect::ask(&client.rpc, "assay_proposal", rpc_params![id]).await?;
    found.ok_or_else(|| {
        Failure::new(Code::NotFound, format!("there is no proposal {id}")).next("see `assay gov list --all`")
    })
}

async fn vote(args: &VoteArgs, terminal: &Terminal) -> Outcome<()> {
    let shares = match (&args.option, &args.split) {
        (_, Some(text)) => split(text)?,
        (Some(option), None) => {
            let mut shares = [0; 4];
            shares[place(*option)] = 10_000;
            shares
        }
        // The command line asks for one of them.
        (None, None) => return Err(bad_split("")),
    };
    let [yes, no, abstain, veto] = shares;
    let call = IGovernance::voteWeightedCall { id: args.id, yes, no, abstain, noWithVeto: veto };
    act(&args.client, &call, 0, args.id, "voted", terminal).await
}

fn place(option: VoteArg) -> usize {
    match option {
        VoteArg::Yes => 0,
        VoteArg::No => 1,
        VoteArg::Abstain => 2,
        VoteArg::Veto => 3,
    }
}

fn bad_split(text: &str) -> Failure {
    Failure::new(Code::BadInput, format!("'{text}' is no split vote"))
        .next("write shares in percent, 100 in all, as yes=70,abstain=30")
}

/// `yes=70,abstain=29.5,no=0.5` in basis points.
fn split(text: &str) -> Outcome<[u16; 4]> {
    let mut shares = [0_u16; 4];
    for part in text.split(',') {
        let (name, percent) = part.split_once('=').ok_or_else(|| bad_split(text))?;
        let option = VoteArg::from_str(name.trim(), true).map_err(|_| bad_split(text))?;
        let (whole, cents) = percent.trim().trim_end_matches('%').split_once('.').unwrap_or((percent.trim(), ""));
        let digits = format!("{}{cents:0<2}", whole.trim_end_matches('%'));
        let plain = cents.len() <= 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let share: u16 = digits.parse().ok().filter(|_| plain).ok_or_else(|| bad_split(text))?;
        let sum = &mut shares[place(option)];
        *sum = sum.checked_add(share).ok_or_else(|| bad_split(text))?;
    }
    if shares.iter().map(|share| u32::from(*share)).sum::<u32>() != 10_000 {
        return Err(bad_split(text));
    }
    Ok(shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_vote_is_read_to_the_basis_point_and_adds_up() {
        assert_eq!(split("yes=70,abstain=30").ok(), Some([7_000, 0, 3_000, 0]));
        assert_eq!(split("yes=33.33, no=33.33,veto=33.34%").ok(), Some([3_333, 3_333, 0, 3_334]));
        for bad in ["", "yes", "yes=70", "yes=101", "perhaps=100", "yes=50,yes=49", "yes=33.333,no=66.667", "no=-1"] {
            assert_eq!(split(bad).err().map(|failure| failure.code), Some(Code::BadInput), "{bad}");
        }
    }
}
