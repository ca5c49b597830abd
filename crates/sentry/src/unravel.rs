//! Dropping what is linked together in depths that a guest decides.

use std::sync::Arc;

/// Drops objects, and then what only they held, each by itself: dropped by those who hold it, a tree or a chain would take
/// as much of the stack as it is deep. `take` takes what an object holds out of it.
pub(crate) fn unravel<T>(first: impl IntoIterator<Item = Arc<T>>, take: impl Fn(&mut T, &mut Vec<Arc<T>>)) {
    let mut held = Vec::new();
    for object in first {
        let mut next = Some(object);
        while let Some(object) = next {
            if let Some(mut last) = Arc::into_inner(object) {
                take(&mut last, &mut held);
            }
            next = held.pop();
        }
    }
}

#[cfg(test)]
mod tests;
