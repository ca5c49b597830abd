//! From tables to objects.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

use super::component::Component;
use super::error::RestoreError;
use super::id::Id;
use super::pages::{HostResources, PageSource};
use crate::fs::stdio::Bridge;
use crate::task::{Kernel, ThreadGroup};

/// How deep objects may ask for others that are not made yet. Long chains are made in order ([`Restorer::line_up`]).
const MAX_DEPTH: u32 = 64;

type Later = Box<dyn FnOnce(&mut Restorer<'_>) -> Result<(), RestoreError>>;

/// Makes each object once.
pub struct Restorer<'a> {
    kernel: Arc<Kernel>,
    /// Memory.
    pub pages: &'a mut dyn PageSource,
    /// What the host gives.
    pub host: &'a mut dyn HostResources,
    /// What moves between terminals, and the processes that were started on them.
    pub bridges: Vec<(Arc<ThreadGroup>, Arc<Bridge>)>,
    tables: HashMap<TypeId, Box<dyn Any>>,
    later: Vec<Later>,
    last: Vec<Later>,
    depth: u32,
}

enum Entry<T: Component> {
    Waits(T),
    Begun,
    Made(T::Object),
}

type Table<T> = Vec<Entry<T>>;

impl<'a> Restorer<'a> {
    pub(super) fn new(
        kernel: Arc<Kernel>,
        pages: &'a mut dyn PageSource,
        host: &'a mut dyn HostResources,
    ) -> Self {
        Self {
            kernel,
            pages,
            host,
            bridges: Vec::new(),
            tables: HashMap::new(),
            later: Vec::new(),
            last: Vec::new(),
            depth: 0,
        }
    }

    /// The kernel that is being made. It has no tasks yet.
    #[must_use]
    pub fn kernel(&self) -> &Arc<Kernel> {
        &self.kernel
    }

    pub(super) fn add<T: Component>(&mut self, states: Vec<T>) {
        let table: Table<T> = states.into_iter().map(Entry::Waits).collect();
        self.tables.insert(TypeId::of::<T>(), Box::new(table));
    }

    /// Gives an object that was made otherwise.
    pub(super) fn supply<T: Component>(&mut self, id: Id<T>, object: T::Object) -> Result<(), RestoreError> {
        let missing = || RestoreError::new("there is no such entry").at(T::TABLE, id.index() as u32);
        *self.table::<T>().get_mut(id.index()).ok_or_else(missing)? = Entry::Made(object);
        Ok(())
    }

    fn table<T: Component>(&mut self) -> &mut Table<T> {
        let table = self.tables.entry(TypeId::of::<T>()).or_insert_with(|| Box::new(Table::<T>::new()));
        // The key is the type.
        table.downcast_mut().unwrap_or_else(|| unreachable!("a table of another type"))
    }

    /// An object, which is made if it is not yet.
    ///
    /// # Errors
    /// If there is no such entry, it refers to itself, or cannot be made.
    pub fn get<T: Component>(&mut self, id: Id<T>) -> Result<T::Object, RestoreError> {
        let index = id.index();
        let error = |what: &str| RestoreError::new(what).at(T::TABLE, index as u32);
        let entry = self.table::<T>().get_mut(index).ok_or_else(|| error("there is no such entry"))?;
        let state = match entry {
            Entry::Made(object) => return Ok(object.clone()),
            Entry::Begun => return Err(error("it refers to itself")),
            Entry::Waits(_) => std::mem::replace(entry, Entry::Begun),
        };
        let Entry::Waits(state) = state else { return Err(error("it refers to itself")) };
        if self.depth >= MAX_DEPTH {
            return Err(error("references are nested too deep"));
        }
        self.depth += 1;
        let made = state.restore(self).map_err(|e| e.at(T::TABLE, index as u32));
        self.depth -= 1;
        let made = made?;
        self.table::<T>()[index] = Entry::Made(made.clone());
        Ok(made)
    }

    /// All objects of a kind, in the order of their table.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn all<T: Component>(&mut self) -> Result<Vec<T::Object>, RestoreError> {
        (0..self.table::<T>().len() as u32).map(|index| self.get(Id::<T>::new(index))).collect()
    }

    /// Makes the objects of a kind that hang on one another, as names do on directories: each after the one above it.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn line_up<T: Component>(&mut self, above: impl Fn(&T) -> Option<Id<T>>) -> Result<(), RestoreError> {
        let count = self.table::<T>().len();
        for index in 0..count as u32 {
            let mut at = Some(Id::<T>::new(index));
            let mut ahead = Vec::new();
            // What hangs on nothing is made when it is asked for.
            if !matches!(self.table::<T>().get(index as usize), Some(Entry::Waits(state)) if above(state).is_some())
            {
                continue;
            }
            // Whoever is still to be made when the walk comes by again is in a circle, which `get` says.
            while let Some(id) = at
                && let Some(Entry::Waits(state)) = self.table::<T>().get(id.index())
                && ahead.len() <= count
            {
                at = above(state);
                ahead.push(id);
            }
            while let Some(id) = ahead.pop() {
                self.get(id)?;
            }
        }
        Ok(())
    }

    /// The entries of a kind that are not made yet, each in its place.
    pub(crate) fn waiting<T: Component>(&mut self) -> impl Iterator<Item = Option<&T>> {
        self.table::<T>().iter().map(|entry| match entry {
            Entry::Waits(state) => Some(state),
            _ => None,
        })
    }

    /// Does something once all objects are made: what would go round in a circle before.
    pub fn later(&mut self, then: impl FnOnce(&mut Restorer<'_>) -> Result<(), RestoreError> + 'static) {
        self.later.push(Box::new(then));
    }

    /// Does something once all objects are whole, what [`later`](Self::later) does included: for who asks them.
    pub fn last(&mut self, then: impl FnOnce(&mut Restorer<'_>) -> Result<(), RestoreError> + 'static) {
        self.last.push(Box::new(then));
    }

    pub(super) fn finish(&mut self) -> Result<(), RestoreError> {
        loop {
            let later = std::mem::take(&mut self.later);
            let next = if later.is_empty() { std::mem::take(&mut self.last) } else { later };
            if next.is_empty() {
                return Ok(());
            }
            for then in next {
                then(self)?;
            }
        }
    }
}
