//! Parameters by name, to replace the defaults of a network that is being made, or those of a running one by
//! vote.
//!
//! ```text
//! {"claim_window_blocks": 200, "idle_block_interval_ms": 100}
//! ```

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::Value;

use super::{GenesisError, Params};

/// Parameters that stand for ever: heights or work under way are counted with them, so that a change would give
/// what exists another meaning.
pub const FIXED: [&str; 9] = [
    // Heights are numbered with them: validators' epochs, the market's, the windows of claims, rounds.
    "validator_epoch_blocks",
    "epoch_blocks",
    "claim_window_blocks",
    "capacity_round_blocks",
    // Answers under way are opened as they were challenged, traps sprung as they were set.
    "capacity_lane_kib",
    "capacity_passes",
    "capacity_draws",
    "forced_error_bps",
    // Nodes time out leaders by it from their start on.
    "idle_block_interval_ms",
];

/// Parameters that have proposals of their own.
const OWN_KIND: [&str; 2] = ["classes", "runtimes"];

/// Why changes of parameters are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangesError {
    /// Not one JSON object.
    #[error("it is not one JSON object of parameters: {0}")]
    Malformed(String),
    /// The same parameter twice.
    #[error("{0} is there twice")]
    Twice(String),
    /// No such parameter.
    #[error("there is no parameter {0}")]
    Unknown(String),
    /// A value of another kind than the parameter's.
    #[error("{name}: {why}")]
    Value {
        /// Which parameter.
        name: String,
        /// What is wrong with its value.
        why: String,
    },
    /// It stands for ever.
    #[error("{0} cannot be changed after genesis")]
    Fixed(String),
    /// It is changed by proposals of its own.
    #[error("{0} are changed by proposals of their own")]
    OwnKind(String),
    /// Nothing would be another than it is.
    #[error("it changes nothing")]
    Nothing,
    /// A value outside its bounds, alone or beside the others.
    #[error(transparent)]
    Bounds(GenesisError),
}

/// Parameters by name, in the order they were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamChanges(Vec<(String, Value)>);

impl ParamChanges {
    /// Reads a JSON object. Names and values are checked when it is applied.
    pub fn from_json(text: &str) -> Result<Self, ChangesError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let named = reader.deserialize_map(Named).map_err(|e| ChangesError::Malformed(e.to_string()))?;
        reader.end().map_err(|e| ChangesError::Malformed(e.to_string()))?;
        for (at, (name, _)) in named.iter().enumerate() {
            if named.iter().skip(at + 1).any(|(other, _)| other == name) {
                return Err(ChangesError::Twice(name.clone()));
            }
        }
        Ok(Self(named))
    }

    /// `params` with these changes, all of it within bounds.
    pub fn apply(&self, params: &Params) -> Result<Params, ChangesError> {
        let mut changed = params.clone();
        for (name, value) in &self.0 {
            changed = with(&changed, name, value)?;
        }
        changed.validate().map_err(ChangesError::Bounds)?;
        Ok(changed)
    }

    /// As [`Self::apply`], for a network that runs: what is fixed stays, and something has to change.
    pub fn govern(&self, params: &Params) -> Result<Params, ChangesError> {
        for (name, _) in &self.0 {
            if FIXED.contains(&name.as_str()) {
                return Err(ChangesError::Fixed(name.clone()));
            }
            if OWN_KIND.contains(&name.as_str()) {
                return Err(ChangesError::OwnKind(name.clone()));
            }
        }
        let changed = self.apply(params)?;
        if changed == *params { Err(ChangesError::Nothing) } else { Ok(changed) }
    }

    /// The names whose values in `params` are others than here.
    pub fn differing<'a>(&'a self, params: &'a Params) -> impl Iterator<Item = &'a str> {
        let differs = |name: &str, value: &Value| with(params, name, value).is_ok_and(|changed| changed != *params);
        self.0.iter().filter(move |(name, value)| differs(name, value)).map(|(name, _)| name.as_str())
    }
}

/// One at a time, so that what is wrong has a name.
fn with(params: &Params, name: &str, value: &Value) -> Result<Params, ChangesError> {
    let bad = |e: serde_json::Error| ChangesError::Value { name: name.to_owned(), why: e.to_string() };
    let mut all = serde_json::to_value(params).map_err(bad)?;
    let place = all.get_mut(name).ok_or_else(|| ChangesError::Unknown(name.to_owned()))?;
    *place = value.clone();
    serde_json::from_value(all).map_err(bad)
}

/// Keeps names that come twice, which a map would not.
struct Named;

impl<'de> Visitor<'de> for Named {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of parameters by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut named = Vec::new();
        while let Some(entry) = map.next_entry()? {
            named.push(entry);
        }
        Ok(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(text: &str) -> Result<Params, ChangesError> {
        ParamChanges::from_json(text)?.apply(&Params::default())
    }

    #[test]
    fn named_parameters_are_replaced_and_the_others_stand() {
        let text = r#"{"claim_window_blocks": 200, "min_collateral": "7", "commit_window_bounds": [3, 9]}"#;
        let expected =
            Params { claim_window_blocks: 200, min_collateral: 7, commit_window_bounds: (3, 9), ..Params::default() };
        assert_eq!(apply(text), Ok(expected));
        assert_eq!(apply("{}"), Ok(Params::default()));
    }

    #[test]
    fn each_defect_is_named() {
        for text in ["", "[]", "7", "{\"seal_window\": 200", "{} {}"] {
            assert!(matches!(apply(text), Err(ChangesError::Malformed(_))), "{text}");
        }
        assert_eq!(apply(r#"{"colour": 3}"#), Err(ChangesError::Unknown("colour".into())));
        let twice = r#"{"seal_window": 200, "max_tasks": 1, "seal_window": 201}"#;
        assert_eq!(apply(twice), Err(ChangesError::Twice("seal_window".into())));
        for text in [r#"{"max_tasks": -1}"#, r#"{"max_tasks": "1"}"#, r#"{"max_tasks": 4294967296}"#] {
            assert!(matches!(apply(text), Err(ChangesError::Value { name, .. }) if name == "max_tasks"), "{text}");
        }
        let low = apply(r#"{"claim_window_blocks": 3}"#);
        assert_eq!(low, Err(ChangesError::Bounds(GenesisError::Param("claim_window_blocks"))));
    }

    #[test]
    fn a_running_network_keeps_what_is_fixed() {
        let govern = |text: &str| ParamChanges::from_json(text)?.govern(&Params::default());
        assert_eq!(govern(r#"{"max_tasks": 7}"#).map(|params| params.max_tasks), Ok(7));
        for name in FIXED {
            let text = format!("{{\"{name}\": 300}}");
            assert_eq!(govern(&text), Err(ChangesError::Fixed(name.to_owned())), "{text}");
        }
        assert_eq!(govern(r#"{"runtimes": []}"#), Err(ChangesError::OwnKind("runtimes".into())));
        assert_eq!(govern("{}"), Err(ChangesError::Nothing));
        assert_eq!(govern(r#"{"max_tasks": 1024}"#), Err(ChangesError::Nothing));
        assert!(matches!(govern(r#"{"max_tasks": 0}"#), Err(ChangesError::Bounds(_))));
    }

    #[test]
    fn bounds_between_parameters_are_seen_once_all_are_replaced() {
        // The first alone would be refused beside the defaults.
        let both = r#"{"claim_initial_bps": 12000, "claim_maintenance_bps": 11500}"#;
        assert_eq!(apply(both).map(|params| params.claim_initial_bps), Ok(12_000));
        assert!(apply(r#"{"claim_initial_bps": 12000}"#).is_err());
    }

    #[test]
    fn what_a_network_has_otherwise_is_told_by_name() {
        let changes = ParamChanges::from_json(r#"{"max_tasks": 1024, "seal_window": 300}"#).expect("reads");
        assert_eq!(changes.differing(&Params::default()).collect::<Vec<_>>(), ["seal_window"]);
    }
}
