//! Where a JSON object ends in a stream, without parsing it.

use super::WireError;

/// How deep objects and arrays may lie in each other.
pub const MAX_DEPTH: usize = 128;

/// Looks at each byte of a stream once.
#[derive(Debug, Default)]
pub struct Scanner {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Scanner {
    /// Goes over the next bytes; says how many of them end the object.
    ///
    /// # Errors
    /// [`WireError::NoObject`] if it does not begin as one, [`WireError::TooDeep`].
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, WireError> {
        for (i, &byte) in bytes.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'{' | b'[' if self.depth > 0 || byte == b'{' => {
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return Err(WireError::TooDeep);
                    }
                }
                b' ' | b'\t' | b'\r' | b'\n' if self.depth == 0 => {}
                _ if self.depth == 0 => return Err(WireError::NoObject),
                b'"' => self.in_string = true,
                // Whether they match is the parser's to see.
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Ok(Some(i + 1));
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str) -> Option<usize> {
        Scanner::default().scan(text.as_bytes()).unwrap()
    }

    #[test]
    fn finds_the_end_of_an_object() {
        assert_eq!(end(r#" {"a":[{}]}{"b"#), Some(11));
        assert_eq!(end(r#"{"}\"}":1}"#), Some(10));
        assert_eq!(end(r#"{"a":"#), None);
        assert_eq!(end("  \n"), None);
    }

    #[test]
    fn goes_on_where_it_stopped() {
        let text = r#"{"a\\":"\"}",  "b":[1,2]}"#;
        for cut in 0..text.len() {
            let mut scanner = Scanner::default();
            assert_eq!(scanner.scan(&text.as_bytes()[..cut]).unwrap(), None, "{cut}");
            assert_eq!(scanner.scan(&text.as_bytes()[cut..]).unwrap(), Some(text.len() - cut));
        }
    }

    #[test]
    fn refuses_what_is_no_object_and_what_is_too_deep() {
        let scan = |text: &str| Scanner::default().scan(text.as_bytes());
        for text in ["[", "1", "\"x\"", "}", "null"] {
            assert!(matches!(scan(text), Err(WireError::NoObject)), "{text}");
        }
        assert!(scan(&format!("{{\"a\":{}", "[".repeat(MAX_DEPTH - 1))).is_ok());
        assert!(matches!(scan(&format!("{{\"a\":{}", "[".repeat(MAX_DEPTH))), Err(WireError::TooDeep)));
    }
}
