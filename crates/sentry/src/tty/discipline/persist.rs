//! The saved form of [`Discipline`].

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{Discipline, ECHO_SIZE, INPUT_SIZE, Line, OUTPUT_SIZE};
use crate::persist::RestoreError;
use crate::tty::termios::Termios;

/// A column that no line gets to.
const MAX_COLUMN: usize = 1 << 48;

/// A [`Discipline`].
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::tty) struct DisciplineState {
    modes: Termios,
    speeds: (u32, u32),
    ready: ByteBuf,
    /// Lengths of lines, and whether they end without a byte.
    lines: Vec<(usize, bool)>,
    edit: ByteBuf,
    literal: bool,
    erasing: bool,
    output: ByteBuf,
    held: ByteBuf,
    column: usize,
    edit_column: usize,
    stopped: bool,
    stopped_by_call: bool,
}

fn bytes(queue: &std::collections::VecDeque<u8>) -> ByteBuf {
    let (a, b) = queue.as_slices();
    ByteBuf::from([a, b].concat())
}

impl DisciplineState {
    pub(in crate::tty) fn save(line: &Discipline) -> Self {
        Self {
            modes: line.modes,
            speeds: line.speeds,
            ready: bytes(&line.ready),
            lines: line.lines.iter().map(|line| (line.len, line.bare)).collect(),
            edit: ByteBuf::from(line.edit.clone()),
            literal: line.literal,
            erasing: line.erasing,
            output: bytes(&line.output),
            held: bytes(&line.held),
            column: line.column,
            edit_column: line.edit_column,
            stopped: line.stopped,
            stopped_by_call: line.stopped_by_call,
        }
    }

    pub(in crate::tty) fn restore(self) -> Result<Discipline, RestoreError> {
        let bare = self.lines.iter().filter(|(_, bare)| *bare).count();
        let of_lines = self.lines.iter().try_fold(0usize, |sum, (len, _)| sum.checked_add(*len));
        let input = self.ready.len() + self.edit.len() + bare;
        // A byte of output can become several, beyond the last place.
        let most_output = OUTPUT_SIZE + ECHO_SIZE + 1;
        if input > 2 * INPUT_SIZE
            || of_lines.is_none_or(|all| all > self.ready.len())
            || self.lines.len() > input
            || self.output.len() + self.held.len() > most_output
            || self.column.max(self.edit_column) > MAX_COLUMN
        {
            return Err(RestoreError::new("more in a terminal's queues than they can hold"));
        }
        let lines = self.lines.into_iter().map(|(len, bare)| Line { len, bare });
        Ok(Discipline {
            modes: self.modes,
            speeds: self.speeds,
            ready: self.ready.into_vec().into(),
            lines: lines.collect(),
            bare,
            edit: self.edit.into_vec(),
            literal: self.literal,
            erasing: self.erasing,
            output: self.output.into_vec().into(),
            held: self.held.into_vec().into(),
            column: self.column,
            edit_column: self.edit_column,
            stopped: self.stopped,
            stopped_by_call: self.stopped_by_call,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::tests::through_bytes;
    use crate::tty::discipline::Effects;

    #[test]
    fn a_line_half_typed_goes_on() {
        let mut line = Discipline::default();
        for byte in b"whole\nhalf\x04\x04\tx\x16" {
            line.input(*byte, &mut Effects::default());
        }
        line.write(b'!');
        line.stop();
        line.input(b'\x03', &mut Effects::default());
        line.input(b'y', &mut Effects::default());
        let mut again = through_bytes(&DisciplineState::save(&line)).restore().unwrap();
        assert_eq!(format!("{again:?}"), format!("{line:?}"));
        for line in [&mut line, &mut again] {
            b"\x7f\x7f\n".iter().for_each(|&byte| line.input(byte, &mut Effects::default()));
            line.start();
        }
        assert_eq!(format!("{again:?}"), format!("{line:?}"));
    }

    #[test]
    fn queues_that_cannot_be_are_refused() {
        let good = || DisciplineState::save(&Discipline::default());
        assert!(good().restore().is_ok());
        let bad = [
            DisciplineState { ready: ByteBuf::from(vec![0; 9000]), ..good() },
            DisciplineState { output: ByteBuf::from(vec![0; 20000]), ..good() },
            DisciplineState { lines: vec![(1, false)], ..good() },
            DisciplineState { lines: vec![(usize::MAX, false), (2, true)], ..good() },
            DisciplineState { lines: vec![(0, false); 100_000], ..good() },
            DisciplineState { column: usize::MAX, ..good() },
        ];
        for state in bad {
            assert!(state.restore().is_err());
        }
    }
}
