//! Keys.

use crate::Error;
use std::fmt;

/// A key for HMAC-SHA256.
#[derive(Clone)]
pub struct Key(Vec<u8>);

impl Key {
    /// Fewest bytes: what nobody can try out.
    pub const SHORTEST: usize = 16;
    /// Most bytes: nobody means a whole file of another kind.
    pub const LONGEST: usize = 64 << 10;

    /// A key of these bytes, all of them.
    ///
    /// # Errors
    /// [`Error::ShortKey`], [`Error::LongKey`].
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let bytes = bytes.into();
        match bytes.len() {
            n if n < Self::SHORTEST => Err(Error::ShortKey(n)),
            n if n > Self::LONGEST => Err(Error::LongKey),
            _ => Ok(Self(bytes)),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Says nothing of it.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn have_a_shortest_and_a_longest() {
        assert!(matches!(Key::new([]), Err(Error::ShortKey(0))));
        assert!(matches!(Key::new([0; 15]), Err(Error::ShortKey(15))));
        assert!(Key::new([0; 16]).is_ok());
        assert!(matches!(Key::new(vec![0; (64 << 10) + 1]), Err(Error::LongKey)));
        assert_eq!(format!("{:?}", Key::new([7; 16]).unwrap()), "Key(…)");
    }
}
