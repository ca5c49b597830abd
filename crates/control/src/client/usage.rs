//! `Usage` and `Metrics`.

use super::{Client, Error};
use crate::types::usage::{MemoryUsage, MemoryUsageOpts, MetricsExportData, MetricsExportOpts};

impl Client {
    /// `Usage.Collect`: memory by kind.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn memory_usage(&mut self, opts: MemoryUsageOpts) -> Result<MemoryUsage, Error> {
        self.call("Usage.Collect", &opts, &[])
    }

    /// `Metrics.Export`: all metrics, or those whose names match.
    ///
    /// # Errors
    /// A regular expression that is none; see also [`Error`].
    pub fn metrics(&mut self, opts: &MetricsExportOpts) -> Result<MetricsExportData, Error> {
        self.call("Metrics.Export", opts, &[])
    }
}
