//! Numbers of CPUs: `2`, `0.5`.

use super::decimal;
use crate::config::Cpus;

/// How many CPUs' time per second, as podman's `--cpus`.
///
/// # Errors
/// What is wrong with the text, and the accepted form.
pub fn cpus(text: &str) -> Result<Cpus, String> {
    let form = "write how many CPUs' worth of time the sandbox may use, from 0.01, such as 2 or 0.5";
    match decimal(text) {
        Some((number, "")) => match u32::try_from(number / 1_000_000) {
            Ok(thousandths) if thousandths >= 10 => Ok(Cpus { thousandths }),
            Ok(_) => Err(format!("too few; {form}")),
            Err(_) => Err(format!("too many; {form}")),
        },
        _ => Err(format!("not a number of CPUs; {form}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(cpus("2"), Ok(Cpus { thousandths: 2000 }));
        assert_eq!(cpus("0.5"), Ok(Cpus { thousandths: 500 }));
        for bad in ["", "0", "0.001", "-1", "two", "1,5", "2c", "9999999999"] {
            assert!(cpus(bad).expect_err(bad).contains("0.5"), "{bad}");
        }
    }
}
