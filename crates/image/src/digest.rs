//! What everything but page data is checked by: a checksum that anybody can compute, and a MAC that needs the key.

use crate::Key;
use crate::format::{AUTHENTICATED, CHECKED, Trailer};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// Takes the bytes in their order in the file.
#[derive(Debug)]
pub(crate) struct Digest {
    checksum: Sha256,
    mac: Option<Hmac<Sha256>>,
}

impl Digest {
    pub(crate) fn new(key: Option<&Key>) -> Self {
        // HMAC takes keys of any length.
        let mac = key.and_then(|key| Hmac::new_from_slice(key.bytes()).ok());
        Self { checksum: Sha256::new(), mac }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.checksum.update(bytes);
        if let Some(mac) = &mut self.mac {
            mac.update(bytes);
        }
    }

    /// Fills in checksum and MAC of a trailer that is complete otherwise.
    pub(crate) fn seal(mut self, trailer: &mut Trailer) {
        self.update(&trailer.bytes()[..CHECKED]);
        trailer.checksum = self.checksum.finalize().into();
        if let Some(mut mac) = self.mac {
            mac.update(&trailer.checksum);
            trailer.mac = mac.finalize().into_bytes().into();
        }
    }

    /// Whether the checksum of the trailer is that of the bytes.
    pub(crate) fn fits(mut self, trailer: &Trailer) -> bool {
        self.update(&trailer.bytes()[..CHECKED]);
        <[u8; 32]>::from(self.checksum.finalize()) == trailer.checksum
    }
}

/// Whether the MAC of the trailer is that of these pieces of the file; takes as long wherever it differs.
pub(crate) fn authenticates(key: &Key, pieces: &[&[u8]], trailer: &Trailer) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.bytes()) else { return false };
    pieces.iter().for_each(|piece| mac.update(piece));
    mac.update(&trailer.bytes()[..AUTHENTICATED]);
    mac.verify_slice(&trailer.mac).is_ok()
}
