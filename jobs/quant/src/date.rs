//! Civil dates of the proleptic Gregorian calendar as day numbers, and year fractions ACT/365F.
//!
//! The conversions are Howard Hinnant's `days_from_civil` and `civil_from_days`.

use std::fmt;

/// A civil date: days since 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub i32);

impl Date {
    /// The date of a year, month and day; `None` where no such day exists or the year is not 1900 to 2199.
    #[must_use]
    pub fn from_ymd(year: i32, month: u32, day: u32) -> Option<Self> {
        if !(1900..2200).contains(&year) || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
            return None;
        }
        let (m, d) = (month as i32, day as i32);
        let y = if m <= 2 { year - 1 } else { year };
        let era = y.div_euclid(400);
        let of_era = y - era * 400;
        let of_year = (153 * (if m > 2 { m - 3 } else { m + 9 }) + 2) / 5 + d - 1;
        let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
        Some(Self(era * 146_097 + day_of_era - 719_468))
    }

    /// Year, month and day.
    #[must_use]
    pub fn ymd(self) -> (i32, u32, u32) {
        let z = i64::from(self.0) + 719_468;
        let era = z.div_euclid(146_097);
        let of_era = z - era * 146_097;
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let mp = (5 * of_year + 2) / 153;
        let day = of_year - (153 * mp + 2) / 5 + 1;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year as i32, month as u32, day as u32)
    }

    /// Reads `YYYY-MM-DD`, exactly so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
            return None;
        }
        let number =
            |part: &[u8]| part.iter().try_fold(0_u32, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')));
        Self::from_ymd(number(&bytes[..4])? as i32, number(&bytes[5..7])?, number(&bytes[8..])?)
    }

    /// Years from here to `later`, ACT/365 fixed.
    #[must_use]
    pub fn years_to(self, later: Self) -> f64 {
        (f64::from(later.0) - f64::from(self.0)) / 365.0
    }

    /// Saturday or Sunday.
    #[must_use]
    pub fn is_weekend(self) -> bool {
        matches!((i64::from(self.0) + 4).rem_euclid(7), 0 | 6)
    }

    /// The weekday `count` weekdays after this date. Exchange holidays are not known here.
    #[must_use]
    pub fn plus_weekdays(self, count: u32) -> Self {
        let mut date = self;
        for _ in 0..count {
            date = Self(date.0.saturating_add(1));
            while date.is_weekend() {
                date = Self(date.0.saturating_add(1));
            }
        }
        date
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.ymd();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

fn days_in(year: i32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::Date;

    #[test]
    fn dates_survive_a_round_trip_over_two_centuries() {
        for day in Date::from_ymd(1900, 1, 1).expect("a date").0..=Date::from_ymd(2199, 12, 31).expect("a date").0 {
            let (y, m, d) = Date(day).ymd();
            assert_eq!(Date::from_ymd(y, m, d), Some(Date(day)));
            assert_eq!(Date::parse(&Date(day).to_string()), Some(Date(day)));
        }
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for text in ["2026-02-29", "2026-13-01", "2026-00-10", "2026-04-31", "2026-1-02", "20260102", "", "2026-01-3x"]
        {
            assert_eq!(Date::parse(text), None, "{text}");
        }
        assert!(Date::parse("2028-02-29").is_some());
    }

    #[test]
    fn year_fractions_are_actual_over_365() {
        let (from, to) = (Date::parse("2026-01-30").expect("a date"), Date::parse("2027-01-30").expect("a date"));
        assert_eq!(from.years_to(to), 1.0);
        assert_eq!(from.plus_weekdays(10).to_string(), "2026-02-13");
    }
}
