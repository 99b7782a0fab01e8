//! Numbers and names as people read them: thousands, percents, money, durations, short hashes.

use assay_types::{Address, B256, GIGAFUEL, GRAINS_PER_KRT, Grains};

/// `17107` as `17,107`.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A number with thousands and `decimals`.
pub(crate) fn number(x: f64, decimals: usize) -> String {
    if !x.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{:.*}", decimals, x.abs());
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.parse::<u64>().map_or_else(|_| whole.to_owned(), thousands);
    let zero = text.bytes().all(|b| b == b'0' || b == b'.');
    let sign = if x < 0.0 && !zero { "−" } else { "" };
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// A share as percent.
pub(crate) fn percent(x: f64, decimals: usize) -> String {
    if x.is_finite() { format!("{} %", number(x * 100.0, decimals)) } else { "–".to_owned() }
}

/// Basis points as percent.
pub(crate) fn basis_points(bps: u16) -> String {
    percent(f64::from(bps) / 10_000.0, 2)
}

/// A number that may be missing.
pub(crate) fn maybe(x: Option<f64>, write: impl Fn(f64) -> String) -> String {
    x.filter(|x| x.is_finite()).map_or_else(|| "–".to_owned(), write)
}

/// Money to six decimals of a KRT; never says 0 of what is not.
pub(crate) fn krt(grains: Grains) -> String {
    const STEP: Grains = GRAINS_PER_KRT / 1_000_000;
    if grains == 0 {
        return "0".to_owned();
    }
    if grains < STEP {
        // Three digits from the first that is not zero.
        let digits = format!("{grains:018}");
        let first = digits.find(|c: char| c != '0').unwrap_or_default();
        return format!("0.{}", digits[..(first + 3).min(18)].trim_end_matches('0'));
    }
    let rounded = (grains + STEP / 2) / STEP;
    let whole = u64::try_from(rounded / 1_000_000).map_or_else(|_| (rounded / 1_000_000).to_string(), thousands);
    let part = format!("{:06}", rounded % 1_000_000);
    let part = part.trim_end_matches('0');
    if part.is_empty() { whole } else { format!("{whole}.{part}") }
}

/// Fuel as gigafuel.
#[allow(clippy::cast_precision_loss, reason = "shown to three decimals")]
pub(crate) fn gigafuel(fuel: u64) -> String {
    format!("{} Gf", number(fuel as f64 / GIGAFUEL as f64, 3))
}

/// Milliseconds as `850 ms` or `12.3 s`.
#[allow(clippy::cast_precision_loss, reason = "shown to a tenth of a second")]
pub(crate) fn duration(ms: u64) -> String {
    if ms < 1_000 { format!("{ms} ms") } else { format!("{:.1} s", ms as f64 / 1_000.0) }
}

/// The ends of a hash.
pub(crate) fn short_hash(hash: &B256) -> String {
    let text = format!("{hash:x}");
    let digits = text.trim_start_matches("0x");
    format!("0x{}…{}", &digits[..8], &digits[digits.len() - 6..])
}

/// The ends of an address.
pub(crate) fn short_address(address: &Address) -> String {
    let text = address.to_string();
    format!("{}…{}", &text[..8], &text[text.len() - 4..])
}

/// `1 lot`, `2 lots`.
pub(crate) fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {one}s", thousands(n as u64)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(thousands(17_107), "17,107");
        assert_eq!(thousands(999), "999");
        assert_eq!(number(-1_234_567.891, 2), "−1,234,567.89");
        assert_eq!(number(-0.0004, 2), "0.00");
        assert_eq!(percent(0.14249, 2), "14.25 %");
        assert_eq!(krt(3 * GRAINS_PER_KRT / 2), "1.5");
        assert_eq!(krt(7), "0.000000000000000007");
        assert_eq!(krt(125_862_000_000), "0.000000125");
        assert_eq!(krt(1_234 * GRAINS_PER_KRT), "1,234");
        assert_eq!(duration(999), "999 ms");
        assert_eq!(duration(12_345), "12.3 s");
        assert_eq!(number(f64::NAN, 2), "–");
        assert_eq!(count(1, "lot"), "1 lot");
        assert_eq!(short_hash(&B256::repeat_byte(0xab)), "0xabababab…ababab");
    }
}
