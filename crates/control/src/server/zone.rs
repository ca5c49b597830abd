//! The time zone of the host.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// Where the host keeps time zones.
const ZONES: &str = "/usr/share/zoneinfo";

/// The time zone that times are told in.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Default for Zone {
    /// UTC.
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Zone {
    /// The zone of the host, as its C library finds it (tzset(3)): `$TZ`, else `/etc/localtime`; UTC if there is none. It
    /// reads files, so it has to come before the sentry is confined.
    #[must_use]
    pub fn of_host() -> Self {
        let path = match std::env::var_os("TZ") {
            None => PathBuf::from("/etc/localtime"),
            // An absolute name replaces the directory.
            Some(name) => Path::new(ZONES).join(name.to_string_lossy().trim_start_matches(':')),
        };
        let data = std::fs::read(path).ok();
        Self(data.and_then(|data| TimeZone::tzif("host", &data).ok()).unwrap_or(TimeZone::UTC))
    }

    /// When something began, as short as it can be told `now`: HH:MM today, MonDD this year, else the year.
    #[must_use]
    pub fn start_time(&self, start: Timestamp, now: Timestamp) -> String {
        let (start, now) = (self.0.to_datetime(start), self.0.to_datetime(now));
        let format = if start.year() != now.year() {
            "%Y"
        } else if start.day_of_year() != now.day_of_year() {
            "%b%d"
        } else {
            "%H:%M"
        };
        strtime::format(format, start).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_told_in_the_zone() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-03-01T00:30:00Z");
        let utc = Zone::default();
        assert_eq!(utc.start_time(at("2026-03-01T00:04:59Z"), now), "00:04");
        assert_eq!(utc.start_time(at("2026-02-09T23:00:00Z"), now), "Feb09");
        assert_eq!(utc.start_time(at("2025-12-31T23:59:00Z"), now), "2025");
        let east = Zone(TimeZone::fixed(jiff::tz::offset(-3)));
        assert_eq!(east.start_time(at("2026-02-28T23:00:00Z"), now), "20:00");
        assert_eq!(east.start_time(at("2026-02-27T23:00:00Z"), now), "Feb27");
    }
}
