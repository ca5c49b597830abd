//! From options to what the control server is asked for.

use crate::cli::ExecArgs;
use crate::failure::{Failure, reason};
use crate::parse::{self, EnvArg};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use stockade_control::types::proc::{ExecArgs as Request, ProcessDefaults, TaskCapabilities};

/// Where programs are looked for when no PATH is set.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What to ask for, without descriptors.
pub(super) fn request(args: &ExecArgs, defaults: ProcessDefaults) -> Result<Request, Failure> {
    let ProcessDefaults { envv, working_directory, kuid, kgid, mut extra_kgids } = defaults;
    extra_kgids.extend(&args.additional_gids);
    let argv = args.command.iter().map(|word| text("COMMAND", word)).collect::<Result<Vec<_>, _>>()?;
    let working_directory = match &args.cwd {
        Some(cwd) => text("--cwd", cwd)?,
        None => working_directory,
    };
    let mask = args.cap.iter().fold(0, |all, cap| all | cap);
    let capabilities = (!args.cap.is_empty()).then_some(TaskCapabilities {
        permitted: mask,
        inheritable: mask,
        effective: mask,
        bounding: mask,
        // For what the program executes in turn.
        ambient: if kuid == 0 { 0 } else { mask },
    });
    Ok(Request {
        argv,
        envv: environment(args, envv)?,
        working_directory,
        kuid,
        kgid,
        extra_kgids,
        capabilities,
        ..Request::default()
    })
}

/// The first process's, the terminal's name, then files in their order and options in theirs; the last wins.
fn environment(args: &ExecArgs, mut envv: Vec<String>) -> Result<Vec<String>, Failure> {
    if args.tty
        && let Some(term) = std::env::var("TERM").ok().filter(|term| !term.is_empty())
    {
        set(&mut envv, "TERM", &term);
    }
    for path in &args.env_file {
        for variable in read(path)? {
            add(&mut envv, &variable)?;
        }
    }
    for variable in &args.env {
        add(&mut envv, variable)?;
    }
    if !envv.iter().any(|v| v.starts_with("PATH=")) {
        envv.push(PATH.to_owned());
    }
    Ok(envv)
}

fn add(envv: &mut Vec<String>, EnvArg { name, value }: &EnvArg) -> Result<(), Failure> {
    let name = text("--env", name)?;
    let callers = || {
        std::env::var_os(&name).ok_or_else(|| {
            Failure::new(
                format!("--env {name}: not set in the caller's environment"),
                format!("give it a value: --env {name}=VALUE"),
            )
        })
    };
    let value = value.clone().map_or_else(callers, Ok)?;
    set(envv, &name, &text("--env", &value)?);
    Ok(())
}

fn set(envv: &mut Vec<String>, name: &str, value: &str) {
    let variable = format!("{name}={value}");
    let is_it = |v: &&mut String| v.strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
    match envv.iter_mut().find(is_it) {
        Some(old) => *old = variable,
        None => envv.push(variable),
    }
}

/// The variables in a file: a line each; empty lines and those that begin with `#` are none.
fn read(path: &Path) -> Result<Vec<EnvArg>, Failure> {
    let on_file = |cause: String| {
        Failure::new(format!("--env-file {}: {cause}", path.display()), "a line is NAME=VALUE, or NAME alone")
    };
    let text = std::fs::read(path).map_err(|e| on_file(reason(&e)))?;
    let lines = text.split(|&b| b == b'\n').map(|line| line.trim_ascii_start());
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines
        .enumerate()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"))
        .map(|(i, line)| {
            parse::env(OsStr::from_bytes(line)).map_err(|e| on_file(format!("line {}: {e}", i + 1)))
        })
        .collect()
}

/// The protocol is JSON, whose strings are text.
fn text(option: &str, word: &OsString) -> Result<String, Failure> {
    word.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::new(
            format!("{option} {}: not UTF-8", word.to_string_lossy()),
            "a running sandbox can only be told text; let a shell inside make other bytes",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser as _;

    fn args(line: &str) -> ExecArgs {
        let words = ["stockade", "exec"].into_iter().chain(line.split_whitespace());
        let Command::Exec(args) = Cli::try_parse_from(words).unwrap().command else { panic!("not exec") };
        *args
    }

    fn defaults() -> ProcessDefaults {
        ProcessDefaults {
            envv: vec!["PATH=/bin".into(), "A=1".into()],
            working_directory: "/srv".into(),
            kuid: 7,
            kgid: 8,
            extra_kgids: vec![9],
        }
    }

    #[test]
    fn defaults_are_the_first_processes() {
        let got = request(&args("box ls -l --all"), defaults()).unwrap();
        let want = Request {
            argv: ["ls", "-l", "--all"].map(String::from).to_vec(),
            envv: defaults().envv,
            working_directory: "/srv".into(),
            kuid: 7,
            kgid: 8,
            extra_kgids: vec![9],
            ..Request::default()
        };
        assert_eq!(got, want);
    }

    #[test]
    fn options_end_at_the_name() {
        let args = args(
            "-it -w /x -e A=2 -u w:log --cap chown --cap CAP_KILL --additional-gids 3,4 box sh -c -- -e",
        );
        let got = request(&args, defaults()).unwrap();
        assert_eq!((args.interactive, args.tty, args.user.as_deref()), (true, true, Some("w:log")));
        assert_eq!(got.argv, ["sh", "-c", "--", "-e"]);
        assert_eq!((got.working_directory.as_str(), got.extra_kgids.as_slice()), ("/x", &[9, 3, 4][..]));
        assert!(got.envv.contains(&"A=2".to_owned()) && !got.envv.contains(&"A=1".to_owned()));
        let caps = got.capabilities.unwrap();
        assert_eq!((caps.permitted, caps.effective, caps.ambient), (0x21, 0x21, 0x21));
    }

    #[test]
    fn variables_come_from_files_first() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("env");
        std::fs::write(&file, "# comment\n\n  B=x=y\r\nA=file\nC=\n").unwrap();
        let line = format!("--env-file {} -e A=option box true", file.display());
        let got = request(&args(&line), defaults()).unwrap();
        assert_eq!(got.envv, ["PATH=/bin", "A=option", "B=x=y", "C="]);
        std::fs::write(&file, "A=1\n=2\n").unwrap();
        assert!(request(&args(&line), defaults()).unwrap_err().to_string().contains("line 2: "));
        let none = ProcessDefaults { envv: Vec::new(), ..defaults() };
        assert_eq!(request(&args("box true"), none).unwrap().envv, [PATH]);
    }
}
