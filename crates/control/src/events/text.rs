//! Messages in protobuf's text format, on one line.

use std::fmt::Write as _;

use super::message::{DebugEvent, Info, LOST, STRACE, Strace};

impl From<Strace> for DebugEvent {
    fn from(strace: Strace) -> Self {
        Self { name: STRACE.to_owned(), text: text(&strace), strace: Some(strace), lost: 0 }
    }
}

impl DebugEvent {
    /// So many events did not find room.
    #[must_use]
    pub fn of_lost(lost: u64) -> Self {
        Self { name: LOST.to_owned(), text: format!("events:{lost}"), strace: None, lost }
    }
}

fn text(strace: &Strace) -> String {
    let mut text = String::with_capacity(160);
    string(&mut text, "process", &strace.process);
    string(&mut text, "function", &strace.function);
    for arg in &strace.args {
        field(&mut text, "args");
        quote(&mut text, arg);
    }
    match &strace.info {
        None => {}
        Some(Info::Enter(_)) => {
            field(&mut text, "enter");
            text.push_str("{}");
        }
        Some(Info::Exit(exit)) => {
            let mut inner = String::new();
            string(&mut inner, "return", &exit.r#return);
            string(&mut inner, "error", &exit.error);
            number(&mut inner, "err_no", exit.err_no);
            number(&mut inner, "elapsed_ns", exit.elapsed_ns);
            field(&mut text, "exit");
            let _ = write!(text, "{{{inner}}}");
        }
    }
    number(&mut text, "tid", i64::from(strace.tid));
    text
}

fn field(text: &mut String, name: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(name);
    text.push(':');
}

/// What is the default is left out.
fn string(text: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        field(text, name);
        quote(text, value);
    }
}

fn number(text: &mut String, name: &str, value: i64) {
    if value != 0 {
        field(text, name);
        // Writing to a string cannot fail.
        let _ = write!(text, "{value}");
    }
}

/// C's escapes; what is not ASCII stays.
fn quote(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if c.is_ascii_control() => {
                let _ = write!(text, "\\{:03o}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::super::message::{StraceEnter, StraceExit};
    use super::*;

    #[test]
    fn messages_are_protobufs_text() {
        let begins = Strace {
            process: "s\"h\u{1}é".into(),
            function: "write".into(),
            args: vec!["1".into(), "\"a\\n\"".into(), String::new()],
            tid: 7,
            info: Some(Info::Enter(StraceEnter {})),
        };
        assert_eq!(
            DebugEvent::from(begins.clone()).text,
            r#"process:"s\"h\001é" function:"write" args:"1" args:"\"a\\n\"" args:"" enter:{} tid:7"#
        );
        let exit = StraceExit { r#return: "-1".into(), error: "EPERM".into(), err_no: 1, elapsed_ns: 1500 };
        let ended = Strace { args: Vec::new(), info: Some(Info::Exit(exit)), ..begins };
        assert!(
            DebugEvent::from(ended)
                .text
                .ends_with(r#"exit:{return:"-1" error:"EPERM" err_no:1 elapsed_ns:1500} tid:7"#)
        );
        assert_eq!(DebugEvent::of_lost(3).text, "events:3");
    }
}
