//! The saved form of [`Actions`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stockade_abi::signal::SigAction;
use stockade_platform::sync::Mutex;

use super::Actions;
use crate::persist::{Component, RestoreError, Restorer, Saver, Unsavable};

/// [`Actions`]: those of all signals in order.
#[derive(Debug, Serialize, Deserialize)]
pub struct ActionsState(Vec<SigAction>);

impl Component for ActionsState {
    type Object = Arc<Actions>;

    fn save(actions: &Self::Object, _saver: &mut Saver) -> Result<Self, Unsavable> {
        Ok(Self(actions.0.lock().to_vec()))
    }

    fn restore(self, _restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        let actions = self.0.try_into();
        let actions = actions.map_err(|_| RestoreError::new("not an action for each signal"))?;
        Ok(Arc::new(Actions(Mutex::new(actions))))
    }
}

#[cfg(test)]
mod tests {
    use stockade_abi::signal::{SIGHUP, SIGRTMAX};

    use super::*;
    use crate::persist::tests::{restoring, saved};

    #[test]
    fn actions_come_back_and_are_one_for_each_signal() {
        let actions = Arc::new(Actions::default());
        let action = SigAction { handler: 0x1234, flags: 5, ..SigAction::default() };
        actions.set(SIGRTMAX, action);
        let state: ActionsState = saved(&actions);
        restoring(|restorer| {
            let again = state.restore(restorer).unwrap();
            assert_eq!((again.get(SIGRTMAX), again.get(SIGHUP)), (action, SigAction::default()));
            assert!(ActionsState(vec![action; 63]).restore(restorer).is_err());
        });
    }
}
