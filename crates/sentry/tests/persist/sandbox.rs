//! A kernel with a guest program, to be saved and restored in one process.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stockade_abi::Errno;
use stockade_platform::Notify;
use stockade_platform::notify::Options;
use stockade_sentry::creds::Credentials;
use stockade_sentry::fs::host::HostFs;
use stockade_sentry::fs::overlay::{self, Whiteouts};
use stockade_sentry::fs::tmpfs::TmpFs;
use stockade_sentry::fs::{dev, devpts, proc, stdio, sys};
use stockade_sentry::persist::{HostResources, KernelState, RestoreError, SaveError};
use stockade_sentry::task::{Kernel, KernelConfig, Limits, NewProcess};
use stockade_sentry::tty::Terminal;
use stockade_sentry::vfs::{FsContext, LookupFlags, Mount, MountFlags, MountNamespace, NodeKind, ops};

use crate::image::Image;

/// What programs begin with.
const PRELUDE: &str = include_str!("prelude.h");

/// What takes the place of standard input.
pub(crate) enum Input {
    Pipe,
    Nothing,
    /// Of standard error, too.
    Terminal(OwnedFd),
}

/// A sandbox with a program, which talks over pipes.
pub(crate) struct Sandbox {
    directory: PathBuf,
    /// What its root is, or lies below it.
    root: PathBuf,
    kernel: Arc<Kernel>,
    input: Option<File>,
    output: File,
}

fn pipe() -> (File, File) {
    let (from, to) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    (from.into(), to.into())
}

fn platform() -> Arc<Notify> {
    let proc = File::open("/proc").unwrap().into();
    let options = Options { proc, stub_ids: None, root: None, share_network: true };
    Arc::new(Notify::new(options).unwrap())
}

fn config() -> KernelConfig {
    KernelConfig {
        hostname: b"sandbox".to_vec(),
        max_tasks: 600,
        memory: 1 << 30,
        disk: 1 << 30,
        descriptors: 10_000,
        host_descriptors: 10_000,
        cpus: 2,
        cpu: Vec::new(),
        hides_ids: false,
    }
}

/// Makes a program of C, in a directory of its own.
fn build(source: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("persist-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join("program.c");
    fs::write(&file, format!("{PRELUDE}\n{source}")).unwrap();
    let output = directory.join("program");
    let arguments = ["-static", "-O1", "-pthread", "-Wall", "-Werror", "-o"];
    let status = Command::new("gcc").args(arguments).arg(&output).arg(&file).status().unwrap();
    assert!(status.success());
    directory
}

/// Long enough for guests to come to where they wait.
pub(crate) fn settle() {
    std::thread::sleep(Duration::from_millis(30));
}

impl Sandbox {
    /// Starts a program, given in C.
    pub(crate) fn start(source: &str) -> Self {
        let directory = build(source);
        let kernel = Kernel::new(platform(), config()).unwrap();
        let root = HostFs::mount("root", File::open(&directory).unwrap().into(), false).unwrap();
        let mounts = MountNamespace::new(Mount::new(root, MountFlags::empty()));
        Self::with(kernel, mounts, (directory.clone(), directory), b"/program".to_vec(), None)
    }

    /// Starts a program, given in C, over the host's root and with the mounts of the product.
    pub(crate) fn usual(source: &str) -> Self {
        Self::usual_on(source, None)
    }

    /// As [`usual`](Self::usual), with a terminal as standard input and error; behind one of its own if `bridged`.
    pub(crate) fn usual_on(source: &str, terminal: Option<(OwnedFd, bool)>) -> Self {
        Self::usual_in(build(source), Vec::new(), terminal)
    }

    /// The same with directories of the host at `/tmp/volume` and, of a bounded size, at `/tmp/bounded`, and with a file at
    /// `/tmp/single`.
    pub(crate) fn with_volumes(source: &str) -> Self {
        let directory = build(source);
        let path = |name| directory.join(name);
        fs::create_dir(path("volume")).unwrap();
        fs::create_dir(path("bounded")).unwrap();
        fs::write(path("single"), "single").unwrap();
        Self::usual_in(directory, vec!["volume", "bounded", "single"], None)
    }

    fn usual_in(directory: PathBuf, volumes: Vec<&str>, terminal: Option<(OwnedFd, bool)>) -> Self {
        let kernel = Kernel::new(platform(), config()).unwrap();
        let lower = HostFs::mount("root", File::open("/").unwrap().into(), false).unwrap();
        let (_, upper) = TmpFs::mount(Arc::clone(&kernel.memory_files), 0o755).unwrap();
        let root = overlay::mount(&upper, &lower, Whiteouts::Devices).unwrap();
        let mounts = MountNamespace::new(Mount::new(root, MountFlags::empty()));
        let attach = |at: &str, tree, is_directory: bool| {
            let (root, creds) = (mounts.root(), Credentials::root());
            let request = ops::Request { root: root.clone(), start: root, creds: &creds, umask: 0 };
            let kind = if is_directory { NodeKind::Directory } else { NodeKind::Regular };
            // It is there already but for volumes.
            let _ = request.make(at.as_bytes(), kind, 0o755);
            let place = request.walk(LookupFlags::FOLLOW).resolve(at.as_bytes()).unwrap();
            Mount::new(tree, MountFlags::empty()).attach(&place);
        };
        for (at, tree) in [
            ("/dev", dev::mount(&kernel.memory_files).unwrap()),
            ("/dev/pts", devpts::mount(&kernel.ttys)),
            ("/proc", proc::mount(&kernel, &kernel.root_pidns)),
            ("/sys", sys::mount(kernel.config.cpus)),
            ("/tmp", TmpFs::mount(Arc::clone(&kernel.memory_files), 0o1777).unwrap().1),
        ] {
            attach(at, tree, true);
        }
        for name in volumes {
            let fd: OwnedFd = File::open(directory.join(name)).unwrap().into();
            let tree = match name {
                "volume" => HostFs::mount(name, fd, true),
                "bounded" => HostFs::mount_within(name, fd, &kernel.memory_files),
                _ => HostFs::mount_file(name, fd, File::open("/proc").unwrap().into()),
            };
            attach(&format!("/tmp/{name}"), tree.unwrap(), name != "single");
        }
        let program = directory.join("program").into_os_string().into_encoded_bytes();
        Self::with(kernel, mounts, (directory, "/".into()), program, terminal)
    }

    fn with(
        kernel: Arc<Kernel>,
        mounts: Arc<MountNamespace>,
        (directory, tree): (PathBuf, PathBuf),
        path: Vec<u8>,
        terminal: Option<(OwnedFd, bool)>,
    ) -> Self {
        let (root, creds) = (mounts.root(), Credentials::root());
        let request = ops::Request { root: root.clone(), start: root.clone(), creds: &creds, umask: 0 };
        let ((stdin, input), (output, stdout)) = (pipe(), pipe());
        let mut streams: Vec<(i32, OwnedFd)> = vec![(0, stdin.into()), (1, stdout.into())];
        let bridged = terminal.as_ref().is_some_and(|(_, bridged)| *bridged);
        if let Some((terminal, _)) = terminal {
            streams[0].1 = terminal.try_clone().unwrap();
            streams.push((2, terminal));
        }
        let stdio::Imported { files, terminal, bridge } =
            stdio::import(&kernel, &request, streams, bridged).unwrap();
        let of_host = terminal.map(|terminal| terminal as Arc<dyn Terminal>);
        let process = NewProcess {
            creds: creds.clone(),
            keeps_caps: false,
            mounts,
            pidns: Arc::clone(&kernel.root_pidns),
            fs: FsContext::new(root.clone(), root, 0o22),
            files,
            terminal: bridge.as_ref().map(|bridge| bridge.terminal()).or(of_host),
            limits: Limits::default(),
            path,
            file: None,
            argv: vec![b"program".to_vec()],
            envp: vec![b"A=b".to_vec()],
            nice: 0,
            blocked: 0,
            ignored: 0,
        };
        let leader = kernel.start(process).unwrap();
        if let Some(bridge) = bridge {
            bridge.start(&leader).unwrap();
        }
        Self { directory, root: tree, kernel, input: Some(input), output }
    }

    /// Where its program is.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn kernel(&self) -> &Arc<Kernel> {
        &self.kernel
    }

    /// Reads a line of its output, which must be this.
    pub(crate) fn expect(&mut self, line: &str) {
        assert_eq!(self.line(), format!("{line}\n"));
    }

    /// Reads a line of its output.
    pub(crate) fn line(&mut self) -> String {
        let mut found = Vec::new();
        while !found.ends_with(b"\n") {
            let mut byte = [0];
            if self.output.read(&mut byte).unwrap() == 0 {
                break;
            }
            found.push(byte[0]);
        }
        String::from_utf8(found).unwrap()
    }

    /// Gives it a line.
    pub(crate) fn say(&mut self, line: &str) {
        self.try_say(line).unwrap();
    }

    /// The same, if it is still there.
    pub(crate) fn try_say(&mut self, line: &str) -> std::io::Result<()> {
        // In one write(2), for one read(2) to get all of it.
        self.input.as_mut().unwrap().write_all(format!("{line}\n").as_bytes())
    }

    /// Saves it; it goes on.
    pub(crate) fn save(&self) -> Result<Image, SaveError> {
        let mut image = Image::default();
        let frozen = self.kernel.freeze()?;
        let state = frozen.save(&mut image)?;
        drop(frozen);
        image.state = state.to_bytes().unwrap();
        Ok(image)
    }

    /// Saves it and restores it in its place.
    pub(crate) fn save_and_restore(self) -> Self {
        self.save_and_restore_on(Input::Pipe)
    }

    /// The same so many times, each once it has come to rest.
    pub(crate) fn cycles(self, count: u32) -> Self {
        (0..count).fold(self, |sandbox, _| {
            settle();
            sandbox.save_and_restore()
        })
    }

    /// As [`save_and_restore`](Self::save_and_restore), with another standard input.
    pub(crate) fn save_and_restore_on(self, given: Input) -> Self {
        let mut image = Image::default();
        let frozen = self.kernel.freeze().unwrap();
        let state = frozen.save(&mut image).unwrap();
        frozen.end(9);
        assert_eq!(self.kernel.wait(), 9);
        image.state = state.to_bytes().unwrap();
        self.beside_on(image, given).unwrap()
    }

    /// Restores an image beside it, and ends that.
    pub(crate) fn try_restore(&self, image: Image) -> Result<(), RestoreError> {
        self.try_for(image, Duration::ZERO).map(drop)
    }

    /// Restores an image beside it, without a standard input or output, and ends that if it goes on for long; else its
    /// status.
    pub(crate) fn try_run(&self, image: Image) -> Result<Option<i32>, RestoreError> {
        self.try_for(image, Duration::from_secs(2))
    }

    fn try_for(&self, mut image: Image, time: Duration) -> Result<Option<i32>, RestoreError> {
        let state = KernelState::from_bytes(&image.state)?;
        let config = state.info.config.clone();
        let mut host = Host { directory: &self.directory, root: &self.root, streams: HashMap::new() };
        let platform = Arc::clone(&self.kernel.platform);
        let restored = Kernel::restore(platform, config, state, &mut image, &mut host)?;
        let kernel = restored.go();
        let status = kernel.wait_for(time);
        kernel.shut_down(9);
        kernel.wait();
        Ok(status)
    }

    /// Restores an image beside it.
    pub(crate) fn beside(&self, image: Image) -> Result<Self, RestoreError> {
        self.beside_on(image, Input::Pipe)
    }

    fn beside_on(&self, mut image: Image, given: Input) -> Result<Self, RestoreError> {
        let state = KernelState::from_bytes(&image.state)?;
        let ((stdin, input), (output, stdout)) = (pipe(), pipe());
        let config = state.info.config.clone();
        let mut streams = HashMap::from([(0, stdin.into()), (1, stdout.into())]);
        match given {
            Input::Pipe => {}
            Input::Nothing => _ = streams.remove(&0),
            Input::Terminal(terminal) => {
                streams.insert(0, terminal.try_clone().unwrap());
                streams.insert(2, terminal);
            }
        }
        let mut host = Host { directory: &self.directory, root: &self.root, streams };
        let kernel = Kernel::restore(platform(), config, state, &mut image, &mut host)?.go();
        let (directory, root) = (self.directory.clone(), self.root.clone());
        Ok(Self { directory, root, kernel, input: Some(input), output })
    }

    /// These are the last lines of its output, and it ends with 0.
    pub(crate) fn ends_with(mut self, lines: &[&str]) {
        for line in lines {
            self.expect(line);
        }
        assert_eq!(self.finish(), 0);
    }

    /// Its status when it has ended, with nothing more to say.
    pub(crate) fn finish(mut self) -> i32 {
        self.input = None;
        let status = self.kernel.wait();
        let mut rest = String::new();
        drop(self.kernel);
        self.output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
        // One beside it may have been first.
        let _ = fs::remove_dir_all(&self.directory);
        status
    }
}

struct Host<'a> {
    directory: &'a Path,
    root: &'a Path,
    streams: HashMap<i32, OwnedFd>,
}

impl HostResources for Host<'_> {
    fn tree(&mut self, label: &str) -> Result<OwnedFd, Errno> {
        let path = match label {
            "root" => self.root,
            "volume" | "bounded" | "single" => &self.directory.join(label),
            _ => return Err(Errno::ENOENT),
        };
        File::open(path).map(OwnedFd::from).map_err(Errno::from)
    }

    fn proc(&mut self) -> Result<OwnedFd, Errno> {
        Ok(File::open("/proc").unwrap().into())
    }

    fn stream(&mut self, number: i32) -> Option<OwnedFd> {
        self.streams.remove(&number)
    }
}
