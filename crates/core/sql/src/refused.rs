//! Why SQL was not run, or not to its end.

use crate::columns::Table;
use crate::names::nearest;
use datafusion::common::{DataFusionError, SchemaError};

/// Why a text is not run: a fact about the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Nothing is there but spaces and comments.
    #[error("there is no SQL: write a SELECT over {}", tables())]
    Empty,
    /// More text than is read.
    #[error("the text has {bytes} bytes, and at most {most} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// Deeper than is followed.
    #[error("{what}: at most {most} are followed; split it with WITH, or make it shorter")]
    TooDeep {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        most: usize,
    },
    /// It is not SQL.
    #[error("this is not SQL: {0}")]
    Syntax(String),
    /// It is SQL, but not of the kind that is allowed.
    #[error("{what} is not allowed: {instead}")]
    NotAllowed {
        /// What was found.
        what: String,
        /// What is allowed.
        instead: String,
    },
    /// There is no such table.
    #[error("there is no table `{name}`{}", hint(.nearest.as_deref(), &tables()))]
    UnknownTable {
        /// As it was written.
        name: String,
        /// The nearest one.
        nearest: Option<String>,
    },
    /// There is no such column.
    #[error("there is no column `{name}`{}", hint(.nearest.as_deref(), "the tables' columns are in docs/reference/sql.md"))]
    UnknownColumn {
        /// As it was written.
        name: String,
        /// The nearest one.
        nearest: Option<String>,
    },
    /// Its types do not fit, or it means nothing.
    #[error("{0}")]
    Meaning(String),
    /// It would cost too much to be run at all.
    #[error("{0}")]
    Cost(String),
}

impl Refused {
    pub(crate) fn not_allowed(what: impl Into<String>, instead: impl Into<String>) -> Self {
        Self::NotAllowed { what: what.into(), instead: instead.into() }
    }

    /// What the planner found wrong.
    pub(crate) fn of_plan(error: &DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
                SchemaError::FieldNotFound { field, valid_fields } => Self::UnknownColumn {
                    name: field.flat_name(),
                    nearest: nearest(&field.name, valid_fields.iter().map(|field| field.name.as_str())),
                },
                other => Self::Meaning(other.to_string()),
            },
            DataFusionError::SQL(error, _) => Self::Syntax(error.to_string()),
            other => Self::Meaning(plain(other)),
        }
    }
}

/// Why an evaluation did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failed {
    /// Its operators would hold more than allowed.
    #[error("it needs more than {most} bytes of memory: filter earlier, group by less, or sort fewer columns")]
    Memory {
        /// The limit.
        most: usize,
    },
    /// More rows than allowed.
    #[error("it yields more than {most} rows: aggregate, filter, or add LIMIT")]
    Rows {
        /// The limit.
        most: usize,
    },
    /// Joins yield more than allowed.
    #[error("its joins yield more than {most} rows: join on keys that few rows share")]
    Joined {
        /// The limit.
        most: usize,
    },
    /// A value that cannot be computed, such as a division by zero of whole numbers.
    #[error("{0}")]
    Value(String),
}

impl Failed {
    pub(crate) fn of(error: &DataFusionError, memory: usize) -> Self {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => Self::Memory { most: memory },
            DataFusionError::External(cause) => match cause.downcast_ref::<Failed>() {
                Some(failed) => failed.clone(),
                None => Self::Value(cause.to_string()),
            },
            other => Self::Value(plain(other)),
        }
    }
}

/// The message without the layers that it came through.
fn plain(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    let kinds = ["Error during planning: ", "Execution error: ", "Arrow error: ", "Optimizer rule "];
    let text = kinds.iter().find_map(|kind| text.strip_prefix(kind)).unwrap_or(&text);
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn hint(nearest: Option<&str>, otherwise: &str) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => format!(": {otherwise}"),
    }
}

fn tables() -> String {
    let names: Vec<String> = Table::ALL.iter().map(|table| format!("`{}`", table.name())).collect();
    names.join(", ")
}
