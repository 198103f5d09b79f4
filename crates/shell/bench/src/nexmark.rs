//! tidegauge over Nexmark's bids, as the recipe `bench/nexmark` runs it: an auction is an instance, its bids' price a
//! metric; a query is one kind of window, `SIZE_S` by `SLIDE_S` of panes of `PANE_S`, at LEVEL `instance` or `agent`.
//!
//! Other settings come from the environment as for `tidegauge-bench`. Prints `late=N`, and `dead_letters=N`: people and
//! auctions are in the same topic, and are no samples.

mod settings;

use anyhow::ensure;
use settings::{Job, setting};
use std::collections::BTreeMap;
use tidegauge::live::{OutputRecord, Publish};
use tidegauge_engine::DeciderOutput;

fn main() -> anyhow::Result<()> {
    let (size_s, slide_s, level) = (setting("SIZE_S", "10"), setting("SLIDE_S", "10"), setting("LEVEL", "instance"));
    ensure!(["instance", "agent"].contains(&level.as_str()), "LEVEL={level}: expected instance or agent");
    let pane = format!("{}s", setting("PANE_S", "10"));
    let job = Job {
        mapping: concat!(env!("CARGO_MANIFEST_DIR"), "/../../../examples/mappings/nexmark-bids.yaml"),
        windows: format!("[{{size: {size_s}s, slide: {slide_s}s, levels: [{level}]}}]"),
        disorder_s: "0",
        // Auctions come and go by the thousand.
        more: &[("time.pane", &pane), ("time.max_skew", "2h"), ("ingest.instances_per_agent", "10000000")],
    };
    let report = settings::run(&job, BTreeMap::new(), |record| Box::new(Rows { record }))?;
    println!("{report:?}");
    println!("dead_letters={}\nlate={}", report.dead_letters, report.too_late);
    Ok(())
}

/// Writes windows as the rows that `bids check` reads.
struct Rows {
    record: OutputRecord,
}

impl Publish for Rows {
    fn topics(&self) -> Vec<String> {
        vec![self.record.topic.clone()]
    }

    fn publish(&mut self, output: &DeciderOutput, send: &mut dyn FnMut(&OutputRecord)) {
        let DeciderOutput::Window(window) = output else { return };
        // The bid that only ends a partition offers nothing.
        let id = window.instance.as_ref().map_or(window.target.agent.as_str(), |instance| instance.as_str());
        let Some(price) = window.gauges.get("price").filter(|price| price.max > 0.0) else { return };
        id.clone_into(&mut self.record.key);
        self.record.value = format!(
            r#"{{"id":"{id}","start":{},"end":{},"count":{},"price_min":{},"price_max":{},"price_sum":{},"price_mean":{}}}"#,
            window.range.start.as_millis(),
            window.range.end.as_millis(),
            window.samples,
            price.min,
            price.max,
            price.sum,
            price.mean
        )
        .into_bytes();
        send(&self.record);
    }
}
