//! The saved form of [`Bound`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Bound, Held, Name, PATH_MAX, inode_id};
use crate::net::unix::endpoint::Endpoint;
use crate::persist::{RestoreError, Restorer, Saver};
use crate::vfs::persist::PathState;

/// A [`Bound`].
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::net::unix) struct BoundState {
    name: Name,
    held: HeldState,
}

/// A [`Held`].
#[derive(Debug, Serialize, Deserialize)]
enum HeldState {
    Nothing,
    Inode(PathState),
    Abstract,
}

impl BoundState {
    pub(in crate::net::unix) fn save(bound: &Bound, saver: &mut Saver) -> Self {
        let held = match &bound.held {
            Held::Nothing => HeldState::Nothing,
            Held::Inode(_, path) => HeldState::Inode(PathState::save(path, saver)),
            Held::Abstract => HeldState::Abstract,
        };
        Self { name: bound.name.clone(), held }
    }

    /// Gives a socket its name again. To be called later than the making of names.
    pub(in crate::net::unix) fn restore(
        self,
        endpoint: &Arc<Endpoint>,
        restorer: &mut Restorer<'_>,
    ) -> Result<(), RestoreError> {
        let (Name::Path(bytes) | Name::Abstract(bytes)) = &self.name;
        if bytes.len() > PATH_MAX {
            return Err(RestoreError::new("a name that is too long for a socket"));
        }
        let names = &endpoint.space.names;
        let held = match (self.held, &self.name) {
            (HeldState::Nothing, _) => Held::Nothing,
            (HeldState::Inode(path), Name::Path(_)) => {
                let path = path.restore(restorer)?;
                let id = inode_id(&path).map_err(|e| RestoreError::refused("the file of a socket", e))?;
                names.paths.lock().insert(id, Arc::downgrade(endpoint));
                Held::Inode(id, path)
            }
            (HeldState::Abstract, Name::Abstract(name)) => {
                let key = (endpoint.kind().socket_type, name.clone());
                let before = names.abstracts.lock().insert(key, Arc::downgrade(endpoint));
                if before.is_some() {
                    return Err(RestoreError::new("two sockets have one name"));
                }
                Held::Abstract
            }
            _ => return Err(RestoreError::new("a socket's name is not of the kind that it holds")),
        };
        *endpoint.bound.write() = Some(Bound { name: self.name, held });
        Ok(())
    }
}
