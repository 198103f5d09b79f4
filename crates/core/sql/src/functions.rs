//! Which functions a signal may call.
//!
//! All of them are functions of their arguments alone, and none makes a text longer than its argument, so that a signal
//! gives the same on a replay (Q2) and needs memory in proportion to its windows.
//!
//! Not here, with the reason: `now`, `current_date`, `random`, `uuid` (not functions of the windows); `repeat`, `lpad`,
//! `concat`, `replace`, `string_agg`, `array_agg` (grow without end); `regexp_…` and `~` (compiling a pattern can take
//! longer than a window); `levenshtein`, and `median` and percentiles as window functions (quadratic).

/// Functions of a row.
const SCALAR: &[&str] = &[
    "abs",
    "acos",
    "acosh",
    "arrow_cast",
    "arrow_typeof",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "btrim",
    "cbrt",
    "ceil",
    "character_length",
    "coalesce",
    "contains",
    "cos",
    "cosh",
    "cot",
    "date_bin",
    "date_part",
    "date_trunc",
    "degrees",
    "ends_with",
    "exp",
    "floor",
    "fraction_over",
    "from_unixtime",
    "get_field",
    "greatest",
    "isnan",
    "iszero",
    "least",
    "left",
    "ln",
    "log",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "named_struct",
    "nanvl",
    "nullif",
    "nvl",
    "nvl2",
    "pi",
    "power",
    "quantile",
    "radians",
    "right",
    "round",
    "rtrim",
    "signum",
    "sin",
    "sinh",
    "split_part",
    "sqrt",
    "starts_with",
    "strpos",
    "substr",
    "tan",
    "tanh",
    "to_timestamp",
    "to_timestamp_micros",
    "to_timestamp_millis",
    "to_timestamp_seconds",
    "to_unixtime",
    "trunc",
    "upper",
];

/// Aggregates.
const AGGREGATE: &[&str] = &[
    "any_value",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "covar_pop",
    "covar_samp",
    "first_value",
    "last_value",
    "max",
    "median",
    "min",
    "percentile_cont",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
    "sketch",
    "sketch_merge",
    "stats",
    "stddev",
    "stddev_pop",
    "sum",
    "var",
    "var_pop",
    "var_samp",
];

/// Functions with OVER, the aggregates among them that take a row out of a frame as they took it in.
const WINDOW: &[&str] = &[
    "avg",
    "count",
    "cume_dist",
    "dense_rank",
    "first_value",
    "lag",
    "last_value",
    "lead",
    "max",
    "min",
    "nth_value",
    "ntile",
    "percent_rank",
    "rank",
    "row_number",
    "sum",
];

/// Where a function stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Row,
    Aggregate,
    Window,
}

impl Place {
    /// The functions that a signal may call there.
    pub(crate) const fn in_signals(self) -> &'static [&'static str] {
        match self {
            Self::Row => SCALAR,
            Self::Aggregate => AGGREGATE,
            Self::Window => WINDOW,
        }
    }
}
