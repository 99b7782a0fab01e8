//! How a job's results are to be checked, as an option.

use std::str::FromStr;

use assay_types::job::AuditTerms;

/// A verification tier with its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TierArg {
    /// Nobody checks.
    None,
    /// This many providers run everything.
    Replicate(u8),
    /// Drawn auditors run some tasks of some lots again.
    Audit(AuditTerms),
}

impl TierArg {
    /// Providers that run each lot.
    pub(crate) fn replicas(self) -> u8 {
        match self {
            Self::Replicate(replicas) => replicas,
            Self::None | Self::Audit(_) => 1,
        }
    }

    /// Its audits, if it has them.
    pub(crate) fn audit(self) -> Option<AuditTerms> {
        match self {
            Self::Audit(terms) => Some(terms),
            Self::None | Self::Replicate(_) => None,
        }
    }

    /// Who sees program, inputs and outputs of a job at this tier.
    pub(crate) fn who_sees(self) -> String {
        let always = match self {
            Self::None => "the provider of each lot sees its program, inputs and outputs".to_owned(),
            Self::Replicate(k) => format!("the {k} providers of each lot see its program, inputs and outputs"),
            Self::Audit(terms) => format!(
                "the provider of each lot sees its program, inputs and outputs, and of {} % of the lots {} drawn \
                 auditor{} too",
                f64::from(terms.chance_bps) / 100.0,
                terms.auditors,
                if terms.auditors == 1 { "" } else { "s" }
            ),
        };
        format!("{always}; a dispute or a challenge opens the job to the validators and on the chain")
    }
}

impl FromStr for TierArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = "say none, replicate:K, or audit:CHANCE%,DRAWS,AUDITORS as in audit:50%,7,1";
        let (name, numbers) = text.split_once(':').map_or((text, None), |(name, numbers)| (name, Some(numbers)));
        match (name, numbers) {
            ("none", None) => Ok(Self::None),
            ("replicate", None) => Ok(Self::Replicate(2)),
            ("replicate", Some(k)) => match k.parse() {
                Ok(k @ 2..=u8::MAX) => Ok(Self::Replicate(k)),
                _ => Err(format!("{k:?} is no number of replicas from 2 on; {help}")),
            },
            ("audit", None) => Ok(Self::Audit(AuditTerms::default())),
            ("audit", Some(numbers)) => audit(numbers).map(Self::Audit).ok_or_else(|| format!("{text:?}: {help}")),
            _ => Err(format!("no tier is called {name:?}; {help}")),
        }
    }
}

/// The tiers of `quickstart`: it has three providers and lots of a few tasks, and what nobody checks could end
/// up in its report.
pub(crate) fn in_quickstart(text: &str) -> Result<TierArg, String> {
    match text.parse()? {
        TierArg::None => Err("quickstart shows how results are checked: say replicate:K or audit".to_owned()),
        TierArg::Replicate(k) if k > 3 => Err(format!("it has three providers, not {k}")),
        TierArg::Audit(_) if text == "audit" => {
            Ok(TierArg::Audit(AuditTerms { chance_bps: 10_000, draws: 32, auditors: 1 }))
        }
        tier => Ok(tier),
    }
}

/// `CHANCE%[,DRAWS[,AUDITORS]]`; what is left out is the default's.
fn audit(numbers: &str) -> Option<AuditTerms> {
    let default = AuditTerms::default();
    let mut parts = numbers.split(',').map(str::trim);
    let chance: f64 = parts.next()?.strip_suffix('%')?.trim().parse().ok()?;
    let chance_bps = (chance * 100.0).round();
    if !(1.0..=10_000.0).contains(&chance_bps) {
        return None;
    }
    let draws = parts.next().map_or(Some(default.draws), |draws| draws.parse().ok().filter(|draws| *draws > 0))?;
    let auditors =
        parts.next().map_or(Some(default.auditors), |count| count.parse().ok().filter(|count| *count > 0))?;
    parts.next().is_none().then_some(AuditTerms { chance_bps: chance_bps as u16, draws, auditors })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_read_and_what_is_none_is_told() {
        let audit = |chance_bps, draws, auditors| TierArg::Audit(AuditTerms { chance_bps, draws, auditors });
        for (text, tier) in [
            ("none", TierArg::None),
            ("replicate", TierArg::Replicate(2)),
            ("replicate:5", TierArg::Replicate(5)),
            ("audit", audit(5_000, 7, 1)),
            ("audit:20%", audit(2_000, 7, 1)),
            ("audit:12.5%,44", audit(1_250, 44, 1)),
            ("audit:100%,64,3", audit(10_000, 64, 3)),
        ] {
            assert_eq!(text.parse(), Ok(tier), "{text}");
        }
        for text in [
            "",
            "zk",
            "none:1",
            "replicate:1",
            "replicate:x",
            "audit:",
            "audit:50",
            "audit:0%",
            "audit:101%",
            "audit:5%,0",
            "audit:5%,1,0",
            "audit:5%,1,1,1",
            "audit:NaN%",
        ] {
            let refused = text.parse::<TierArg>().expect_err(text);
            assert!(refused.contains("audit:50%,7,1") || refused.contains("replicas"), "{refused}");
        }
    }
}
