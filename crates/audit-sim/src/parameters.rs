//! What a network with audits starts with, and why.

use assay_proof::audit::Assumptions;
use serde::Serialize;

/// Tasks of a simulated lot.
pub(crate) const TASKS: usize = 10_000;
/// Price of a lot's claimed fuel, grains.
pub(crate) const PRICE: u64 = 1_000_000;
/// What an honest provider spends on a unit of fuel, as a share of its price.
pub(crate) const COST_SHARE: f64 = 0.7;

/// Parameters of audits. Chances and shares in basis points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Parameters {
    /// Chance that a lot is audited.
    pub chance_bps: u32,
    /// Points drawn on an audited lot's fuel.
    pub draws: u32,
    /// Auditors of an audited lot.
    pub auditors: u32,
    /// Share of the auditors' stake that may belong to one coalition.
    pub collusion_bps: u32,
    /// Draws a cheat may have to choose from.
    pub draw_tries: u32,
    /// How far above break-even the lock is; 10,000 is break-even.
    pub margin_bps: u32,
    /// Least lock, as a share of the lot's price.
    pub floor_bps: u32,
    /// Share of the audited lots that carry a forced error.
    pub forced_bps: u32,
    /// Whether points and auditors come from a later beacon value than the decision to audit.
    pub points_later: bool,
}

impl Parameters {
    /// What a network starts with.
    ///
    /// - `chance_bps` 5,000: the lock falls as odds of escaping do; at half it is 6 times the price even though a
    ///   leader can repeat a draw, and overhead is a matter of `draws`, not of it.
    /// - `draws` 7: finds half of a lot cheated on in 99 of 100 audits. Buyers who fear less buy more points.
    /// - `auditors` 1: a second one buys little while the assumed coalition is a fifth.
    /// - `collusion_bps` 2,000: under a third, beyond which the chain itself is in danger.
    /// - `draw_tries` 2: until the beacon is a threshold signature its last contributors can withhold; what that is worth
    ///   in networks of up to 20 seats ([`crate::beacon_sweep`]).
    /// - `margin_bps`, `floor_bps` 15,000: half as much again as break-even, for what the model leaves out.
    /// - `forced_bps` 200: with a lock of 73.5 fees, above an auditor's break-even of 1.3 %.
    /// - `points_later`: a leader that has seen the points withholds only draws that find it, and then cheating
    ///   on little pays. [`crate::Report::one_value`] has the figures.
    pub const fn defaults() -> Self {
        Self {
            chance_bps: 5_000,
            draws: 7,
            auditors: 1,
            collusion_bps: 2_000,
            draw_tries: 2,
            margin_bps: 15_000,
            floor_bps: 15_000,
            forced_bps: 200,
            points_later: true,
        }
    }

    /// What the lock is computed from.
    pub const fn assumptions(&self) -> Assumptions {
        Assumptions {
            collusion_bps: self.collusion_bps,
            draw_tries: self.draw_tries,
            margin_bps: self.margin_bps,
            floor_bps: self.floor_bps,
        }
    }

    /// A provider's lock over its lot's price when lots are audited with `chance_bps`. None: no lock deters.
    pub fn lock(&self, chance_bps: u32) -> Option<f64> {
        let lock = self.assumptions().audit_lock(u128::from(PRICE), chance_bps, self.auditors)?;
        Some(lock as f64 / PRICE as f64)
    }

    /// An auditor's lock over its fee: what it saves by not looking, against the chance of a forced error.
    pub fn auditor_lock(&self, forced_bps: u32) -> Option<f64> {
        if forced_bps == 0 {
            return None;
        }
        let lock = self.assumptions().auditor_lock(u128::from(PRICE), forced_bps)?;
        Some(lock as f64 / PRICE as f64)
    }
}
