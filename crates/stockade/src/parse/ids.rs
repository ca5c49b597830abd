//! User and group ids.

/// A numeric user or group id; `4294967295` means "none" to Linux and is refused.
///
/// # Errors
/// What is wrong with the text, and the accepted form.
pub fn id_number(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(u32::MAX) => Err("4294967295 stands for \"no id\" in Linux; use a smaller number".to_owned()),
        Ok(id) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(id),
        _ => {
            Err("not a number from 0 to 4294967294; names are not looked up, `id` prints the numbers"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(id_number("0"), Ok(0));
        assert_eq!(id_number("4294967294"), Ok(u32::MAX - 1));
        for bad in ["", "-1", "+1", "4294967295", "4294967296", "root", "1.0"] {
            assert!(id_number(bad).is_err(), "{bad}");
        }
    }
}
