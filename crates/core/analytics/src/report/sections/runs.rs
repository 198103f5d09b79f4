//! Load tests that telemetry names by `run_id`.

use super::{AgentAnalysis, ReportConfig};
use crate::absent::Absent;
use crate::breaking::Slo;
use crate::inference::SplitMix64;
use crate::loadtest::{ObservedRun, TestConfig, TestRecord, analyze};
use crate::report::page::{Cell, Measure, Section, Table, cell, name_of};

pub(super) fn section(analysis: &AgentAnalysis, config: &ReportConfig) -> Section {
    let runs = analysis.tests.runs();
    let known = if runs.is_empty() { Err(Absent::NotReported) } else { Ok(()) };
    let columns = [
        ("id", "Run", ""),
        ("test_type", "Type", ""),
        ("test_status", "Status", ""),
        ("started_at", "Started", ""),
        ("completed_at", "Completed", ""),
        ("test_duration_seconds", "Lasted", "s"),
        ("ramp_up_time_seconds", "To the greatest load", "s"),
        ("load", "Load is", ""),
        ("initial_load", "Least load", ""),
        ("max_load", "Greatest load", ""),
        ("levels", "Levels", ""),
        ("max_throughput", "Most throughput", "per s"),
        ("breaking_load", "Breaks at", ""),
        ("breaking_by", "By", ""),
        ("failure_mode", "It fails by", ""),
        ("bottlenecks", "Bottlenecks, by windows", ""),
        ("success_rate", "Success", "ratio"),
        ("performance_score", "Score", "of 100"),
    ];
    Section {
        name: "load_tests",
        label: "Load tests",
        note: "Windows whose instances name a run_id. `tidegauge loadtest analyze --run` tells all of one.",
        measures: vec![Measure::new("runs", "Runs", "", known.map(|()| runs.len()))],
        tables: vec![Table::new(
            "test_list",
            "Runs",
            &columns,
            known.map(|()| runs.iter().map(|run| row(run, config)).collect()),
        )],
    }
}

fn row(run: &ObservedRun, config: &ReportConfig) -> Vec<Cell> {
    // Intervals take repeats of the whole analysis, and a table has no room for them.
    let slo = Slo { latency_ms: config.objectives.p95_ms, error_rate: config.objectives.error_rate };
    let config = TestConfig { slo, rounds: 0, ..TestConfig::default() };
    let record: TestRecord = analyze(&run.test, &config, &mut SplitMix64::seeded(1));
    let found: Vec<String> =
        run.bottlenecks.iter().map(|(kind, windows)| format!("{} {windows}", kind.name())).collect();
    let identity = &record.identity;
    vec![
        cell(Ok(record.name.as_str())),
        cell(Ok(name_of(&record.test_type))),
        cell(Ok(name_of(&identity.status))),
        cell(identity.started_at.ok_or(Absent::NotReported)),
        cell(identity.completed_at.ok_or(Absent::NotReached)),
        cell(record.duration_s.ok_or(Absent::NotReported)),
        cell(record.ramp_up_s.ok_or(Absent::NotReported)),
        cell(Ok(name_of(&record.unit).replace('_', " "))),
        cell(record.load_min.ok_or(Absent::NoLoad)),
        cell(record.load_max.ok_or(Absent::NoLoad)),
        cell(Ok(record.levels)),
        cell(record.throughput_max_per_s.ok_or(Absent::NotReported)),
        cell(record.breaking_load.map(|(_, load)| load).ok_or(Absent::NotReached)),
        cell(record.breaking_load.map(|(by, _)| name_of(&by).replace('_', " ")).ok_or(Absent::NotReached)),
        cell(record.failure_mode.as_ref().map(|mode| name_of(mode).replace('_', " ")).ok_or(Absent::NotReached)),
        cell(if found.is_empty() { Err(Absent::NotReached) } else { Ok(found.join(", ")) }),
        cell(record.success_rate.ok_or(Absent::NotReported)),
        cell(record.performance_score.ok_or(Absent::NoObjective)),
    ]
}
