//! Quoting for POSIX shells: the one place where data becomes shell source.
//!
//! Invariants:
//! - Whatever the text, the shell reads back exactly that text and nothing is run: single quotes
//!   take everything literally, and the one character they cannot hold is written outside of them.
//! - Variable names come from this crate, never from data.

/// Quotes `text` as one word of a POSIX shell; `None` if no shell variable can hold it (a NUL).
pub(super) fn quote(text: &str) -> Option<String> {
    (!text.contains('\0')).then(|| format!("'{}'", text.replace('\'', r"'\''")))
}

/// One `NAME='value'` line for each pair.
///
/// # Errors
/// The name of the first value that no shell variable can hold.
pub(super) fn assignments(pairs: &[(String, String)]) -> Result<String, String> {
    let line = |(name, value): &(String, String)| match quote(value) {
        Some(quoted) => Ok(format!("{name}={quoted}\n")),
        None => Err(name.clone()),
    };
    pairs.iter().map(line).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// What bash makes of `text` after it was quoted and assigned.
    fn through_bash(text: &str) -> String {
        let script = format!("X={}\nprintf '%s.' \"$X\"", quote(text).unwrap());
        let output = Command::new("bash").args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let mut back = String::from_utf8(output.stdout).unwrap();
        assert_eq!(back.pop(), Some('.'));
        back
    }

    #[test]
    fn hostile_texts_come_back_as_they_were() {
        for text in [
            "",
            "plain",
            "it's",
            "''",
            "'; touch /tmp/owned; '",
            "$(touch /tmp/owned)",
            "`id`",
            "${HOME}",
            "a\nb\n",
            "\\",
            "\\'",
            "\"",
            "!history",
            "tab\tand\rreturn",
            "ünïcödé",
            "-n",
            "~",
            "*",
        ] {
            assert_eq!(through_bash(text), text);
        }
    }

    fn owned((name, value): (&str, &str)) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_nul_cannot_be_quoted() {
        assert_eq!(quote("a\0b"), None);
        let pairs = [("A", "x"), ("B", "\0")].map(owned);
        assert_eq!(assignments(&pairs), Err("B".to_owned()));
    }

    #[test]
    fn assignments_are_one_line_each() {
        let pairs = [("A", "it's"), ("B", "")].map(owned);
        assert_eq!(assignments(&pairs).unwrap(), "A='it'\\''s'\nB=''\n");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_text_comes_back_as_it_was(text in "[^\0]{0,40}") {
            prop_assert_eq!(through_bash(&text), text);
        }
    }
}
