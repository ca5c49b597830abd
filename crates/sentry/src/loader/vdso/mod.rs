//! The guest's vDSO (vdso(7)): a page of parameters and an ELF image whose functions answer without a system call.
//!
//! The image is the same on every host and for every sandbox, as programs remember addresses in it and it belongs to
//! what is saved. What differs is in the parameters: where the functions of the host's vDSO are, to which those of the
//! image jump. Neither can be written by guests: the mappings are private.

mod image;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use stockade_platform::host::errno;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use stockade_abi::Errno;
use stockade_abi::misc::PAGE_SIZE;
use stockade_platform::{Prot, VdsoFunctions};

use crate::mm::persist::MappableState;
use crate::mm::{FileBacking, MapRequest, Mappable, ObjectId, VmFlags};
use crate::persist::{Saver, Unsavable};
use crate::vfs::HostFd;

/// What `/proc/PID/maps` calls the image.
const IMAGE: &str = "[vdso]";

/// Bytes of both pages.
pub(super) const SIZE: u64 = 2 * PAGE_SIZE;

/// Both pages, for all programs of a sandbox.
pub struct Vdso {
    parameters: Arc<Page>,
    image: Arc<Page>,
}

/// A page of the file that holds both.
struct Page {
    file: Arc<HostFd>,
    name: &'static str,
}

impl Vdso {
    /// One whose functions jump to these, and make the system call where there is none.
    ///
    /// # Errors
    /// EMFILE, ENFILE or ENOMEM of the host.
    pub fn new(functions: &VdsoFunctions) -> Result<Arc<Self>, Errno> {
        let mut bytes = parameters(functions);
        bytes.resize(PAGE_SIZE as usize, 0);
        bytes.extend(image::build()?);
        let file = HostFd::new(write(&bytes).map_err(errno)?)?;
        let page = |name| Arc::new(Page { file: Arc::clone(&file), name });
        Ok(Arc::new(Self { parameters: page("[vvar]"), image: page(IMAGE) }))
    }

    /// What maps it at `at`.
    pub(super) fn requests(&self, at: u64) -> [MapRequest; 2] {
        let request = |page: &Arc<Page>, offset, prot, max_prot| MapRequest {
            addr: at + offset,
            fixed: true,
            max_prot,
            flags: VmFlags::VDSO,
            file: Some(FileBacking { object: Arc::clone(page) as Arc<dyn Mappable>, offset, path: None }),
            ..MapRequest::anonymous(PAGE_SIZE, prot)
        };
        // Debuggers may put breakpoints into the image, and nobody anything among the parameters, as on Linux.
        [
            request(&self.parameters, 0, Prot::READ, Prot::READ),
            request(&self.image, PAGE_SIZE, Prot::READ | Prot::EXEC, Prot::all()),
        ]
    }

    /// What is mapped of it: the parameters, or the image.
    pub(crate) fn page(&self, image: bool) -> Arc<dyn Mappable> {
        let page = if image { &self.image } else { &self.parameters };
        Arc::clone(page) as Arc<dyn Mappable>
    }

    /// Where the ELF image is when it is mapped at `at`, for AT_SYSINFO_EHDR.
    pub(super) fn image_at(at: u64) -> u64 {
        at + PAGE_SIZE
    }
}

impl Mappable for Page {
    fn host_fd(&self, writable: bool) -> Result<Arc<HostFd>, Errno> {
        if writable { Err(Errno::EACCES) } else { Ok(Arc::clone(&self.file)) }
    }

    fn object_id(&self) -> ObjectId {
        ObjectId::default()
    }

    fn display_path(&self) -> Vec<u8> {
        self.name.into()
    }

    fn save(&self, _saver: &mut Saver) -> Result<MappableState, Unsavable> {
        Ok(MappableState::Vdso { image: self.name == IMAGE })
    }
}

/// The page's words: an address for each function, zero for none.
fn parameters(functions: &VdsoFunctions) -> Vec<u8> {
    image::FUNCTIONS.iter().flat_map(|f| (f.parameter)(functions).unwrap_or(0).to_ne_bytes()).collect()
}

fn write(bytes: &[u8]) -> rustix::io::Result<OwnedFd> {
    let fd = memfd_create(c"stockade-vdso", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    rustix::io::pwrite(&fd, bytes, 0)?;
    fcntl_add_seals(&fd, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(fd)
}
