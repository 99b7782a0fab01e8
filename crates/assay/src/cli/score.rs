//! A reputation as an option: percent with two decimals at most.

use assay_types::job::MOST_REPUTATION;

/// `90`, `90%` or `99.5 %` as basis points.
pub(super) fn basis_points(text: &str) -> Result<u16, String> {
    let help = || format!("{text:?} is no reputation: say 0 to 100 percent, as in 90 or 99.5");
    let number = text.trim().strip_suffix('%').unwrap_or(text).trim();
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 2 {
        return Err(help());
    }
    let bps: u32 = format!("{whole}{part:0<2}").parse().map_err(|_| help())?;
    u16::try_from(bps).ok().filter(|bps| *bps <= MOST_REPUTATION).ok_or_else(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_are_read_to_the_basis_point_and_nothing_else_is() {
        for (text, bps) in
            [("0", 0), ("90", 9_000), ("99.5", 9_950), ("0.01", 1), ("12.34%", 1_234), (" 7 % ", 700), ("100", 10_000)]
        {
            assert_eq!(basis_points(text), Ok(bps), "{text}");
        }
        for text in ["", "%", "-1", "+1", "100.01", "101", "1.234", "1.", ".5", "9e1", "NaN", "99999999999"] {
            assert!(basis_points(text).is_err_and(|said| said.contains("99.5")), "{text}");
        }
    }
}
