//! Money. One KRT (KARAT) is 10^18 grains; every amount in the protocol is a whole number of grains.

/// An amount in grains (10^-18 KRT).
pub type Grains = u128;

/// Grains in one KRT.
pub const GRAINS_PER_KRT: Grains = 1_000_000_000_000_000_000;

/// Units of fuel in one gigafuel, the unit compute is priced in.
pub const GIGAFUEL: u64 = 1_000_000_000;

/// Writes grains as KRT without losing a digit, trailing zeros dropped: `1.5`.
pub fn format_krt(grains: Grains) -> String {
    let whole = grains / GRAINS_PER_KRT;
    let part = grains % GRAINS_PER_KRT;
    if part == 0 {
        return whole.to_string();
    }
    let digits = format!("{part:018}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

/// Why a text is not an amount of KRT.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not digits with at most one point.
    #[error("'{0}' is not an amount of KRT: write digits with at most one point, as 1.5")]
    Malformed(String),
    /// More than 18 decimals.
    #[error("'{0}' has more than 18 decimals: a grain is 10^-18 KRT")]
    TooPrecise(String),
    /// Does not fit 128 bits of grains.
    #[error("'{0}' KRT is more than can exist")]
    TooLarge(String),
}

/// Reads an amount written in KRT into grains, exactly.
pub fn parse_krt(text: &str) -> Result<Grains, AmountError> {
    let malformed = || AmountError::Malformed(text.to_owned());
    let too_large = || AmountError::TooLarge(text.to_owned());
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || (whole.is_empty() && part.is_empty()) {
        return Err(malformed());
    }
    if part.len() > 18 {
        return Err(AmountError::TooPrecise(text.to_owned()));
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| too_large())? };
    let part: u128 = format!("{part:0<18}").parse().map_err(|_| malformed())?;
    whole.checked_mul(GRAINS_PER_KRT).and_then(|w| w.checked_add(part)).ok_or_else(too_large)
}

/// Serde for an amount as a decimal string, since JSON numbers lose digits past 2^53.
pub mod as_string {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    /// Writes the decimal digits.
    pub fn serialize<S: Serializer>(grains: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(grains)
    }

    /// Reads decimal digits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom(format!("'{text}' is not a whole number of grains")))
    }

    /// The same where there may be no amount: null.
    pub mod option {
        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        #[derive(Serialize, Deserialize)]
        struct Text(#[serde(with = "super")] u128);

        /// Writes the decimal digits, or null.
        pub fn serialize<S: Serializer>(grains: &Option<u128>, serializer: S) -> Result<S::Ok, S::Error> {
            grains.map(Text).serialize(serializer)
        }

        /// Reads decimal digits, or null.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u128>, D::Error> {
            Ok(Option::<Text>::deserialize(deserializer)?.map(|text| text.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_and_read_back_exactly() {
        for grains in [0, 1, GRAINS_PER_KRT, GRAINS_PER_KRT + 1, 3 * GRAINS_PER_KRT / 2, u128::MAX] {
            assert_eq!(parse_krt(&format_krt(grains)), Ok(grains));
        }
        assert_eq!(format_krt(3 * GRAINS_PER_KRT / 2), "1.5");
    }

    #[test]
    fn a_bad_amount_says_what_is_wrong_with_it() {
        assert!(matches!(parse_krt("1,5"), Err(AmountError::Malformed(_))));
        assert!(matches!(parse_krt("."), Err(AmountError::Malformed(_))));
        assert!(matches!(parse_krt("-1"), Err(AmountError::Malformed(_))));
        assert!(matches!(parse_krt("0.0000000000000000001"), Err(AmountError::TooPrecise(_))));
        assert!(matches!(parse_krt("999999999999999999999"), Err(AmountError::TooLarge(_))));
    }
}
