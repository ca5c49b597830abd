//! A time to begin at: a time of RFC 3339, or how long ago.

/// As a text that compares with times in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since(pub String);

/// Takes `2026-01-02T03:04:05Z`, `10m`, `2h30m`.
///
/// # Errors
/// When it is neither, with the accepted forms.
pub fn since(text: &str) -> Result<Since, String> {
    let time = match (text.parse::<jiff::Timestamp>(), super::duration(text)) {
        (Ok(time), _) => time,
        (_, Ok(ago)) => jiff::Timestamp::now().checked_sub(ago).map_err(|_| "too long ago".to_owned())?,
        _ => {
            return Err("neither a time nor how long ago; write it as 2026-01-02T03:04:05Z or 10m".to_owned());
        }
    };
    Ok(Since(format!("{time:.9}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(since("2026-01-02T03:04:05+01:00").unwrap().0, "2026-01-02T02:04:05.000000000Z");
        assert!(since("10s").unwrap().0 < format!("{:.9}", jiff::Timestamp::now()));
        assert!(since("yesterday").unwrap_err().contains("10m"));
    }
}
