//! Each field of the arguments of Proc.Exec, and each of its errors.

use serde_json::json;

use super::{exec, failure, shell};
use crate::control::{Live, until};

#[test]
fn wait_statuses_are_linuxs() {
    let live = Live::idle();
    let mut client = live.connect();
    for (script, status) in [("exit 0", 0), ("exit 3", 3 << 8), ("kill -9 $$", 9), ("kill -TERM $$", 15)] {
        let (answer, _) = exec(&mut client, &json!({"filename": "/bin/sh", "argv": ["sh", "-c", script]}));
        assert_eq!(
            (&answer["success"], &answer["result"]),
            (&json!(true), &json!(status)),
            "{script}: {answer}"
        );
    }
}

#[test]
fn programs_are_found_as_told() {
    let live = Live::script(
        &[],
        "mkdir -p /tmp/d/bin; printf '#!/bin/sh\necho found $0 $1' >/tmp/d/bin/prog; \
        chmod 755 /tmp/d/bin/prog; echo x >/tmp/d/noexec; chmod 644 /tmp/d/noexec; mkdir /tmp/e; \
        cp /tmp/d/noexec /tmp/e/prog; exec sleep 1000",
    );
    let mut client = live.connect();
    until("the files are there", || {
        exec(&mut client, &json!({"argv": ["/bin/ls", "/tmp/e/prog"]})).0["result"] == 0
    });
    let mut run = |arg| exec(&mut client, &arg).1;
    // Absolute as it is, with another argv[0].
    assert_eq!(run(json!({"filename": "/bin/echo", "argv": ["other", "hi"]})), "hi\n");
    // With a slash, below the working directory.
    assert_eq!(run(json!({"argv": ["bin/prog", "a"], "wd": "/tmp/d"})), "found bin/prog a\n");
    assert_eq!(
        run(json!({"filename": "./prog", "argv": ["x", "b"], "wd": "/tmp/d/bin"})),
        "found ./prog b\n"
    );
    // Along PATH; relative entries are skipped, and one that may not be executed is passed over.
    let along = |path: &str| json!({"argv": ["prog", "c"], "envv": [format!("PATH={path}")], "wd": "/tmp/d"});
    assert_eq!(run(along("/none:/tmp/e:/tmp/d/bin")), "found /tmp/d/bin/prog c\n");
    let (message, errno) = failure(&mut client, &along("bin::."));
    assert_eq!((message.as_str(), errno), ("prog: not found along PATH, which is bin::.", 2));
    assert_eq!(failure(&mut client, &along("/none:/tmp/e")), ("prog: Permission denied".into(), 13));
    let fails = [
        (json!({"argv": ["prog"]}), "prog: not found, as envv has no PATH", 2),
        (json!({"argv": ["/tmp/none"]}), "/tmp/none: No such file or directory", 2),
        (json!({"argv": ["/tmp/d"]}), "/tmp/d: Permission denied", 13),
        (json!({"argv": ["/tmp/d/noexec"]}), "/tmp/d/noexec: Permission denied", 13),
        (json!({"filename": "/etc/passwd/x", "argv": ["x"]}), "/etc/passwd/x: Not a directory", 20),
        (json!({}), "neither filename nor argv names a program", 2),
        (
            json!({"argv": ["/bin/true"], "wd": "/tmp/none"}),
            "working directory /tmp/none: No such file or directory",
            2,
        ),
        (
            json!({"argv": ["/bin/true"], "wd": "/etc/passwd"}),
            "working directory /etc/passwd: Not a directory",
            20,
        ),
        (
            json!({"argv": ["/bin/true"], "wd": "/root", "KUID": 1, "KGID": 1}),
            "working directory /root: Permission denied",
            13,
        ),
        (
            json!({"argv": ["/bin/true"], "ContainerID": "other"}),
            "no container named \"other\"; there is \"box\"",
            0,
        ),
        (json!({"argv": ["/bin/true"], "MountNamespace": {"pid": 999}}), "process 999: No such process", 3),
        (json!({"argv": ["/bin/true"], "PIDNamespace": {"pid": 999}}), "process 999: No such process", 3),
        (json!({"argv": ["/bin/true"], "Limits": {"BEER": {}}}), "BEER is no resource limit", 0),
        (
            json!({"argv": ["/bin/true"], "Limits": {"NOFILE": {"Cur": 2, "Max": 1}}}),
            "limit NOFILE: Invalid argument",
            22,
        ),
        (
            json!({"argv": ["/bin/true"], "StdioIsPty": true}),
            "StdioIsPty: descriptors 0, 1 and 2 are no terminal",
            0,
        ),
    ];
    for (arg, message, errno) in fails {
        assert_eq!(failure(&mut client, &arg), (message.to_owned(), errno), "{arg}");
    }
}

#[test]
fn identity_environment_and_directory_are_given() {
    let live = Live::idle();
    let mut client = live.connect();
    assert_eq!(shell(&mut client, "pwd; id -u; id -g", json!({"ContainerID": "box"})), "/\n0\n0");
    assert_eq!(
        shell(&mut client, "pwd; echo $A$B", json!({"wd": "tmp", "envv": ["PATH=/bin", "A=1", "B=2"]})),
        "/tmp\n12"
    );
    let nobody = json!({"KUID": 1234, "KGID": 77, "ExtraKGIDs": [5, 6]});
    assert_eq!(shell(&mut client, "id -u; id -g; id -G", nobody), "1234\n77\n77 5 6");
    // Unlike ExecuteAsync, which sets it.
    assert_eq!(shell(&mut client, "env | grep -c ^HOME= || true", json!({})), "0");
}

/// Lines of /proc/self/status.
fn status(client: &mut crate::control::Client, fields: &str, arg: serde_json::Value) -> String {
    shell(client, &format!("grep -E '^({fields}):' /proc/self/status | cut -f2 | tr '\\n' ' '"), arg)
}

#[test]
fn capabilities_are_as_given() {
    const SETS: &str = "CapInh|CapPrm|CapEff|CapBnd|CapAmb";
    let live = Live::idle();
    let mut client = live.connect();
    let (none, all) = ("0000000000000000", "000001ffffffffff");
    assert_eq!(status(&mut client, SETS, json!({})), format!("{none} {all} {all} {all} {none}"));
    assert_eq!(status(&mut client, SETS, json!({"KUID": 5})), format!("{none} {none} {none} {all} {none}"));
    let caps = json!({"PermittedCaps": 0xf1, "InheritableCaps": 0x31, "EffectiveCaps": 0x11,
        "BoundingCaps": 0xff, "AmbientCaps": 0x21});
    for uid in [0, 5] {
        let script = format!("exec 3</proc/$$/status; grep -E '^({SETS}):' <&3 | cut -f2 | tr '\\n' ' '");
        assert_eq!(
            shell(&mut client, &script, json!({"KUID": uid, "Capabilities": caps})),
            "0000000000000031 00000000000000f1 0000000000000011 00000000000000ff 0000000000000021"
        );
    }
    // What is beyond the permitted set is not effective.
    let wide = json!({"EffectiveCaps": u64::MAX, "PermittedCaps": 1});
    let script = "grep CapEff /proc/$$/status | cut -f2";
    assert_eq!(shell(&mut client, script, json!({"Capabilities": wide})), "0000000000000001");
}

#[test]
fn limits_and_no_new_privileges_are_given() {
    let live = Live::idle();
    let mut client = live.connect();
    assert_eq!(status(&mut client, "NoNewPrivs", json!({})), "0");
    assert_eq!(status(&mut client, "NoNewPrivs", json!({"NoNewPrivileges": true})), "1");
    let limits = json!({"NOFILE": {"Cur": 50, "Max": 60}, "RLIMIT_CORE": {"Cur": 1024, "Max": u64::MAX}});
    let script = "ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Hc";
    assert_eq!(shell(&mut client, script, json!({"Limits": limits})), "50\n60\n2\nunlimited");
    for defaults in [json!({}), json!(null)] {
        assert_eq!(shell(&mut client, "ulimit -Sn", json!({"Limits": defaults})), "1024");
    }
}

#[test]
fn namespaces_are_another_processes() {
    let script = "unshare --mount --pid --fork sh -c 'busybox mount -t tmpfs none /mnt; echo in >/mnt/mark; exec sleep 1000' & \
        exec sleep 1000";
    let live = Live::script(&["--uid", "0"], script);
    let mut client = live.connect();
    let mut pid = 0;
    until("the namespaces are there", || {
        let answer = client.raw(r#"{"method":"containerManager.Processes","arg":"box"}"#);
        let sleeps =
            answer["result"].as_array().unwrap().iter().filter(|p| p["cmd"] == "sleep" && p["pid"] != 1);
        pid = sleeps.map(|p| p["pid"].as_i64().unwrap()).next().unwrap_or(0);
        pid != 0
    });
    let look = "cat /mnt/mark 2>/dev/null || echo none";
    assert_eq!(shell(&mut client, look, json!({})), "none");
    assert_eq!(shell(&mut client, look, json!({"MountNamespace": {"pid": pid}})), "in");
    let outside: i64 = shell(&mut client, "echo $$", json!({})).parse().unwrap();
    let inside: i64 = shell(&mut client, "echo $$", json!({"PIDNamespace": {"pid": pid}})).parse().unwrap();
    assert!(outside > pid && inside < 10, "{outside} {inside}");
}

#[test]
fn programs_go_on_without_their_client() {
    let live = Live::idle();
    let mut client = live.connect();
    let script = "sleep 0.5; echo done >/tmp/went-on";
    let call = json!({"method": "Proc.Exec", "arg": {"filename": "/bin/sh", "argv": ["sh", "-c", script], "envv": ["PATH=/bin"]}});
    let mut dying = live.connect();
    std::io::Write::write_all(&mut dying.0, call.to_string().as_bytes()).unwrap();
    until("it runs", || shell(&mut client, "ps -ef | grep -c '[w]ent-on' || true", json!({})) != "0");
    drop(dying);
    until("it has gone on", || shell(&mut client, "cat /tmp/went-on || true", json!({})).ends_with("done"));
}
