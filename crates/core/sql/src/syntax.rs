//! What kind of statement it is: one SELECT over our tables, as a tree (Q1).

use crate::columns::Table;
use crate::limits::Limits;
use crate::names::nearest;
use crate::prepared::Mode;
use crate::refused::Refused;
use datafusion::common::TableReference;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{
    self, Expr, GroupByExpr, Query, Select, SetExpr, Statement as SqlStatement, TableFactor, Visit, Visitor,
};
use std::ops::ControlFlow;

/// Parses one SELECT.
pub(crate) fn parse(sql: &str, mode: Mode, limits: &Limits) -> Result<Statement, Refused> {
    let builder = DFParserBuilder::new(sql).with_recursion_limit(limits.nesting);
    let statements = builder.build().and_then(|mut parser| parser.parse_statements());
    let mut statements = statements.map_err(|error| not_sql(&error, limits))?;
    let statement = statements.pop_front().ok_or(Refused::Empty)?;
    if !statements.is_empty() {
        return Err(Refused::not_allowed("more than one statement", "write one SELECT"));
    }
    let Statement::Statement(inner) = &statement else { return Err(not_a_select(sql)) };
    let SqlStatement::Query(query) = inner.as_ref() else { return Err(not_a_select(sql)) };
    let mut shape = Shape { mode, limits, relations: 0 };
    if let ControlFlow::Break(refused) = query.visit(&mut shape) {
        return Err(*refused);
    }
    known_tables(&statement)?;
    Ok(statement)
}

fn not_sql(error: &datafusion::common::DataFusionError, limits: &Limits) -> Refused {
    let text = error.find_root().strip_backtrace();
    if text.contains("recursion limit") || text.contains("RecursionLimit") {
        return Refused::TooDeep { what: "expressions or subqueries too deep in one another", most: limits.nesting };
    }
    let said = text.lines().next().unwrap_or_default();
    let said = said.strip_prefix("SQL error: ").unwrap_or(said);
    let inner = said.strip_prefix("ParserError(\"").and_then(|rest| rest.strip_suffix("\")"));
    Refused::Syntax(inner.unwrap_or(said).to_owned())
}

fn not_a_select(sql: &str) -> Refused {
    let first = sql.split_whitespace().next().unwrap_or_default().to_uppercase();
    Refused::not_allowed(first, "write a SELECT, or WITH … SELECT; nothing can be changed, written or set")
}

/// Every table is one of ours, or the name of a common table expression.
fn known_tables(statement: &Statement) -> Result<(), Refused> {
    let (tables, _) = resolve_table_references(statement, true).map_err(|error| Refused::of_plan(&error))?;
    for table in tables {
        let known = matches!(&table, TableReference::Bare { table } if Table::named(table).is_some());
        if !known {
            let names = Table::ALL.iter().map(|table| table.name());
            return Err(Refused::UnknownTable { nearest: nearest(table.table(), names), name: table.to_string() });
        }
    }
    Ok(())
}

struct Shape<'a> {
    mode: Mode,
    limits: &'a Limits,
    relations: usize,
}

type Verdict = ControlFlow<Box<Refused>>;

fn refuse(what: &str, instead: &str) -> Verdict {
    ControlFlow::Break(Box::new(Refused::not_allowed(what, instead)))
}

impl Visitor for Shape<'_> {
    type Break = Box<Refused>;

    fn pre_visit_query(&mut self, query: &Query) -> Verdict {
        if query.with.as_ref().is_some_and(|with| with.recursive) {
            return refuse("WITH RECURSIVE", "common table expressions may not refer to themselves");
        }
        if !query.locks.is_empty() || query.for_clause.is_some() {
            return refuse("SELECT … FOR", "nothing can be locked or exported; leave the clause out");
        }
        if query.settings.is_some() || query.format_clause.is_some() || !query.pipe_operators.is_empty() {
            return refuse(
                "SETTINGS, FORMAT and |>",
                "write plain SQL; the output's format is an option of the command",
            );
        }
        only_selects(&query.body)
    }

    fn pre_visit_select(&mut self, select: &Select) -> Verdict {
        if select.into.is_some() {
            return refuse("SELECT … INTO", "nothing can be written; leave INTO out");
        }
        let grouping = match &select.group_by {
            GroupByExpr::All(modifiers) => !modifiers.is_empty(),
            GroupByExpr::Expressions(expressions, modifiers) => {
                let is_set = |each: &Expr| matches!(each, Expr::Cube(_) | Expr::Rollup(_) | Expr::GroupingSets(_));
                !modifiers.is_empty() || expressions.iter().any(is_set)
            }
        };
        if grouping && self.mode == Mode::Signal {
            return refuse("CUBE, ROLLUP and GROUPING SETS in a signal", "group by plain columns");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> Verdict {
        self.relations += 1;
        if self.relations > self.limits.relations {
            let most = self.limits.relations;
            return ControlFlow::Break(Box::new(Refused::TooDeep { what: "too many tables", most }));
        }
        match factor {
            TableFactor::Table { args: None, version: None, sample: None, json_path: None, .. }
            | TableFactor::Derived { sample: None, .. }
            | TableFactor::NestedJoin { .. } => ControlFlow::Continue(()),
            TableFactor::Table { args: Some(_), name, .. } => {
                refuse(&format!("the table function `{name}`"), "read from windows, instances or metrics")
            }
            _ => refuse("this kind of table", "read from windows, instances or metrics, joined or in subqueries"),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> Verdict {
        match expr {
            Expr::Value(value) if matches!(value.value, ast::Value::Placeholder(_)) => {
                refuse("a placeholder such as $1 or ?", "write the value itself")
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Data-changing statements also parse as parts of a query.
fn only_selects(body: &SetExpr) -> Verdict {
    match body {
        SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => ControlFlow::Continue(()),
        SetExpr::SetOperation { left, right, .. } => {
            only_selects(left)?;
            only_selects(right)
        }
        _ => refuse("a statement that changes data", "nothing can be changed: write a SELECT"),
    }
}
