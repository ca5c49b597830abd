//! The calls that `--strace=` names.

use stockade_abi::nr;

/// System call names, separated by commas.
///
/// # Errors
/// The first name that x86-64 does not have, with a near one if there is.
pub fn strace_calls(text: &str) -> Result<Vec<String>, String> {
    text.split(',').map(call).collect()
}

fn call(name: &str) -> Result<String, String> {
    if name.is_empty() {
        return Err(
            "a name is missing; write --strace for all calls, or names as in --strace=openat,read".to_owned()
        );
    }
    if nr::number(name).is_some() {
        return Ok(name.to_owned());
    }
    let near = nr::ALL.iter().map(|&(_, known)| (distance(name, known), known)).min();
    match near {
        Some((d, known)) if d <= 2 && d < name.len() => {
            Err(format!("'{name}' is no system call of x86-64; did you mean {known}?"))
        }
        _ => Err(format!("'{name}' is no system call of x86-64; `stockade syscalls` lists them")),
    }
}

/// Edit distance (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(strace_calls("openat,read"), Ok(vec!["openat".to_owned(), "read".to_owned()]));
        assert!(strace_calls("opneat").unwrap_err().contains("did you mean openat?"));
        assert!(strace_calls("teleport").unwrap_err().contains("stockade syscalls"));
        assert!(strace_calls("read,").unwrap_err().contains("missing"));
        assert!(strace_calls("").is_err());
    }

    #[test]
    fn distances() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("read", "read"), 0);
    }
}
