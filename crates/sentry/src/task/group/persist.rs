//! The saved form of [`ThreadGroup`].

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use stockade_abi::sched::Rlimit;

use super::{GroupSignals, PastTimes, StopState, ThreadGroup};
use crate::fs::stdio;
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};
use crate::signal::persist::{ActionsState, PendingState};
use crate::task::Limits;
use crate::task::pidns::PidNamespaceState;
use crate::time::persist::ProcessTimersState;
use crate::tty::persist::TerminalState;

/// A [`ThreadGroup`].
#[derive(Debug, Serialize, Deserialize)]
pub struct ThreadGroupState {
    tgid: i32,
    pidns: Id<PidNamespaceState>,
    signals: SignalsState,
    actions: Id<ActionsState>,
    limits: Vec<Rlimit>,
    is_subreaper: bool,
    unkillable: bool,
    has_execed: bool,
    dumpable: u32,
    thp_disabled: bool,
    mce_kill: u32,
    past: PastTimes,
    start_time: u64,
    max_rss: u64,
    last_name: ByteBuf,
    oom_score_adj: i32,
    #[serde(default)]
    timers: ProcessTimersState,
    ended: Option<i32>,
    /// The terminal that it was started on.
    #[serde(default)]
    terminal: Option<Id<TerminalState>>,
}

/// [`GroupSignals`]
#[derive(Debug, Serialize, Deserialize)]
struct SignalsState {
    pending: PendingState,
    stop: StopState,
    stops: u64,
    group_exit: Option<i32>,
    exit_together: bool,
}

impl Component for ThreadGroupState {
    type Object = Arc<ThreadGroup>;

    fn save(tg: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        let timers = tg.timers.save(saver);
        let signals = tg.signals.lock();
        let limits = tg.limits.read().all().to_vec();
        Ok(Self {
            tgid: tg.tgid,
            pidns: saver.id(&tg.pidns),
            signals: SignalsState {
                pending: PendingState::save(&signals.pending),
                stop: signals.stop,
                stops: signals.stops,
                group_exit: signals.group_exit,
                exit_together: signals.exit_together,
            },
            actions: saver.id(&tg.actions()),
            limits,
            is_subreaper: tg.is_subreaper.load(Ordering::Relaxed),
            unkillable: tg.is_unkillable(),
            has_execed: tg.has_execed.load(Ordering::Relaxed),
            dumpable: tg.dumpable.load(Ordering::Relaxed),
            thp_disabled: tg.thp_disabled.load(Ordering::Relaxed),
            mce_kill: tg.mce_kill.load(Ordering::Relaxed),
            past: *tg.past.lock(),
            start_time: tg.start_time,
            max_rss: tg.max_rss.load(Ordering::Relaxed),
            last_name: ByteBuf::from(tg.last_name.lock().clone()),
            oom_score_adj: tg.oom_score_adj.load(Ordering::Relaxed),
            timers,
            ended: tg.exit_status(),
            terminal: tg.terminal.get().map(|terminal| saver.id(terminal)),
        })
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        let limits = Limits::of(self.limits).ok_or_else(|| RestoreError::new("its limits are damaged"))?;
        if !(-1000..=1000).contains(&self.oom_score_adj) || self.dumpable > 2 {
            return Err(RestoreError::new("a setting of it is out of range"));
        }
        let pidns = restorer.get(self.pidns)?;
        let actions = restorer.get(self.actions)?;
        let kernel = restorer.kernel();
        let tg = ThreadGroup::begun_at(self.start_time, kernel, self.tgid, pidns, actions, limits);
        *tg.signals.lock() = GroupSignals {
            pending: self.signals.pending.restore()?,
            stop: self.signals.stop,
            stops: self.signals.stops,
            group_exit: self.signals.group_exit,
            exit_together: self.signals.exit_together,
        };
        tg.is_subreaper.store(self.is_subreaper, Ordering::Relaxed);
        tg.unkillable.store(self.unkillable, Ordering::Relaxed);
        tg.has_execed.store(self.has_execed, Ordering::Relaxed);
        tg.dumpable.store(self.dumpable, Ordering::Relaxed);
        tg.thp_disabled.store(self.thp_disabled, Ordering::Relaxed);
        tg.mce_kill.store(self.mce_kill, Ordering::Relaxed);
        *tg.past.lock() = self.past;
        tg.max_rss.store(self.max_rss, Ordering::Relaxed);
        *tg.last_name.lock() = self.last_name.into_vec();
        tg.oom_score_adj.store(self.oom_score_adj, Ordering::Relaxed);
        if let Some(terminal) = self.terminal {
            let (terminal, leader) = (restorer.get(terminal)?, Arc::clone(&tg));
            let _ = tg.terminal.set(Arc::clone(&terminal));
            restorer.later(move |restorer| stdio::attach(&terminal, &leader, restorer));
        }
        match self.ended {
            Some(status) => _ = tg.ended.set(status),
            None => {
                let (tg, timers) = (Arc::clone(&tg), self.timers);
                restorer.later(move |restorer| {
                    tg.cpu_limit.update();
                    tg.timers.restore(timers, restorer)
                });
            }
        }
        Ok(tg)
    }
}
