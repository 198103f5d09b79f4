//! Real traces: what is said of them is what a plain computation of the file says.

mod common;

use common::{Window, minute, target, trace};
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_analytics::load::{
    Fleet, HotspotRule, InstanceLoad, LoadConfig, LoadMemory, Signal, analyze, balance, hotspots,
};
use tidegauge_analytics::saturation::resource_use;
use tidegauge_model::{EventTime, FindingKind, FindingState, TimeRange};

/// (second, container, GPU duty 0 to 1 or absent).
type Row = (i64, String, Option<f64>);

/// GPU duty of each row that names a container.
fn rows(text: &str) -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader.records().map(|row| row.expect("a row")).filter(|row| !row[1].is_empty());
    rows.map(|row| {
        let duty = row[4].parse::<f64>().ok().map(|percent| percent / 100.0);
        (row[0].parse().expect("a second"), row[1].to_owned(), duty)
    })
    .collect()
}

/// The fleet of some rows; containers without a GPU sample are there, and silent.
fn fleet(window: TimeRange, rows: &[&Row]) -> Fleet {
    let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (_, container, duty) in rows {
        let sum = sums.entry(container).or_default();
        if let Some(duty) = duty {
            (sum.0, sum.1) = (sum.0 + duty, sum.1 + 1.0);
        }
    }
    let loads = sums.iter().map(|(container, (sum, count))| {
        let mut instance = InstanceLoad::utilized(container, sum / count);
        instance.utilization = instance.load;
        instance
    });
    Fleet::from_loads(target(), window, 1.0, Signal::Utilization("gpu_utilization_of_limit".into()), loads.collect())
}

fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    f64::midpoint(sorted[(n - 1) / 2], sorted[n / 2])
}

/// The whole trace as one window: the six containers whose mean duty is above twice the fleet's are hot, none of the 51
/// without a GPU counts, and the mean is that of the 123 that have one.
#[test]
fn the_fleets_six_hot_containers_are_named() {
    let test = "the_fleets_six_hot_containers_are_named";
    let Some(text) = trace(test, "genai-fleet/telemetry.csv.gz") else { return };
    let rows = rows(&text);
    let whole =
        TimeRange { start: EventTime::from_secs(rows[0].0), end: EventTime::from_secs(rows[rows.len() - 1].0 + 57) };
    let fleet = fleet(whole, &rows.iter().collect::<Vec<_>>());
    assert_eq!((fleet.instances.len(), fleet.unmeasured.len()), (123, 51));

    let loads = fleet.loads();
    let mean = loads.iter().sum::<f64>() / 123.0;
    assert!((mean - 0.104_177).abs() < 1e-6, "zeros for the 51 would make it 0.0736");
    let plain: BTreeSet<&str> =
        fleet.instances.iter().filter(|each| each.load > Some(2.0 * mean)).map(|each| each.id.as_str()).collect();
    let rule = HotspotRule { utilization_floor: 0.2, ..HotspotRule::default() };
    let found = hotspots(&fleet, &balance(&loads, None, 0.001).expect("loads"), &rule, None);
    let named: BTreeSet<&str> = found.iter().map(|hotspot| hotspot.instance.as_str()).collect();
    assert_eq!(named.len(), 6);
    assert_eq!(named, plain);
}

/// Windows of ten minutes: a container has an open finding where a plain reading of the file has it above median and
/// MAD three windows in a row.
#[test]
fn hot_containers_open_as_the_file_says() {
    let Some(text) = trace("hot_containers_open_as_the_file_says", "genai-fleet/telemetry.csv.gz") else { return };
    let rows = rows(&text);
    let mut windows: BTreeMap<i64, Vec<&Row>> = BTreeMap::new();
    rows.iter().for_each(|row| windows.entry(row.0.div_euclid(600)).or_default().push(row));

    let (mut memory, mut runs, mut opened) = (LoadMemory::default(), BTreeMap::<String, u32>::new(), 0);
    for (number, rows) in windows {
        let window =
            TimeRange { start: EventTime::from_secs(number * 600), end: EventTime::from_secs(number * 600 + 600) };
        let fleet = fleet(window, &rows);
        let loads = fleet.loads();
        let median = middle(&loads);
        let spread = middle(&loads.iter().map(|load| (load - median).abs()).collect::<Vec<_>>());
        let is_hot = |load: f64| load >= 0.3 && load > 1.2 * median && 0.6745 * (load - median) > 3.5 * spread;
        let hot: BTreeSet<&str> =
            fleet.instances.iter().filter(|each| each.load.is_some_and(is_hot)).map(|each| each.id.as_str()).collect();
        // A container that is silent in a window keeps its run.
        let silent: BTreeSet<&str> = fleet.unmeasured.iter().map(tidegauge_model::InstanceId::as_str).collect();
        let gone = |name: &String| silent.contains(name.as_str());
        let report = analyze(&fleet, &LoadConfig::default(), &mut memory);
        let enters = report
            .hotspots
            .iter()
            .map(|hot| &hot.hotspot)
            .filter(|hot| hot.strength == tidegauge_analytics::tracker::Strength::Enter);
        assert_eq!(enters.map(|hot| hot.instance.as_str()).collect::<BTreeSet<_>>(), hot);

        runs.retain(|name, _| hot.contains(name.as_str()) || gone(name));
        for name in &hot {
            *runs.entry((*name).to_owned()).or_default() += 1;
        }
        let due: BTreeSet<&str> = hot.iter().copied().filter(|name| runs[*name] >= 3).collect();
        let opens = report
            .findings
            .iter()
            .filter(|finding| finding.kind == FindingKind::Hotspot && finding.state == FindingState::Open);
        for finding in opens {
            let tidegauge_model::Entity::Instance { instance, .. } = &finding.entity else { panic!("an instance") };
            assert!(due.contains(instance.as_str()), "{instance} in window {number}");
            opened += 1;
        }
        let open: BTreeSet<&str> =
            report.hotspots.iter().filter(|hot| hot.open).map(|hot| hot.hotspot.instance.as_str()).collect();
        assert!(due.is_subset(&open), "{number}: {due:?} {open:?}");
    }
    assert!(opened >= 6, "{opened}");
}

/// Five-minute samples of 50 machines with mean and greatest CPU: 12,973 of 400,200 peaked at 80 %; by their means
/// 1,654.
#[test]
fn machines_are_saturated_by_their_peaks() {
    let Some(text) = trace("machines_are_saturated_by_their_peaks", "vm-cpu/azure_vm_cpu_5min.csv.gz") else { return };
    let (mut samples, mut peaked, mut by_mean) = (0, 0, 0);
    let mut window = Window::agent(0);
    window.0.range = minute(0);
    for row in csv::Reader::from_reader(text.as_bytes()).records() {
        let row = row.expect("a row");
        let percent = |at: usize| row[at].parse::<f64>().expect("a percentage") / 100.0;
        window = window.spread("cpu_utilization_of_limit", percent(2), percent(3));
        let used = resource_use(&window.0, "cpu").expect("reported");
        samples += 1;
        peaked += u32::from(used.peaked(0.8).expect("reported"));
        by_mean += u32::from(used.utilization_mean.expect("reported") >= 0.8);
    }
    assert_eq!((samples, peaked, by_mean), (400_200, 12_973, 1_654));
}
