//! Capabilities by name (capabilities(7)).

/// In the order of their numbers.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// The mask of a capability, with or without `CAP_` and in any case; `all` means each.
///
/// # Errors
/// When there is none of this name.
pub fn capability(text: &str) -> Result<u64, String> {
    let name = text.to_ascii_lowercase();
    if name == "all" {
        return Ok((1 << NAMES.len()) - 1);
    }
    let short = name.strip_prefix("cap_").unwrap_or(&name);
    let number = NAMES.iter().position(|known| *known == short);
    number.map(|n| 1 << n).ok_or_else(|| "no capability has this name; see capabilities(7)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(capability("CAP_CHOWN"), Ok(1));
        assert_eq!(capability("net_bind_service"), Ok(1 << 10));
        assert_eq!(capability("cap_Checkpoint_Restore"), Ok(1 << 40));
        assert_eq!(capability("ALL"), Ok(stockade_abi::sched::CAP_FULL));
        assert!(capability("").is_err() && capability("cap_").is_err() && capability("root").is_err());
    }
}
