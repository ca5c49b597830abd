//! The log's levels.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use stockade_control::types::logging::Level;

/// `warning`, `info` or `debug`.
pub fn level() -> impl TypedValueParser<Value = Level> {
    let words = [Level::Warning, Level::Info, Level::Debug].map(|level| PossibleValue::new(level.word()));
    PossibleValuesParser::new(words).map(|word| match word.as_str() {
        "debug" => Level::Debug,
        "info" => Level::Info,
        _ => Level::Warning,
    })
}
