//! A file that appears under its name when it is whole, or not at all.

use rustix::fs::{AtFlags, CWD, Mode, OFlags, fchmod, fsync, linkat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Component, Path};

/// A new file in a directory, without a name as long as it is written; [`NewFile::commit`] gives it its name. When it is
/// dropped before, nothing is left of it; not even when the process is killed, on file systems that have `O_TMPFILE`.
#[derive(Debug)]
pub struct NewFile {
    directory: OwnedFd,
    name: OsString,
    file: File,
    /// Its name meanwhile, where it has to have one.
    temporary: Option<OsString>,
}

impl NewFile {
    /// A file that will be at `path`; what is there now stays until then.
    ///
    /// # Errors
    /// When the directory cannot be written to, or `path` ends in no name, or is a directory's.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::create_as(path, true)
    }

    fn create_as(path: &Path, try_unnamed: bool) -> io::Result<Self> {
        let name = match path.components().next_back() {
            Some(Component::Normal(name)) if !path.as_os_str().as_encoded_bytes().ends_with(b"/") => name,
            _ => return Err(Errno::ISDIR.into()),
        };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, parent, flags, Mode::empty())?;
        if statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| is_directory(stat.st_mode)) {
            return Err(Errno::ISDIR.into());
        }
        let (flags, mode) = (OFlags::RDWR | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR);
        if try_unnamed {
            match openat(&directory, ".", flags | OFlags::TMPFILE, mode) {
                Ok(file) => {
                    return Ok(Self { directory, name: name.to_owned(), file: file.into(), temporary: None });
                }
                // Not every file system has files without a name.
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {}
                Err(e) => return Err(e.into()),
            }
        }
        let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let (file, temporary) = under_new_name(name, |temporary| openat(&directory, temporary, flags, mode))?;
        Ok(Self { directory, name: name.to_owned(), file: file.into(), temporary: Some(temporary) })
    }

    /// The file, to be written to.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes it read-only, has it and its name reach the disk, and gives it. What was under this name before is replaced
    /// at once.
    ///
    /// # Errors
    /// When the host refuses; nothing is left of it then, and what was there before stays.
    pub fn commit(mut self) -> io::Result<File> {
        fchmod(&self.file, Mode::RUSR)?;
        fsync(&self.file)?;
        if self.temporary.is_none() {
            let link = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            let link = |to: &OsStr| linkat(CWD, link.as_str(), &self.directory, to, AtFlags::SYMLINK_FOLLOW);
            self.temporary = Some(under_new_name(&self.name, link)?.1);
        }
        if let Some(temporary) = &self.temporary {
            renameat(&self.directory, temporary, &self.directory, &self.name)?;
            self.temporary = None;
        }
        fsync(&self.directory)?;
        self.file.try_clone()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Nothing more can be done about it.
            let _ = unlinkat(&self.directory, temporary, AtFlags::empty());
        }
    }
}

fn is_directory(mode: u32) -> bool {
    rustix::fs::FileType::from_raw_mode(mode) == rustix::fs::FileType::Directory
}

/// Tries names until one is free.
fn under_new_name<T>(
    name: &OsStr,
    make: impl Fn(&OsStr) -> rustix::io::Result<T>,
) -> io::Result<(T, OsString)> {
    // Not so long that the whole is too long.
    let stem = name.to_string_lossy().chars().take(40).collect::<String>();
    for n in 0..1000 {
        let temporary = OsString::from(format!(".{stem}.{}-{n}.partial", std::process::id()));
        match make(&temporary) {
            Ok(made) => return Ok((made, temporary)),
            Err(Errno::EXIST) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Err(Errno::EXIST.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_meanwhile_goes_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        let names = || std::fs::read_dir(directory.path()).unwrap().count();
        let new = NewFile::create_as(&path, false).unwrap();
        assert_eq!(names(), 1);
        drop(new);
        assert_eq!(names(), 0);
        let other = NewFile::create_as(&path, false).unwrap();
        NewFile::create_as(&path, false).unwrap().commit().unwrap();
        assert!(path.exists() && names() == 2);
        drop(other);
        assert_eq!(names(), 1);
    }
}
