//! Delays of rows, and whether windows hold what was sent.

use crate::send::Sent;
use crate::watch::Row;
use crate::{STEP_MS, env, number};
use std::collections::{BTreeMap, BTreeSet};

/// The windows of a job.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    pub name: char,
    pub size_ms: i64,
    pub slide_ms: i64,
}

pub struct Report {
    pub lines: Vec<String>,
    pub problems: Vec<String>,
}

/// The jobs that the environment asks for.
pub fn jobs() -> Vec<Job> {
    let wanted = env("JOBS", "AB");
    let job = |name: char, size_s: &str, slide_s: &str| {
        let ms = |what: &str, default| 1000 * number(&format!("{name}_{what}"), default);
        Job { name, size_ms: ms("SIZE_S", size_s), slide_ms: ms("SLIDE_S", slide_s) }
    };
    let all = [job('A', "60", "60"), job('B', "300", "10")];
    all.into_iter().filter(|job| wanted.contains(job.name)).collect()
}

pub fn of(sent: &Sent, rows: &[Row], jobs: &[Job]) -> Report {
    let mut report = Report { lines: Vec::new(), problems: Vec::new() };
    let all: u64 = sent.records.values().sum();
    report.lines.push(format!("sent={all} seconds={:.1} rate={:.0}", sent.seconds, all as f64 / sent.seconds));
    if sent.not_delivered > 0 {
        report.problems.push(format!("{} records were not delivered", sent.not_delivered));
    }
    for job in jobs {
        let name = job.name.to_string();
        let rows: Vec<&Row> = rows.iter().filter(|row| row.job == name).collect();
        report.problems.extend(counts(sent, &rows, job));
        let delays = delays(sent, &rows);
        if delays.is_empty() {
            report.problems.push(format!("job {name}: no row of a window that was closed"));
            continue;
        }
        let at = |q: f64| delays[((delays.len() as f64 * q).ceil() as usize).max(1) - 1];
        let ends: BTreeSet<i64> = rows.iter().map(|row| row.end).collect();
        report.lines.push(format!(
            "job={name} rows={} windows={} p50_ms={} p99_ms={} max_ms={}",
            delays.len(),
            ends.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        ));
    }
    report
}

/// From the append of what closes it until it is visible, in milliseconds, of each row; ascending.
fn delays(sent: &Sent, rows: &[&Row]) -> Vec<i64> {
    let mut delays: Vec<i64> = rows.iter().filter_map(|row| Some(row.visible_at - sent.closed_at(row.end)?)).collect();
    delays.sort_unstable();
    delays
}

/// What is wrong with the windows: rows that are there twice, windows that do not hold what was sent.
fn counts(sent: &Sent, rows: &[&Row], job: &Job) -> Vec<String> {
    let mut problems = Vec::new();
    let (mut seen, mut held) = (BTreeSet::new(), BTreeMap::<i64, u64>::new());
    for row in rows {
        if !seen.insert((&row.id, row.start)) || row.end - row.start != job.size_ms || row.start % job.slide_ms != 0 {
            problems.push(format!("job {}: a row that must not be: {row:?}", job.name));
        }
        *held.entry(row.end).or_default() += row.count;
    }
    let (Some(first), Some(last)) = (sent.records.keys().next(), sent.records.keys().last()) else { return problems };
    let ends = (first + 1..=last + 1).map(|step| step * STEP_MS).filter(|end| end % job.slide_ms == 0);
    for end in ends.filter(|end| sent.closed_at(*end).is_some()) {
        let steps = (end - job.size_ms) / STEP_MS..end / STEP_MS;
        let want: u64 = sent.records.range(steps).map(|(_, count)| count).sum();
        let is = held.get(&end).copied().unwrap_or(0);
        if is != want {
            problems.push(format!("job {}: {is} records in the window that ends at {end}, {want} were sent", job.name));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: Job = Job { name: 'B', size_ms: 20_000, slide_ms: 10_000 };

    fn sent() -> Sent {
        let mut sent = Sent { records: BTreeMap::from([(1, 5), (2, 7), (3, 1)]), seconds: 30.0, ..Sent::default() };
        for (partition, closers) in sent.closers.iter_mut().enumerate() {
            *closers = BTreeMap::from([(20_000, 100 + partition as i64), (30_000, 200)]);
        }
        sent
    }

    fn row(id: &str, end: i64, count: u64, visible_at: i64) -> Row {
        Row { job: "B".into(), id: id.into(), start: end - 20_000, end, count, visible_at }
    }

    #[test]
    fn delays_begin_with_the_last_partition() {
        let right = [row("x", 20_000, 2, 110), row("y", 20_000, 3, 103), row("x", 30_000, 12, 900)];
        let report = of(&sent(), &right, &[JOB]);
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        assert_eq!(report.lines[1], "job=B rows=3 windows=2 p50_ms=7 p99_ms=700 max_ms=700");
    }

    #[test]
    fn what_is_missing_doubled_or_of_no_window_is_told() {
        let problems = |rows: &[Row]| of(&sent(), rows, &[JOB]).problems.len();
        assert_eq!(problems(&[row("x", 20_000, 4, 110), row("x", 30_000, 12, 900)]), 1);
        assert_eq!(problems(&[row("x", 20_000, 5, 110)]), 1);
        assert_eq!(problems(&[row("x", 20_000, 2, 110), row("x", 20_000, 3, 110), row("x", 30_000, 12, 900)]), 1);
        assert_eq!(problems(&[row("x", 20_000, 5, 110), row("x", 30_000, 12, 900), row("x", 25_000, 0, 900)]), 1);
    }
}
