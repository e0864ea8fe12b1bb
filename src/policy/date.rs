//! Dates of policy files as milliseconds since 1970, and back.

use toml::value::{Datetime, Offset};

/// One day.
pub(super) const DAY_MS: i64 = 86_400_000;

/// Which end of a day a bare date means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The first millisecond.
    First,
    /// The last: `until = 2021-06-10` holds through that day.
    Last,
}

/// The moment of a date, or of a date and a time with its offset. UTC.
///
/// # Errors
/// What is missing, or not in the calendar.
pub(super) fn moment(written: &Datetime, end: End) -> Result<i64, &'static str> {
    let date = written.date.ok_or("needs a date, as 2020-06-10 or 2020-06-10T08:00:00Z")?;
    let start = days(i64::from(date.year), i64::from(date.month), i64::from(date.day)) * DAY_MS;
    let Some(time) = written.time else {
        return Ok(if end == End::First { start } else { start + DAY_MS - 1 });
    };
    let offset_minutes = match written.offset {
        Some(Offset::Z) => 0,
        Some(Offset::Custom { minutes }) => i64::from(minutes),
        None => return Err("a time needs its offset, as 2020-06-10T08:00:00Z"),
    };
    let seconds = i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0));
    let ms = i64::from(time.nanosecond.unwrap_or(0) / 1_000_000);
    Ok(start + seconds * 1000 + ms - offset_minutes * 60_000)
}

/// The moment of a text, as in questions of `tests.toml` and of `explain`.
pub(super) fn parse(text: &str, end: End) -> Result<i64, String> {
    let written: Datetime = text.parse().map_err(|_| format!("`{text}` is no date, as 2020-06-10T08:00:00Z"))?;
    moment(&written, end).map_err(str::to_owned)
}

/// Days from 1970-01-01 to a Gregorian date. Years are counted from March, so that the leap day ends them.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The day of a moment, `2020-06-10`, for people.
pub fn day(ms: i64) -> String {
    let shifted = ms.div_euclid(DAY_MS) + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year_of_era + i64::from(month <= 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_the_calendar() {
        assert_eq!(parse("1970-01-01", End::First), Ok(0));
        assert_eq!(parse("1970-01-01", End::Last), Ok(DAY_MS - 1));
        assert_eq!(parse("2000-02-29T00:00:00Z", End::First), Ok(951_782_400_000));
        assert_eq!(parse("2000-02-29T02:00:00+02:00", End::Last), Ok(951_782_400_000));
        assert!(parse("2000-02-29T02:00:00", End::First).unwrap_err().contains("offset"));
        assert!(parse("2001-02-29", End::First).is_err());
        for ms in [0, 951_782_400_000, -DAY_MS, 4_102_444_800_000] {
            assert_eq!(parse(&day(ms), End::First), Ok(ms));
        }
    }
}
