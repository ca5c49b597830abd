//! Forms that are read back, good ones and others.

use std::sync::Arc;

use stockade_platform::mock::Mock;

use super::*;
use crate::creds::Credentials;
use crate::fuzz::Nothing;
use crate::task::persist::{PidNamespaceState, UtsState};
use crate::task::{Kernel, KernelConfig, PidNamespace, UtsNamespace};
use crate::vfs::persist::{DentryState, FsContextState, MountState};
use crate::vfs::{FsContext, anon};

/// A kernel without guests.
pub(crate) fn kernel() -> Arc<Kernel> {
    let config = KernelConfig {
        hostname: b"test".to_vec(),
        max_tasks: 10,
        memory: 1 << 30,
        disk: 1 << 20,
        descriptors: 1 << 20,
        host_descriptors: 1 << 20,
        cpus: 1,
        cpu: Vec::new(),
        hides_ids: false,
    };
    Kernel::new(Arc::new(Mock::new()), config).unwrap()
}

/// Does something with a restorer.
pub(crate) fn restoring<T>(with: impl FnOnce(&mut Restorer<'_>) -> T) -> T {
    let (mut pages, mut host) = (Nothing, Nothing);
    with(&mut Restorer::new(kernel(), &mut pages, &mut host))
}

/// A form as it comes back from bytes.
pub(crate) fn through_bytes<T: serde::Serialize + serde::de::DeserializeOwned>(state: &T) -> T {
    let bytes = cbor4ii::serde::to_vec(Vec::new(), state).unwrap();
    cbor4ii::serde::from_slice(&bytes).unwrap()
}

/// A saver of a kernel without guests.
pub(crate) fn saver() -> Saver {
    Saver::new(&kernel())
}

/// Saves one object alone and gives its form back from bytes.
pub(crate) fn saved<T: Component>(object: &T::Object) -> T {
    through_bytes(&T::save(object, &mut Saver::new(&kernel())).unwrap())
}

fn text<T>(result: Result<T, RestoreError>) -> String {
    result.err().unwrap().to_string()
}

#[test]
fn an_object_is_saved_once_and_made_once() {
    let mut saver = Saver::new(&kernel());
    let (a, b) = (Arc::new(Credentials::root()), Arc::new(Credentials::user(5, 6, &[7])));
    let ids = [&a, &b, &a].map(|creds| saver.id::<Credentials>(creds));
    assert_eq!(ids.map(Id::index), [0, 1, 0]);
    assert_eq!(saver.known::<Credentials>(&Arc::new(Credentials::root())), None);
    saver.run();
    let states: Vec<Credentials> = saver.take();
    let states = through_bytes(&states);
    restoring(|restorer| {
        restorer.add(states);
        let made = ids.map(|id| restorer.get(id).unwrap());
        assert_eq!((&*made[0], &*made[1]), (&*a, &*b));
        assert!(Arc::ptr_eq(&made[0], &made[2]));
        assert_eq!(text(restorer.get(Id::<Credentials>::new(2))), "credentials 2: there is no such entry");
    });
}

#[test]
fn nobody_gets_more_than_anybody_can_have() {
    let good = Credentials::root();
    let bad = [
        Credentials { permitted: 1 << 60, ..good.clone() },
        Credentials { permitted: 0, ..good.clone() },
        Credentials { ambient: 1, ..good.clone() },
        Credentials { securebits: 1 << 31, ..good.clone() },
    ];
    restoring(|restorer| {
        for creds in bad {
            assert!(creds.restore(restorer).is_err());
        }
        assert!(good.restore(restorer).is_ok());
    });
}

#[test]
fn namespaces_keep_their_numbers() {
    let root = PidNamespace::new(None).unwrap();
    let inner = PidNamespace::new(Some(Arc::clone(&root))).unwrap();
    assert_eq!((root.allocate(&[]), inner.allocate(&[]), inner.allocate(&[])), (Ok(1), Ok(2), Ok(3)));
    inner.close();
    let uts = UtsNamespace::new(b"host", b"domain");
    let mut saver = Saver::new(&kernel());
    let ids: [Id<PidNamespaceState>; 2] = [saver.id(&root), saver.id(&inner)];
    let uts_id = saver.id::<UtsState>(&uts);
    saver.run();
    let (numbers, names) = (saver.take::<PidNamespaceState>(), saver.take::<UtsState>());
    restoring(|restorer| {
        let made = numbers[0].clone().make(None).unwrap();
        restorer.add(numbers);
        restorer.add(names);
        assert_eq!(text(restorer.get(ids[0])), "PID namespace 0: there are two roots");
        restorer.supply(ids[0], Arc::clone(&made)).unwrap();
        let again = restorer.get(ids[1]).unwrap();
        assert_eq!((again.id, again.local(3), again.root_of(1)), (inner.id, 2, Some(2)));
        assert!(again.is_closed() && made.contains(&again) && made.last_number() == 3);
        assert_eq!(*restorer.get(uts_id).unwrap().names.read(), *uts.names.read());
        // Numbers given out from now on are new ones.
        assert!(UtsNamespace::new(b"", b"").id > uts.id);
    });
}

fn dentry(name: &[u8], parent: Option<u32>) -> DentryState {
    let parent = parent.map(Id::new);
    DentryState::name(name, Id::new(0), Id::new(0), parent)
}

#[test]
fn circles_and_depth_are_no_danger() {
    let context = FsContext::new(anon::nowhere(), anon::nowhere(), 0o22);
    let mut saver = Saver::new(&kernel());
    let id = saver.id::<FsContextState>(&context);
    saver.run();
    let tables = (saver.take::<FsContextState>(), saver.take::<MountState>());
    let names = saver.take::<DentryState>();
    restoring(|restorer| {
        restorer.add(through_bytes(&tables.0));
        restorer.add(through_bytes(&tables.1));
        restorer.add(through_bytes(&names));
        let made = restorer.get(id).unwrap();
        assert!(made.root() == anon::nowhere() && made.umask() == 0o22);
    });
    // A name that lies in itself.
    restoring(|restorer| {
        restorer.add(vec![dentry(b"a", Some(1)), dentry(b"b", Some(0))]);
        let error = text(restorer.line_up::<DentryState>(DentryState::parent));
        assert!(error.contains("refers to itself") || error.contains("no such entry"), "{error}");
    });
}
