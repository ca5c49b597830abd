//! JSON as Go's decoder takes it: what is `null` is the zero value of whatever was asked for (as what is absent is, by
//! `#[serde(default)]`), and any number that fits is taken, however it is written.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Parses an argument.
///
/// # Errors
/// What is wrong with it, and where.
pub fn from_str<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, serde_json::Error> {
    let mut inner = serde_json::Deserializer::from_str(text);
    let value = T::deserialize(Zero(&mut inner))?;
    inner.end()?;
    Ok(value)
}

/// Wraps a deserializer, or what leads to one.
struct Zero<T>(T);

/// Asks for something that may be null.
macro_rules! nullable {
    ($($method:ident: $zero:ident($value:expr), $within:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            struct OrZero<V>(V);
            impl<'de, V: Visitor<'de>> Visitor<'de> for OrZero<V> {
                type Value = V::Value;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    self.0.expecting(f)
                }

                fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
                    self.0.$zero($value)
                }

                fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<V::Value, D::Error> {
                    nullable!(@some $within, d, $method, self.0)
                }
            }
            self.0.deserialize_option(OrZero(visitor))
        })*
    };
    (@some within, $d:ident, $method:ident, $visitor:expr) => { $d.$method(Within($visitor)) };
    // Whatever number it is: the visitor sees whether it fits.
    (@some number, $d:ident, $method:ident, $visitor:expr) => { $d.deserialize_any(Number($visitor)) };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Zero<D> {
    type Error = D::Error;

    nullable! {
        deserialize_bool: visit_bool(false), within;
        deserialize_str: visit_str(""), within;
        deserialize_string: visit_str(""), within;
        deserialize_bytes: visit_bytes(b""), within;
        deserialize_byte_buf: visit_bytes(b""), within;
        deserialize_seq: visit_seq(SeqDeserializer::<_, E>::new(std::iter::empty::<u8>())), within;
        deserialize_map: visit_map(MapDeserializer::<_, E>::new(std::iter::empty::<(u8, u8)>())), within;
        deserialize_i8: visit_u64(0), number;
        deserialize_i16: visit_u64(0), number;
        deserialize_i32: visit_u64(0), number;
        deserialize_i64: visit_u64(0), number;
        deserialize_u8: visit_u64(0), number;
        deserialize_u16: visit_u64(0), number;
        deserialize_u32: visit_u64(0), number;
        deserialize_u64: visit_u64(0), number;
        deserialize_f32: visit_u64(0), number;
        deserialize_f64: visit_u64(0), number;
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Within(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(Within(visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, Within(visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_ignored_any(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple(len, Within(visitor))
    }

    serde::forward_to_deserialize_any! { i128 u128 char unit unit_struct tuple_struct identifier }
}

/// Hands over to `0` what was found, wrapped where there is more within.
struct Within<V>(V);

/// As [`Within`], where a number was asked for.
struct Number<V>(V);

macro_rules! forward {
    ($($method:ident: $type:ty;)*) => {
        $(fn $method<E: de::Error>(self, value: $type) -> Result<V::Value, E> {
            self.0.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Within<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    forward! {
        visit_bool: bool;
        visit_i64: i64;
        visit_u64: u64;
        visit_f64: f64;
        visit_str: &str;
        visit_borrowed_str: &'de str;
        visit_string: String;
        visit_bytes: &[u8];
        visit_borrowed_bytes: &'de [u8];
        visit_byte_buf: Vec<u8>;
    }

    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Zero(d))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, d: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Zero(d))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Zero(seq))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Zero(map))
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Number<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    forward! {
        visit_bool: bool;
        visit_i64: i64;
        visit_u64: u64;
        visit_str: &str;
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<V::Value, E> {
        // Whole numbers up to here are exact: 1e3 is one of them.
        const EXACT: f64 = (1_u64 << 53) as f64;
        if value.fract() == 0.0 && value.abs() <= EXACT {
            self.0.visit_i64(value as i64)
        } else {
            self.0.visit_f64(value)
        }
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Zero<A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        self.0.next_element_seed(Zero(seed))
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Zero<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.0.next_value_seed(Zero(seed))
    }
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Zero<T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<T::Value, D::Error> {
        self.0.deserialize(Zero(d))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default)]
    struct Args {
        name: String,
        list: Vec<String>,
        number: u32,
        signed: i64,
        yes: bool,
        inner: Inner,
        maybe: Option<Inner>,
        map: BTreeMap<String, u32>,
    }

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default)]
    struct Inner {
        a: u32,
    }

    #[test]
    fn null_and_absent_are_zero() {
        let nulls = r#"{"name":null,"list":null,"number":null,"signed":null,"yes":null,"inner":null,
            "maybe":null,"map":null}"#;
        for text in [nulls, "{}", "null"] {
            assert_eq!(from_str::<Args>(text).unwrap(), Args::default(), "{text}");
        }
        let within = r#"{"list":["a",null],"inner":{"a":null},"maybe":{"a":null},"map":{"k":null}}"#;
        let args = from_str::<Args>(within).unwrap();
        assert_eq!(args.list, ["a", ""]);
        assert_eq!(args.maybe, Some(Inner { a: 0 }));
        assert_eq!(args.map["k"], 0);
    }

    #[test]
    fn numbers_that_fit_are_taken() {
        let number = |text: &str| from_str::<Args>(&format!("{{\"number\":{text}}}")).map(|a| a.number);
        assert_eq!(number("7").unwrap(), 7);
        assert_eq!(number("1e3").unwrap(), 1000);
        assert_eq!(number("7.0").unwrap(), 7);
        for bad in ["-1", "4294967296", "0.5", "1e30", "\"7\"", "true", "[]"] {
            assert!(number(bad).is_err(), "{bad}");
        }
        assert_eq!(from_str::<Args>(r#"{"signed":-9223372036854775808}"#).unwrap().signed, i64::MIN);
    }

    #[test]
    fn unknown_fields_are_ignored_and_wrong_ones_are_not() {
        assert!(from_str::<Args>(r#"{"x":{"y":[1,{}]},"yes":true}"#).unwrap().yes);
        assert!(from_str::<Args>(r#"{"yes":1}"#).is_err());
        assert!(from_str::<Args>(r#"{"list":"a"}"#).is_err());
        assert!(from_str::<Args>(r#"{"name":{}}"#).is_err());
        assert!(from_str::<Args>("{} {}").is_err());
    }
}
