//! Resource limits of an executed program.

use stockade_abi::general as c;
use stockade_abi::sched::Rlimit;
use stockade_sentry::task::Limits;

use crate::server::Error;
use crate::types::proc::ExecArgs;

/// The names of limits, by their numbers.
const NAMES: [(&str, u32); 16] = [
    ("AS", c::RLIMIT_AS),
    ("CORE", c::RLIMIT_CORE),
    ("CPU", c::RLIMIT_CPU),
    ("DATA", c::RLIMIT_DATA),
    ("FSIZE", c::RLIMIT_FSIZE),
    ("LOCKS", c::RLIMIT_LOCKS),
    ("MEMLOCK", c::RLIMIT_MEMLOCK),
    ("MSGQUEUE", c::RLIMIT_MSGQUEUE),
    ("NICE", c::RLIMIT_NICE),
    ("NOFILE", c::RLIMIT_NOFILE),
    ("NPROC", c::RLIMIT_NPROC),
    ("RSS", c::RLIMIT_RSS),
    ("RTPRIO", c::RLIMIT_RTPRIO),
    ("RTTIME", c::RLIMIT_RTTIME),
    ("SIGPENDING", c::RLIMIT_SIGPENDING),
    ("STACK", c::RLIMIT_STACK),
];

/// The defaults, but for those that are given.
pub(super) fn limits(args: &ExecArgs) -> Result<Limits, Error> {
    let mut limits = Limits::default();
    for (name, limit) in &args.limits {
        let short = name.strip_prefix("RLIMIT_").unwrap_or(name);
        let (_, number) = NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(short))
            .ok_or_else(|| Error::new(format!("{name} is no resource limit")))?;
        limits
            .set(*number, Rlimit { cur: limit.cur, max: limit.max }, true)
            .map_err(|e| Error::on(&format!("limit {name}"), e))?;
    }
    Ok(limits)
}
