//! The threads of the sentry that serve guest threads: one whose task has ended waits a moment for the next, because
//! making a thread costs more than waking one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use stockade_abi::Errno;

use crate::diagnosis;

/// Stack of a thread. Path walks are the deepest.
const STACK_SIZE: usize = 512 * 1024;
/// Threads that wait at most.
const MAX_IDLE: usize = 8;
/// How long they do.
const PATIENCE: Duration = Duration::from_millis(500);

type Job = Box<dyn FnOnce() + Send>;

/// Where one waits.
#[derive(Default)]
struct Seat {
    job: Mutex<Option<Job>>,
    wake: Condvar,
}

/// The threads that wait.
#[derive(Default)]
pub(super) struct Workers {
    idle: Mutex<Vec<Arc<Seat>>>,
}

impl Workers {
    /// Has a thread do something.
    ///
    /// # Errors
    /// EAGAIN if the host has no more threads.
    pub(super) fn run(self: &Arc<Self>, job: impl FnOnce() + Send + 'static) -> Result<(), Errno> {
        // The one that came last: its memory is most likely in the caches.
        let seat = self.idle.lock().pop();
        if let Some(seat) = seat {
            *seat.job.lock() = Some(Box::new(job));
            seat.wake.notify_one();
            return Ok(());
        }
        let workers = Arc::clone(self);
        let work = move || {
            job();
            while let Some(job) = workers.next() {
                job();
            }
        };
        diagnosis::spawn("task", STACK_SIZE, work).map_err(|_| Errno::EAGAIN)
    }

    /// Waits for something to do; none if there has been nothing for a while.
    fn next(&self) -> Option<Job> {
        let seat = Arc::new(Seat::default());
        {
            let mut idle = self.idle.lock();
            if idle.len() == MAX_IDLE {
                return None;
            }
            idle.push(Arc::clone(&seat));
        }
        let end = Instant::now() + PATIENCE;
        let mut job = seat.job.lock();
        loop {
            if job.is_some() {
                return job.take();
            }
            if seat.wake.wait_until(&mut job, end).timed_out() && job.is_none() {
                drop(job);
                let mut idle = self.idle.lock();
                let before = idle.len();
                idle.retain(|other| !Arc::ptr_eq(other, &seat));
                if idle.len() < before {
                    return None;
                }
                drop(idle);
                // Somebody has just chosen it, and the job is on its way.
                job = seat.job.lock();
                seat.wake.wait_while(&mut job, |job| job.is_none());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn the_same_thread_serves_again_and_then_goes() {
        let workers = Arc::new(Workers::default());
        let (tell, told) = mpsc::channel();
        let idle = || workers.idle.lock().len();
        let once = || {
            let tell = tell.clone();
            workers.run(move || tell.send(thread::current().id()).unwrap()).unwrap();
            let id = told.recv().unwrap();
            while idle() == 0 {
                thread::yield_now();
            }
            id
        };
        let first = once();
        assert!((0..100).all(|_| once() == first));
        let begin = Instant::now();
        while idle() > 0 {
            assert!(begin.elapsed() < 20 * PATIENCE);
            thread::sleep(PATIENCE / 10);
        }
        assert_ne!(once(), first);
    }

    #[test]
    fn nothing_is_lost_when_many_come_and_go() {
        let workers = Arc::new(Workers::default());
        let (tell, told) = mpsc::channel();
        for i in 0..2000 {
            let tell = tell.clone();
            workers.run(move || tell.send(i).unwrap()).unwrap();
        }
        drop(tell);
        let mut all: Vec<i32> = told.iter().collect();
        all.sort_unstable();
        assert_eq!(all, (0..2000).collect::<Vec<_>>());
        while workers.idle.lock().is_empty() {
            thread::yield_now();
        }
        assert!(workers.idle.lock().len() <= MAX_IDLE);
    }
}
