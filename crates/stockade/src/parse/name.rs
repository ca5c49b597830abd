//! Names: sandbox ids and host names.

/// A sandbox id: 1 to 64 of letters, digits, `_`, `.` and `-`, beginning with a letter or digit, so that it can name a
/// directory.
///
/// # Errors
/// What is wrong with the text, and the accepted form.
pub fn sandbox_id(text: &str) -> Result<String, String> {
    check(text, "_.-", "use 1 to 64 letters, digits, '_', '.' and '-', beginning with a letter or digit")
}

/// A host name, as sethostname(2) bounds it: 1 to 64 of letters, digits, `.`, `_` and `-`.
///
/// # Errors
/// What is wrong with the text, and the accepted form.
pub fn hostname(text: &str) -> Result<String, String> {
    check(text, "_.-", "use 1 to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit")
}

fn check(text: &str, also: &str, form: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err(format!("empty; {form}"));
    }
    if text.len() > 64 {
        return Err(format!("{} bytes long; {form}", text.len()));
    }
    match text.chars().enumerate().find(|&(i, c)| !c.is_ascii_alphanumeric() && (i == 0 || !also.contains(c)))
    {
        Some((0, c)) => Err(format!("begins with {c:?}; {form}")),
        Some((_, c)) => Err(format!("contains {c:?}; {form}")),
        None => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_can_name_a_directory() {
        assert_eq!(sandbox_id("build-7.a_b"), Ok("build-7.a_b".to_owned()));
        for bad in ["", ".", "..", "-a", "_a", "a/b", "a b", "é", "a\n", &"x".repeat(65)] {
            assert!(sandbox_id(bad).expect_err(bad).contains("1 to 64"), "{bad:?}");
        }
    }

    #[test]
    fn hostnames() {
        assert!(hostname("web-1.example.org").is_ok());
        assert!(hostname("a b").unwrap_err().contains("' '"));
    }
}
