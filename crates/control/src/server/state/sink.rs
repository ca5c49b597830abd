//! From the kernel's pages to the image.

use std::io;

use stockade_image::{Error, Options, Run, Summary, Writer, Written};
use stockade_sentry::persist::{PageObject, PageRun, PageSink};

use super::destination::Destination;

/// Where pages go. Nothing is written before it is known that everything can be saved.
pub(super) struct Sink {
    /// What the writer is made of.
    parts: Option<(Destination, Options)>,
    writer: Option<Writer>,
}

impl Sink {
    pub(super) fn new(destination: Destination, options: Options) -> Self {
        Self { parts: Some((destination, options)), writer: None }
    }

    fn writer(&mut self) -> Result<&mut Writer, Error> {
        if let Some((destination, options)) = self.parts.take() {
            self.writer = Some(Writer::new(destination.begin()?, options)?);
        }
        // One that failed at its beginning stays away.
        self.writer.as_mut().ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe).into())
    }

    pub(super) fn finish(mut self, state: &[u8], summary: &Summary) -> Result<Written, Error> {
        self.writer()?;
        let writer = self.writer.ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
        writer.finish(state, summary)
    }
}

impl PageSink for Sink {
    fn space(&mut self) -> io::Result<&mut [u8]> {
        self.writer().and_then(Writer::space).map_err(on_host)
    }

    fn fill(&mut self, object: PageObject, address: u64, length: usize) -> io::Result<()> {
        self.writer().and_then(|writer| writer.fill(object.number(), address, length)).map_err(on_host)
    }

    fn position(&self) -> u64 {
        self.writer.as_ref().map_or(0, Writer::position)
    }

    fn again(&mut self, object: PageObject, run: PageRun) -> io::Result<()> {
        let PageRun { address, length, data } = run;
        let run = Run { object: object.number(), address, length, data };
        self.writer().and_then(|writer| writer.run(run)).map_err(on_host)
    }
}

fn on_host(e: Error) -> io::Error {
    match e {
        Error::Io(e) => e,
        e => io::Error::other(e.to_string()),
    }
}
