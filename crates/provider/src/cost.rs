//! What a gigafuel costs to make here, and the ask that follows.
//!
//! ```text
//!  energy price (number, file, URL, command) ─┐
//!  power (watts, RAPL counters, model) ───────┼─▶ reckon ─▶ Reckoning: every step, and the ask
//!  depreciation, margin, rate, throughput ────┘
//! ```
//!
//! A provider whose costs are known need not watch the market: its ask is what it needs, and the auction
//! pays at least that. [`Pricing`] is the settings' table; [`reckon`] is pure.

mod power;
mod source;

pub use power::{Power, PowerError};
pub use source::{PriceSource, SourceError};

use assay_types::Grains;
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;

/// Grains an ask is rounded up to.
const STEP: f64 = 1e9;
const GRAINS: f64 = 1e18;
const JOULES_A_KWH: f64 = 3.6e6;

/// How the ask is made: the `[pricing]` table of a provider's settings. Money is in a currency of the
/// provider's choice but for the bounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pricing {
    /// Where the price of a kWh comes from.
    pub energy: PriceSource,
    /// How much power the machine takes at full work.
    pub power: Power,
    /// Gigafuel a second and core: `assay provider price --measure` finds it.
    pub gigafuel_per_s: f64,
    /// What the hardware cost.
    pub hardware_cost: f64,
    /// Hours over which that is written off.
    pub lifetime_hours: f64,
    /// Part of those hours in which it is sold, above 0 to 1.
    pub utilisation: f64,
    /// Added to the cost, percent.
    pub margin_percent: f64,
    /// KRT for one unit of the currency.
    pub krt_per_unit: f64,
    /// Lowest ask, KRT a gigafuel.
    #[serde(default)]
    pub floor_krt: f64,
    /// Highest.
    #[serde(default = "defaults::ceiling")]
    pub ceiling_krt: f64,
    /// Seconds between two reckonings.
    #[serde(default = "defaults::refresh")]
    pub refresh_s: u64,
    /// The ask on chain is changed when it is off by more than this, basis points.
    #[serde(default = "defaults::step")]
    pub step_bps: u32,
}

mod defaults {
    pub(super) fn ceiling() -> f64 {
        1e6
    }
    pub(super) fn refresh() -> u64 {
        300
    }
    pub(super) fn step() -> u32 {
        100
    }
}

/// An ask and every step to it. Costs are in the currency, for a gigafuel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reckoning {
    /// Price of a kWh.
    pub energy_price_per_kwh: f64,
    /// Power at full work.
    pub watts: f64,
    /// Cores that work.
    pub cores: usize,
    /// All cores together.
    pub gigafuel_per_s: f64,
    /// Energy of a gigafuel.
    pub joules_per_gigafuel: f64,
    /// Its price.
    pub energy: f64,
    /// The hardware's part.
    pub depreciation: f64,
    /// Both.
    pub cost: f64,
    /// What is added.
    pub margin: f64,
    /// KRT for one unit of the currency.
    pub krt_per_unit: f64,
    /// Before the bounds, KRT.
    pub unbounded_krt: f64,
    /// The ask, KRT.
    pub ask_krt: f64,
    /// The ask, grains, rounded up to 10^9.
    #[serde(with = "assay_types::amount::as_string")]
    pub ask: Grains,
}

/// Why no ask could be made.
#[derive(Debug, thiserror::Error)]
pub enum PricingError {
    /// The price of energy.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The power.
    #[error(transparent)]
    Power(#[from] PowerError),
    /// Something was read that no ask can be made of.
    #[error("{what} is {value}, of which no ask can be made")]
    Senseless {
        /// What.
        what: &'static str,
        /// Its value.
        value: f64,
    },
}

impl Pricing {
    /// Checks each value against its bounds.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let above = |x: f64| x.is_finite() && x > 0.0;
        let zero_or_above = |x: f64| x.is_finite() && x >= 0.0;
        let checks = [
            ("pricing.gigafuel_per_s", "must be above zero", above(self.gigafuel_per_s)),
            ("pricing.hardware_cost", "must be zero or above", zero_or_above(self.hardware_cost)),
            ("pricing.lifetime_hours", "must be above zero", above(self.lifetime_hours)),
            ("pricing.utilisation", "must lie above 0 and up to 1", above(self.utilisation) && self.utilisation <= 1.0),
            ("pricing.margin_percent", "must be zero or above", zero_or_above(self.margin_percent)),
            ("pricing.krt_per_unit", "must be above zero", above(self.krt_per_unit)),
            ("pricing.floor_krt", "must be zero or above", zero_or_above(self.floor_krt)),
            (
                "pricing.ceiling_krt",
                "must be above zero and the floor, and at most 10^12",
                above(self.ceiling_krt) && self.ceiling_krt >= self.floor_krt && self.ceiling_krt <= 1e12,
            ),
            ("pricing.refresh_s", "must be at least 1", self.refresh_s >= 1),
            ("pricing.power", "must be watts above zero", self.power.is_sensible()),
            (
                "pricing.energy",
                "must name a price of zero or above, a file, an http:// URL or a command",
                self.energy.is_sensible(),
            ),
        ];
        match checks.into_iter().find(|(_, _, good)| !good) {
            Some((field, problem, _)) => Err(ConfigError::Value { field, problem }),
            None => Ok(()),
        }
    }

    /// Reads the price of energy and the power, and makes the ask.
    pub async fn now(&self, cores: usize) -> Result<Reckoning, PricingError> {
        let energy = self.energy.read().await?;
        let watts = self.power.read(cores).await?;
        reckon(self, energy, watts, cores)
    }

    /// Whether `wanted` is far enough from the ask on chain to be worth a transaction.
    pub fn is_worth_sending(&self, on_chain: Grains, wanted: Grains) -> bool {
        let off = u128::from(self.step_bps).saturating_mul(on_chain) / 10_000;
        on_chain.abs_diff(wanted) > off
    }
}

/// Makes the ask: `(watts / throughput * price + hardware / (lifetime * utilisation) / throughput) * (1 +
/// margin) * rate`, between the bounds, rounded up.
pub fn reckon(
    pricing: &Pricing,
    energy_price_per_kwh: f64,
    watts: f64,
    cores: usize,
) -> Result<Reckoning, PricingError> {
    let gigafuel_per_s = pricing.gigafuel_per_s * cores as f64;
    let joules_per_gigafuel = watts / gigafuel_per_s;
    let energy = joules_per_gigafuel / JOULES_A_KWH * energy_price_per_kwh;
    let sold_seconds = pricing.lifetime_hours * pricing.utilisation * 3_600.0;
    let depreciation = pricing.hardware_cost / sold_seconds / gigafuel_per_s;
    let cost = energy + depreciation;
    let margin = cost * pricing.margin_percent / 100.0;
    let unbounded_krt = (cost + margin) * pricing.krt_per_unit;
    if !unbounded_krt.is_finite() || unbounded_krt < 0.0 {
        return Err(PricingError::Senseless { what: "the cost of a gigafuel in KRT", value: unbounded_krt });
    }
    let ask_krt = unbounded_krt.max(pricing.floor_krt).min(pricing.ceiling_krt);
    // At most 10^12 KRT, so it fits; a cost of nothing still asks for something.
    let ask = ((ask_krt * GRAINS / STEP).ceil().max(1.0) * STEP) as Grains;
    Ok(Reckoning {
        energy_price_per_kwh,
        watts,
        cores,
        gigafuel_per_s,
        joules_per_gigafuel,
        energy,
        depreciation,
        cost,
        margin,
        krt_per_unit: pricing.krt_per_unit,
        unbounded_krt,
        ask_krt,
        ask,
    })
}

#[cfg(test)]
mod tests;
