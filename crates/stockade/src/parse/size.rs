//! Sizes: `512M`, `2GiB`, `1.5g`, `65536`.

use super::{NANO, decimal};

/// Bytes of a size; units are powers of 1024, as cgroups and podman count them.
///
/// # Errors
/// What is wrong with the text, and the accepted form.
pub fn size(text: &str) -> Result<u64, String> {
    let form = "write a number and K, M, G or T (powers of 1024), such as 512M or 2GiB";
    let Some((number, unit)) = decimal(text) else {
        return Err(format!("not a size; {form}"));
    };
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        "kb" | "mb" | "gb" | "tb" => {
            return Err(format!("{unit} means powers of 1000 to some and of 1024 to others; {form}"));
        }
        _ => return Err(format!("unknown unit '{unit}'; {form}")),
    };
    let bytes = number.checked_mul(1 << shift).map(|n| n / NANO);
    match bytes.and_then(|n| i64::try_from(n).ok()) {
        Some(0) => Err(format!("zero bytes are no size; {form}")),
        Some(n) => Ok(n.unsigned_abs()),
        None => Err("larger than Linux can count (8 EiB)".to_owned()),
    }
}

/// A size for people: the largest unit that divides it evenly, or one decimal.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    for (shift, unit) in units {
        let one = 1u64 << shift;
        if bytes >= one {
            let tenths = (u128::from(bytes) * 10) >> shift;
            return if bytes.is_multiple_of(one) || tenths.is_multiple_of(10) {
                format!("{} {unit}", tenths / 10)
            } else {
                format!("{}.{} {unit}", tenths / 10, tenths % 10)
            };
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_binary() {
        assert_eq!(size("65536"), Ok(65536));
        assert_eq!(size("1k"), Ok(1024));
        assert_eq!(size("512M"), Ok(512 << 20));
        assert_eq!(size("2GiB"), Ok(2 << 30));
        assert_eq!(size("2gib"), Ok(2 << 30));
        assert_eq!(size("1.5G"), Ok(3 << 29));
        assert_eq!(size("1T"), Ok(1 << 40));
    }

    #[test]
    fn bad_sizes_say_what_is_right() {
        for bad in
            ["", "M", "-1", "+1", "1..5M", ".5M", "1.M", "5 M", "5X", "0", "0.0001", "0x10", "1e3", "٣M"]
        {
            let message = size(bad).expect_err(bad);
            assert!(message.contains("512M"), "{bad}: {message}");
        }
        assert!(size("512MB").expect_err("MB").contains("powers of 1000"));
        assert!(size("8388608T").expect_err("2^63").contains("8 EiB"));
        assert!(size("999999999999999999T").is_err());
        assert!(size("9999999999999999999999999999999999999999T").is_err());
    }

    #[test]
    fn formatted_for_people() {
        assert_eq!(format_size(100), "100 bytes");
        assert_eq!(format_size(512 << 20), "512 MiB");
        assert_eq!(format_size(3 << 29), "1.5 GiB");
        assert_eq!(format_size(u64::MAX), "16777215.9 TiB");
    }
}
