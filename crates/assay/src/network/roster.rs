//! Who makes up an embedded network: keys, genesis, opening balances.

use assay_chain::keys::ValidatorKeys;
use assay_client::Wallet;
use assay_types::{
    B256, Bytes, Class, GRAINS_PER_KRT, Genesis, GenesisAccount, GenesisValidator, Grains, Params, Tier, Unit,
};
use serde::{Deserialize, Serialize};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::{SystemTime, UNIX_EPOCH},
};

use super::layout::{StateDir, write_file};
use crate::failure::{Code, Failure, Outcome};

/// Chain id of embedded networks, one of those on which misbehaviour may be switched on.
pub(crate) const CHAIN_ID: u64 = 0xA55A_0DEF;

const RENTER_BALANCE: Grains = 1_000_000 * GRAINS_PER_KRT;
const PROVIDER_BALANCE: Grains = 20_000 * GRAINS_PER_KRT;
const VALIDATOR_BALANCE: Grains = 100 * GRAINS_PER_KRT;
const VALIDATOR_STAKE: Grains = 10_000 * GRAINS_PER_KRT;
/// What a provider puts behind its work.
pub(crate) const COLLATERAL: Grains = 10_000 * GRAINS_PER_KRT;
/// Asks in grains a gigafuel, one a provider, round robin.
const ASKS: [Grains; 3] = [GRAINS_PER_KRT / 1_000, 11 * GRAINS_PER_KRT / 10_000, 12 * GRAINS_PER_KRT / 10_000];

/// The keys of all roles.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Roster {
    validators: Vec<ValidatorSecrets>,
    providers: Vec<B256>,
    renter: B256,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ValidatorSecrets {
    account: B256,
    node: Bytes,
}

/// A validator with its keys.
#[derive(Clone)]
pub(crate) struct ValidatorSeat {
    pub(crate) wallet: Wallet,
    pub(crate) keys: ValidatorKeys,
}

impl Roster {
    /// New keys for a network of this size.
    pub(crate) fn generate(validators: u32, providers: u32) -> Self {
        let seat = |_| ValidatorSecrets {
            account: Wallet::random().key(),
            node: ValidatorKeys::generate(&mut rand::rng()).to_bytes().into(),
        };
        Self {
            validators: (0..validators).map(seat).collect(),
            providers: (0..providers).map(|_| Wallet::random().key()).collect(),
            renter: Wallet::random().key(),
        }
    }

    /// The roster kept in a state directory.
    pub(crate) fn load(dir: &StateDir) -> Outcome<Self> {
        let path = dir.join("secrets.json");
        let text = std::fs::read(&path).map_err(|e| Failure::io(format!("could not read {}", path.display()), &e))?;
        serde_json::from_slice(&text).map_err(|e| {
            Failure::new(Code::ForeignDirectory, format!("{} does not hold the keys of a network", path.display()))
                .because(&e)
        })
    }

    /// Keeps the roster, readable by its owner only.
    pub(crate) fn save(&self, dir: &StateDir) -> Outcome<()> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        write_file(&dir.join("secrets.json"), text.as_bytes(), 0o600)
    }

    /// The validators, in order of their seats.
    pub(crate) fn validators(&self) -> Outcome<Vec<ValidatorSeat>> {
        let seat = |secrets: &ValidatorSecrets| {
            let keys = ValidatorKeys::from_bytes(&secrets.node).map_err(|e| damaged(&e))?;
            Ok(ValidatorSeat { wallet: wallet(&secrets.account)?, keys })
        };
        self.validators.iter().map(seat).collect()
    }

    /// The providers' wallets.
    pub(crate) fn providers(&self) -> Outcome<Vec<Wallet>> {
        self.providers.iter().map(wallet).collect()
    }

    /// The renter's wallet.
    pub(crate) fn renter(&self) -> Outcome<Wallet> {
        wallet(&self.renter)
    }

    /// The genesis of a network of these, starting now, on free loopback ports.
    pub(crate) fn genesis(&self, params: Params) -> Outcome<Genesis> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seats = self.validators()?;
        let ports = free_ports(seats.len())?;
        let mut accounts = vec![GenesisAccount { address: self.renter()?.address(), balance: RENTER_BALANCE }];
        for provider in self.providers()? {
            accounts.push(GenesisAccount { address: provider.address(), balance: PROVIDER_BALANCE });
        }
        for seat in &seats {
            accounts.push(GenesisAccount { address: seat.wallet.address(), balance: VALIDATOR_BALANCE });
        }
        let validator = |(seat, port): (&ValidatorSeat, u16)| GenesisValidator {
            account: seat.wallet.address(),
            stake: VALIDATOR_STAKE,
            network_key: seat.keys.network_key(),
            vote_key: seat.keys.vote_key(),
            proof_of_possession: seat.keys.proof_of_possession(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string(),
            commission_bps: 500,
        };
        Ok(Genesis {
            chain_id: CHAIN_ID,
            timestamp_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            accounts,
            validators: seats.iter().zip(ports).map(validator).collect(),
            treasury: 10_000 * GRAINS_PER_KRT,
            params,
        })
    }
}

/// Parameters of a development network with so many providers.
pub(crate) fn params(providers: u32) -> Params {
    Params {
        runtimes: vec![B256::from(assay_exec::runtime_id())],
        // As many owners as a development network has.
        index_min_owners: providers.clamp(1, 10),
        index_cap_bps: 5_000,
        classes: classes(),
        // Nodes make room for as many peers: enough for the largest of `devnet`, and some to join it.
        max_validators: 64,
        max_candidates: 16,
        ..Params::default()
    }
}

/// Number of the bandwidth class.
pub(crate) const BANDWIDTH: u32 = 2;

/// What a development network trades: fuel, bandwidth, and seconds of an accelerator.
fn classes() -> Vec<Class> {
    let cpu = Class::any_cpu(11 * GRAINS_PER_KRT / 10_000);
    let metered = |id, name: &str, unit, reference| Class {
        id,
        name: name.to_owned(),
        unit,
        tier: Tier::Metered,
        ..Class::any_cpu(reference)
    };
    vec![
        cpu,
        metered(BANDWIDTH, "bandwidth", Unit::Gib, GRAINS_PER_KRT / 100),
        Class { accelerator: "h200".to_owned(), ..metered(3, "h200", Unit::ClassSecond, GRAINS_PER_KRT / 1_000) },
    ]
}

/// What provider number `index` asks for a gigafuel.
pub(crate) fn ask(index: usize) -> Grains {
    ASKS[index % ASKS.len()]
}

fn wallet(key: &B256) -> Outcome<Wallet> {
    Wallet::from_key(key).map_err(|e| damaged(&e))
}

fn damaged(error: &dyn std::error::Error) -> Failure {
    Failure::new(Code::ForeignDirectory, "the keys of this network are damaged").because(error)
}

/// Free ports below the range systems hand out to outgoing connections, so that a network finds its
/// ports free again when it is started again.
fn free_ports(count: usize) -> Outcome<Vec<u16>> {
    let mut held = Vec::new();
    let start = rand::random_range(20_000..30_000u16);
    for port in (start..32_000).chain(20_000..start) {
        if held.len() == count {
            break;
        }
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, listener));
        }
    }
    if held.len() < count {
        return Err(Failure::new(Code::PortInUse, "no free ports on 127.0.0.1 between 20000 and 32000")
            .next("stop something that listens there"));
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}
