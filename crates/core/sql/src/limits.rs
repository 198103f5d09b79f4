//! How much an SQL text may be, and may cost.

use std::time::Duration;

/// Limits of one query, or of one evaluation of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long it may take. Kept by whoever runs it: the core has no clock.
    pub time: Duration,
    /// Memory of the operators of a plan: what they hash, sort and collect, in bytes.
    pub memory: usize,
    /// Rows of the result. A query's is cut off there and says so; of a signal it is an error.
    pub rows: usize,
    /// Bytes of the text.
    pub text: usize,
    /// Words and signs in one clause or list item, which is how deep an expression can get without parentheses.
    pub terms: usize,
    /// Parentheses, subqueries and CASEs in one another.
    pub nesting: usize,
    /// Tables that are read, each mention counted, and parts of a UNION.
    pub relations: usize,
    /// Steps of a plan, after common table expressions were put in place.
    pub plan_nodes: usize,
    /// How often columns of tables stand in one expression, after subqueries were put in place.
    pub expansion: u64,
    /// Of a signal: rows that all joins together yield.
    pub joined_rows: usize,
}

impl Default for Limits {
    /// 10 s, 256 MiB and 10,000 rows.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(10),
            memory: 256 << 20,
            rows: 10_000,
            text: 64 << 10,
            terms: 500,
            nesting: 50,
            relations: 32,
            plan_nodes: 500,
            expansion: 100_000,
            joined_rows: 1_000_000,
        }
    }
}
