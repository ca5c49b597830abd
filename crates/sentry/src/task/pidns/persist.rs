//! The saved form of [`PidNamespace`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stockade_platform::sync::Mutex;

use super::{IDS, MAX_LEVEL, Numbers, PID_MAX, PidNamespace};
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};

/// A [`PidNamespace`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PidNamespaceState {
    id: u64,
    parent: Option<Id<PidNamespaceState>>,
    last: i32,
    closed: bool,
    /// Numbers in the root namespace and here.
    numbers: Vec<(i32, i32)>,
}

impl PidNamespaceState {
    /// Makes a namespace anew beneath another.
    ///
    /// # Errors
    /// What is wrong with its numbers.
    pub(crate) fn make(self, parent: Option<Arc<PidNamespace>>) -> Result<Arc<PidNamespace>, RestoreError> {
        let is_number = |n: i32| (1..PID_MAX).contains(&n);
        let level = parent.as_ref().map_or(0, |parent| parent.level + 1);
        if level > MAX_LEVEL || !(0..PID_MAX).contains(&self.last) {
            return Err(RestoreError::new(
                "it is nested too deep, or has given out numbers that there are not",
            ));
        }
        let mut numbers = Numbers { last: self.last, closed: self.closed, ..Numbers::default() };
        for (root, local) in self.numbers {
            let good = is_number(root)
                && is_number(local)
                && parent
                    .as_ref()
                    .map_or(root == local, |parent| parent.numbers.lock().from_root.contains_key(&root));
            let first = numbers.to_root.insert(local, root).is_none();
            if !good || numbers.from_root.insert(root, local).is_some() || !first {
                return Err(RestoreError::new(format!("nobody can have the number {local} there")));
            }
        }
        IDS.note(self.id);
        let (id, numbers) = (self.id, Mutex::new(numbers));
        Ok(Arc::new(PidNamespace { id, parent, level, numbers, departures: Arc::default() }))
    }
}

impl Component for PidNamespaceState {
    type Object = Arc<PidNamespace>;

    fn save(namespace: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        let parent = namespace.parent.as_ref().map(|parent| saver.id(parent));
        let numbers = namespace.numbers.lock();
        Ok(Self {
            id: namespace.id,
            parent,
            last: numbers.last,
            closed: numbers.closed,
            numbers: numbers.from_root.iter().map(|(&root, &local)| (root, local)).collect(),
        })
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        let parent = self.parent.map(|parent| restorer.get(parent)).transpose()?;
        // The root is there already.
        let parent = parent.ok_or_else(|| RestoreError::new("there are two roots"))?;
        self.make(Some(parent))
    }
}
