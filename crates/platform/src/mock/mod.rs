//! A platform without guests: memory in a map, and guest programs that are Rust closures. Kernel code is tested on it.
//!
//! A program is registered at an address. A thread whose first context points there runs it, on a host thread of its
//! own; through its [`Guest`] it makes system calls, raises faults and reaches its memory, and the kernel above sees the
//! same events as from a processor.
//!
//! ```
//! use stockade_platform::mock::{Mock, Outcome};
//! use stockade_platform::{Event, Platform, StopCause};
//!
//! let platform = Mock::new();
//! platform.program(0x1000, |guest, _context| {
//!     assert_eq!(guest.syscall(39, [0; 6]), Outcome::Returned(7));
//! });
//! let space = platform.new_address_space().unwrap();
//! let mut thread = space.new_thread().unwrap();
//! assert_eq!(thread.next_event(), Event::Stopped(StopCause::Start));
//! thread.context_mut().regs.rip = 0x1000;
//! thread.resume().unwrap();
//! assert!(matches!(thread.next_event(), Event::Syscall(request) if request.nr == 39));
//! thread.complete(7);
//! assert_eq!(thread.next_event(), Event::Died);
//! ```

mod guest;
mod pages;
mod space;
mod thread;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use stockade_abi::Errno;

pub use guest::{Guest, Outcome};

use crate::{AddressSpace, Context, Layout, Platform, VdsoFunctions};
use space::Space;

/// A guest program.
type Program = Arc<dyn Fn(&mut Guest, Context) + Send + Sync>;

/// The programs of a platform, by address.
#[derive(Default)]
struct Programs(Mutex<HashMap<u64, Program>>);

/// The platform.
pub struct Mock {
    layout: Layout,
    programs: Arc<Programs>,
}

impl Mock {
    /// A platform without programs.
    #[must_use]
    pub fn new() -> Self {
        let layout = Layout {
            usable: 0x1_0000..0x7ff0_0000_0000,
            reserved: Vec::new(),
            host_vdso: VdsoFunctions::default(),
            xsave_size: 576,
            xfeatures: 3,
        };
        Self { layout, programs: Arc::default() }
    }

    /// What runs when a thread gets to `address`. When it returns, its process is dead.
    pub fn program(&self, address: u64, program: impl Fn(&mut Guest, Context) + Send + Sync + 'static) {
        self.programs.0.lock().insert(address, Arc::new(program));
    }
}

impl Default for Mock {
    fn default() -> Self {
        Self::new()
    }
}

impl Platform for Mock {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn new_address_space(&self) -> Result<Arc<dyn AddressSpace>, Errno> {
        Ok(Arc::new(Space::new(self.layout.clone(), Arc::clone(&self.programs))))
    }
}

#[cfg(test)]
mod tests;
