//! The command line as it was typed, so that a report tells how to have it again.

use std::path::Path;

/// The words as a shell takes them; of the program its name alone.
pub fn as_typed(words: impl IntoIterator<Item = String>) -> String {
    let mut words = words.into_iter();
    let program = words.next().unwrap_or_default();
    let name =
        Path::new(&program).file_name().map_or(program.clone(), |name| name.to_string_lossy().into_owned());
    std::iter::once(name).chain(words).map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_same_words_again() {
        let words = ["/usr/bin/milvus-load", "run", "my load.toml", "--set", "a.b=it's", "", "--rate", "200"];
        let typed = as_typed(words.map(str::to_owned));
        assert_eq!(typed, r"milvus-load run 'my load.toml' --set 'a.b=it'\''s' '' --rate 200");
        let echoed = std::process::Command::new("sh")
            .args(["-c", &format!("for word in {typed}; do printf '%s|' \"$word\"; done")])
            .output()
            .unwrap();
        let read = String::from_utf8(echoed.stdout).unwrap();
        assert_eq!(read, format!("milvus-load|{}|", words[1..].join("|")));
    }
}
