//! Rates as people read them. Never more digits than the data hold, never a rate without what it was counted on.

use super::findings::{Estimate, Figure};

/// A share: percent down to a thousandth, powers of ten below.
pub(crate) fn share(share: f64) -> String {
    if share == 0.0 {
        return "0".to_owned();
    }
    if share < 1e-3 {
        return format!("{share:.1e}");
    }
    let percent = 100.0 * share;
    // Near 100 % the digits that tell rates apart are those of the rest.
    let digits = if (10.0..99.0).contains(&percent) { 1 } else { 2 };
    format!("{percent:.digits$} %")
}

/// A rate with its interval; without errors only the bound is told, and without trials that there are none.
pub(super) fn rate(figure: &Figure) -> String {
    match figure.value {
        None => "no data".to_owned(),
        Some(_) if figure.errors == 0 => format!("none of {}: at most {}", count(figure.trials), share(figure.high)),
        Some(value) => format!("{} ({} to {})", share(value), share(figure.low), share(figure.high)),
    }
}

/// A rate with the ends of its interval.
pub(super) fn stated([rate, low, high]: [f64; 3]) -> String {
    if rate <= 0.0 {
        return format!("none: at most {}", share(high));
    }
    format!("{} ({} to {})", share(rate), share(low), share(high))
}

/// A ratio with its interval; the best beside itself has none.
pub(super) fn ratio(ratio: &Estimate) -> String {
    let Estimate { value, low, high } = *ratio;
    if low >= high {
        return "1 (the best)".to_owned();
    }
    format!("{value:.2} ({low:.2} to {high:.2})")
}

/// A mean count with its interval.
pub(super) fn mean(mean: &Estimate) -> String {
    let Estimate { value, low, high } = *mean;
    if value <= 0.0 {
        return format!("none: at most {high:.2e}");
    }
    let digits = if value < 0.1 { 4 } else { 2 };
    format!("{value:.digits$} ({low:.digits$} to {high:.digits$})")
}

/// A rate with its counts.
pub(super) fn rate_and_counts(figure: &Figure) -> String {
    if figure.trials == 0 || figure.errors == 0 {
        return rate(figure);
    }
    format!("{}, {} of {}", rate(figure), count(figure.errors), count(figure.trials))
}

/// A count with its thousands set apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Of a thousand searches; one digit after the point only where it counts.
pub(crate) fn of_thousand(share: f64) -> String {
    let number = 1000.0 * share;
    if number >= 10.0 || number == 0.0 {
        format!("{number:.0}")
    } else if number >= 0.1 {
        format!("{number:.1}")
    } else {
        format!("{number:.1e}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::findings::Figure;
    use super::*;
    use crate::gallery::error_rates::Rate;

    #[test]
    fn no_errors_are_a_bound_and_no_trials_are_no_rate() {
        assert_eq!(rate(&Figure::from(Rate::counted(0, 535))), "none of 535: at most 0.69 %");
        assert_eq!(rate(&Figure::from(Rate::counted(0, 0))), "no data");
        assert_eq!(rate_and_counts(&Figure::from(Rate::counted(28, 535))), "5.23 % (3.51 % to 7.48 %), 28 of 535");
    }

    #[test]
    fn ratios_have_their_interval_and_the_best_is_named() {
        let of = |value, low, high| Estimate { value, low, high };
        assert_eq!(ratio(&of(2.588, 1.146, 5.53)), "2.59 (1.15 to 5.53)");
        assert_eq!(ratio(&of(1.0, 1.0, 1.0)), "1 (the best)");
        assert_eq!(mean(&of(0.0, 0.0, 0.006_9)), "none: at most 6.90e-3");
        assert_eq!(mean(&of(0.531, 0.5, 0.562)), "0.53 (0.50 to 0.56)");
    }

    #[test]
    fn numbers_are_short_and_clear() {
        assert_eq!([0.0, 2.24e-6, 0.0123, 0.5, 0.9986].map(share), ["0", "2.2e-6", "1.23 %", "50.0 %", "99.86 %"]);
        assert_eq!([0, 999, 1000, 87_307_271].map(count), ["0", "999", "1,000", "87,307,271"]);
        assert_eq!([0.0523, 0.0031, 0.000_01].map(of_thousand), ["52", "3.1", "1.0e-2"]);
    }
}
