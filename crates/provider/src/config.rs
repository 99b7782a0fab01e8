//! A provider's settings, from one TOML file.

use std::{net::SocketAddr, path::PathBuf};

use alloy_primitives::Address;
use assay_types::{GIGAFUEL, Grains, format_krt, parse_krt};
use serde::{Deserialize, Serialize};

use crate::{cost::Pricing, misbehaviour::Misbehaviour};

/// Settings of a provider. Amounts are KRT as text, `"1.5"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// Where blobs, journal and keys are kept.
    pub data_dir: PathBuf,
    /// Node to talk to, `http://host:port`.
    #[serde(default = "defaults::rpc")]
    pub rpc: String,
    /// Address blobs are served on; port 0 takes any.
    #[serde(default = "defaults::listen")]
    pub listen: SocketAddr,
    /// Addresses others reach it at, where that differs.
    #[serde(default)]
    pub advertise: Vec<SocketAddr>,
    /// Whose machine it is; replicas of a lot never share an operator. The provider's own account if
    /// not given.
    #[serde(default)]
    pub operator: Option<Address>,
    /// Tasks run at the same time.
    #[serde(default = "defaults::cores")]
    pub cores: usize,
    /// MiB of blobs kept.
    #[serde(default = "defaults::quota_mib")]
    pub quota_mib: u64,
    /// MiB of memory promised to guests together.
    #[serde(default = "defaults::memory_mib")]
    pub memory_mib: u32,
    /// Least price of a gigafuel; zero where `pricing` makes it.
    #[serde(default, with = "krt")]
    pub price_per_gigafuel: Grains,
    /// Makes the ask from what a gigafuel costs here, and keeps it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pricing: Option<Pricing>,
    /// Class it sells in: a leaf of the network's region tree, by number.
    #[serde(default = "defaults::class")]
    pub class: u32,
    /// Gigafuel of caps it has in progress at most; as many as its lots of one task may have if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_gigafuel: Option<u64>,
    /// Lots taken at the same time.
    #[serde(default = "defaults::max_lots")]
    pub max_lots: u32,
    /// Largest fuel cap of a task taken.
    #[serde(default = "defaults::max_fuel_per_task")]
    pub max_fuel_per_task: u64,
    /// Collateral to stand behind the work; topped up to this at start.
    #[serde(with = "krt")]
    pub collateral: Grains,
    /// Blocks before a commit deadline from which unfinished work is given back.
    #[serde(default = "defaults::margin")]
    pub margin: u64,
    /// Blocks for which outputs of jobs that are over stay pinned.
    #[serde(default = "defaults::retain")]
    pub retain: u64,
    /// Cheats, on development networks only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub misbehaviour: Option<Misbehaviour>,
}

mod defaults {
    use std::net::SocketAddr;

    pub(super) fn rpc() -> String {
        "http://127.0.0.1:8545".to_owned()
    }
    pub(super) fn listen() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }
    pub(super) fn cores() -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }
    pub(super) fn quota_mib() -> u64 {
        1_024
    }
    pub(super) fn memory_mib() -> u32 {
        4_096
    }
    pub(super) fn class() -> u32 {
        1
    }
    pub(super) fn max_lots() -> u32 {
        8
    }
    pub(super) fn max_fuel_per_task() -> u64 {
        200 * assay_types::GIGAFUEL
    }
    pub(super) fn margin() -> u64 {
        8
    }
    pub(super) fn retain() -> u64 {
        20_000
    }
}

mod krt {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(grains: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format_krt(*grains))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        super::parse_krt(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Why settings are refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not the TOML of a provider's settings.
    #[error("the provider's settings are malformed: {0}")]
    Malformed(#[from] toml::de::Error),
    /// A value outside its bounds.
    #[error("{field} {problem}")]
    Value {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl ProviderConfig {
    /// Fuel it has in progress at most, thousandths of a gigafuel.
    pub fn capacity(&self) -> u64 {
        let gigafuel = self.capacity_gigafuel.map(|gigafuel| gigafuel.saturating_mul(GIGAFUEL));
        let fuel = gigafuel.unwrap_or_else(|| self.max_fuel_per_task.saturating_mul(u64::from(self.max_lots)));
        assay_types::job::fuel_units(fuel)
    }

    /// Settings with defaults.
    pub fn new(data_dir: impl Into<PathBuf>, price_per_gigafuel: Grains, collateral: Grains) -> Self {
        Self {
            data_dir: data_dir.into(),
            rpc: defaults::rpc(),
            listen: defaults::listen(),
            advertise: Vec::new(),
            operator: None,
            cores: defaults::cores(),
            quota_mib: defaults::quota_mib(),
            memory_mib: defaults::memory_mib(),
            price_per_gigafuel,
            pricing: None,
            class: defaults::class(),
            capacity_gigafuel: None,
            max_lots: defaults::max_lots(),
            max_fuel_per_task: defaults::max_fuel_per_task(),
            collateral,
            margin: defaults::margin(),
            retain: defaults::retain(),
            misbehaviour: None,
        }
    }

    /// Reads and checks settings.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)?;
        config.validate()?;
        Ok(config)
    }

    /// Checks each value against its bounds.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let checks = [
            ("cores", "must be at least 1", self.cores >= 1),
            ("quota_mib", "must be at least 16", self.quota_mib >= 16),
            ("memory_mib", "must be at least 1", self.memory_mib >= 1),
            (
                "price_per_gigafuel",
                "must be above zero, or left out where there is a [pricing] table",
                (self.price_per_gigafuel > 0) != self.pricing.is_some(),
            ),
            ("max_lots", "must be at least 1", self.max_lots >= 1),
            ("max_fuel_per_task", "must be above zero", self.max_fuel_per_task > 0),
            ("rpc", "must begin with http:// or https://", self.rpc.starts_with("http")),
            ("advertise", "must list addresses that can be dialled", self.advertise.iter().all(|a| a.port() != 0)),
        ];
        match checks.into_iter().find(|(_, _, good)| !good) {
            Some((field, problem, _)) => Err(ConfigError::Value { field, problem }),
            None => self.pricing.as_ref().map_or(Ok(()), Pricing::validate),
        }
    }
}

#[cfg(test)]
mod tests {
    use assay_types::GRAINS_PER_KRT;

    use super::*;

    const SMALL: &str = "data_dir = \"/tmp/p\"\nprice_per_gigafuel = \"0.5\"\ncollateral = \"100\"\n";

    #[test]
    fn a_small_file_is_enough_and_amounts_are_krt() {
        let config = ProviderConfig::from_toml(SMALL).expect("reads");
        assert_eq!(config.price_per_gigafuel, GRAINS_PER_KRT / 2);
        assert_eq!(config.collateral, 100 * GRAINS_PER_KRT);
        let written = toml::to_string(&config).expect("writes");
        assert_eq!(ProviderConfig::from_toml(&written).expect("reads its own"), config);
    }

    #[test]
    fn unknown_fields_and_senseless_values_are_refused() {
        let with = |line: &str| ProviderConfig::from_toml(&format!("{SMALL}{line}\n"));
        assert!(matches!(with("cors = 3"), Err(ConfigError::Malformed(_))));
        assert!(matches!(with("cores = 0"), Err(ConfigError::Value { field: "cores", .. })));
        assert!(matches!(with("rpc = \"node\""), Err(ConfigError::Value { field: "rpc", .. })));
        let pricing = "[pricing]\nenergy = { file = { path = \"kwh\" } }\npower = { model = { idle-watts = 20.0, watts-a-core = 9.0 } }\n\
            gigafuel_per_s = 1.0\nhardware_cost = 900.0\nlifetime_hours = 30000.0\nutilisation = 0.5\n\
            margin_percent = 20.0\nkrt_per_unit = 10.0\n";
        assert!(matches!(with(pricing), Err(ConfigError::Value { field: "price_per_gigafuel", .. })), "not both");
        let alone =
            |table: &str| ProviderConfig::from_toml(&format!("data_dir = \"p\"\ncollateral = \"100\"\n{table}"));
        let read = alone(pricing).expect("reads");
        let written = toml::to_string(&read).expect("writes");
        assert_eq!(ProviderConfig::from_toml(&written).expect("reads its own"), read);
        assert!(matches!(alone(""), Err(ConfigError::Value { field: "price_per_gigafuel", .. })), "not neither");
        let bad = |from: &str, to: &str| match alone(&pricing.replace(from, to)) {
            Err(ConfigError::Value { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(bad("utilisation = 0.5", "utilisation = 1.5"), "pricing.utilisation");
        assert_eq!(bad("krt_per_unit = 10.0", "krt_per_unit = 0.0"), "pricing.krt_per_unit");
        assert_eq!(bad("{ file = { path = \"kwh\" } }", "{ url = { url = \"gopher://x\" } }"), "pricing.energy");
        assert!(matches!(alone(&format!("{pricing}watts = 3\n")), Err(ConfigError::Malformed(_))));
        let cheat = with("misbehaviour = { lie-about-tasks = { every = 2, seed = 1 } }").expect("reads");
        assert_eq!(cheat.misbehaviour, Some(Misbehaviour::LieAboutTasks { every: 2, seed: 1 }));
    }
}
