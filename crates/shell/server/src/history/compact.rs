//! Which files to join, and which days to take out: functions of what a log says.
//!
//! - **P1** A file of at least half of `most_rows` is left as it is, so a row is written again only a few times.
//! - **P2** Joined files have the same table, day, workspace and agent, and at most `most_rows` rows.

use super::contents::{Contents, DataFile, Place};
use std::collections::BTreeMap;

/// Files that become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Join {
    pub(super) place: Place,
    pub(super) files: Vec<DataFile>,
}

/// What is worth joining.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule<'a> {
    /// The day that it is: it goes on, and so does the one before, for windows that come late.
    pub(super) yesterday: &'a str,
    /// Most rows of a joined file.
    pub(super) most_rows: u64,
    /// Fewest files of a day that goes on.
    pub(super) fewest_files: usize,
}

impl Rule<'_> {
    /// Files to join, in the order of their places.
    pub(super) fn joins(&self, contents: &Contents) -> Vec<Join> {
        let mut small = BTreeMap::<Place, Vec<&DataFile>>::new();
        for file in contents.files.values().filter(|file| file.rows < self.most_rows.div_ceil(2)) {
            if let Some(place) = file.place() {
                small.entry(place).or_default().push(file);
            }
        }
        small.into_iter().flat_map(|(place, files)| self.joins_of(&place, files)).collect()
    }

    fn joins_of(&self, place: &Place, mut files: Vec<&DataFile>) -> Vec<Join> {
        files.sort_unstable_by_key(|file| (file.ends(), &file.path));
        let fewest = if place.day.as_str() < self.yesterday { 2 } else { self.fewest_files.max(2) };
        let (mut joins, mut group, mut rows) = (Vec::new(), Vec::new(), 0);
        let mut close = |group: &mut Vec<DataFile>| {
            let files = std::mem::take(group);
            if files.len() >= fewest {
                joins.push(Join { place: place.clone(), files });
            }
        };
        for file in files {
            if rows + file.rows > self.most_rows {
                close(&mut group);
                rows = 0;
            }
            rows += file.rows;
            group.push(file.clone());
        }
        close(&mut group);
        joins
    }
}

/// Files of days before that one.
pub(super) fn before<'a>(contents: &'a Contents, day: &str) -> Vec<&'a DataFile> {
    contents.files.values().filter(|file| file.day.as_str() < day).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegauge_model::EventTime;
    use tidegauge_sql::Table;

    fn contents(files: &[(&str, &str, u64)]) -> Contents {
        let mut contents = Contents::default();
        for (nth, (day, agent, rows)) in (0..).zip(files) {
            let place =
                Place { table: Table::Windows, day: (*day).into(), workspace: "w".into(), agent: (*agent).into() };
            let ends = (EventTime::from_secs(nth), EventTime::from_secs(nth));
            let file = DataFile::new(format!("f{nth}"), &place, *rows, 1, ends);
            contents.files.insert(file.path.clone(), file);
        }
        contents
    }

    fn joined(rule: Rule<'_>, files: &[(&str, &str, u64)]) -> Vec<Vec<String>> {
        let joins = rule.joins(&contents(files));
        joins.into_iter().map(|join| join.files.into_iter().map(|file| file.path).collect()).collect()
    }

    const RULE: Rule<'_> = Rule { yesterday: "2026-01-02", most_rows: 100, fewest_files: 3 };

    #[test]
    fn small_files_of_one_place_are_joined_up_to_the_limit() {
        let over = "2026-01-01";
        let files =
            [(over, "a", 40), (over, "a", 30), (over, "b", 1), (over, "a", 40), (over, "a", 50), (over, "a", 45)];
        // f4 has half of the limit (P1); f0 and f1 fit, with f3 they would not (P2).
        assert_eq!(joined(RULE, &files), [["f0", "f1"], ["f3", "f5"]]);
    }

    #[test]
    fn a_day_that_goes_on_waits_for_more() {
        for (day, want) in [("2026-01-01", 1), ("2026-01-02", 0), ("2026-01-03", 0)] {
            assert_eq!(joined(RULE, &[(day, "a", 1), (day, "a", 1)]).len(), want, "{day}");
            assert_eq!(joined(RULE, &[(day, "a", 1), (day, "a", 1), (day, "a", 1)]).len(), 1, "{day}");
        }
        assert_eq!(joined(RULE, &[("2026-01-01", "a", 1)]).len(), 0, "one file is one already");
    }

    #[test]
    fn joining_comes_to_an_end() {
        let mut rows: Vec<u64> = (0..50).map(|nth| 1 + nth * 7 % 49).collect();
        for _ in 0..10 {
            let files: Vec<_> = rows.iter().map(|rows| ("2026-01-01", "a", *rows)).collect();
            let joins = RULE.joins(&contents(&files));
            let gone: Vec<_> = joins.iter().flat_map(|join| &join.files).map(|file| file.path.clone()).collect();
            let kept = (0..).zip(&rows).filter(|(nth, _): &(u64, _)| !gone.contains(&format!("f{nth}")));
            let kept: Vec<u64> = kept.map(|(_, rows)| *rows).collect();
            let new = joins.iter().map(|join| join.files.iter().map(|file| file.rows).sum());
            let next: Vec<u64> = kept.into_iter().chain(new).collect();
            assert_eq!(next.iter().sum::<u64>(), rows.iter().sum::<u64>());
            rows = next;
        }
        assert!(rows.iter().all(|rows| *rows <= 100), "P2");
        let files: Vec<_> = rows.iter().map(|rows| ("2026-01-01", "a", *rows)).collect();
        assert_eq!(RULE.joins(&contents(&files)), [], "nothing is left to do: {rows:?}");
    }

    #[test]
    fn days_before_the_limit_go() {
        let contents = contents(&[("2026-01-01", "a", 1), ("2026-01-02", "a", 1)]);
        assert_eq!(before(&contents, "2026-01-02").iter().map(|file| &*file.path).collect::<Vec<_>>(), ["f0"]);
    }
}
