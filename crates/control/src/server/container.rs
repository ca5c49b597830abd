//! `containerManager`: the methods that concern a container as a whole.

use std::sync::Arc;

use stockade_abi::signal::{SigInfo, si};

use super::methods::Nothing;
use super::{Error, Files, Sandbox};
use crate::types::container::{SignalArgs, SignalDeliveryMode};

/// Sends a signal.
pub(super) fn signal(sandbox: &Arc<Sandbox>, args: SignalArgs, _: Files) -> Result<Nothing, Error> {
    if !(1..=64).contains(&args.signo) {
        return Err(Error::new(format!("{} is no signal; 1 to 64 are", args.signo)));
    }
    let kernel = &sandbox.kernel;
    let pid = if args.pid == 0 { kernel.init_tgid() } else { args.pid };
    let info = SigInfo::new(args.signo, si::SI_USER);
    let tree = kernel.tree.lock();
    let sent = match args.mode {
        SignalDeliveryMode::Process => tree.send_group(pid, &info),
        mode => return Err(Error::new(format!("signal delivery mode {} is not there yet", u8::from(mode)))),
    };
    sent.map_err(|e| Error::on(&format!("process {pid}"), e))?;
    drop(tree);
    kernel.report_continued();
    Ok(Nothing {})
}
