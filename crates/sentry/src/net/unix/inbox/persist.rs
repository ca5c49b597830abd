//! The saved forms of [`Inbox`] and [`Credit`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{Attached, Credit, Inbox, Segment};
use crate::net::socket::Credential;
use crate::net::unix::in_flight::persist::RightsState;
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};

/// Bytes of a `struct sockaddr_un` at most, with a zero at its end.
const MAX_ADDRESS: usize = 111;

/// A [`Credit`]; what is used of it, messages say.
#[derive(Debug, Serialize, Deserialize)]
pub struct CreditState {
    limit: usize,
}

impl Component for CreditState {
    type Object = Arc<Credit>;

    fn save(credit: &Self::Object, _saver: &mut Saver) -> Result<Self, Unsavable> {
        Ok(Self { limit: credit.limit() })
    }

    fn restore(self, _restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        if i32::try_from(self.limit).is_err() {
            return Err(RestoreError::new("a buffer that no socket has"));
        }
        Ok(Credit::new(self.limit))
    }
}

/// An [`Inbox`].
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::net::unix) struct InboxState {
    segments: Vec<SegmentState>,
    closed: bool,
}

/// A [`Segment`]: what is left of it.
#[derive(Debug, Serialize, Deserialize)]
struct SegmentState {
    data: ByteBuf,
    from: Option<ByteBuf>,
    creds: Option<Credential>,
    rights: Option<RightsState>,
    credit: Id<CreditState>,
}

impl InboxState {
    pub(in crate::net::unix) fn save(inbox: &Inbox, saver: &mut Saver) -> Self {
        let segments = inbox.segments.iter().map(|segment: &Segment| SegmentState {
            data: ByteBuf::from(segment.left()),
            from: segment.from.as_ref().map(|from| ByteBuf::from(from.to_vec())),
            creds: segment.creds,
            rights: segment.rights.as_ref().map(|rights| RightsState::save(rights, saver)),
            credit: saver.id(&segment.credit),
        });
        Self { segments: segments.collect(), closed: inbox.closed }
    }

    /// Whether a socket without another side may have it.
    pub(in crate::net::unix) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The messages again. To be called later than the making of sockets.
    pub(in crate::net::unix) fn restore(
        self,
        in_flight: &Arc<super::super::in_flight::InFlight>,
        restorer: &mut Restorer<'_>,
    ) -> Result<Inbox, RestoreError> {
        let mut inbox = Inbox { closed: self.closed, ..Inbox::default() };
        for segment in self.segments {
            if self.closed || segment.from.as_ref().is_some_and(|from| from.len() > MAX_ADDRESS) {
                return Err(RestoreError::new("a message that no socket has"));
            }
            let credit = restorer.get(segment.credit)?;
            let rights = segment.rights.map(|rights| rights.restore(in_flight, restorer)).transpose()?;
            let from = segment.from.map(|from| Arc::new(from.into_vec()));
            inbox.push(segment.data.into_vec(), Attached { from, creds: segment.creds, rights }, &credit);
        }
        Ok(inbox)
    }
}
