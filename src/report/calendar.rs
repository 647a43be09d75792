//! Moments as text, in UTC.

/// `2026-11-21T00:52:30.123Z` (RFC 3339) of a moment in microseconds since 1970.
pub fn rfc3339(unix_us: u64) -> String {
    let Civil { year, month, day, hour, minute, second, milli } = Civil::of(unix_us);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// `20261121T005230.123Z`: as a part of a file name, where text order is time order.
pub fn compact(unix_us: u64) -> String {
    rfc3339(unix_us).replace(['-', ':'], "")
}

struct Civil {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    milli: u64,
}

impl Civil {
    /// Proleptic Gregorian calendar; every day has 86,400 s.
    fn of(unix_us: u64) -> Self {
        let (millis, seconds) = (unix_us / 1_000 % 1_000, unix_us / 1_000_000);
        let (mut day, second_of_day) = (seconds / 86_400, seconds % 86_400);
        // 400 years have 146,097 days; what is left is counted off year by year and month by month.
        let mut year = 1970 + day / 146_097 * 400;
        day %= 146_097;
        while day >= days_of_year(year) {
            day -= days_of_year(year);
            year += 1;
        }
        let mut month = 1;
        while day >= days_of_month(year, month) {
            day -= days_of_month(year, month);
            month += 1;
        }
        Self {
            year,
            month,
            day: day + 1,
            hour: second_of_day / 3_600,
            minute: second_of_day / 60 % 60,
            second: second_of_day % 60,
            milli: millis,
        }
    }
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        // From `date -u -d @N +%FT%T`.
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_799, "2000-02-29T23:59:59.000Z"),
            (1_700_000_000, "2023-11-14T22:13:20.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (13_574_563_200, "2400-02-29T00:00:00.000Z"),
        ];
        for (seconds, text) in cases {
            assert_eq!(rfc3339(seconds * 1_000_000), text);
        }
        assert_eq!(compact(1_700_000_000_123_999), "20231114T221320.123Z");
    }
}
