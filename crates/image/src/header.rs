//! The header: what a host needs to know before it can go on with an image.

use crate::{Error, cpu, format};
use serde::{Deserialize, Serialize};

/// How page data stands in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As it is, so that it can be mapped.
    #[default]
    None,
    /// Each chunk a frame of zstd (RFC 8878), unless that would be longer.
    Zstd,
}

/// What a host needs to know before it can go on with an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// As uname(2) has it: `x86_64`.
    pub arch: String,
    /// Bytes of a page.
    pub page_size: u32,
    /// Bytes of a chunk of page data.
    pub chunk_size: u32,
    /// How page data stands in the file.
    pub compression: Compression,
    /// Features of the processor that programs inside may rely on, under Linux' names.
    pub cpu_features: Vec<String>,
}

impl Header {
    /// Of an image that is made here.
    #[must_use]
    pub fn of_this_host(compression: Compression) -> Self {
        Self {
            arch: std::env::consts::ARCH.to_owned(),
            page_size: u32::try_from(rustix::param::page_size()).unwrap_or(4096),
            chunk_size: format::CHUNK as u32,
            compression,
            cpu_features: cpu::features().into_iter().map(str::to_owned).collect(),
        }
    }

    /// The features of the processor that this host lacks.
    #[must_use]
    pub fn missing_features(&self) -> Vec<&str> {
        let here = cpu::features();
        self.cpu_features.iter().map(String::as_str).filter(|name| !here.contains(name)).collect()
    }

    /// Whether this host can go on with the image.
    ///
    /// # Errors
    /// [`Error::Host`] says what is different here.
    pub fn check_host(&self) -> Result<(), Error> {
        let here = Self::of_this_host(self.compression);
        if self.arch != here.arch {
            return Err(Error::Host(format!("was saved on {}, and this host is {}", self.arch, here.arch)));
        }
        if self.page_size != here.page_size {
            return Err(Error::Host(format!(
                "was saved on a host with pages of {} bytes, and here they have {}",
                self.page_size, here.page_size
            )));
        }
        match self.missing_features() {
            missing if missing.is_empty() => Ok(()),
            missing => Err(Error::Host(format!(
                "was saved on a processor with features that this one lacks: {}",
                missing.join(", ")
            ))),
        }
    }

    /// Whether the numbers can be.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let page = u64::from(self.page_size);
        if !page.is_power_of_two() || !(4096..=format::MAX_PAGE).contains(&page) {
            return Err(Error::damaged(format!("pages of {page} bytes do not exist")));
        }
        let chunk = self.chunk_size;
        if !chunk.is_power_of_two() || !(64 << 10..=4 << 20).contains(&chunk) {
            return Err(Error::damaged(format!("chunks of {chunk} bytes do not exist")));
        }
        Ok(())
    }
}
