//! Capacity planning: ceilings worked by hand, the seed's view beside them, tables, quotas, phases, and CP1 to CP5.
#![allow(clippy::disallowed_methods, reason = "a test reads its data")]

use proptest::prelude::*;
use serde::Deserialize;
use std::time::Duration;
use tidegauge_analytics::Absent;
use tidegauge_analytics::capacity::phases::{Gate, PlanError, Progress, Step, plan};
use tidegauge_analytics::capacity::quota::{Amounts, Surge, check};
use tidegauge_analytics::capacity::readiness::{CHECKLIST, Check, Evidence, Verdict, evaluate};
use tidegauge_analytics::capacity::seed::{SeedDay, SeedRow, SeedStatus, SeedUsage, seed_capacity};
use tidegauge_analytics::capacity::{
    Ceiling, DayPeak, PerUnit, ResourceNeed, SCALE_LIMITS, Schedule, Series, daily_peaks, fit_trend, headroom,
    instances_needed, joint, judge, required_instances, requirement,
};
use tidegauge_analytics::inference::SplitMix64;
use tidegauge_model::EventTime;

const DAY: Duration = Duration::from_secs(86_400);

fn line(days: i64, start: f64, slope: f64) -> Vec<DayPeak> {
    (0..days).map(|day| DayPeak { day: 20_000 + day, peak: start + slope * day as f64, count: 1 }).collect()
}

fn ceiling(total: f64, lead_days: u32) -> Ceiling {
    Ceiling { name: "quota".to_owned(), total, lead_days }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    days: i64,
    start: f64,
    slope: f64,
    ceiling: f64,
    lead_days: u32,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    status: String,
    at_30: Option<f64>,
    at_90: Option<f64>,
    reaches_in: Option<u32>,
    act_within: Option<u32>,
}

#[test]
fn ceilings_worked_by_hand() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/capacity/ceilings.yaml");
    let cases: Vec<Case> = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).expect("the case file");
    for Case { name, days, start, slope, ceiling: total, lead_days, expect } in cases {
        let got = judge(&line(days, start, slope), &ceiling(total, lead_days), 90, 0.95);
        assert_eq!(serde_json::to_value(got.status).unwrap(), expect.status, "{name}");
        let at = |days| got.projections.iter().find(|p| p.days_ahead == days).map(|p| p.projected);
        for (got, want) in [(at(30), expect.at_30), (at(90), expect.at_90)] {
            assert!(
                got.zip(want).map_or(got == want, |(a, b)| (a - b).abs() < 1e-9),
                "{name}: {got:?}, by hand {want:?}"
            );
        }
        assert_eq!(got.upper_reaches_in_days, expect.reaches_in, "{name}");
        assert_eq!(got.projected_reaches_in_days, expect.reaches_in, "{name}: the band of an exact line is the line");
        assert_eq!(got.act_within_days, expect.act_within, "{name}");
    }
}

#[test]
fn the_weekday_is_taken_out_of_the_trend_and_put_back() {
    // Five days at 1.2, two at 0.5, mean 1, around 100 and growing by `slope` a day.
    let weekly = |slope: f64| -> Vec<DayPeak> {
        line(56, 100.0, slope)
            .into_iter()
            .map(|p| DayPeak { peak: p.peak * if p.weekday() < 5 { 1.2 } else { 0.5 }, ..p })
            .collect()
    };
    let flat = fit_trend(&weekly(0.0), 0.95).unwrap();
    for (day, want) in [1.2, 1.2, 1.2, 1.2, 1.2, 0.5, 0.5].into_iter().enumerate() {
        assert!((flat.weekday_factors[day] - want).abs() < 1e-9, "{:?}", flat.weekday_factors);
    }
    assert!((flat.project(30).projected - 120.0).abs() < 1e-9, "the peak of a week is a weekday's");
    // Growing: 155 today; in 30 days 185 · 1.2 = 222.
    let growing = fit_trend(&weekly(1.0), 0.95).unwrap();
    assert!((growing.project(30).projected - 222.0).abs() < 0.03 * 222.0, "{:?}", growing.project(30));
    assert_eq!(DayPeak { day: 0, peak: 0.0, count: 1 }.weekday(), 3, "1970-01-01 was a Thursday");
}

#[test]
fn the_band_holds_the_days_that_come() {
    let (mut inside, mut all) = (0, 0);
    for seed in 0..60 {
        let mut random = SplitMix64::seeded(seed);
        let mut noise = || 1.0 + 0.05 * ((0..12).map(|_| random.unit()).sum::<f64>() - 6.0);
        let days: Vec<DayPeak> =
            line(120, 200.0, 1.5).into_iter().map(|p| DayPeak { peak: p.peak * noise(), ..p }).collect();
        let trend = fit_trend(&days[..90], 0.9).unwrap();
        for ahead in 1..=30_u32 {
            let band = trend.project(ahead);
            let real = days[89 + ahead as usize].peak;
            all += 1;
            inside += u32::from(band.low <= real && real <= band.high);
        }
    }
    let coverage = f64::from(inside) / f64::from(all);
    assert!((0.85..=1.0).contains(&coverage), "{coverage} at 0.9 asked");
}

#[test]
fn only_complete_days_count_and_their_peak_is_no_lone_maximum() {
    let at = |day: i64, hour: i64| EventTime::from_secs(86_400 * day + 3_600 * hour);
    let mut series: Series = (0..24).map(|hour| (at(0, hour), 10.0)).collect();
    series.extend((0..24).filter(|hour| *hour != 12).map(|hour| (at(1, hour), 10.0)));
    series.extend((0..20).map(|hour| (at(2, hour), 10.0)));
    let days =
        |gap_h: u64| daily_peaks(&series, Duration::from_secs(3_600 * gap_h)).iter().map(|p| p.day).collect::<Vec<_>>();
    assert_eq!(days(1), [0]);
    assert_eq!(days(2), [0, 1]);
    assert_eq!(days(5), [0, 1, 2]);
    // 1,000 minutes at 10 and one of 9,999: the 99th percentile is 10.
    let mut minutes: Series = (0..1_440).map(|m| (EventTime::from_secs(60 * m), 10.0)).collect();
    minutes.insert(EventTime::from_secs(60 * 700), 9_999.0);
    minutes.insert(EventTime::from_secs(60 * 701), f64::NAN);
    let peaks = daily_peaks(&minutes, Duration::from_secs(300));
    assert_eq!((peaks.len(), peaks[0].peak, peaks[0].count), (1, 10.0, 1_439));
}

#[test]
fn a_workspace_is_forecast_as_one() {
    let at = |s| EventTime::from_secs(s);
    // Each peaks at 9, never together: the sum of peaks would be 18.
    let (a, b) =
        (Series::from([(at(0), 9.0), (at(60), 1.0), (at(120), 5.0)]), Series::from([(at(0), 1.0), (at(60), 9.0)]));
    assert_eq!(joint(&[&a, &b]), Series::from([(at(0), 10.0), (at(60), 10.0)]));
    assert_eq!(joint(&[]), Series::new());
}

#[test]
fn the_seeds_view_as_written_and_where_it_errs() {
    let day = |i: i32| SeedDay {
        day_s: 86_400.0 * f64::from(20_000 + i),
        peak_users: Some(100.0 + 10.0 * f64::from(i)),
        peak_cpu_percent: Some(70.0),
        peak_memory_gb: Some(8.0),
        ..SeedDay::default()
    };
    let days: Vec<SeedDay> = (0..30).map(day).collect();
    let got = seed_capacity(&days).unwrap();
    // 390 · (1 + 10/86400 · 30) = 391.354: users grow by 300 a month and the view says by 1.4.
    assert!((got.projected_30d_users.unwrap() - 391.354_17).abs() < 1e-3, "{got:?}");
    assert!((got.growth_predictability.unwrap() - 1.0).abs() < 1e-9);
    assert_eq!((got.capacity_status, got.recommended_instance_count), (SeedStatus::MonitorClosely, Some(1.0)));
    // One day: no slope, every comparison with null is false.
    let one = seed_capacity(&[SeedDay { peak_cpu_percent: Some(99.0), ..day(0) }]).unwrap();
    assert_eq!((one.capacity_status, one.recommended_instance_count), (SeedStatus::AdequateCapacity, None));
    assert_eq!(seed_capacity(&[]), None);
    let full: Vec<SeedDay> = (0..3).map(|i| SeedDay { peak_memory_gb: Some(33.0), ..day(i) }).collect();
    let full = seed_capacity(&full).unwrap();
    assert_eq!((full.capacity_status, full.recommended_instance_count), (SeedStatus::UrgentScalingNeeded, Some(2.0)));
}

/// Day 0 has two rows, day 1 one without users, day 91 one: the view of that day begins on day 2, whose 90 days hold it
/// alone.
#[test]
fn the_seeds_view_holds_the_last_ninety_days() {
    let row = |users, rps| SeedRow { users, rps: Some(rps), ..SeedRow::default() };
    let mut usage = SeedUsage::default();
    assert!(usage.days().is_empty());
    usage.see(EventTime::from_secs(10), &row(Some(5.0), 10.0));
    usage.see(EventTime::from_secs(86_399), &row(Some(9.0), 30.0));
    usage.see(EventTime::from_secs(86_400), &row(None, 50.0));
    let got: Vec<_> = usage.days().iter().map(|d| (d.day_s, d.peak_users, d.avg_rps, d.peak_rps)).collect();
    assert_eq!(got, [(0.0, Some(9.0), Some(20.0), Some(30.0)), (86_400.0, None, Some(50.0), Some(50.0))]);
    // A day without users is no day of the slope, as SQL leaves nulls out: one day has none.
    let view = seed_capacity(&usage.days()).expect("days");
    assert_eq!((view.current_peak_users, view.user_growth_rate), (Some(9.0), None));
    assert!((view.rps_growth_rate.expect("two days") - 20.0 / 86_400.0).abs() < 1e-12);
    usage.see(EventTime::from_secs(91 * 86_400), &row(Some(1.0), 1.0));
    assert_eq!(usage.days().iter().map(|day| day.day_s).collect::<Vec<_>>(), [91.0 * 86_400.0]);
}

#[test]
fn instances_are_those_of_the_scarcest_resource_and_one_more() {
    let need = |resource: &str, total, per_instance, objective| ResourceNeed {
        resource: resource.to_owned(),
        total,
        per_instance,
        objective,
    };
    // 21/(0.7·4) = 7.5: 8 by cpu; 60/(0.8·8) = 9.4: 10 by memory; 3 exactly by users.
    let needs = [need("cpu", 21.0, 4.0, 0.7), need("memory", 60.0, 8.0, 0.8), need("users", 0.3, 0.1, 1.0)];
    let got = instances_needed(&needs, 1).unwrap();
    assert_eq!((got.instances, got.spare, got.binding.as_str()), (11, 1, "memory"));
    assert_eq!(got.by_resource.iter().map(|r| r.1).collect::<Vec<_>>(), [8, 10, 3]);
    assert_eq!(instances_needed(&[], 1), None);
    for bad in
        [need("x", f64::NAN, 1.0, 1.0), need("x", 1.0, 0.0, 1.0), need("x", 1.0, 1.0, 0.0), need("x", -1.0, 1.0, 1.0)]
    {
        assert_eq!(instances_needed(std::slice::from_ref(&bad), 0), None, "{bad:?}");
    }
}

#[test]
fn the_guides_formula_and_table() {
    let got = required_instances(1_000.0, 250.0, 1.5).unwrap();
    assert_eq!(got.instances, 6);
    assert!((got.spare_ratio - 1.0 / 3.0).abs() < 1e-12, "a factor of 1.5 leaves a third, not half");
    assert_eq!(required_instances(1_001.0, 250.0, 1.5).unwrap().instances, 7);
    assert_eq!(required_instances(0.0, 250.0, 1.5).unwrap().instances, 0);
    for (peak, capacity, factor) in [(f64::NAN, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.9), (1e300, 1e-9, 1.0)] {
        assert_eq!(required_instances(peak, capacity, factor), None);
    }
    let table = Schedule::of_the_guide();
    assert_eq!(Schedule::new(vec![]), Err(tidegauge_analytics::capacity::ScheduleError::Empty));
    let cases = [
        (Some(99.9), None, Some((1, Some(1)))),
        (Some(100.0), None, Some((2, Some(3)))),
        (Some(100.0), Some(200.0), Some((3, Some(6)))),
        (None, Some(1_000.0), Some((6, None))),
        (Some(0.0), Some(0.0), Some((1, Some(1)))),
        (None, None, None),
        (Some(-1.0), None, None),
        (Some(f64::NAN), Some(10.0), None),
    ];
    for (users, rps, want) in cases {
        let got = table.lookup(users, rps).map(|band| (band.instances_min, band.instances_max));
        assert_eq!(got, want, "{users:?} users, {rps:?} rps");
    }
}

#[test]
fn agents_and_coordinators_are_rounded_up() {
    let coordinators = |agents, each| {
        requirement(agents, each, PerUnit::AGENT, PerUnit::COORDINATOR).map(|needed| needed.coordinators)
    };
    assert_eq!([0, 1, 10, 11, 19].map(|agents| coordinators(agents, 10)), [0, 1, 1, 2, 2].map(Some));
    assert_eq!(coordinators(5, 0), None);
    let got = requirement(100, 10, PerUnit::AGENT, PerUnit::COORDINATOR).unwrap();
    assert_eq!((got.total.memory_mb, got.total.cpu_cores, got.total.io_mb_per_s), (7_500.0, 20.0, 200.0));
}

#[test]
fn readiness_is_evidence_not_a_tick() {
    let now = EventTime::from_secs(100_000);
    let (fresh, old) = (EventTime::from_secs(99_000), EventTime::from_secs(1_000));
    let measured = |value, at| Evidence::Measured { value, limit: 0.8, at };
    let attested = |owner: Option<&str>, expires_s| Evidence::Attested {
        owner: owner.map(str::to_owned),
        expires_at: EventTime::from_secs(expires_s),
    };
    let cases = [
        (measured(Some(0.8), fresh), "ready"),
        (measured(Some(0.81), fresh), "not_ready"),
        (measured(Some(0.1), old), "unknown"),
        (measured(None, fresh), "unknown"),
        (measured(Some(f64::NAN), fresh), "unknown"),
        (Evidence::Probed { passed: Some(true), at: fresh }, "ready"),
        (Evidence::Probed { passed: Some(false), at: fresh }, "not_ready"),
        (Evidence::Probed { passed: Some(true), at: old }, "unknown"),
        (Evidence::Probed { passed: None, at: fresh }, "unknown"),
        (attested(Some("ana"), 100_001), "ready"),
        (attested(Some("ana"), 100_000), "not_ready"),
        (attested(None, 100_001), "unknown"),
    ];
    for (evidence, want) in cases {
        let check = Check { name: "it".to_owned(), evidence: evidence.clone(), required: true };
        let got = evaluate(&[check], now, Duration::from_secs(3_600));
        let word = match &got.checks[0].1 {
            Verdict::Ready => "ready",
            Verdict::NotReady(_) => "not_ready",
            Verdict::Unknown(_) => "unknown",
        };
        assert_eq!((word, got.ready), (want, want == "ready"), "{evidence:?}: {got:?}");
    }
    assert!(!evaluate(&[], now, DAY).ready, "an empty list proves nothing");
    assert_eq!(CHECKLIST.len(), 8);
}

#[test]
fn phases_go_up_gate_by_gate_and_back() {
    let hold = DAY;
    let five = plan(10, 100, 5, hold).unwrap();
    assert_eq!(five.phases.iter().map(|p| p.count).collect::<Vec<_>>(), [10, 28, 46, 64, 82, 100]);
    assert_eq!(plan(10, 3, 3, hold).unwrap().phases.iter().map(|p| p.count).collect::<Vec<_>>(), [10, 8, 5, 3]);
    assert_eq!(plan(10, 12, 3, hold), Err(PlanError::Phases { phases: 3, current: 10, target: 12, most: 2 }));
    assert!(plan(10, 12, 0, hold).is_err() && plan(10, 10, 1, hold).is_err());

    let at = |phase| Progress { phase, since: EventTime::from_secs(0) };
    let open = Gate { ready: true, objectives_met: true, instances_ready: 100 };
    let (early, late) = (EventTime::from_secs(86_399), EventTime::from_secs(86_400));
    assert_eq!(five.next(at(0), open, early), Step::Advance { to_phase: 1, count: 28 });
    assert!(matches!(five.next(at(1), open, early), Step::Hold(why) if why.contains("held until")));
    assert_eq!(five.next(at(1), open, late), Step::Advance { to_phase: 2, count: 46 });
    assert!(matches!(five.next(at(1), Gate { ready: false, ..open }, late), Step::Hold(_)));
    assert!(
        matches!(five.next(at(1), Gate { instances_ready: 27, ..open }, late), Step::Hold(why) if why.contains("27 of 28"))
    );
    assert_eq!(
        five.next(at(2), Gate { objectives_met: false, ..open }, early),
        Step::RollBack { to_phase: 1, count: 28 }
    );
    assert!(matches!(five.next(at(0), Gate { objectives_met: false, ..open }, late), Step::Hold(_)));
    assert_eq!(five.next(at(5), open, late), Step::Done);
    assert!(matches!(five.next(at(9), open, late), Step::Hold(_)));
    assert_eq!(five.roll_back(0), Step::RollBack { to_phase: 0, count: 10 });

    let slow = five.slowly_from(3);
    assert_eq!(slow.phases.iter().map(|p| p.count).collect::<Vec<_>>(), [64, 73, 82, 91, 100]);
    assert!(slow.phases.iter().all(|phase| phase.hold == 2 * DAY));
}

#[test]
fn cp5_a_plan_that_does_not_fit_is_refused_with_the_arithmetic() {
    let gib = 1_u64 << 30;
    let quota = Amounts {
        requests_cpu_milli: 20_000,
        requests_memory_bytes: 40 * gib,
        limits_cpu_milli: 40_000,
        limits_memory_bytes: 80 * gib,
    };
    let each = Amounts {
        requests_cpu_milli: 1_000,
        requests_memory_bytes: 2 * gib,
        limits_cpu_milli: 2_000,
        limits_memory_bytes: 4 * gib,
    };
    let none = Amounts::default();
    assert_eq!(check(20, &each, &none, &quota, Surge::Instances(0)), Ok(Some(20)));
    // n + ⌈n/4⌉ ≤ 20: 16 + 4.
    assert_eq!(check(16, &each, &none, &quota, Surge::Percent(25)), Ok(Some(16)));
    let refused = check(17, &each, &none, &quota, Surge::Percent(25)).unwrap_err();
    assert_eq!(refused.0.len(), 4);
    assert!(refused.0.iter().all(|excess| excess.in_rollout && excess.instances == 22));
    assert_eq!(refused.0[0].to_string(), "requests.cpu (m): 22 × 1000 + 0 = 22000 > 20000 during a rollout");
    let others = Amounts { limits_memory_bytes: 8 * gib, ..none };
    let refused = check(19, &each, &others, &quota, Surge::Instances(0)).unwrap_err();
    assert_eq!(refused.0.len(), 1);
    assert_eq!(refused.to_string().matches("limits.memory").count(), 1, "{refused}");
    assert_eq!(check(u32::MAX, &each, &none, &none, Surge::Percent(100)), Ok(None), "nothing is limited");
}

fn any_peaks() -> impl Strategy<Value = Vec<DayPeak>> {
    prop::collection::vec(0.0..1e6_f64, 0..60).prop_map(|values| {
        values.into_iter().enumerate().map(|(day, peak)| DayPeak { day: 19_000 + day as i64, peak, count: 1 }).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn cp1_cp2_a_projection_lies_within_its_band(peaks in any_peaks(), ahead in 0_u32..800, confidence in 0.5..0.999_f64) {
        let trend = fit_trend(&peaks, confidence);
        prop_assert_eq!(trend.is_none(), peaks.len() < 14);
        if let Some(p) = trend.map(|trend| trend.project(ahead)) {
            prop_assert!(0.0 <= p.low && p.low <= p.projected && p.projected <= p.high && p.high.is_finite(), "{p:?}");
        }
    }

    #[test]
    fn cp3_units_do_not_matter(peaks in any_peaks(), total in 1.0..2e6_f64, power in -8_i32..8) {
        let factor = 2.0_f64.powi(power);
        let scaled: Vec<DayPeak> = peaks.iter().map(|p| DayPeak { peak: p.peak * factor, ..*p }).collect();
        let (here, there) = (judge(&peaks, &ceiling(total, 7), 60, 0.95), judge(&scaled, &ceiling(total * factor, 7), 60, 0.95));
        prop_assert_eq!((here.status, here.upper_reaches_in_days), (there.status, there.upper_reaches_in_days));
    }

    #[test]
    fn cp4_surer_is_earlier_and_higher_is_later(peaks in any_peaks(), total in 1.0..2e6_f64) {
        let days = |total, confidence| judge(&peaks, &ceiling(total, 0), 60, confidence).upper_reaches_in_days.unwrap_or(u32::MAX);
        prop_assert!(days(total, 0.99) <= days(total, 0.8));
        prop_assert!(days(total * 1.5, 0.95) >= days(total, 0.95));
    }

    #[test]
    fn what_fits_is_the_most_that_fits(each in 1_u64..5_000, quota in 0_u64..100_000, others in 0_u64..2_000, percent in 0_u32..150) {
        let of = |amount| Amounts { requests_cpu_milli: amount, ..Amounts::default() };
        let fits = |n| check(n, &of(each), &of(others), &of(quota), Surge::Percent(percent)).is_ok();
        if let Some(most) = tidegauge_analytics::capacity::quota::most_that_fit(&of(each), &of(others), &of(quota), Surge::Percent(percent)) {
            prop_assert!((others > quota || fits(most)) && !fits(most + 1), "{most}");
        } else {
            prop_assert_eq!(quota, 0);
        }
    }
}

/// The guide's table: five dimensions, and what is left of 23.6 operations per second when 11.8 are done.
#[test]
fn headroom_is_what_is_left_of_the_guides_limits() {
    let named: Vec<(&str, f64, f64)> =
        SCALE_LIMITS.iter().map(|limit| (limit.dimension, limit.current, limit.enterprise)).collect();
    let table = [
        ("concurrent_agents", 10.0, 1_000.0),
        ("work_items", 10_000.0, 1_000_000.0),
        ("operations_per_s", 23.6, 1_000.0),
        ("data_gb", 100.0, 10_000.0),
        ("regions", 1.0, 10.0),
    ];
    assert_eq!(named, table);
    let cases = [(11.8, Ok(0.5)), (0.0, Ok(1.0)), (23.6, Ok(0.0)), (47.2, Ok(-1.0))];
    for (seen, want) in cases {
        assert_eq!(headroom(Ok(seen), 23.6), want, "{seen}");
    }
    assert_eq!(headroom(Err(Absent::NotReported), 10.0), Err(Absent::NotReported));
    assert_eq!(headroom(Ok(1.0), 0.0), Err(Absent::ZeroDenominator));
    assert_eq!(headroom(Ok(f64::NAN), 10.0), Err(Absent::OutOfDomain));
}
