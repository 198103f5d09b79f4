//! Lives of 14,073 real instances (`scaling-events/dlrm_instances.csv.gz` in the folder `TIDEGAUGE_DATA`): start-up
//! quantiles and supply curves against another computation.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test looks where the data is, and reads it"
)]

use std::collections::BTreeMap;
use std::io::Read;
use tidegauge_analytics::events::{Lifecycle, start_up_times, supply};
use tidegauge_analytics::inference::KaplanMeier;
use tidegauge_model::EventTime;

/// One row: created, scheduled, deleted, in seconds.
type Row = (Option<i64>, Option<i64>, Option<i64>);

fn rows_by_app() -> Option<BTreeMap<String, Vec<Row>>> {
    let Some(folder) = std::env::var_os("TIDEGAUGE_DATA") else {
        eprintln!("SKIPPED instance_lives: TIDEGAUGE_DATA is not set");
        return None;
    };
    let path = std::path::Path::new(&folder).join("scaling-events/dlrm_instances.csv.gz");
    let mut text = String::new();
    let packed = std::fs::read(path).expect("the trace");
    flate2::read::GzDecoder::new(&*packed).read_to_string(&mut text).expect("gzip");
    let mut by_app: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let second = |at: usize| fields[at].parse::<f64>().ok().map(|s| s as i64);
        by_app.entry(fields[1].to_owned()).or_default().push((second(8), second(9), second(10)));
    }
    Some(by_app)
}

fn lifecycle(&(created, scheduled, deleted): &Row) -> Lifecycle {
    let at = |s: Option<i64>| s.map(EventTime::from_secs);
    Lifecycle { created_at: at(created), ready_at: at(scheduled), deleted_at: at(deleted) }
}

/// The last second that any row names.
fn end_of(rows: &BTreeMap<String, Vec<Row>>) -> i64 {
    rows.values().flatten().flat_map(|&(c, s, d)| [c, s, d]).flatten().max().expect("rows")
}

/// Kaplan–Meier by counting, for every candidate time anew, in exact fractions of logarithms.
fn quantile_by_counting(observations: &[(i64, bool)], quantile: f64) -> Option<i64> {
    let mut ends: Vec<i64> = observations.iter().filter(|o| o.1).map(|o| o.0).collect();
    ends.sort_unstable();
    ends.dedup();
    let mut log_longer = 0.0_f64;
    for t in ends {
        let at_risk = observations.iter().filter(|o| o.0 >= t).count() as f64;
        let ended = observations.iter().filter(|o| o.1 && o.0 == t).count() as f64;
        log_longer += (1.0 - ended / at_risk).ln();
        if log_longer.exp() <= 1.0 - quantile + 1e-12 {
            return Some(t);
        }
    }
    None
}

/// Every instance of the trace that was created was placed in the end. As of an earlier day some still wait: those are
/// censored.
#[test]
fn start_up_quantiles_as_of_each_day_those_that_still_wait_included() {
    let Some(by_app) = rows_by_app() else { return };
    let rows: Vec<Row> = by_app.values().flatten().copied().collect();
    assert_eq!((rows.len(), by_app.len()), (14_073, 92));
    let lives: Vec<Lifecycle> = rows.iter().map(lifecycle).collect();
    let (mut days_with_waiting, mut days_that_differ) = (0, 0);
    for as_of in (1..=31).map(|day| day * 86_400).chain([end_of(&by_app)]) {
        let observed = observed_as_of(&rows, as_of);
        let km = start_up_times(&lives, EventTime::from_secs(as_of));
        let waiting = observed.iter().filter(|o| !o.1).count() as u64;
        assert_eq!((km.count(), km.censored), (observed.len() as u64, waiting), "as of {as_of}");
        let placed = KaplanMeier::of(
            lives.iter().filter_map(|life| life.start_up(EventTime::from_secs(as_of))).filter(|o| o.ended),
        );
        for quantile in [0.5, 0.9, 0.95, 0.99, 0.999] {
            let got = km.quantile(quantile).map(|d| d.as_secs() as i64);
            assert_eq!(got, quantile_by_counting(&observed, quantile), "{quantile} as of {as_of}");
            assert!(km.quantile(quantile).is_none_or(|with| placed.quantile(quantile).is_some_and(|of| with >= of)));
            days_that_differ += u32::from(km.quantile(quantile) != placed.quantile(quantile));
        }
        days_with_waiting += u32::from(waiting > 0);
    }
    assert_eq!(days_with_waiting, 6, "days of the trace that end with instances waiting");
    assert!(days_that_differ > 0, "to leave out those that wait makes the fleet look faster");
}

/// (seconds, whether placed) of each instance created by then.
fn observed_as_of(rows: &[Row], as_of: i64) -> Vec<(i64, bool)> {
    let mut observed = Vec::new();
    for &(created, scheduled, deleted) in rows {
        let Some(created) = created.filter(|&created| created <= as_of) else { continue };
        match scheduled.filter(|&scheduled| scheduled <= as_of) {
            Some(scheduled) => observed.push((scheduled - created, true)),
            None => observed.push((deleted.map_or(as_of, |deleted| deleted.min(as_of)) - created, false)),
        }
    }
    observed
}

#[test]
fn supply_curves_per_app_equal_a_count_at_every_change() {
    let Some(by_app) = rows_by_app() else { return };
    let mut compared = 0;
    for (app, rows) in &by_app {
        let lives: Vec<Lifecycle> = rows.iter().map(lifecycle).collect();
        let curve = supply(EventTime::from_secs(0), &lives);
        // Counted anew at each instant at which something happens, and half a second later.
        let serves = |row: &&Row, t: f64| {
            let ready = match **row {
                (Some(_), None, _) => return false,
                (_, ready, _) => ready.map_or(f64::NEG_INFINITY, |s| s as f64),
            };
            ready <= t && row.2.is_none_or(|deleted| t < deleted as f64)
        };
        let mut instants: Vec<i64> = rows.iter().flat_map(|&(_, s, d)| [s, d]).flatten().filter(|&s| s >= 0).collect();
        instants.push(0);
        instants.sort_unstable();
        instants.dedup();
        for &t in &instants {
            for t in [t as f64, t as f64 + 0.5] {
                let want = rows.iter().filter(|row| serves(row, t)).count() as u32;
                assert_eq!(curve.at(EventTime::from_millis((t * 1e3) as i64)), Some(want), "{app} at {t}");
                compared += 1;
            }
        }
    }
    assert!(compared > 10_000, "{compared}");
}
