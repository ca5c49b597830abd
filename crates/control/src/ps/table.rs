//! The table of processes.

use crate::types::process::Process;

const HEAD: [&str; 9] = ["UID", "PID", "PPID", "PGID", "C", "TTY", "STIME", "TIME", "CMD"];
/// As Go's tabwriter sets columns that gVisor's table has.
const MIN_WIDTH: usize = 10;
const PADDING: usize = 3;

/// The list as a table, without a newline at its end. What a program has put into its name to confuse a terminal shows as
/// question marks.
#[must_use]
pub fn process_list_to_table(list: &[Process]) -> String {
    let head = HEAD.map(str::to_owned);
    let rows: Vec<[String; 9]> = std::iter::once(head).chain(list.iter().map(row)).collect();
    let width = |column: usize| {
        let widest = rows.iter().map(|row| row[column].chars().count()).max();
        MIN_WIDTH.max(widest.unwrap_or(0) + PADDING)
    };
    let widths: [usize; 8] = std::array::from_fn(width);
    let mut text = String::new();
    for (i, row) in rows.iter().enumerate() {
        if i > 0 {
            text.push('\n');
        }
        for (cell, width) in row.iter().zip(widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
        }
        text.push_str(&row[HEAD.len() - 1]);
    }
    text
}

fn row(p: &Process) -> [String; 9] {
    [
        p.uid.to_string(),
        p.pid.to_string(),
        p.ppid.to_string(),
        p.pgid.to_string(),
        p.c.to_string(),
        p.tty.clone(),
        p.stime.clone(),
        p.time.clone(),
        p.cmd.chars().map(|c| if c.is_control() { '?' } else { c }).collect(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_set_as_gvisor_sets_them() {
        let list = [
            Process {
                uid: 0,
                pid: 1,
                ppid: 0,
                pgid: 1,
                c: 0,
                tty: "pts/4".into(),
                stime: "14:04".into(),
                time: "505.262µs".into(),
                cmd: "tail".into(),
                ..Process::default()
            },
            Process {
                uid: 4_294_967_294,
                pid: 20,
                tty: "?".into(),
                cmd: "a\nb\x1b[2J".into(),
                ..Process::default()
            },
        ];
        let text = process_list_to_table(&list);
        let lines: Vec<&str> = text.split('\n').collect();
        assert_eq!(
            lines[0],
            "UID          PID       PPID      PGID      C         TTY       STIME     TIME        CMD"
        );
        assert_eq!(
            lines[1],
            "0            1         0         1         0         pts/4     14:04     505.262µs   tail"
        );
        assert_eq!(
            lines[2],
            "4294967294   20        0         0         0         ?                               a?b?[2J"
        );
        assert_eq!(lines.len(), 3);
    }
}
