//! [`Credentials`] are their own saved form.

use std::sync::Arc;

use stockade_abi::sched::CAP_FULL;

use super::{Credentials, securebits};
use crate::persist::{Component, RestoreError, Restorer, Saver, Unsavable};

/// Supplementary groups (`NGROUPS_MAX`).
const MAX_GROUPS: usize = 65536;

impl Component for Credentials {
    type Object = Arc<Credentials>;

    fn save(creds: &Self::Object, _saver: &mut Saver) -> Result<Self, Unsavable> {
        Ok(Self::clone(creds))
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        let known = [self.permitted, self.inheritable, self.bounding].iter().all(|set| set & !CAP_FULL == 0);
        let nested =
            self.effective & !self.permitted == 0 && self.ambient & !(self.permitted & self.inheritable) == 0;
        if !known || !nested || self.groups.len() > MAX_GROUPS {
            return Err(RestoreError::new("capabilities or groups that nobody can have"));
        }
        if self.securebits & !(securebits::ALL_BITS | securebits::ALL_LOCKS) != 0 {
            return Err(RestoreError::new("securebits that there are not"));
        }
        restorer.host.admit(&self).map_err(RestoreError::new)?;
        Ok(Arc::new(self))
    }
}
