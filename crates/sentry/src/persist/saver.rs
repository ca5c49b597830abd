//! From objects to tables.

use std::any::{Any, TypeId};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::component::{Component, Identity};
use super::error::Unsavable;
use super::id::Id;
use crate::task::Kernel;

/// Gives each object its place in the table of its kind, and saves it once. Nothing recurses, however deep a guest has
/// nested things: what gets an id is saved later, from a queue.
pub struct Saver {
    kernel: Arc<Kernel>,
    tables: HashMap<TypeId, Box<dyn Any>>,
    queue: VecDeque<Job>,
    problems: Vec<Unsavable>,
    /// What was given up for the rest to be saved; `None` if nothing may be.
    closed: Option<Vec<Unsavable>>,
}

type Job = Box<dyn FnOnce(&mut Saver)>;

struct Table<T: Component> {
    ids: HashMap<usize, u32>,
    /// Held, so that no address is used again meanwhile.
    objects: Vec<T::Object>,
    states: Vec<Option<T>>,
}

impl<T: Component> Default for Table<T> {
    fn default() -> Self {
        Self { ids: HashMap::new(), objects: Vec::new(), states: Vec::new() }
    }
}

impl Saver {
    pub(super) fn new(kernel: &Arc<Kernel>) -> Self {
        Self {
            kernel: Arc::clone(kernel),
            tables: HashMap::new(),
            queue: VecDeque::new(),
            problems: Vec::new(),
            closed: None,
        }
    }

    /// The kernel that is saved. It stands still.
    #[must_use]
    pub fn kernel(&self) -> &Arc<Kernel> {
        &self.kernel
    }

    /// The id of an object, which is saved if it is not yet.
    pub fn id<T: Component>(&mut self, object: &T::Object) -> Id<T> {
        let address = object.address();
        let table = self.table::<T>();
        if let Some(&index) = table.ids.get(&address) {
            return Id::new(index);
        }
        let index = table.states.len() as u32;
        table.ids.insert(address, index);
        table.objects.push(object.clone());
        table.states.push(None);
        let object = object.clone();
        self.queue.push_back(Box::new(move |saver| match T::save(&object, saver) {
            Ok(state) => saver.table::<T>().states[index as usize] = Some(state),
            Err(problem) => saver.note(problem),
        }));
        Id::new(index)
    }

    /// The id of an object if it has one: for what must not be kept alive by this reference alone.
    pub fn known<T: Component>(&mut self, object: &T::Object) -> Option<Id<T>> {
        self.table::<T>().ids.get(&object.address()).map(|&index| Id::new(index))
    }

    /// Something cannot be saved. All such things are collected before saving is given up.
    pub fn note(&mut self, problem: Unsavable) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// From now on an open file that cannot be saved is closed in the image.
    pub(super) fn close_others(&mut self) {
        self.closed.get_or_insert_default();
    }

    /// Whether this is given up for the rest to be saved.
    ///
    /// # Errors
    /// The problem, if it is not.
    pub(crate) fn close(&mut self, problem: Unsavable) -> Result<(), Unsavable> {
        match &mut self.closed {
            Some(closed) => {
                closed.push(problem);
                Ok(())
            }
            None => Err(problem),
        }
    }

    pub(super) fn closed(&mut self) -> Vec<Unsavable> {
        self.closed.take().unwrap_or_default()
    }

    fn table<T: Component>(&mut self) -> &mut Table<T> {
        let table = self.tables.entry(TypeId::of::<T>()).or_insert_with(|| Box::new(Table::<T>::default()));
        // The key is the type.
        table.downcast_mut().unwrap_or_else(|| unreachable!("a table of another type"))
    }

    /// Saves all that has an id, and what these refer to.
    pub(super) fn run(&mut self) {
        while let Some(job) = self.queue.pop_front() {
            job(self);
        }
    }

    /// Which objects have a place, in order.
    pub(super) fn objects<T: Component>(&mut self) -> Vec<T::Object> {
        self.table::<T>().objects.clone()
    }

    /// The finished table of a kind.
    pub(super) fn take<T: Component>(&mut self) -> Vec<T> {
        std::mem::take(&mut self.table::<T>().states).into_iter().flatten().collect()
    }

    pub(super) fn problems(&mut self) -> Vec<Unsavable> {
        std::mem::take(&mut self.problems)
    }
}
