//! The table of methods.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    Error, Files, Sandbox, container, copy, emitter, executed, logging, proc, processes, profile, signals,
    state, top, usage,
};
use crate::wire::{Answer, Call, Message, zero};

type Handler = fn(&Arc<Sandbox>, &str, Files) -> Result<Box<RawValue>, Error>;

/// A line of the table: the name on the wire, and a function of the sandbox, the argument and the descriptors.
macro_rules! methods {
    ($($name:literal => $function:path;)*) => {
        &[$(($name, |sandbox, arg, files| result($function(sandbox, argument(arg)?, files)?))),*]
    };
}

const METHODS: &[(&str, Handler)] = methods! {
    "Files.Look" => copy::look;
    "Files.Pack" => copy::pack;
    "Files.Unpack" => copy::unpack;
    "Proc.Defaults" => proc::defaults;
    "Proc.Exec" => proc::exec;
    "Proc.Ps" => processes::ps;
    "containerManager.Checkpoint" => state::save;
    "containerManager.Event" => usage::event;
    "containerManager.ExecuteAsync" => executed::execute_async;
    "containerManager.Pause" => container::pause;
    "containerManager.Processes" => processes::list;
    "containerManager.Restore" => state::restore;
    "containerManager.Resume" => container::resume;
    "containerManager.Signal" => signals::signal;
    "containerManager.Status" => container::status;
    "containerManager.Wait" => executed::wait;
    "containerManager.WaitCheckpoint" => state::wait_checkpoint;
    "containerManager.WaitPID" => executed::wait_pid;
    "containerManager.WaitRestore" => state::wait_restore;
    "Events.AttachDebugEmitter" => emitter::attach;
    "Logging.Change" => logging::change;
    "Logging.Settings" => logging::settings;
    "Metrics.Export" => usage::export;
    "Profile.Block" => profile::block;
    "Profile.CPU" => profile::cpu;
    "Profile.Goroutine" => profile::goroutine;
    "Profile.Heap" => profile::delayed_heap;
    "Profile.HeapProfile" => profile::heap;
    "Profile.Mutex" => profile::mutex;
    "Profile.StartCPUProfile" => profile::start_cpu;
    "Profile.StartTrace" => profile::start_trace;
    "Profile.StopCPUProfile" => profile::stop_cpu;
    "Profile.StopTrace" => profile::stop_trace;
    "Profile.Trace" => profile::trace;
    "State.Save" => state::save;
    "Stockade.Strace" => top::strace;
    "Stockade.Top" => top::top;
    "Usage.Collect" => usage::collect;
    "debug.Stacks" => profile::stacks;
};

/// A result of methods that give none.
#[derive(Debug, Serialize)]
pub(super) struct Nothing {}

fn argument<A: DeserializeOwned>(text: &str) -> Result<A, Error> {
    zero::from_str(text).map_err(|e| Error::new(e.to_string()))
}

fn result(value: impl Serialize) -> Result<Box<RawValue>, Error> {
    to_raw_value(&value).map_err(|e| Error::new(e.to_string()))
}

/// Carries a call out; gives the text of the answer.
pub(super) fn call(sandbox: &Arc<Sandbox>, message: Message) -> Vec<u8> {
    match carry_out(sandbox, message) {
        Ok(result) => text(&Answer { success: true, err: String::new(), result: Some(result), errno: None }),
        Err(e) => failure(&e),
    }
}

fn carry_out(sandbox: &Arc<Sandbox>, mut message: Message) -> Result<Box<RawValue>, Error> {
    let files = Files(std::mem::take(&mut message.files));
    let call: Call<String, &RawValue> = serde_json::from_slice(&message.text)
        .map_err(|e| Error::new(format!("a call that cannot be understood: {e}")))?;
    let (_, handler) =
        METHODS.iter().find(|(name, _)| *name == call.method).ok_or_else(|| Error::new("unknown method"))?;
    let arg = call.arg.map_or("null", RawValue::get);
    handler(sandbox, arg, files)
}

/// The text of a failure.
pub(super) fn failure(e: &Error) -> Vec<u8> {
    let errno = e.errno.map(|errno| errno.raw());
    text(&Answer { success: false, err: e.message.clone(), result: None, errno })
}

fn text(answer: &Answer) -> Vec<u8> {
    // A structure of strings and of text that is JSON already.
    serde_json::to_vec(answer).unwrap_or_default()
}
