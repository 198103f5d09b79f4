//! Forecasts: by hand, against the naive reference, and how well their intervals hold.

use proptest::prelude::*;
use std::time::Duration;
use tidegauge_model::EventTime;
use tidegauge_policy::forecast::{Expert, Forecast, ORIGINS, Series, Setting};
use tidegauge_policy::reference::prediction;

const HOUR: Duration = Duration::from_hours(1);

/// Windows that end a second before the hour, one an hour.
fn at(hour: usize) -> EventTime {
    EventTime::from_secs(1_700_006_400 + hour as i64 * 3_600 - 1)
}

fn setting(experts: &[Expert], quantile: f64) -> Setting<'_> {
    Setting { step: HOUR, experts, quantile, unit: 1.0 }
}

/// What is forecast after so many hours of values, one an hour and one more that ends the last of them.
fn after(values: &[Option<f64>], setting: &Setting<'_>, steps: usize) -> Option<Forecast> {
    let mut series = Series::default();
    for (hour, value) in values.iter().chain([&None]).enumerate() {
        series.observe(HOUR, setting.reach(HOUR * steps as u32), at(hour), *value);
    }
    series.forecast(setting, steps)
}

/// A day's course of 10, 20, …, 240, again and again, times a level for each day.
fn days(levels: &[f64]) -> Vec<Option<f64>> {
    levels.iter().flat_map(|level| (1..=24).map(move |hour| Some(f64::from(hour) * 10.0 * level))).collect()
}

#[test]
fn experts_by_hand() {
    // The third day is half as high again, and six hours of it are known: 15, 30, 45, 60, 75, 90.
    let mut values = days(&[1.0, 1.0, 1.5]);
    values.truncate(54);
    #[rustfmt::skip]
    let cases = [ // expert, steps ahead, value
        (Expert::LastValue,   1, Some(90.0)),
        (Expert::LastValue,   3, Some(90.0)),
        (Expert::Daily,       1, Some(70.0)),  // the seventh hour of yesterday
        (Expert::Daily,       3, Some(90.0)),
        (Expert::Daily,      24, Some(90.0)),  // the sixth hour of today
        (Expert::Daily,      30, Some(120.0)), // the twelfth of yesterday: that of today is not known
        (Expert::ScaledDaily, 1, Some(105.0)), // 70 × 90 / 60
        (Expert::ScaledDaily, 3, Some(135.0)),
        (Expert::Weekly,      1, None),
    ];
    for (expert, steps, want) in cases {
        let experts = [expert];
        let said = after(&values, &setting(&experts, 0.5), steps);
        assert_eq!(said.map(|said| said.value), want, "{expert:?}, {steps} ahead");
    }
}

#[test]
fn an_interval_by_hand() {
    // It goes up by a tenth and back again, and nine changes are known: five rises, four falls.
    let values: Vec<_> = [100.0, 110.0].into_iter().cycle().take(10).map(Some).collect();
    let said = after(&values, &setting(&[Expert::LastValue], 0.75), 1).expect("eight errors are enough for 0.75");
    assert_eq!((said.value, said.errors), (110.0, 9));
    // Of nine the eighth is the greatest there is, a tenth more; the second is a fall by 1/11.
    assert!((said.upper - 121.0).abs() < 1e-9 && (said.lower - 100.0).abs() < 1e-9, "{said:?}");
    assert_eq!(said.coverage, 1.0, "no later rise was greater than the earlier ones");
    assert_eq!(after(&values[..8], &setting(&[Expert::LastValue], 0.75), 1), None, "seven are not enough");
}

/// A repeated course is known after a day and some; one that drifts away is not covered.
#[test]
fn coverage_is_what_was_measured() {
    let same = after(&days(&[1.0; 4]), &setting(&Expert::ALL, 0.9), 2).expect("known");
    assert_eq!((same.expert, same.upper, same.coverage), (Expert::Daily, 20.0, 1.0));
    let worse =
        after(&days(&[1.0, 1.0, 1.0, 1.0, 2.0, 6.0]), &setting(&[Expert::Daily], 0.9), 2).expect("known, but wrong");
    assert!(worse.coverage < 0.5, "{worse:?}");
}

/// **N1**: what was not observed is not 0.
#[test]
fn what_is_missing_is_no_zero() {
    let mut values = vec![Some(100.0); 30];
    values.extend([None; 3]);
    let last = [Expert::LastValue];
    assert_eq!(after(&values, &setting(&last, 0.5), 1), None, "nothing is known of the last hours");
    values.push(Some(100.0));
    let said = after(&values, &setting(&last, 0.5), 1).expect("known again");
    assert_eq!((said.value, said.upper, said.errors), (100.0, 100.0, 29), "no error was made where nothing came");
    // A silence longer than what is kept leaves nothing behind.
    let mut series = Series::default();
    let setting = setting(&last, 0.5);
    for hour in (0..40).chain([10_000]) {
        series.observe(HOUR, setting.reach(HOUR), at(hour), Some(100.0));
    }
    assert_eq!(series.forecast(&setting, 1), None);
}

/// **N2**: memory is bounded, however long it goes on.
#[test]
fn no_more_is_kept_than_forecasts_reach() {
    let setting = setting(&Expert::ALL, 0.9);
    let mut series = Series::default();
    let (kept, mut sizes) = (setting.reach(24 * HOUR), Vec::new());
    for hour in 0..1_200 {
        series.observe(HOUR, kept, at(hour), Some(f64::from(hour as u32 % 24)));
        sizes.push(serde_json::to_string(&series).expect("plain data").len());
    }
    assert_eq!(kept, 168 + 1 + 26 + ORIGINS);
    assert!(sizes[1_199] < 8 * kept, "{} bytes", sizes[1_199]);
    assert!(sizes[1_199].abs_diff(sizes[600]) < 100, "it grows");
}

fn any_history() -> impl Strategy<Value = Vec<(usize, Option<f64>)>> {
    let shape = prop::collection::vec(0_u32..50, 24);
    let noise = prop::collection::vec((0_u32..20, prop::option::weighted(0.9, 0_u32..10)), 30..400);
    (shape, noise, 0_u32..30).prop_map(|(shape, noise, drift)| {
        let mut hour = 0;
        let value = |(index, (gap, noise)): (usize, (u32, Option<u32>))| {
            // Sometimes twice in an hour, sometimes some hours later.
            hour += [0, 1, 1, 1, 1, 1, 1, 1, 1, 5].get(gap as usize).copied().unwrap_or(1);
            let base = f64::from(shape[hour % 24] + drift * index as u32 / 20);
            (hour, noise.map(|noise| base + f64::from(noise) / 3.0))
        };
        noise.into_iter().enumerate().map(value).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// The same as from the whole history, step by step; and the same from what was written out and read back (N3).
    #[test]
    fn forecasts_are_those_of_the_reference(
        history in any_history(),
        ahead_min in 0_u32..1_800,
        quantile in prop::sample::select(vec![0.5, 0.6, 0.8, 0.9]),
        unit in 1_u32..40,
    ) {
        let setting = Setting { unit: f64::from(unit), ..setting(&Expert::ALL, quantile) };
        let closes: Vec<_> = history.iter().map(|(hour, value)| (at(*hour), *value)).collect();
        let ahead = Duration::from_mins(u64::from(ahead_min));
        let mut series = Series::default();
        for (index, (at, value)) in closes.iter().enumerate() {
            let text = serde_json::to_string(&series).expect("plain data");
            series = serde_json::from_str(&text).expect("and back");
            series.observe(HOUR, setting.reach(ahead), *at, *value);
            let said = series.forecast(&setting, setting.steps(*at, ahead));
            let got = said.map(|said| (said.expert, said.value, said.lower, said.upper, said.coverage));
            prop_assert_eq!(got, prediction::forecast(&setting, &closes[..=index], ahead));
        }
    }

    /// Of independent noise, about the share that was asked for stays below the upper end.
    #[test]
    fn upper_ends_hold_as_often_as_they_say(noise in prop::collection::vec(0_u32..1_000, 600)) {
        let values: Vec<_> = noise.iter().map(|noise| Some(1_000.0 + f64::from(*noise))).collect();
        let experts = [Expert::Daily];
        let setting = setting(&experts, 0.9);
        let mut series = Series::default();
        let (mut held, mut all) = (0, 0);
        for (hour, value) in values.iter().enumerate() {
            if series.observe(HOUR, setting.reach(HOUR), at(hour), *value)
                && let Some(said) = series.forecast(&setting, 1).filter(|_| hour > 300)
            {
                all += 1;
                held += u32::from(value.is_some_and(|value| value <= said.upper));
            }
        }
        let share = f64::from(held) / f64::from(all);
        prop_assert!((0.78..=0.99).contains(&share), "{held} of {all}");
    }
}
