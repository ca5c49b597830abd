//! How guest code executes: small traits, the `notify` platform behind them, and a mock.
//!
//! A [`Platform`] makes address spaces; an [`AddressSpace`] holds guest memory and makes guest threads; a
//! [`GuestThread`] runs guest code until something happens that the kernel has to answer, an [`Event`]. The kernel
//! above knows nothing of processes, filters or signals of the host. Everything here may be hostile: registers and
//! memory of a guest are data, never trusted.

pub mod context;
pub mod event;
pub mod host;
pub mod memory;
pub mod mock;
pub mod notify;
pub mod shared;
pub mod sync;
pub mod traits;

pub use context::{Context, FpState, GpRegs};
pub use event::{Event, FaultInfo, StopCause, SyscallRequest};
pub use memory::{Advice, AtomicOp, Backing, MemoryOp, Prot};
pub use notify::Notify;
pub use shared::{SharedMemory, SharedSlice};
pub use traits::{
    AddressSpace, CPU_WORDS, CpuSet, GuestThread, Kicker, Layout, OwnPages, Platform, Usage, VdsoFunctions,
};
