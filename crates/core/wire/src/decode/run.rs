//! Runs a plan over the bytes of one record, straight into the columns.
//!
//! - **A4** A record is read only if its bytes end exactly where its schema says.
//! - **A5** Values within values within values end at a depth of 64.

use super::columns::Columns;
use super::cursor::{Cursor, Flaw};
use super::plan::{Entries, Node, Number, Plan, Sequence};
use super::route::{Leaf, wrong_leaf};
use crate::reject::{Fault, RejectCode, Rejected, fault};

/// How deep a record may nest, given a schema that contains itself.
const MAX_DEPTH: usize = 64;

impl Plan {
    /// Reads one record.
    pub(super) fn read(&self, columns: &mut Columns, bytes: &[u8]) -> Result<(), Fault> {
        let mut run = Run { plan: self, columns, cursor: Cursor::new(bytes) };
        run.other_value(&self.root, 0)?;
        match run.cursor.remaining() {
            0 => Ok(()),
            rest => {
                let message = format!("{rest} bytes follow the record");
                Err(Box::new(Rejected::record(RejectCode::Malformed, message)))
            }
        }
    }
}

struct Run<'p, 'c, 'b> {
    plan: &'p Plan,
    columns: &'c mut Columns,
    cursor: Cursor<'b>,
}

impl<'p> Run<'p, '_, '_> {
    /// One value; small enough to be part of the loop over a record's fields.
    #[inline(always)]
    fn value(&mut self, node: &'p Node, depth: usize) -> Result<(), Fault> {
        match node {
            Node::Metric { number, column, scale, path } => {
                let value = self.number(*number).map_err(|flaw| malformed(path, flaw))?;
                self.columns.metric(*column, scale.apply(value), path)
            }
            Node::Optional { null, path, other, .. } => match self.cursor.byte() {
                Some(index) if index == *null => Ok(()),
                Some(0 | 2) => self.other_value(other, depth),
                Some(_) => Err(malformed(path, "an index beyond the members of its type")),
                None => Err(malformed(path, "the bytes end within it")),
            },
            Node::Text(leaf) => {
                let value = self.cursor.text().map_err(|flaw| malformed(&leaf.path, flaw))?;
                self.columns.put_text(leaf, value)
            }
            other => self.other_value(other, depth),
        }
    }

    /// The fields of a record. Telemetry mostly consists of metrics that are not reported: they go by in runs.
    fn fields(&mut self, fields: &'p [Node], depth: usize) -> Result<(), Fault> {
        let mut rest = fields;
        while let Some((field, following)) = rest.split_first() {
            if let Node::Optional { run: run @ 2.., .. } = field {
                let absent = self.cursor.zeros(usize::from(*run));
                if absent > 0 {
                    rest = &rest[absent..];
                    continue;
                }
            }
            self.value(field, depth)?;
            rest = following;
        }
        Ok(())
    }

    #[inline(always)]
    #[allow(clippy::cast_precision_loss, reason = "metrics are doubles: whole to 2^53, rounded beyond")]
    fn number(&mut self, number: Number) -> Result<f64, Flaw> {
        match number {
            Number::Double => self.cursor.double(),
            Number::Long => self.cursor.long().map(|value| value as f64),
            Number::Int => self.cursor.int().map(|value| value as f64),
            Number::Float => self.cursor.float(),
        }
    }

    fn other_value(&mut self, node: &'p Node, depth: usize) -> Result<(), Fault> {
        match node {
            Node::Null => Ok(()),
            Node::Metric { .. } | Node::Optional { .. } | Node::Text(_) => self.value(node, depth),
            Node::Double(leaf) => {
                let value = self.cursor.double().map_err(|flaw| malformed(&leaf.path, flaw))?;
                self.columns.put_float(leaf, value)
            }
            Node::Long(leaf) => {
                let value = self.cursor.long().map_err(|flaw| malformed(&leaf.path, flaw))?;
                self.columns.put_int(leaf, value)
            }
            Node::Union(path, branches) => {
                let branch = self.cursor.index(branches.len()).map_err(|flaw| malformed(path, flaw))?;
                self.other_value(&branches[branch], depth)
            }
            Node::Record(fields) => {
                if depth > MAX_DEPTH {
                    return Err(Box::new(Rejected::record(RejectCode::Malformed, "values nest deeper than 64 levels")));
                }
                self.fields(fields, depth + 1)
            }
            other => self.rarer_value(other, depth),
        }
    }

    fn rarer_value(&mut self, node: &'p Node, depth: usize) -> Result<(), Fault> {
        let flawed = |leaf: &Leaf, flaw| malformed(&leaf.path, flaw);
        match node {
            Node::Int(leaf) => {
                let value = self.cursor.int().map_err(|flaw| flawed(leaf, flaw))?;
                self.columns.put_int(leaf, value)
            }
            Node::Float(leaf) => {
                let value = self.cursor.float().map_err(|flaw| flawed(leaf, flaw))?;
                self.columns.put_float(leaf, value)
            }
            Node::Boolean(leaf) => {
                self.cursor.boolean().map_err(|flaw| flawed(leaf, flaw))?;
                refuse_if_wanted(leaf, "a truth value")
            }
            Node::Bytes(leaf) => {
                self.cursor.bytes().map_err(|flaw| flawed(leaf, flaw))?;
                refuse_if_wanted(leaf, "bytes")
            }
            Node::Fixed(leaf, size) => {
                self.cursor.fixed(*size).map_err(|flaw| flawed(leaf, flaw))?;
                refuse_if_wanted(leaf, "bytes")
            }
            Node::Enum(leaf, symbols) => {
                let symbol = self.cursor.index(symbols.len()).map_err(|flaw| flawed(leaf, flaw))?;
                self.columns.put_text(leaf, &symbols[symbol])
            }
            Node::Array(sequence) => self.array(sequence, depth),
            Node::Keys(sequence) => self.blocks(&sequence.path, sequence.item_has_bytes, |run| {
                run.other_value(&sequence.item, depth + 1)?;
                run.columns.end_key()
            }),
            Node::Map(entries) => self.map(entries, depth),
            Node::Named(number) => self.other_value(&self.plan.named[*number], depth),
            Node::Refused(why, inner) => {
                self.other_value(inner, depth)?;
                Err(why.clone())
            }
            common => self.other_value(common, depth),
        }
    }

    fn array(&mut self, sequence: &'p Sequence, depth: usize) -> Result<(), Fault> {
        let path = &sequence.path;
        self.blocks(path, sequence.item_has_bytes, |run| run.other_value(&sequence.item, depth + 1))
    }

    fn map(&mut self, entries: &'p Entries, depth: usize) -> Result<(), Fault> {
        let path = &entries.path;
        self.blocks(path, true, |run| {
            let key = run.cursor.text().map_err(|flaw| malformed(path, flaw))?;
            match entries.by_key.get(key) {
                Some(wanted) => run.other_value(wanted, depth + 1),
                None if entries.counters => {
                    run.columns.open_counter(key)?;
                    run.other_value(&entries.other, depth + 1)?;
                    run.columns.close_counter()
                }
                None => match entries.metrics {
                    Some("") => run.named_metric(path, key, &entries.other),
                    Some(prefix) => run.named_metric(path, &[prefix, key].concat(), &entries.other),
                    None => run.other_value(&entries.other, depth + 1),
                },
            }
        })
    }

    /// Every block of an array or a map, item by item.
    fn blocks(
        &mut self,
        path: &str,
        items_have_bytes: bool,
        mut item: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        loop {
            let (items, end) = self.cursor.block(items_have_bytes).map_err(|flaw| malformed(path, flaw))?;
            if items == 0 {
                return Ok(());
            }
            // Items without bytes are all alike: one of them stands for any number.
            let items = if items_have_bytes { items } else { 1 };
            for _ in 0..items {
                item(self)?;
            }
            if end.is_some_and(|end| end != self.cursor.remaining()) {
                return Err(malformed(path, "a block that does not end where it says"));
            }
        }
    }

    /// A number whose key is the name of its metric.
    #[allow(clippy::cast_precision_loss, reason = "metrics are doubles: whole to 2^53, rounded beyond")]
    fn named_metric(&mut self, path: &str, name: &str, node: &'p Node) -> Result<(), Fault> {
        let flawed = |flaw| malformed(path, flaw);
        let value = match node {
            Node::Double(_) => self.cursor.double().map_err(flawed)?,
            Node::Float(_) => self.cursor.float().map_err(flawed)?,
            Node::Long(_) => self.cursor.long().map_err(flawed)? as f64,
            Node::Int(_) => self.cursor.int().map_err(flawed)? as f64,
            Node::Union(_, branches) => {
                let branch = self.cursor.index(branches.len()).map_err(flawed)?;
                return self.named_metric(path, name, &branches[branch]);
            }
            Node::Optional { null, other, .. } => {
                let index = self.cursor.index(2).map_err(flawed)?;
                if index == usize::from(*null / 2) {
                    return Ok(());
                }
                return self.named_metric(path, name, other);
            }
            _ => return Ok(()), // null, by the plan: a map of metrics has numbers and nulls only
        };
        self.columns.metric_named(name, value, name)
    }
}

fn refuse_if_wanted(leaf: &Leaf, found: &str) -> Result<(), Fault> {
    if leaf.sinks.is_empty() { Ok(()) } else { Err(wrong_leaf(leaf, found)) }
}

#[cold]
fn malformed(path: &str, flaw: Flaw) -> Fault {
    fault(RejectCode::Malformed, path, flaw)
}
