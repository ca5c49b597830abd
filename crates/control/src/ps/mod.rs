//! Lists of processes as text: in the words of ps(1), as gVisor's clients expect them.

mod go;
mod table;

pub use go::duration;
pub use table::process_list_to_table;

use crate::types::process::Process;

/// The list as JSON, indented by two spaces.
///
/// # Errors
/// None that a list of processes could cause.
pub fn process_list_to_json(list: &[Process]) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(list)
}

/// The numbers alone, as `[1,3]`.
///
/// # Errors
/// None that a list of processes could cause.
pub fn print_pids_json(list: &[Process]) -> Result<String, serde_json::Error> {
    serde_json::to_string(&list.iter().map(|p| p.pid).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_whole() {
        let list = [
            Process { pid: 1, threads: vec![1, 4], tty: "?".into(), cmd: "sh".into(), ..Process::default() },
            Process { pid: 3, ..Process::default() },
        ];
        let text = process_list_to_json(&list).unwrap();
        assert!(text.starts_with("[\n  {\n    \"uid\": 0,\n    \"pid\": 1,\n    \"ppid\": 0,\n    \"pgid\": 0,\n    \"threads\": [\n      1,\n      4\n    ],\n    \"c\": 0,"), "{text}");
        assert!(text.contains("\"threads\": [],"), "{text}");
        assert_eq!(serde_json::from_str::<Vec<Process>>(&text).unwrap(), list);
        assert_eq!(print_pids_json(&list).unwrap(), "[1,3]");
        assert_eq!(print_pids_json(&[]).unwrap(), "[]");
    }
}
