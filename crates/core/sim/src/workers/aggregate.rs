//! A telemetry partition in the hands of a worker.

use super::{Machine, World, topics};
use crate::kafka::{At, Committed, Producer};
use crate::sabotage::Sabotage;
use crate::scenario::batch;
use tidegauge_delivery::{Outbox, OutputRef};
use tidegauge_engine::{Aggregator, AggregatorConfig, AggregatorInput, AggregatorOutput, ResumePoint};
use tidegauge_model::EventTime;

/// An Aggregator, its outputs, and how far it has read.
pub struct Aggregating {
    aggregator: Aggregator,
    outbox: Outbox,
    next: i64,
    /// What lies before was read by an earlier life: it is read again to rebuild, and says nothing.
    silent_below: i64,
    ended: bool,
}

impl Machine for Aggregating {
    const GROUP: usize = 0;
    const NAME: &'static str = "aggregate";
    type Restoring = ();

    fn restore((): &mut (), partition: u32, world: &mut World) -> Option<Self> {
        let committed = world.committed(Self::GROUP, partition)?;
        let point = committed.as_ref().and_then(|committed| {
            ResumePoint::from_metadata(&committed.metadata).filter(|point| point.next_offset == committed.offset)
        });
        let fresh_from = committed.map_or(0, |committed| committed.offset);
        let resume = |point: ResumePoint| {
            if world.breaks(Sabotage::GoOnWithoutReadingAgain) { point.next_offset } else { point.replay_from }
        };
        let config = world.scenario.aggregator(partition as usize);
        let config = AggregatorConfig { partitions: world.telemetry_partitions, ..config };
        Some(Self {
            aggregator: Aggregator::resumed(config, point),
            outbox: Outbox::default(),
            next: point.map_or(fresh_from, resume),
            silent_below: point.map_or(fresh_from, |point| point.next_offset),
            ended: false,
        })
    }

    fn work(&mut self, partition: u32, world: &mut World) {
        let at = At { topic: topics::TELEMETRY, partition };
        let drained = self.next >= world.kafka.end(at);
        if !drained {
            self.read(at, world);
        } else if self.next < self.silent_below || self.ended {
            // Rows that an earlier life has read are there to be read again; after the end there is nothing to say.
        } else if world.telemetry_ended {
            self.ended = true;
            let outputs = self.aggregator.step(AggregatorInput::End);
            self.keep(partition, outputs);
        } else {
            let now = EventTime::from_millis(world.now_ms);
            let outputs = self.aggregator.step(AggregatorInput::Tick { now, drained });
            self.keep(partition, outputs);
        }
    }

    fn is_restored(&self) -> bool {
        self.next >= self.silent_below
    }

    fn prepare(&mut self, _: u32, _: &mut World) {}

    fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn position(&mut self, _: u32, _: &Producer, _: &World) -> Committed {
        let point = self.aggregator.resume_point(self.next);
        Committed { offset: point.next_offset, metadata: point.to_metadata() }
    }

    fn settled(&mut self) {
        self.outbox.clear();
    }

    fn drop_outputs(&mut self) {
        self.outbox.clear();
    }

    fn is_done(&self, _: u32, _: &World) -> bool {
        self.ended
    }
}

impl Aggregating {
    fn read(&mut self, at: At, world: &mut World) {
        if !world.is_there(at, self.next) {
            return;
        }
        if !self.is_restored() {
            world.count("batches read again");
        }
        let most = world.rng.range(1, 60);
        let (records, next) = world.kafka.read(at, self.next, most as usize);
        let rows = &world.scenario.partitions[at.partition as usize];
        let rows: Vec<_> = records.iter().map(|record| rows[record.offset as usize].clone()).collect();
        self.next = next;
        let mut outputs = self.aggregator.step(AggregatorInput::Samples(&batch(at.partition as usize, &rows)));
        if !world.breaks(Sabotage::SpeakWhileRebuilding) {
            outputs.retain(|output| self.is_news(output));
        }
        self.keep(at.partition, outputs);
    }

    /// What an earlier life refused is in the late topic. Panes do not close while it is read again what was read then.
    fn is_news(&self, output: &AggregatorOutput) -> bool {
        match output {
            AggregatorOutput::Refused { position, .. } => position.offset() >= self.silent_below,
            AggregatorOutput::Journal { .. } => true,
        }
    }

    fn keep(&mut self, source: u32, outputs: Vec<AggregatorOutput>) {
        for output in outputs {
            match output {
                AggregatorOutput::Journal { partition, record } => {
                    let partition = Some(partition.cast_signed());
                    let output =
                        OutputRef { topic: topics::SHUFFLE, partition, value: Some(&record), ..<_>::default() };
                    self.outbox.push(output, []);
                }
                AggregatorOutput::Refused { position, .. } => {
                    let (partition, value) = (Some(source.cast_signed()), position.offset().to_le_bytes());
                    let output = OutputRef { topic: topics::LATE, partition, value: Some(&value), ..<_>::default() };
                    self.outbox.push(output, []);
                }
            }
        }
    }
}
