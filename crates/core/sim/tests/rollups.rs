//! U1–U4: roll-ups of hours and days, through silence, restarts and other configurations. Small ones are compared with
//! brute force over seeds in `simulations.rs`, through restores in `restore.rs`, and through kills in `delivery.rs`.

use std::time::Duration;
use tidegauge_engine::state::{self, StateReader};
use tidegauge_engine::{
    Aggregator, AggregatorInput, AggregatorOutput, Checkpoint, Control, Decider, DeciderConfig, DeciderInput,
    DeciderOutput, RollupRule, WindowRule, journal,
};
use tidegauge_model::{EventTime, WindowSpec, WindowSummary};
use tidegauge_sim::Scenario;
use tidegauge_sim::scenario::{Row, START_S, batch, changes};
use tidegauge_window::SourceRules;
use tidegauge_window::sketch::nearest_rank;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const MINUTE_S: i64 = 60;

/// Nothing is left out, however long it is silent.
fn scenario() -> Scenario {
    let far = Duration::from_hours(1_000);
    let spec = WindowSpec { size: Duration::from_mins(1), slide: Duration::from_mins(1) };
    Scenario {
        pane: Duration::from_secs(10),
        bounds: (Duration::from_secs(5), Duration::from_mins(1), Duration::from_mins(1)),
        rules: SourceRules { max_skew: far, idle_after: far, stall_after: far, ..SourceRules::default() },
        windows: vec![WindowRule::unpublished(spec)],
        shuffle_partitions: 1,
        partitions: vec![Vec::new()],
        sessions: None,
        ..Scenario::new(0)
    }
}

fn row(agent: &str, at_s: i64) -> Row {
    let at_us = (START_S + at_s) * 1_000_000;
    Row {
        offset: 0,
        at_us,
        ingest_us: at_us,
        agent: agent.into(),
        instance: format!("{agent}-1"),
        entity: None,
        state: None,
        queue_depth: Some((at_s % 977) as f64),
        requests: None,
        response_time_ms: Some(1.0 + (at_s * 31 % 1_009) as f64),
    }
}

/// `brief` speaks for ten minutes, `steady` each minute of 26 hours.
fn rows() -> Vec<Row> {
    let brief = (0..10 * MINUTE_S).step_by(10).map(|at_s| row("brief", at_s + 1));
    let steady = (0..26 * 60).map(|minute| row("steady", minute * MINUTE_S + 2));
    let mut rows: Vec<_> = brief.chain(steady).collect();
    rows.sort_by_key(|row| row.at_us);
    rows.iter_mut().zip(0..).for_each(|(row, offset)| row.offset = offset);
    rows
}

/// The journal of these rows, given one by one, with the broker's time of each record.
fn journal_of(rows: &[Row]) -> Vec<(EventTime, Vec<u8>)> {
    let mut aggregator = Aggregator::new(scenario().aggregator(0));
    let of_row = |row: &Row| {
        let log_time = EventTime::from_micros(row.ingest_us);
        let outputs = aggregator.step(AggregatorInput::Samples(&batch(0, std::slice::from_ref(row))));
        let records = outputs.into_iter().filter_map(|output| match output {
            AggregatorOutput::Journal { record, .. } => Some((log_time, record)),
            AggregatorOutput::Refused { .. } => None,
        });
        records.collect::<Vec<_>>()
    };
    rows.iter().flat_map(of_row).collect()
}

fn config(rollups: &[RollupRule]) -> DeciderConfig {
    DeciderConfig { rollups: rollups.to_vec(), ..scenario().decider() }
}

fn rule(size: Duration, early: Option<Duration>) -> RollupRule {
    RollupRule { early, ..RollupRule::tumbling(size) }
}

/// A Decider, and all that it has published.
struct Run {
    decider: Decider,
    windows: Vec<WindowSummary>,
    others: usize,
}

impl Run {
    fn new(rollups: &[RollupRule], documents: &[String]) -> Self {
        let control = Control::beginning(changes(documents), [].into());
        Self { decider: Decider::new(config(rollups), control), windows: Vec::new(), others: 0 }
    }

    fn pass(&mut self, journal: &[(EventTime, Vec<u8>)], offsets: std::ops::Range<usize>) {
        for offset in offsets {
            let (log_time, bytes) = &journal[offset];
            let record = journal::decode(bytes).expect("a record of ours");
            let input = DeciderInput { record, offset: offset as i64, log_time: *log_time };
            for output in self.decider.step(input) {
                match output {
                    DeciderOutput::Window(window) => self.windows.push(*window),
                    _ => self.others += 1,
                }
            }
        }
    }

    /// Dies and comes back, through the bytes of its state.
    fn restart(&mut self, rollups: &[RollupRule], journal: &[(EventTime, Vec<u8>)], offset: usize) -> Checkpoint {
        let checkpoint = self.decider.checkpoint(offset as i64).expect("it is whole");
        let mut reader = StateReader::default();
        let records = state::encode(&checkpoint).into_iter().zip(0..);
        let read = records.filter_map(|(record, at)| reader.push(at, &record.value).expect("a record of ours"));
        let checkpoint = read.last().expect("a whole round");
        self.decider = Decider::restored(config(rollups), checkpoint.clone(), None);
        let said = self.windows.len();
        self.pass(journal, checkpoint.replay_from() as usize..offset);
        self.decider.reached(offset as i64);
        assert_eq!(self.windows.len(), said, "nothing is said again");
        checkpoint
    }

    fn of(&self, agent: &str, size: Duration) -> Vec<&WindowSummary> {
        let is_it = |window: &&WindowSummary| window.target.agent.as_str() == agent && window.range.length() == size;
        self.windows.iter().filter(is_it).collect()
    }
}

/// Start and end in seconds from the beginning.
fn span_s(window: &WindowSummary) -> (i64, i64) {
    (window.range.start.as_secs() - START_S, window.range.end.as_secs() - START_S)
}

#[test]
fn a_day_is_the_sum_of_its_rows_through_silence_and_restarts() {
    let (rows, rollups) = (rows(), [rule(HOUR, None), rule(DAY, None)]);
    let journal = journal_of(&rows);
    let mut undisturbed = Run::new(&rollups, &[]);
    undisturbed.pass(&journal, 0..journal.len());
    let mut run = Run::new(&rollups, &[]);
    let mut done = 0;
    for place in [journal.len() / 5, journal.len() / 2, journal.len() * 9 / 10] {
        run.pass(&journal, done..place);
        let checkpoint = run.restart(&rollups, &journal, place);
        let known: Vec<_> = checkpoint.targets().map(|target| target.agent.to_string()).collect();
        assert_eq!(known, ["steady"], "the other is forgotten, and its day is still open");
        done = place;
    }
    run.pass(&journal, done..journal.len());
    assert_eq!(run.windows, undisturbed.windows, "bit for bit");

    for (agent, hours) in [("brief", 1), ("steady", 25)] {
        let [day] = run.of(agent, DAY)[..] else { panic!("one day of {agent} has ended") };
        assert_eq!(span_s(day), (0, 24 * 3_600));
        let of_day: Vec<&Row> =
            rows.iter().filter(|row| row.agent == agent && row.at_us < day.range.end.as_micros()).collect();
        assert_eq!(day.samples, of_day.len() as u64);
        let mut latencies: Vec<f64> = of_day.iter().filter_map(|row| row.response_time_ms).collect();
        latencies.sort_by(f64::total_cmp);
        let latency = &day.latencies["response_time_ms"];
        assert_eq!((latency.count, latency.max), (latencies.len() as u64, latencies[latencies.len() - 1]));
        for (quantile, got) in [(0.5, latency.p50), (0.99, latency.p99)] {
            let exact = latencies[nearest_rank(quantile, latency.count) as usize - 1];
            assert!(
                (got - exact).abs() <= exact * latency.relative_error,
                "{agent} {quantile}: {got}, exactly {exact}"
            );
        }
        let depths: f64 = of_day.iter().filter_map(|row| row.queue_depth).sum();
        assert!((day.gauges["queue_depth"].sum - depths).abs() < 1e-6);
        assert_eq!(run.of(agent, HOUR).len(), hours, "an hour without a row has no roll-up");
    }
    let [brief] = run.of("brief", DAY)[..] else { panic!("one day") };
    assert_eq!(brief.instances_present, Some(0), "it is long gone");
    let [steady] = run.of("steady", DAY)[..] else { panic!("one day") };
    assert_eq!((steady.instances_present, steady.completeness.ratio), (Some(1), 1.0));
}

/// U4, by hand: all rows of `brief` come in the first ten minutes.
#[test]
fn early_results_come_when_there_is_news_and_the_final_one_in_any_case() {
    let rollups = [rule(HOUR, Some(Duration::from_mins(15)))];
    let journal = journal_of(&rows());
    let mut run = Run::new(&rollups, &[]);
    run.pass(&journal, 0..journal.len());
    let told = |window: &&WindowSummary| {
        let early_s = window.edition.early_through.map(|through| through.as_secs() - START_S);
        (early_s, window.edition.revision, window.samples)
    };
    let brief: Vec<_> = run.of("brief", HOUR).iter().map(told).collect();
    assert_eq!(brief, [(Some(900), 0, 60), (None, 3, 60)]);
    let steady: Vec<_> = run.of("steady", HOUR).iter().take(5).map(told).collect();
    let second_hour = (Some(3_600 + 900), 0, 15);
    assert_eq!(steady, [(Some(900), 0, 15), (Some(1_800), 1, 30), (Some(2_700), 2, 45), (None, 3, 60), second_hour]);
    assert!(run.of("steady", HOUR).iter().all(|window| window.range.length() == HOUR));
}

/// U2.
#[test]
fn a_kind_that_is_new_is_published_from_its_first_whole_window_on() {
    let (two_hours, journal) = (Duration::from_hours(2), journal_of(&rows()));
    let mut run = Run::new(&[rule(HOUR, None)], &[]);
    let place = journal.len() / 5;
    run.pass(&journal, 0..place);
    let closed_s = run.decider.closed_through().expect("panes have closed").as_secs() - START_S;
    run.restart(&[rule(two_hours, None)], &journal, place);
    run.pass(&journal, place..journal.len());
    let first = run.of("steady", two_hours)[0];
    assert_eq!(span_s(first).0, (closed_s + 7_199) / 7_200 * 7_200, "the first that begins after {closed_s} s");
    assert_eq!(first.samples, 120);
    assert!(
        run.of("steady", HOUR).iter().all(|window| span_s(window).1 <= closed_s),
        "a kind that is gone says no more"
    );
}

const RULES: &str = "apiVersion: tidegauge.io/v1\nkind: AlertRules\nmetadata: {name: hours, version: 1}\nspec:\n  \
                     window: {size: 1h, slide: 1h}\n  rules: [{name: busy, above: 10, signal: {kind: metric, metric: queue_depth}}]\n";

/// Alert rules look at roll-ups that have closed, and at no early result.
#[test]
fn rules_are_asked_of_what_has_closed() {
    let journal = journal_of(&rows());
    let ends = |early| {
        let mut run = Run::new(&[rule(HOUR, early)], &[RULES.to_owned()]);
        run.pass(&journal, 0..journal.len());
        run.others
    };
    let asked = ends(None);
    assert!(asked > 0, "the rule fires");
    assert_eq!(ends(Some(Duration::from_mins(5))), asked);
}
