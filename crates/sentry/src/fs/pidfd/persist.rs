//! The saved form of [`PidFd`].

use std::sync::{Arc, OnceLock, Weak};

use serde::{Deserialize, Serialize};

use super::{PidFd, Whom};
use crate::persist::{Id, RestoreError, Restorer, Saver};
use crate::task::persist::{TaskState, ThreadGroupState};
use crate::vfs::FileOps;

/// A [`PidFd`]. Its process may have been waited for.
#[derive(Debug, Serialize, Deserialize)]
pub struct PidFdState {
    tg: Id<ThreadGroupState>,
    #[serde(default)]
    whom: WhomState,
}

/// A [`Whom`].
#[derive(Debug, Default, Serialize, Deserialize)]
enum WhomState {
    #[default]
    Process,
    Leader,
    Thread(i32, Option<Id<TaskState>>),
}

impl PidFdState {
    pub(super) fn save(pidfd: &PidFd, saver: &mut Saver) -> Self {
        let whom = match &pidfd.whom {
            Whom::Process => WhomState::Process,
            Whom::Leader => WhomState::Leader,
            Whom::Thread(tid, task) => {
                let task = task.get().and_then(Weak::upgrade);
                WhomState::Thread(*tid, task.and_then(|task| saver.known(&task)))
            }
        };
        Self { tg: saver.id(&pidfd.tg), whom }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        let (whom, thread) = match self.whom {
            WhomState::Process => (Whom::Process, None),
            WhomState::Leader => (Whom::Leader, None),
            WhomState::Thread(tid, task) => (Whom::Thread(tid, OnceLock::new()), task),
        };
        let tg = restorer.get(self.tg)?;
        let pidfd = Arc::new(PidFd { tg, whom, kernel: Arc::clone(restorer.kernel()) });
        if let Some(thread) = thread {
            let made = Arc::clone(&pidfd);
            // It may have this descriptor.
            restorer.later(move |restorer| {
                let task = restorer.get(thread)?;
                if !Arc::ptr_eq(&task.tg, &made.tg) {
                    return Err(RestoreError::new("a descriptor is of a thread of another process"));
                }
                if let Whom::Thread(_, thread) = &made.whom {
                    thread.get_or_init(|| Arc::downgrade(&task));
                }
                Ok(())
            });
        }
        Ok(pidfd)
    }
}
