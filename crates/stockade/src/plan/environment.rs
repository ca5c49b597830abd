//! The environment of the first program.

use crate::caller::Caller;
use crate::failure::Failure;
use crate::parse::EnvArg;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// `NAME=VALUE` each: the caller's unless cleared, `PWD` following `--cwd`, then `--env` in its order, the last winning.
pub(super) fn environment(
    set: &[EnvArg],
    clear: bool,
    cwd: Option<&Path>,
    caller: &Caller,
) -> Result<Vec<OsString>, Failure> {
    let mut variables = if clear { Vec::new() } else { caller.env.clone() };
    if let (Some(cwd), Some((_, pwd))) = (cwd, variables.iter_mut().find(|(name, _)| name == "PWD")) {
        *pwd = caller.cwd.join(cwd).into();
    }
    for EnvArg { name, value } in set {
        let value = match value {
            Some(value) => value.clone(),
            None => callers(name, caller)?.clone(),
        };
        match variables.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => variables.push((name.clone(), value)),
        }
    }
    Ok(variables.into_iter().map(|(name, value)| join(name, &value)).collect())
}

fn callers<'a>(name: &OsStr, caller: &'a Caller) -> Result<&'a OsString, Failure> {
    caller.env.iter().find(|(known, _)| known == name).map(|(_, value)| value).ok_or_else(|| {
        let name = name.to_string_lossy();
        Failure::new(
            format!("--env {name}: not set in the caller's environment"),
            format!("give it a value: --env {name}=VALUE"),
        )
    })
}

fn join(mut name: OsString, value: &OsStr) -> OsString {
    name.push("=");
    name.push(value);
    name
}
