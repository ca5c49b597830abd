//! Panics: a bug, after which nothing that the sentry believes can be trusted.

use std::panic::PanicHookInfo;

use super::handler::{begin, end};
use super::out::line;

/// Makes a panic of any thread end the process with a report.
pub(super) fn install() {
    std::panic::set_hook(Box::new(|info| {
        begin();
        report(info);
        end(None)
    }));
}

fn report(info: &PanicHookInfo<'_>) {
    // A formatted message may hold what a guest has passed; a literal does not.
    let message = info.payload().downcast_ref::<&'static str>();
    line!("cause: panic: {}", message.copied().unwrap_or("a formatted message, left out"));
    if let Some(location) = info.location() {
        line!("at {}:{}:{}", location.file(), location.line(), location.column());
    }
}
