//! Durations: `10s`, `2m`, `500ms`, `1h30m`, `90`.

use super::decimal;
use std::time::Duration;

/// A duration; a bare number is seconds, as timeout(1) has it.
///
/// # Errors
/// What is wrong with the text, and the accepted form.
pub fn duration(text: &str) -> Result<Duration, String> {
    let form = "write it as 10s, 2m, 500ms or 1h30m";
    let mut rest = text;
    let mut nanos: u128 = 0;
    let mut last = u128::MAX;
    loop {
        let Some((number, after)) = decimal(rest) else {
            return Err(format!("not a duration; {form}"));
        };
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let milliseconds: u128 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "" if next.is_empty() && rest.len() == text.len() => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "" => return Err(format!("a unit is missing at the end; {form}")),
            _ => return Err(format!("unknown unit '{unit}'; {form}")),
        };
        if milliseconds >= last {
            return Err(format!("units go from large to small; {form}"));
        }
        last = milliseconds;
        // `number` counts thousand-millionths: milliseconds x 10^-9, so nanoseconds are a thousandth of the product.
        nanos += number * milliseconds / 1_000;
        if next.is_empty() {
            break;
        }
        rest = next;
    }
    match u64::try_from(nanos) {
        Ok(0) => Err(format!("zero is no time to run; leave the option out for no limit, or {form}")),
        Ok(n) => Ok(Duration::from_nanos(n)),
        Err(_) => Err("longer than 584 years; leave the option out for no limit".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("1d"), Ok(Duration::from_secs(86_400)));
        assert_eq!(duration("1m500ms"), Ok(Duration::from_millis(60_500)));
    }

    #[test]
    fn bad_durations_say_what_is_right() {
        for bad in ["", "s", "-1s", "10 s", "1x", "1m30", "30s1m", "1s1s", "0", "0s", "inf", "1..0s", "10S"] {
            let message = duration(bad).expect_err(bad);
            assert!(message.contains("500ms"), "{bad}: {message}");
        }
        assert!(duration("999999999999999999d").expect_err("long").contains("584 years"));
    }
}
