//! A cell in a checkpoint: metrics by name, since their numbers never leave a Decider, and floats bit for bit.

use super::cell::{Cell, MetricNumbers};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tidegauge_model::{EventTime, Metric, Position, SpaceSaving};
use tidegauge_window::{Sketch, Stats};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptCell {
    samples: u64,
    first_at: EventTime,
    last_at: EventTime,
    /// By name.
    metrics: Vec<KeptMetric>,
    keys: Option<KeptKeys>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptMetric {
    name: String,
    count: u64,
    /// Sum, mean, squared distance, least, greatest, last: IEEE 754, since JSON has no infinity, which a sum may reach.
    bits: [u64; 6],
    last_at: EventTime,
    last_position: u64,
    sketch: Option<KeptSketch>,
}

/// In base64. What is no sketch does not read, so that the state is refused with its place instead of believed.
#[derive(Clone, Debug, PartialEq)]
struct KeptSketch(Sketch);

impl Serialize for KeptSketch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(self.0.to_bytes()))
    }
}

impl<'de> Deserialize<'de> for KeptSketch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = BASE64.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)?;
        Sketch::from_bytes(&bytes).map(Self).map_err(D::Error::custom)
    }
}

/// The same of its heaviest keys.
#[derive(Clone, Debug, PartialEq)]
struct KeptKeys(SpaceSaving);

impl Serialize for KeptKeys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(self.0.to_bytes()))
    }
}

impl<'de> Deserialize<'de> for KeptKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = BASE64.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)?;
        SpaceSaving::from_bytes(&bytes).map(Self).map_err(D::Error::custom)
    }
}

impl KeptCell {
    pub(super) fn of(cell: &Cell, metrics: &MetricNumbers) -> Self {
        let kept = |(number, stats): &(u16, Stats)| {
            let Stats { count, sum, mean, squared_distance, min, max, last, last_at, last_position } = *stats;
            KeptMetric {
                name: metrics.metric(*number).name().to_owned(),
                count,
                bits: [sum, mean, squared_distance, min, max, last].map(f64::to_bits),
                last_at,
                last_position: last_position.0,
                sketch: cell.sketch(*number).cloned().map(KeptSketch),
            }
        };
        let mut metrics: Vec<_> = cell.stats.iter().map(kept).collect();
        metrics.sort_by(|a, b| a.name.cmp(&b.name));
        let keys = cell.keys.as_deref().cloned().map(KeptKeys);
        Self { samples: cell.samples, first_at: cell.first_at, last_at: cell.last_at, metrics, keys }
    }

    /// The cell. Metrics for which there is no number are left out, as when they came.
    pub(super) fn restored(&self, metrics: &mut MetricNumbers) -> Cell {
        let (mut stats, mut sketches) = (Vec::new(), Vec::new());
        for kept in &self.metrics {
            let Some(number) = metrics.number(&Metric::named(&kept.name)) else { continue };
            stats.push((number, kept.stats()));
            sketches.extend(kept.sketch.clone().map(|sketch| (number, sketch.0)));
        }
        stats.sort_unstable_by_key(|(number, _)| *number);
        sketches.sort_unstable_by_key(|(number, _)| *number);
        let keys = self.keys.clone().map(|keys| keys.0);
        Cell::of(self.samples, (self.first_at, self.last_at), stats, sketches, keys)
    }
}

impl KeptMetric {
    fn stats(&self) -> Stats {
        let [sum, mean, squared_distance, min, max, last] = self.bits.map(f64::from_bits);
        let (last_at, last_position) = (self.last_at, Position(self.last_position));
        Stats { count: self.count, sum, mean, squared_distance, min, max, last, last_at, last_position }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegauge_model::heavy::KEPT_KEYS;

    #[test]
    fn a_cell_comes_back_bit_for_bit_under_other_numbers() {
        let mut numbers = MetricNumbers::default();
        let [queue, latency] = ["queue_depth", "response_time_ms"].map(|name| numbers.number(&Metric::named(name)));
        let (queue, latency) = (queue.expect("room"), latency.expect("room"));
        let (mut plain, mut with_sketch, mut sketch) = (Stats::default(), Stats::default(), Sketch::default());
        for (at, value) in (0..).zip([0.1, 0.2, 1e308, 1e308]) {
            plain.add(value, EventTime::from_secs(at), Position::new(3, at));
            with_sketch.add(value, EventTime::from_secs(at), Position::new(3, at));
            sketch.insert(value);
        }
        assert!(plain.sum.is_infinite());
        let mut keys = SpaceSaving::new(KEPT_KEYS);
        keys.add("tenant-7", 5);
        let span = (EventTime::from_secs(0), EventTime::from_secs(3));
        let cell = Cell::of(
            4,
            span,
            vec![(queue, plain), (latency, with_sketch)],
            vec![(latency, sketch.clone())],
            Some(keys.clone()),
        );
        let text = serde_json::to_string(&KeptCell::of(&cell, &numbers)).expect("plain data");
        let kept: KeptCell = serde_json::from_str(&text).expect("our own");

        let mut others = MetricNumbers::default();
        others.number(&Metric::named("response_time_ms"));
        let restored = kept.restored(&mut others);
        assert_eq!(restored.stats, [(0, with_sketch), (1, plain)]);
        assert_eq!(restored.sketch(0), Some(&sketch));
        assert_eq!(restored.keys.as_deref(), Some(&keys));
        assert_eq!((restored.samples, restored.first_at, restored.last_at), (4, span.0, span.1));
        assert_eq!(KeptCell::of(&restored, &others), kept);
        let broken = text.replacen("\"sketch\":\"", "\"sketch\":\"!", 1);
        assert!(serde_json::from_str::<KeptCell>(&broken).is_err());
    }
}
