//! The log's level, as the control server changes it.

use super::Level;
use crate::config::LogLevel;
use stockade_control::server;
use stockade_control::types::logging::Level as OnWire;

impl server::LogLevel for Level {
    fn get(&self) -> OnWire {
        match Self::get(self) {
            LogLevel::Error | LogLevel::Warn => OnWire::Warning,
            LogLevel::Info => OnWire::Info,
            LogLevel::Debug | LogLevel::Trace => OnWire::Debug,
        }
    }

    fn set(&self, level: OnWire) {
        Self::set(
            self,
            match level {
                OnWire::Warning => LogLevel::Warn,
                OnWire::Info => LogLevel::Info,
                OnWire::Debug => LogLevel::Debug,
            },
        );
    }
}
