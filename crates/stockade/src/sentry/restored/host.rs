//! What a restored kernel asks of the host.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use stockade_abi::Errno;
use stockade_abi::sched::CAP_FULL;
use stockade_sentry::creds::Credentials;
use stockade_sentry::persist::HostResources;

use crate::config::{OverlayConfig, SandboxConfig};

/// Trees by their labels, and inherited streams by their numbers.
pub(super) struct Host {
    trees: HashMap<String, OwnedFd>,
    streams: HashMap<i32, OwnedFd>,
    proc: OwnedFd,
}

impl Host {
    /// `trees` are in the order of the configuration: the root, the overlay's directory, the volumes.
    pub(super) fn new(
        config: &SandboxConfig,
        trees: Vec<OwnedFd>,
        proc: OwnedFd,
        streams: Vec<(i32, OwnedFd)>,
    ) -> Self {
        let upper = match &config.root.overlay {
            OverlayConfig::Dir(_) => Some("upper".to_owned()),
            OverlayConfig::Memory | OverlayConfig::None => None,
        };
        let volumes = config.volumes.iter().map(|volume| volume.destination.to_string_lossy().into_owned());
        let labels = ["root".to_owned()].into_iter().chain(upper).chain(volumes);
        Self { trees: labels.zip(trees).collect(), streams: streams.into_iter().collect(), proc }
    }
}

fn again(fd: &OwnedFd) -> Result<OwnedFd, Errno> {
    rustix::io::fcntl_dupfd_cloexec(fd, 3).map_err(|e| Errno::from_raw(e.raw_os_error()))
}

impl HostResources for Host {
    fn proc(&mut self) -> Result<OwnedFd, Errno> {
        again(&self.proc)
    }

    fn tree(&mut self, label: &str) -> Result<OwnedFd, Errno> {
        self.trees.get(label).ok_or(Errno::ENOENT).and_then(again)
    }

    /// Who is who inside is the sandbox's own affair, as with `do` and `exec`, whose callers may give any id and capability:
    /// on the host, all of it is the restorer.
    fn admit(&mut self, creds: &Credentials) -> Result<(), String> {
        let Credentials { permitted, effective, inheritable, bounding, ambient, .. } = creds;
        match (permitted | effective | inheritable | bounding | ambient) & !CAP_FULL {
            0 => Ok(()),
            unknown => Err(format!("there are no capabilities {unknown:#x}")),
        }
    }

    fn stream(&mut self, number: i32) -> Option<OwnedFd> {
        let stream = self.streams.get(&number)?;
        stream.try_clone().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn null() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    /// Whatever an image asks for: it gets what its restorer has given, and nobody has capabilities that there are not.
    #[test]
    fn nothing_is_given_that_was_not() {
        let mut host = Host {
            trees: HashMap::from([("root".to_owned(), null())]),
            streams: HashMap::from([(1, null())]),
            proc: null(),
        };
        assert!(host.tree("root").is_ok() && host.stream(1).is_some());
        assert_eq!(host.tree("/etc").unwrap_err(), Errno::ENOENT);
        for number in [0, 2, 3, 1000, -1, i32::MAX] {
            assert!(host.stream(number).is_none(), "{number}");
        }
        let root = Credentials::root();
        assert_eq!(host.admit(&root), Ok(()));
        assert_eq!(host.admit(&Credentials { effective: CAP_FULL, ..root.clone() }), Ok(()));
        let unknown = CAP_FULL + 1;
        for creds in [
            Credentials { permitted: unknown, ..root.clone() },
            Credentials { ambient: 1 << 63, ..root.clone() },
            Credentials { bounding: u64::MAX, ..root },
        ] {
            assert!(host.admit(&creds).unwrap_err().contains("there are no capabilities"));
        }
    }
}
