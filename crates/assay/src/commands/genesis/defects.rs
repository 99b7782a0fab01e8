//! Everything that is wrong with a genesis, each with its cure, where a node would stop at the first.

use std::{collections::BTreeMap, net::SocketAddr};

use assay_chain::committee::{Committee, CommitteeError};
use assay_types::{Genesis, GenesisError, GenesisValidator, Grains, Params, format_krt};

use crate::failure::Failure;

/// Something wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Defect {
    pub(super) what: String,
    pub(super) cure: String,
}

const NO_VALIDATORS: &str = "there are no validators";

impl Defect {
    /// Of this text and cure.
    pub(super) fn new(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { what: what.into(), cure: cure.into() }
    }

    /// As another part of the program tells it.
    pub(super) fn of(failure: &Failure) -> Self {
        let why = failure.why.join(": ");
        let what = if why.is_empty() { failure.what.clone() } else { format!("{}: {why}", failure.what) };
        Self::new(what, failure.next.clone().unwrap_or_default())
    }

    /// Whether it says that nobody votes.
    pub(super) fn is_no_validators(&self) -> bool {
        self.what == NO_VALIDATORS
    }
}

/// Everything minted; none if it cannot be counted.
pub(super) fn supply(genesis: &Genesis) -> Option<Grains> {
    let balances = genesis.accounts.iter().map(|account| account.balance);
    let stakes = genesis.validators.iter().map(|validator| validator.stake);
    balances.chain(stakes).chain([genesis.treasury]).try_fold(0, Grains::checked_add)
}

/// All defects.
pub(super) fn find(genesis: &Genesis) -> Vec<Defect> {
    let mut found = Vec::new();
    if genesis.chain_id == 0 {
        found.push(Defect::new("chain_id is 0", "choose an id of its own: wallets sign it into each transaction"));
    }
    if genesis.validators.is_empty() {
        found.push(Defect::new(NO_VALIDATORS, "name their entries with --validators"));
    }
    accounts(genesis, &mut found);
    for validator in &genesis.validators {
        found.extend(of_validator(genesis, validator));
    }
    duplicates(genesis, &mut found);
    if supply(genesis).is_none_or(|supply| supply > Grains::MAX / 2) {
        let most = format_krt(Grains::MAX / 2);
        found.push(Defect::new("the opening balances and stakes cannot be counted", format!("stay below {most} KRT")));
    }
    found.extend(of_params(&genesis.params));
    // What only the whole shows, so that nothing a node would refuse passes here.
    if found.is_empty()
        && let Err(error) = Committee::of_genesis(genesis)
    {
        found.push(Defect::new(error.to_string(), "build the file anew with `assay genesis build`"));
    }
    found
}

fn accounts(genesis: &Genesis, found: &mut Vec<Defect>) {
    let mut seen = BTreeMap::new();
    for account in &genesis.accounts {
        *seen.entry(account.address).or_insert(0u32) += 1;
        if assay_types::system::is_system(&account.address) {
            let what = format!("{} is a system address", account.address);
            found.push(Defect::new(what, "leave it out: what it held would be stuck for ever"));
        }
    }
    for (address, times) in seen.into_iter().filter(|(_, times)| *times > 1) {
        found.push(Defect::new(format!("account {address} appears {times} times"), "leave one row, with the sum"));
    }
}

/// What is wrong with one validator, looked at alone.
fn of_validator(genesis: &Genesis, validator: &GenesisValidator) -> Vec<Defect> {
    let mut found = Vec::new();
    let who = format!("validator {}", validator.account);
    let again = "its operator sends the entry anew: `assay keys show --config node.toml` prints it";
    match validator.address.parse::<SocketAddr>() {
        Ok(address) if address.port() == 0 || address.ip().is_unspecified() => found
            .push(Defect::new(format!("{who}: nobody can dial {address}"), "give the ip:port its peers reach it at")),
        Ok(_) => {}
        Err(_) => found.push(Defect::new(
            format!("{who}: '{}' is no ip:port", validator.address),
            "write numbers, as 203.0.113.7:26656; names are not looked up",
        )),
    }
    // Alone, with parameters and an address that are sound, only its keys can be wrong.
    let alone = Genesis {
        accounts: Vec::new(),
        validators: vec![GenesisValidator { address: "127.0.0.1:1".into(), stake: 0, ..validator.clone() }],
        params: Params::default(),
        treasury: 0,
        ..genesis.clone()
    };
    match Committee::of_genesis(&alone) {
        Ok(_) => {}
        Err(CommitteeError::Possession(_)) => found.push(Defect::new(
            format!("{who}: the proof of possession does not hold, so its vote key may be somebody else's"),
            again,
        )),
        Err(CommitteeError::Genesis(GenesisError::KeyLength { what, expected, found: bytes, .. })) => {
            found.push(Defect::new(format!("{who}: {what} has {bytes} bytes, not {expected}"), again));
        }
        Err(CommitteeError::Malformed { what, .. }) => {
            found.push(Defect::new(format!("{who}: {what} is no point of its curve"), again));
        }
        Err(error) => found.push(Defect::new(error.to_string(), again)),
    }
    if validator.stake == 0 {
        found.push(Defect::new(format!("{who}: its stake is 0"), "give it something to lose"));
    }
    found
}

fn duplicates(genesis: &Genesis, found: &mut Vec<Defect>) {
    type Field = fn(&GenesisValidator) -> String;
    let fields: [(&str, Field); 4] = [
        ("account", |v| v.account.to_string()),
        ("network_key", |v| v.network_key.to_string()),
        ("vote_key", |v| v.vote_key.to_string()),
        ("address", |v| v.address.clone()),
    ];
    for (field, of) in fields {
        let mut holders: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, validator) in genesis.validators.iter().enumerate() {
            holders.entry(of(validator)).or_default().push(index + 1);
        }
        for (value, seats) in holders.into_iter().filter(|(_, seats)| seats.len() > 1) {
            let seats: Vec<String> = seats.iter().map(usize::to_string).collect();
            found.push(Defect::new(
                format!("validators {} have one {field}, {value}", seats.join(" and ")),
                "each seat has an entry of its own: was one file given twice, or a home copied?",
            ));
        }
    }
}

/// Every parameter out of bounds. A node stops at the first: each that is found is set to its default
/// and the rest looked at again.
fn of_params(params: &Params) -> Vec<Defect> {
    let (Ok(mut all), Ok(defaults)) = (serde_json::to_value(params), serde_json::to_value(Params::default())) else {
        return vec![Defect::new("the parameters cannot be written", "")];
    };
    let mut found: Vec<Defect> = Vec::new();
    let mut current = params.clone();
    while let Err(error) = current.validate() {
        let GenesisError::Param(name) = &error else {
            found.push(Defect::new(error.to_string(), "compare with the defaults"));
            break;
        };
        let (given, default) = (all.get(*name).cloned(), defaults.get(*name).cloned());
        let (Some(given), Some(default)) = (given, default) else { break };
        let what = format!("params.{name} is {given}, out of its bounds");
        // Its default does not help either: it depends on others.
        if given == default || found.iter().any(|defect| defect.what == what) {
            found.push(Defect::new(format!("params.{name} does not go with the others"), "change what it depends on"));
            break;
        }
        found.push(Defect::new(what, format!("its default is {default}")));
        if let Some(place) = all.get_mut(*name) {
            *place = default;
        }
        let Ok(changed) = serde_json::from_value(all.clone()) else { break };
        current = changed;
    }
    found
}

/// What is allowed and yet worth a look.
pub(super) fn remarks(genesis: &Genesis) -> Vec<String> {
    let mut remarks = Vec::new();
    let seats = genesis.validators.len();
    if seats < 4 {
        remarks.push(format!("{seats} validators: the network stands when one of them does; 4 bear one fault"));
    }
    if genesis.params.runtimes.is_empty() {
        remarks.push("params.runtimes is empty: no job can run".to_owned());
    }
    let poor = |validator: &&GenesisValidator| {
        !genesis.accounts.iter().any(|account| account.address == validator.account && account.balance > 0)
    };
    let poor = genesis.validators.iter().filter(poor).count();
    if poor > 0 {
        remarks
            .push(format!("{poor} validators have no balance beside their stake: they cannot pay for their verdicts"));
    }
    let local = genesis
        .validators
        .iter()
        .filter(|v| v.address.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback()));
    if local.count() > 0 && seats > 1 {
        remarks.push("some validators are at 127.0.0.1: only processes of one machine reach them".to_owned());
    }
    remarks
}
