//! Values as Go prints them.

use std::time::Duration;

/// A duration as Go's `time.Duration` prints itself: `0s`, `17ns`, `505.262µs`, `1.5ms`, `6.59s`, `2m3s`, `1h0m2s`.
#[must_use]
pub fn duration(time: Duration) -> String {
    let nanos = time.as_nanos();
    match nanos {
        0 => "0s".into(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(nanos, 3)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(nanos, 6)),
        _ => {
            let (hours, minutes) = (time.as_secs() / 3600, time.as_secs() / 60 % 60);
            let seconds = decimal(nanos % 60_000_000_000, 9);
            match (hours, minutes) {
                (0, 0) => format!("{seconds}s"),
                (0, m) => format!("{m}m{seconds}s"),
                (h, m) => format!("{h}h{m}m{seconds}s"),
            }
        }
    }
}

/// A number with so many digits after its point, without zeros at the end.
fn decimal(value: u128, digits: usize) -> String {
    let unit = 10_u128.pow(digits as u32);
    let text = format!("{}.{:0digits$}", value / unit, value % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (999, "999ns"),
            (1_000, "1µs"),
            (505_262, "505.262µs"),
            (1_100_000, "1.1ms"),
            (30_000_000, "30ms"),
            (1_000_000_000, "1s"),
            (6_590_000_000, "6.59s"),
            (60_000_000_000, "1m0s"),
            (90_000_000_001, "1m30.000000001s"),
            (3_600_000_000_000, "1h0m0s"),
            (36_063_500_000_000, "10h1m3.5s"),
        ] {
            assert_eq!(duration(Duration::from_nanos(nanos)), text);
        }
    }
}
