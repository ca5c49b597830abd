//! System calls as they are made, as JSON lines.

use crate::commands::print_line;
use crate::connect;
use crate::failure::{Failure, reason};
use serde_json::{Value, json};
use std::process::ExitCode;
use stockade_control::client::Client;
use stockade_control::events::{DebugEvent, Info, LOST};

/// Prints a line for each, until the sandbox ends or another reader takes this one's place.
pub(super) fn print(mut client: Client, id: &str) -> Result<ExitCode, Failure> {
    let failed = |e| connect::failed(id, &e);
    let events = client.attach_events().map_err(failed)?;
    let traced = client.logging_settings().map_err(failed)?.event_strace;
    if !traced.all && traced.calls.is_empty() {
        crate::run::say(&format!(
            "no calls are told of yet\n  hint: stockade debug {id} --strace-events, or --strace-events=CALL,..."
        ));
    }
    let on_wire = |e: std::io::Error| Failure::new(format!("sandbox {id}: its events: {}", reason(&e)), "");
    for event in events {
        if !print_line(&line(id, event.map_err(on_wire)?).to_string())? {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(id: &str, event: DebugEvent) -> Value {
    let Some(strace) = event.strace else {
        return match event.name.as_str() {
            LOST => json!({ "type": "lost", "id": id, "data": { "events": event.lost } }),
            name => json!({ "type": name, "id": id, "data": { "text": event.text } }),
        };
    };
    let mut data = json!({
        "tid": strace.tid, "process": strace.process, "function": strace.function, "args": strace.args,
    });
    let kind = match strace.info {
        Some(Info::Exit(exit)) => {
            data["return"] = exit.r#return.into();
            data["elapsed_ns"] = exit.elapsed_ns.into();
            if exit.err_no != 0 {
                data["errno"] = exit.err_no.into();
                data["error"] = exit.error.into();
            }
            "exit"
        }
        _ => "enter",
    };
    json!({ "type": kind, "id": id, "data": data })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stockade_control::events::{Strace, StraceEnter, StraceExit};

    #[test]
    fn lines_have_all_there_is() {
        let enter = Strace {
            process: "sh".into(),
            function: "close".into(),
            args: vec!["3".into()],
            tid: 2,
            info: Some(Info::Enter(StraceEnter {})),
        };
        let wanted = json!({ "tid": 2, "process": "sh", "function": "close", "args": ["3"] });
        assert_eq!(line("a", enter.clone().into()), json!({ "type": "enter", "id": "a", "data": wanted }));
        let end = StraceExit { r#return: "-1".into(), error: "EBADF".into(), err_no: 9, elapsed_ns: 5 };
        let exit = line("a", Strace { info: Some(Info::Exit(end)), ..enter }.into());
        assert_eq!(
            (&exit["type"], &exit["data"]["errno"], &exit["data"]["error"]),
            (&json!("exit"), &json!(9), &json!("EBADF"))
        );
        assert_eq!(
            line("a", DebugEvent::of_lost(4)),
            json!({ "type": "lost", "id": "a", "data": { "events": 4 } })
        );
    }
}
