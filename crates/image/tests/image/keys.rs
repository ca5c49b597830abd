//! Keys that are right, wrong, missing or useless.

use super::*;
use stockade_image::Authenticity;

fn other() -> Key {
    Key::new([9; 16]).unwrap()
}

#[test]
fn only_the_key_it_was_saved_with_opens_an_image() {
    assert!(matches!(Image::open(small(Some(key())), Some(&other())), Err(Error::WrongKey)));
    assert!(matches!(Image::open(small(Some(key())), None), Err(Error::KeyNeeded)));
    // Whoever gives a key wants to know who wrote the image.
    assert!(matches!(Image::open(small(None), Some(&key())), Err(Error::NotAuthenticated)));
    assert!(matches!(Image::look(small(None), Some(&key())), Err(Error::NotAuthenticated)));
    assert!(matches!(Image::look(small(Some(key())), Some(&other())), Err(Error::WrongKey)));
    let image = Image::look(small(Some(key())), None).unwrap();
    assert_eq!((image.authenticity(), image.has_key()), (Authenticity::Unknown, true));
}

/// Whoever changes an image can compute its checksum anew, but not its MAC; nor can they leave that out.
#[test]
fn a_checksum_made_anew_does_not_help() {
    let mut changed = bytes(&small(Some(key())));
    let at = changed.windows(STATE.len()).position(|window| window == STATE).unwrap();
    changed[at] ^= 1;
    let sealed = stockade_image::fuzz::sealed(&changed).unwrap();
    assert!(Image::look(file(&sealed), None).is_ok());
    assert!(matches!(Image::open(file(&sealed), Some(&key())), Err(Error::WrongKey)));
    changed[20..24].copy_from_slice(&0u32.to_le_bytes());
    let at = changed.len() - 32;
    changed[at..].fill(0);
    let sealed = stockade_image::fuzz::sealed(&changed).unwrap();
    assert!(Image::open(file(&sealed), None).is_ok());
    assert!(matches!(Image::open(file(&sealed), Some(&key())), Err(Error::NotAuthenticated)));
}
