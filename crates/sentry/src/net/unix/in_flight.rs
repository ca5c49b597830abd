//! Descriptors on their way through sockets (unix(7), SCM_RIGHTS).
//!
//! A socket can be sent through a socket, even through itself, so sockets that no descriptor leads to any more can keep
//! each other alive. [`InFlight::closed`] has them found, as Linux's collector does: those that only messages refer to, and
//! only messages waiting in such sockets.

pub(super) mod persist;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use stockade_abi::Errno;
use stockade_platform::sync::Mutex;

use super::UnixSocket;
use crate::diagnosis;
use crate::vfs::File;

struct Entry {
    file: Weak<File>,
    count: usize,
}

#[derive(Default)]
struct Table {
    /// UNIX sockets in flight, by number of the description.
    sockets: HashMap<u64, Entry>,
    /// Descriptors in flight of each user.
    users: HashMap<u32, u64>,
}

/// Microseconds between looks for garbage.
const MIN_REST: u64 = 2_000;
const MAX_REST: u64 = 1_000_000;

/// All descriptors on their way.
#[derive(Default)]
pub struct InFlight {
    table: Mutex<Table>,
    /// How many of them are UNIX sockets.
    sockets: AtomicUsize,
    /// A look for garbage is to come.
    is_due: AtomicBool,
    /// Microseconds before it.
    rest: AtomicU64,
}

/// Descriptors that go with one message.
pub struct Rights {
    files: Vec<Arc<File>>,
    user: u32,
    table: Arc<InFlight>,
}

impl Rights {
    /// Sends descriptors off. `limit` is how many a user may have on their way.
    ///
    /// # Errors
    /// ETOOMANYREFS
    pub fn send(table: &Arc<InFlight>, files: Vec<Arc<File>>, user: u32, limit: u64) -> Result<Self, Errno> {
        let mut all = table.table.lock();
        let of_user = all.users.entry(user).or_default();
        if *of_user > limit {
            return Err(Errno::ETOOMANYREFS);
        }
        *of_user += files.len() as u64;
        for file in files.iter().filter(|f| is_unix(f)) {
            let entry = all
                .sockets
                .entry(file.id())
                .or_insert_with(|| Entry { file: Arc::downgrade(file), count: 0 });
            entry.count += 1;
        }
        table.sockets.store(all.sockets.len(), Ordering::Relaxed);
        drop(all);
        Ok(Self { files, user, table: Arc::clone(table) })
    }

    /// The descriptors, for one who only looks.
    #[must_use]
    pub fn files(&self) -> &[Arc<File>] {
        &self.files
    }

    /// The descriptors, which have arrived.
    #[must_use]
    pub fn arrive(mut self) -> Vec<Arc<File>> {
        self.land()
    }

    fn land(&mut self) -> Vec<Arc<File>> {
        let files = std::mem::take(&mut self.files);
        if files.is_empty() {
            return files;
        }
        let mut all = self.table.table.lock();
        if let Some(n) = all.users.get_mut(&self.user) {
            *n = n.saturating_sub(files.len() as u64);
            if *n == 0 {
                all.users.remove(&self.user);
            }
        }
        for file in files.iter().filter(|f| is_unix(f)) {
            if let Some(entry) = all.sockets.get_mut(&file.id()) {
                entry.count -= 1;
                if entry.count == 0 {
                    all.sockets.remove(&file.id());
                }
            }
        }
        self.table.sockets.store(all.sockets.len(), Ordering::Relaxed);
        files
    }
}

impl Drop for Rights {
    fn drop(&mut self) {
        let files = self.land();
        if !files.is_empty() {
            discard(files);
        }
    }
}

/// Closes descriptors that nobody received. A socket among them may hold others, which hold others: they are closed one
/// after the other, not one within the other.
fn discard(files: Vec<Arc<File>>) {
    thread_local! {
        static LEFT: RefCell<Option<Vec<Arc<File>>>> = const { RefCell::new(None) };
    }
    let nested = LEFT.with_borrow_mut(|left| {
        let nested = left.is_some();
        left.get_or_insert_default().extend(files);
        nested
    });
    if nested {
        return;
    }
    while let Some(file) = LEFT.with_borrow_mut(|left| left.as_mut().and_then(Vec::pop)) {
        drop(file);
    }
    LEFT.with_borrow_mut(|left| *left = None);
}

fn is_unix(file: &File) -> bool {
    file.ops().downcast_ref::<UnixSocket>().is_some()
}

impl InFlight {
    /// Descriptors have been closed: looks soon for sockets that only keep each other alive. Looking takes longer the
    /// more there are, so it is done by a thread of its own, which rests longer than it works.
    pub fn closed(self: &Arc<Self>) {
        if self.sockets.load(Ordering::Relaxed) == 0 || self.is_due.swap(true, Ordering::AcqRel) {
            return;
        }
        let me = Arc::clone(self);
        let started = diagnosis::spawn("unix-gc", 256 * 1024, move || {
            thread::sleep(Duration::from_micros(me.rest.load(Ordering::Relaxed)));
            let start = Instant::now();
            me.is_due.store(false, Ordering::Release);
            me.collect();
            let took = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
            me.rest.store(took.saturating_mul(8).clamp(MIN_REST, MAX_REST), Ordering::Relaxed);
        });
        if started.is_err() {
            self.is_due.store(false, Ordering::Release);
        }
    }

    /// Closes sockets that only keep each other alive.
    fn collect(&self) {
        let garbage = unreachable(&self.table.lock());
        let waiting: Vec<Rights> =
            garbage.iter().flat_map(|file| with_socket(file, UnixSocket::take_rights)).collect();
        drop(waiting);
    }
}

fn with_socket<T: Default>(file: &File, f: impl FnOnce(&UnixSocket) -> T) -> T {
    file.ops().downcast_ref::<UnixSocket>().map(f).unwrap_or_default()
}

/// Sockets to which only messages refer that wait in such sockets. Nobody can receive those, so what is found stays true.
fn unreachable(all: &Table) -> Vec<Arc<File>> {
    let mut candidates: HashMap<u64, (Arc<File>, usize)> = HashMap::new();
    for (&id, entry) in &all.sockets {
        if let Some(file) = entry.file.upgrade()
            && Arc::strong_count(&file) == entry.count + 1
        {
            candidates.insert(id, (file, entry.count));
        }
    }
    let holds: HashMap<u64, Vec<u64>> = candidates
        .iter()
        .map(|(&id, (file, _))| (id, with_socket(file, UnixSocket::waiting_files)))
        .collect();
    for id in holds.values().flatten() {
        if let Some((_, elsewhere)) = candidates.get_mut(id) {
            *elsewhere = elsewhere.saturating_sub(1);
        }
    }
    let mut live: Vec<u64> = candidates.iter().filter(|(_, (_, n))| *n > 0).map(|(&id, _)| id).collect();
    let mut seen: HashSet<u64> = live.iter().copied().collect();
    while let Some(id) = live.pop() {
        for &held in holds.get(&id).into_iter().flatten() {
            if seen.insert(held) {
                live.push(held);
            }
        }
    }
    candidates.into_iter().filter(|(id, _)| !seen.contains(id)).map(|(_, (file, _))| file).collect()
}
