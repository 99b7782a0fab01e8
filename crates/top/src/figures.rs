//! Numbers and names as short text.
//!
//! Amounts are read in grains and written in KRT; nothing is rounded up, digits beyond those shown are cut.

use std::fmt::Write;

use assay_types::Grains;
use ratatui::text::Span;

/// Digits of a price that are shown.
const DIGITS: usize = 6;
/// Shown in place of a character that could move the cursor or turn the text around.
const REPLACEMENT: char = '\u{fffd}';

/// A price or amount in KRT, six digits that count: `0.00123456`, `1.5`, `12.3456M`, `2e-17`.
pub fn krt(grains: Grains) -> String {
    decimal(grains, 18)
}

/// A quantity given in thousandths: `0.25`, `1500`, `2.5M`.
pub fn quantity(thousandths: u64) -> String {
    decimal(u128::from(thousandths), 3)
}

/// `value / 10^decimals`, cut to six digits that count.
fn decimal(value: u128, decimals: usize) -> String {
    if value == 0 {
        return "0".to_owned();
    }
    let digits = value.to_string();
    // Of the first digit: 0 for units, 1 for tens, -1 for tenths.
    let exponent = signed(digits.len()).saturating_sub(signed(decimals)).saturating_sub(1);
    let kept: String = digits.chars().take(DIGITS).collect();
    let kept = kept.trim_end_matches('0');
    if exponent < -6 {
        return format!("{}e{exponent}", with_point(kept, 1));
    }
    if exponent < 0 {
        let zeros = usize::try_from(exponent.saturating_neg().saturating_sub(1)).unwrap_or(0);
        return format!("0.{}{kept}", "0".repeat(zeros));
    }
    let whole = usize::try_from(exponent).unwrap_or(0).saturating_add(1);
    if whole <= DIGITS {
        return with_point(kept, whole);
    }
    let thousands = whole.saturating_sub(1) / 3;
    let suffix = ["", "k", "M", "G", "T", "P", "E", "Z", "Y"].get(thousands).copied().unwrap_or("?");
    format!("{}{suffix}", with_point(kept, whole.saturating_sub(thousands.saturating_mul(3))))
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// Digits with a point after the first `whole`, filled up with zeros.
fn with_point(digits: &str, whole: usize) -> String {
    let (head, tail): (String, String) = (digits.chars().take(whole).collect(), digits.chars().skip(whole).collect());
    let head = format!("{head:0<whole$}");
    if tail.is_empty() { head } else { format!("{head}.{tail}") }
}

/// A whole number with commas: `12,345`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && digits.len().saturating_sub(place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How far `price` is from `reference`: `+1.25%`; none without a reference.
pub fn change(price: Grains, reference: Grains) -> Option<(bool, String)> {
    if reference == 0 {
        return None;
    }
    let falls = price < reference;
    let percent = to_f64(price.abs_diff(reference)) / to_f64(reference) * 100.0;
    let sign = if falls { '-' } else { '+' };
    let text = if percent >= 1_000.0 { format!(">{sign}999%") } else { format!("{sign}{percent:.2}%") };
    Some((!falls, text))
}

/// A length of time: `0.4 s`, `75 s`, `12 min`, `3 h`, `9 d`.
pub fn age(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        10_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} d", ms / 86_400_000),
    }
}

/// The first characters of an id or address: `0x12ab34cd`.
pub fn short(bytes: &[u8], of: usize) -> String {
    bytes.iter().take(of).fold("0x".to_owned(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

/// A part of a whole from 0 to 1; nothing of nothing is 0.
pub fn part(of: u128, whole: u128) -> f64 {
    if whole == 0 { 0.0 } else { (to_f64(of) / to_f64(whole)).clamp(0.0, 1.0) }
}

/// A bar of block characters in eighths, `width` columns at 1.
pub fn bar(part: f64, width: u16) -> String {
    let eighths = (part.clamp(0.0, 1.0) * f64::from(width) * 8.0).round();
    let full = (eighths / 8.0).floor();
    let rest = index(eighths - full * 8.0);
    let mut text = "█".repeat(index(full));
    text.extend(["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"].get(rest).copied());
    text
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float to an index saturates")]
pub(crate) fn index(value: f64) -> usize {
    value as usize
}

#[allow(clippy::cast_precision_loss, reason = "for proportions on a screen")]
pub(crate) fn to_f64(value: u128) -> f64 {
    value as f64
}

/// Text that cannot move the cursor, change colours, turn around or pile up in a cell.
pub fn clean(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            c if c.is_control() => Some(REPLACEMENT),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}' => {
                Some(REPLACEMENT)
            }
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}' => Some(REPLACEMENT),
            // Joiners, combining marks and selectors.
            c if columns(c.encode_utf8(&mut [0; 4])) == 0 => None,
            c => Some(c),
        })
        .collect()
}

/// Columns a text takes.
pub fn columns(text: &str) -> usize {
    Span::raw(text).width()
}

/// Cleaned text of at most `width` columns, cut with an ellipsis.
pub fn fit(text: &str, width: usize) -> String {
    let text = clean(text);
    if columns(&text) <= width {
        return text;
    }
    let (mut kept, mut used) = (String::new(), 1_usize);
    for c in text.chars() {
        used = used.saturating_add(columns(c.encode_utf8(&mut [0; 4])));
        if used > width {
            break;
        }
        kept.push(c);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_six_digits_that_count_at_every_size() {
        let one = 1_000_000_000_000_000_000;
        let cases = [
            (0, "0"),
            (1, "1e-18"),
            (20, "2e-17"),
            (123_456_789, "1.23456e-10"),
            (one / 1_000_000, "0.000001"),
            (one / 1_000 + 234_567_890_123, "0.00100023"),
            (one / 2, "0.5"),
            (one, "1"),
            (one * 3 / 2, "1.5"),
            (one * 120, "120"),
            (one * 999_999, "999999"),
            (one * 1_234_567, "1.23456M"),
            (one * 12_345_678, "12.3456M"),
            (u128::MAX, "340.282E"),
        ];
        for (grains, text) in cases {
            assert_eq!(krt(grains), text);
        }
        assert_eq!(quantity(250), "0.25");
        assert_eq!(quantity(1_500_000), "1500");
        assert_eq!(quantity(u64::MAX), "18.4467P");
    }

    #[test]
    fn changes_are_signed_and_bounded() {
        assert_eq!(change(1_050, 1_000), Some((true, "+5.00%".to_owned())));
        assert_eq!(change(0, 1_000), Some((false, "-100.00%".to_owned())));
        assert_eq!(change(u128::MAX, 1), Some((true, ">+999%".to_owned())));
        assert_eq!(change(1, 0), None);
    }

    #[test]
    fn bars_are_as_wide_as_their_part() {
        assert_eq!(bar(0.5, 4), "██");
        assert_eq!(bar(1.0, 3), "███");
        assert_eq!(bar(0.0, 3), "");
        assert_eq!(bar(7.0, 2), "██");
        assert_eq!(bar(0.25, 1), "▎");
        assert_eq!(bar(f64::NAN, 2), "");
    }

    #[test]
    fn hostile_text_is_made_harmless() {
        assert_eq!(clean("a\u{1b}[2Jb\r\n"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}");
        assert_eq!(clean("ab\u{202e}cd"), "ab\u{fffd}cd");
        assert_eq!(clean("e\u{301}\u{301}\u{301}\u{200d}x"), "ex");
        assert_eq!(clean("\u{9b}31m"), "\u{fffd}31m");
        assert_eq!(fit("計算クラス", 6), "計算…");
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcd", 3), "ab…");
        assert_eq!(fit("abcd", 0), "");
    }

    #[test]
    fn heights_and_ages_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(age(450), "0.4 s");
        assert_eq!(age(75_000), "75 s");
        assert_eq!(age(u64::MAX), "213503982334 d");
    }
}
