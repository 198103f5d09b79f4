//! A mapping applied to the lines of a CSV file.

use super::Mapping;
use crate::decode::columns::Columns;
use crate::decode::route::{self, Leaf, Others, Route};
use crate::reject::{Fault, RejectCode, Rejected};
use crate::sample_row::SampleRow;
use std::sync::Arc;
use tidegauge_model::{Position, WorkspaceId};

/// A mapping compiled for one header line. An empty field is an absent value.
pub struct CsvPlan {
    columns: Columns,
    /// In the order of the header.
    steps: Vec<Step>,
}

enum Step {
    Put(Leaf),
    /// A metric under the column's name, if it is a number.
    Number(Arc<str>),
    Skip,
}

impl CsvPlan {
    pub(super) fn new(mapping: &Mapping, header: &[&str]) -> Result<Self, Rejected> {
        let mut columns = Columns::new(WorkspaceId::unnamed().as_str(), usize::MAX);
        columns.keep_other_times(true);
        columns.set_constants(mapping);
        let routes = route::mapped(mapping, &mut columns);
        if let Some(missing) = mapping.fields().iter().find(|field| !header.contains(&field.from.join(".").as_str())) {
            let message = format!("the header has no such column, but {}", header.join(", "));
            return Err(Rejected::field(RejectCode::SchemaMismatch, missing.from.join("."), message));
        }
        let leaves = leaves(&routes);
        let steps = header.iter().map(|name| match leaves.iter().copied().find(|leaf| &*leaf.path == *name) {
            Some(leaf) => Step::Put(leaf.clone()),
            None if routes.others == Others::Numbers => Step::Number(Arc::from(*name)),
            None => Step::Skip,
        });
        Ok(Self { steps: steps.collect(), columns })
    }

    /// Reads one line.
    ///
    /// # Errors
    ///
    /// [`Rejected`] as for telemetry: a line that is refused here would be refused there.
    pub fn row(&mut self, fields: &[&str]) -> Result<SampleRow, Rejected> {
        let outcome = self.put(fields).and_then(|()| self.columns.end_row(Position(0), 0));
        let row = outcome.map(|()| SampleRow::last_of(&mut self.columns)).map_err(|fault| *fault);
        self.columns.clear();
        row
    }

    fn put(&mut self, fields: &[&str]) -> Result<(), Fault> {
        if fields.len() != self.steps.len() {
            let message = format!("{} fields, and the header has {}", fields.len(), self.steps.len());
            return Err(Box::new(Rejected::record(RejectCode::Malformed, message)));
        }
        for (step, text) in self.steps.iter().zip(fields).filter(|(_, text)| !text.is_empty()) {
            match step {
                Step::Put(leaf) => self.columns.put_spelled(leaf, text)?,
                Step::Number(name) => {
                    if let Ok(value) = text.parse() {
                        self.columns.metric_named(name, value, name)?;
                    }
                }
                Step::Skip => {}
            }
        }
        Ok(())
    }
}

/// Every leaf of a tree of routes; in CSV a path is one column name with dots.
fn leaves(object: &route::Object) -> Vec<&Leaf> {
    #[allow(clippy::disallowed_methods, reason = "the order does not matter: each is looked up by its name")]
    let routes = object.keys.values();
    routes
        .flat_map(|route| match route {
            Route::Leaf(leaf) => vec![leaf],
            Route::Object(child) => leaves(child),
            Route::Items(_) | Route::Counters(..) | Route::Keys(..) | Route::Skip => Vec::new(),
        })
        .collect()
}
