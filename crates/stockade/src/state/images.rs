//! Images whose page data this host wrote, or has checked, and which nobody has changed since: `.images` in the state
//! directory. Whoever is not in it is checked again, so that nothing is lost with it.

use super::StateDir;
use rustix::fs::{Mode, OFlags, openat, renameat};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

const IMAGES: &str = ".images";
const NEW_IMAGES: &str = ".images.new";
/// The oldest are forgotten.
const MOST: usize = 1024;
/// Most bytes of the file: far more than that many need.
const LONGEST: u64 = 1 << 20;
/// Changes that lie closer together may have the same time: two ticks of the slowest kernel.
const TICK: Duration = Duration::from_millis(20);

/// What tells a file from another one, and from itself before a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageId {
    device: u64,
    inode: u64,
    size: u64,
    changed: i64,
    changed_ns: i64,
}

/// How it is known that the page data of an image is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// It was checked: whoever wrote it.
    #[default]
    Checked,
    /// A sandbox of the state directory's owner was saved to it.
    Written,
}

/// One of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    id: ImageId,
    #[serde(default)]
    known: Known,
}

impl ImageId {
    /// Of an open file, as it is now.
    ///
    /// # Errors
    /// fstat(2)'s.
    pub fn of(file: &File) -> io::Result<Self> {
        let stat = file.metadata()?;
        Ok(Self {
            device: stat.dev(),
            inode: stat.ino(),
            size: stat.size(),
            changed: stat.ctime(),
            changed_ns: stat.ctime_nsec(),
        })
    }

    /// Whether a change that comes now would show.
    fn is_settled(&self) -> bool {
        let now = clock_gettime(ClockId::RealtimeCoarse);
        let since = i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec)
            - (i128::from(self.changed) * 1_000_000_000 + i128::from(self.changed_ns));
        since >= TICK.as_nanos() as i128
    }
}

impl StateDir {
    /// How it is known that page data of this image is right: it was written or checked on this host, and not changed since.
    #[must_use]
    pub fn knows_image(&self, id: &ImageId) -> Option<Known> {
        read(self.fd()).iter().find(|entry| entry.id == *id).map(|entry| entry.known)
    }

    /// Notes that page data of an image is right: of one that was written, after [`stockade_image::NewFile::commit`], or
    /// checked. `before` is its [`ImageId`] from then, or from before the check began. If it has changed
    /// since, nothing is noted.
    ///
    /// # Errors
    /// When the state directory cannot be written to.
    pub fn remember_image(&self, file: &File, before: &ImageId, known: Known) -> io::Result<()> {
        while !before.is_settled() {
            // One from the future never is.
            if ImageId::of(file)? != *before || before.changed > clock_gettime(ClockId::Realtime).tv_sec {
                return Ok(());
            }
            std::thread::sleep(TICK);
        }
        let _lock = self.lock()?;
        if ImageId::of(file)? != *before {
            return Ok(());
        }
        let mut entries = read(self.fd());
        entries.retain(|Entry { id, .. }| (id.device, id.inode) != (before.device, before.inode));
        entries.push(Entry { id: *before, known });
        let surplus = entries.len().saturating_sub(MOST);
        entries.drain(..surplus);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let new = openat(self.fd(), NEW_IMAGES, flags, Mode::RUSR | Mode::WUSR)?;
        File::from(new).write_all(&serde_json::to_vec(&entries)?)?;
        renameat(self.fd(), NEW_IMAGES, self.fd(), IMAGES)?;
        Ok(())
    }
}

/// What cannot be read is not known.
fn read(directory: BorrowedFd<'_>) -> Vec<Entry> {
    let read = || -> io::Result<Vec<Entry>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(openat(directory, IMAGES, flags, Mode::empty())?);
        let mut text = Vec::new();
        file.take(LONGEST).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    fn state() -> (tempfile::TempDir, StateDir) {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open_at(dir.path(), rustix::process::geteuid().as_raw()).unwrap();
        (dir, state)
    }

    fn knows(state: &StateDir, id: &ImageId) -> bool {
        state.knows_image(id).is_some()
    }

    fn file(directory: &Path) -> File {
        let mut file = tempfile::tempfile_in(directory).unwrap();
        file.write_all(b"image").unwrap();
        file
    }

    #[test]
    fn an_image_is_known_until_it_changes() {
        let (dir, state) = state();
        let mut image = file(dir.path());
        let id = ImageId::of(&image).unwrap();
        assert!(!knows(&state, &id));
        state.remember_image(&image, &id, Known::Written).unwrap();
        assert!(knows(&state, &ImageId::of(&image).unwrap()));
        assert_eq!(state.knows_image(&id), Some(Known::Written));
        // Not even a change in its very moment, of the same length.
        io::Seek::rewind(&mut image).unwrap();
        image.write_all(b"IMAGE").unwrap();
        let changed = ImageId::of(&image).unwrap();
        assert_ne!(id, changed);
        assert!(!knows(&state, &changed));
        // Checked as it was before, it is not remembered as it is now.
        state.remember_image(&image, &id, Known::Written).unwrap();
        assert!(!knows(&state, &changed));
        state.remember_image(&image, &changed, Known::Checked).unwrap();
        assert!(knows(&state, &changed) && !knows(&state, &id));
        assert!(state.sandboxes().unwrap().is_empty());
        assert_eq!(dir.path().join(IMAGES).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let (dir, state) = state();
        let ids: Vec<ImageId> = (0..MOST as u64)
            .map(|inode| ImageId { device: 1, inode, size: 2, changed: 3, changed_ns: 4 })
            .collect();
        std::fs::write(dir.path().join(IMAGES), serde_json::to_vec(&ids).unwrap()).unwrap();
        assert!(knows(&state, &ids[0]));
        let image = file(dir.path());
        let id = ImageId::of(&image).unwrap();
        state.remember_image(&image, &id, Known::Written).unwrap();
        assert!(!knows(&state, &ids[0]) && knows(&state, &ids[1]) && knows(&state, &id));
    }

    #[test]
    fn a_file_that_makes_no_sense_knows_nothing() {
        let (dir, state) = state();
        let image = file(dir.path());
        let id = ImageId::of(&image).unwrap();
        for nonsense in [b"[1".to_vec(), vec![b'['; 2 << 20], Vec::new(), b"{}".to_vec()] {
            std::fs::write(dir.path().join(IMAGES), nonsense).unwrap();
            assert!(!knows(&state, &id));
        }
        state.remember_image(&image, &id, Known::Written).unwrap();
        assert!(knows(&state, &id));
    }
}
