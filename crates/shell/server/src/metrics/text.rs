//! Gauges as Prometheus reads them: its text format, version 0.0.4.
//!
//! Source: Prometheus, "Exposition formats".

use super::{Kind, Metric};
use std::fmt::Write;

/// The value of one series of a gauge.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Values of the labels, in the table's order.
    pub labels: Vec<String>,
    /// The value.
    pub value: f64,
}

impl Reading {
    /// Without labels.
    #[must_use]
    pub fn plain(value: f64) -> Self {
        Self { labels: Vec::new(), value }
    }

    /// With labels.
    #[must_use]
    pub fn of<const N: usize>(labels: [&str; N], value: f64) -> Self {
        Self { labels: labels.map(str::to_owned).into(), value }
    }
}

impl Metric {
    /// Appends the series of this gauge or clock, which may be none.
    pub(crate) fn write(&self, readings: &[Reading], out: &mut String) {
        if readings.is_empty() {
            return;
        }
        // Writing to a string cannot fail.
        let kind = if self.kind == Kind::Clock { "counter" } else { "gauge" };
        let _ = writeln!(out, "# HELP {} {}\n# TYPE {} {kind}", self.name, self.help, self.name);
        for reading in readings {
            out.push_str(self.name);
            let labels = self.labels.iter().zip(&reading.labels);
            let labels: Vec<_> = labels.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
            if !labels.is_empty() {
                let _ = write!(out, "{{{}}}", labels.join(","));
            }
            let _ = writeln!(out, " {}", reading.value);
        }
        out.push('\n');
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{LAG, READY, WORKER_SECONDS};

    #[test]
    fn gauges_are_written_with_help_type_and_escaped_labels() {
        let mut out = String::new();
        LAG.write(&[Reading::of(["decide", "a\"b\\c", "3"], 7.0)], &mut out);
        READY.write(&[Reading::plain(1.0)], &mut out);
        LAG.write(&[], &mut out);
        WORKER_SECONDS.write(&[Reading::of(["decide", "0", "step"], 0.25)], &mut out);
        let lines: Vec<_> = out.lines().filter(|line| !line.starts_with("# HELP")).collect();
        let want = [
            "# TYPE tidegauge_partition_lag_records gauge",
            "tidegauge_partition_lag_records{stage=\"decide\",topic=\"a\\\"b\\\\c\",partition=\"3\"} 7",
            "",
            "# TYPE tidegauge_ready gauge",
            "tidegauge_ready 1",
            "",
            "# TYPE tidegauge_worker_seconds_total counter",
            "tidegauge_worker_seconds_total{stage=\"decide\",worker=\"0\",activity=\"step\"} 0.25",
            "",
        ];
        assert_eq!(lines, want);
    }
}
