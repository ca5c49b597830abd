//! What a kind of object has to say about its saved form.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{RestoreError, Unsavable};
use super::restorer::Restorer;
use super::saver::Saver;

/// Something that others refer to: it is saved once, however many do.
pub trait Identity: Clone + 'static {
    /// The same for the same object, another for any other that lives.
    fn address(&self) -> usize;
}

impl<T: ?Sized + 'static> Identity for Arc<T> {
    fn address(&self) -> usize {
        Arc::as_ptr(self).cast::<()>() as usize
    }
}

/// A saved form that has a table in [`KernelState`](super::KernelState), which that declares.
pub trait Listed: Serialize + DeserializeOwned + 'static {
    /// Name of the table, for errors.
    const TABLE: &'static str;
}

/// The saved form of a kind of object: plain data.
pub trait Component: Listed {
    /// The object, as others hold it.
    type Object: Identity;

    /// The form of an object. Others that it refers to are given ids ([`Saver::id`]) and saved later.
    ///
    /// # Errors
    /// What about it cannot be saved.
    fn save(object: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable>;

    /// Makes the object anew. Others that it refers to are made when they are asked for ([`Restorer::get`]); what would go
    /// round in a circle is left for [`Restorer::later`].
    ///
    /// # Errors
    /// What is wrong with the form, or what the host refuses.
    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError>;
}
