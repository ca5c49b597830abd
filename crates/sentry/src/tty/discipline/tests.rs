use stockade_abi::general as c;
use stockade_abi::signal::{SIGINT, SIGTSTP};

use super::*;

fn typed(line: &mut Discipline, text: &[u8]) -> Effects {
    let mut effects = Effects::default();
    text.iter().for_each(|&byte| line.input(byte, &mut effects));
    effects
}

fn shown(line: &mut Discipline) -> String {
    let text = line.output().iter().map(|&b| b as char).collect();
    line.consume_output(usize::MAX);
    text
}

fn read(line: &mut Discipline, max: usize) -> Option<String> {
    let bytes = line.peek(max)?;
    line.consume(bytes.len());
    Some(String::from_utf8(bytes).unwrap())
}

fn with(change: impl FnOnce(&mut Termios)) -> Discipline {
    let mut line = Discipline::default();
    let mut modes = line.modes().modes;
    change(&mut modes);
    line.set_modes(modes, (0, 0));
    line
}

#[test]
fn lines_are_edited_and_shown() {
    let mut line = Discipline::default();
    typed(&mut line, b"ab cd\x17x\x7fef");
    assert_eq!(read(&mut line, 100), None);
    typed(&mut line, b"\r");
    assert_eq!(read(&mut line, 3), Some("ab ".into()));
    assert_eq!(read(&mut line, 100), Some("ef\n".into()));
    assert_eq!(shown(&mut line), "ab cd\x08 \x08\x08 \x08x\x08 \x08ef\r\n");
}

#[test]
fn end_of_file_ends_a_line_without_a_byte() {
    let mut line = Discipline::default();
    typed(&mut line, b"ab\x04\x04c\n");
    assert_eq!(read(&mut line, 2), Some("ab".into()));
    assert_eq!(read(&mut line, 100), Some(String::new()));
    assert_eq!(read(&mut line, 100), Some("c\n".into()));
}

#[test]
fn signals_flush() {
    let mut line = Discipline::default();
    let effects = typed(&mut line, b"abc\x03d\x1a");
    assert_eq!(effects.signals, [SIGINT, SIGTSTP]);
    assert_eq!(shown(&mut line), "^Z");
    typed(&mut line, b"\n");
    assert_eq!(read(&mut line, 100), Some("\n".into()));
}

#[test]
fn a_line_that_is_too_long_keeps_its_beginning() {
    let mut line = Discipline::default();
    typed(&mut line, &[b'x'; 5000]);
    assert!(line.input_room() > 0);
    typed(&mut line, b"\n");
    assert!(line.input_room() == 0);
    assert_eq!(read(&mut line, 10000).map(|l| l.len()), Some(4096));
}

#[test]
fn raw_input_waits_for_enough() {
    let mut line = with(|m| {
        m.lflag = 0;
        m.cc[c::VMIN as usize] = 3;
    });
    typed(&mut line, b"ab");
    assert_eq!((line.peek(10), line.is_readable()), (None, false));
    assert_eq!(line.peek(1), Some(b"a".to_vec()));
    typed(&mut line, b"\x03");
    assert_eq!(read(&mut line, 10), Some("ab\x03".into()));
}

#[test]
fn what_was_typed_survives_a_change_of_modes() {
    let mut line = Discipline::default();
    typed(&mut line, b"one\ntwo");
    let cooked = line.modes().modes;
    line.set_modes(Termios { lflag: 0, ..cooked }, (0, 0));
    assert_eq!(read(&mut line, 5), Some("one\nt".into()));
    line.set_modes(cooked, (0, 0));
    assert_eq!(read(&mut line, 10), Some("wo".into()));
    assert_eq!(line.peek(10), None);
}

#[test]
fn stopped_output_waits() {
    let mut line = Discipline::default();
    typed(&mut line, b"\x13a");
    assert!(line.output_room() == 0);
    assert_eq!(shown(&mut line), "");
    typed(&mut line, b"\x11b");
    assert_eq!(shown(&mut line), "ab");
    line.flow_by_call(false);
    typed(&mut line, b"\x11");
    assert!(line.output_room() == 0);
}

#[test]
fn tabulators_and_characters_of_several_bytes_have_widths() {
    let mut line = with(|m| m.iflag |= c::IUTF8);
    typed(&mut line, "é\t\u{7f}\u{7f}".as_bytes());
    assert_eq!(line.output().iter().filter(|&&b| b == 8).count(), 7 + 2);
    let mut line = with(|m| m.oflag |= c::XTABS);
    typed(&mut line, b"a\tb");
    assert_eq!(shown(&mut line), "a       b");
}

/// Whatever is typed, in whatever mode: queues stay bounded.
#[test]
fn queues_are_bounded() {
    let mut line = Discipline::default();
    let mut word = 1u64;
    for round in 0..200_000 {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bytes = word.to_le_bytes();
        if line.input_room() > 0 {
            typed(&mut line, &bytes[4..6]);
        }
        if line.output_room() > 0 {
            line.write(bytes[6]);
        }
        if round % 1000 == 0 {
            let mut modes = line.modes().modes;
            (modes.iflag, modes.oflag, modes.lflag) = (word as u32, (word >> 20) as u32, (word >> 32) as u32);
            line.set_modes(modes, (0, 0));
        }
        if bytes[7] == 0 {
            line.consume_output(1000);
            let _ = line.peek(100).map(|b| line.consume(b.len()));
        }
        assert!(line.held() <= INPUT_SIZE + 1 && line.lines.len() <= line.held());
        assert!(line.output.len() + line.held.len() <= OUTPUT_SIZE + ECHO_SIZE);
    }
}
