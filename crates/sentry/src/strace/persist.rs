//! The saved form of what is traced: settings; who reads is to say so anew.

use serde::{Deserialize, Serialize};

use super::{Filter, Tracing};

/// [`Tracing`]
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct TracingState {
    log: FilterState,
    events: FilterState,
    packets: bool,
}

/// A [`Filter`]; calls by name, as numbers are an architecture's.
#[derive(Debug, Default, Serialize, Deserialize)]
enum FilterState {
    #[default]
    None,
    All,
    Only(Vec<String>),
}

impl FilterState {
    fn save(filter: &Filter) -> Self {
        match (filter, filter.names()) {
            (Filter::None, _) => Self::None,
            (_, None) => Self::All,
            (_, Some(names)) => Self::Only(names.into_iter().map(str::to_owned).collect()),
        }
    }

    fn restore(self) -> Filter {
        match self {
            Self::None => Filter::None,
            Self::All => Filter::All,
            // A name that is not known any more is of a call that nobody makes.
            Self::Only(names) => {
                let known: Vec<String> =
                    names.into_iter().filter(|name| stockade_abi::nr::number(name).is_some()).collect();
                Filter::only(&known).unwrap_or_default()
            }
        }
    }
}

impl Tracing {
    pub(crate) fn save(&self) -> TracingState {
        TracingState {
            log: FilterState::save(&self.log()),
            events: FilterState::save(&self.events()),
            packets: self.packets(),
        }
    }

    pub(crate) fn restore(&self, state: TracingState) {
        self.set_log(state.log.restore());
        self.set_events(state.events.restore());
        self.set_packets(state.packets);
    }
}
