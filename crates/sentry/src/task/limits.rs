//! Resource limits of a process (getrlimit(2)).

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::sched::{RLIM_INFINITY, Rlimit};

/// How many resources there are.
pub const COUNT: usize = 16;

/// The limits of a thread group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits([Rlimit; COUNT]);

impl Default for Limits {
    fn default() -> Self {
        let mut limits = [Rlimit { cur: RLIM_INFINITY, max: RLIM_INFINITY }; COUNT];
        let mut set = |resource: u32, cur, max| limits[resource as usize] = Rlimit { cur, max };
        set(c::RLIMIT_STACK, 8 << 20, RLIM_INFINITY);
        set(c::RLIMIT_CORE, 0, RLIM_INFINITY);
        set(c::RLIMIT_NPROC, 4096, 4096);
        set(c::RLIMIT_NOFILE, 1024, 1 << 20);
        set(c::RLIMIT_MEMLOCK, 8 << 20, 8 << 20);
        set(c::RLIMIT_SIGPENDING, 4096, 4096);
        set(c::RLIMIT_MSGQUEUE, 819_200, 819_200);
        set(c::RLIMIT_NICE, 0, 0);
        set(c::RLIMIT_RTPRIO, 0, 0);
        Self(limits)
    }
}

impl Limits {
    /// A limit.
    ///
    /// # Errors
    /// EINVAL for an unknown resource.
    pub fn get(&self, resource: u32) -> Result<Rlimit, Errno> {
        self.0.get(resource as usize).copied().ok_or(Errno::EINVAL)
    }

    /// All of them, by number.
    #[must_use]
    pub fn all(&self) -> &[Rlimit; COUNT] {
        &self.0
    }

    /// Those that were [`all`](Self::all); none if there is another number of them, or one contradicts itself.
    #[must_use]
    pub fn of(limits: Vec<Rlimit>) -> Option<Self> {
        let limits: [Rlimit; COUNT] = limits.try_into().ok()?;
        let files = limits[c::RLIMIT_NOFILE as usize].max <= crate::vfs::fd_table::NR_OPEN;
        (files && limits.iter().all(|limit| limit.cur <= limit.max)).then_some(Self(limits))
    }

    /// The soft limit of a known resource; none for an unknown one.
    #[must_use]
    pub fn soft(&self, resource: u32) -> u64 {
        self.0.get(resource as usize).map_or(RLIM_INFINITY, |l| l.cur)
    }

    /// RLIMIT_CPU: soft and hard, in seconds.
    #[must_use]
    pub fn cpu(&self) -> (u64, u64) {
        let Rlimit { cur, max } = self.0[c::RLIMIT_CPU as usize];
        (cur, max)
    }

    /// The soft limit of CPU time was reached: the next warning comes a second later.
    pub fn raise_cpu(&mut self) {
        let limit = &mut self.0[c::RLIMIT_CPU as usize];
        limit.cur = limit.cur.saturating_add(1);
    }

    /// Changes a limit. `privileged`: CAP_SYS_RESOURCE.
    ///
    /// # Errors
    /// EINVAL for an unknown resource or a soft limit above the hard one, EPERM to raise a hard one.
    pub fn set(&mut self, resource: u32, new: Rlimit, privileged: bool) -> Result<Rlimit, Errno> {
        let limit = self.0.get_mut(resource as usize).ok_or(Errno::EINVAL)?;
        if new.cur > new.max {
            return Err(Errno::EINVAL);
        }
        if resource == c::RLIMIT_NOFILE && new.max > crate::vfs::fd_table::NR_OPEN {
            return Err(Errno::EPERM);
        }
        if new.max > limit.max && !privileged {
            return Err(Errno::EPERM);
        }
        Ok(std::mem::replace(limit, new))
    }
}
