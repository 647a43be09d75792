//! "Did you mean": the nearest of what would have been right.

/// The candidate nearest to `word`, where one is near enough for a slip of the hand: at most a third of the letters.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count().max(3) / 3).min(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `a, b or c`.
pub(super) fn either(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_corrected_and_strangers_are_not() {
        let keys = ["rate", "concurrency", "top_k", "warmup"];
        assert_eq!(nearest("raet", keys), Some("rate"));
        assert_eq!(nearest("concurency", keys), Some("concurrency"));
        assert_eq!(nearest("TOP_K", keys), Some("top_k"));
        assert_eq!(nearest("topk", keys), Some("top_k"));
        assert_eq!(nearest("banana", keys), None);
    }

    #[test]
    fn alternatives_read_as_a_sentence() {
        assert_eq!(either(&["a"]), "a");
        assert_eq!(either(&["a", "b", "c"]), "a, b or c");
    }
}
