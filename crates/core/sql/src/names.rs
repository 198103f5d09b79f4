//! The nearest known name.

/// The candidate most like `word`, if any is like it at all; of equal ones the first.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let word = word.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for candidate in candidates {
        let likeness = strsim::jaro_winkler(&word, candidate).max(of_parts(&word, candidate));
        if best.is_none_or(|(most, _)| likeness > most) {
            best = Some((likeness, candidate));
        }
    }
    best.filter(|(likeness, _)| *likeness >= 0.75).map(|(_, name)| name.to_owned())
}

/// Share of the words of `word` that the candidate has, a little less than whole: `p99_response_time_ms` is
/// `response_time_ms_p99`.
fn of_parts(word: &str, candidate: &str) -> f64 {
    let (ours, theirs): (Vec<_>, Vec<_>) = (word.split('_').collect(), candidate.split('_').collect());
    let common = ours.iter().filter(|part| theirs.contains(part)).count();
    0.98 * 2.0 * common as f64 / (ours.len() + theirs.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_and_another_order_of_words_are_near_and_nothing_else() {
        let columns = ["agent_id", "window_end", "response_time_ms_p99", "response_time_ms_p95"];
        let cases = [
            ("agent", Some("agent_id")),
            ("windowend", Some("window_end")),
            ("p99_response_time_ms", Some("response_time_ms_p99")),
            ("Response_Time_ms_p95", Some("response_time_ms_p95")),
            ("xyz", None),
        ];
        for (word, want) in cases {
            assert_eq!(nearest(word, columns).as_deref(), want, "{word}");
        }
    }
}
