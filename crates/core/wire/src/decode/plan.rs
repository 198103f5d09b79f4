//! A writer's Avro schema, compiled together with the routes: what to do with each value, in the writer's order.
//!
//! ```text
//!  record{agent_id: string, cpu: ["null", int], tags: map<string>}   ×   routes
//!     ─► Record[ Text(agent_id ─► Agent), Optional(Metric(40)), Map(skip) ]
//! ```
//!
//! - **A1** Every byte of the record is accounted for by the schema, wanted or not; a plan never guesses where a value
//!   ends.
//! - **A2** Numbers promote as Avro's resolution has it: int, long, float, double all become a double.

use super::route::{Leaf, Sink};
use crate::mapping::Scale;
use crate::reject::Fault;
use apache_avro::Schema;
use hashbrown::HashMap;

/// A compiled schema.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(super) root: Node,
    /// Types that contain themselves, read over wherever they appear.
    pub(super) named: Vec<Node>,
}

/// How to read one value. The first two are most of what telemetry has, and are read without a detour.
#[derive(Debug)]
pub(super) enum Node {
    /// A number that is one metric and nothing else.
    Metric {
        number: Number,
        column: u32,
        scale: Scale,
        path: Box<str>,
    },
    /// A union of null, whose index is this byte, and one other type. `run`: how many fields from this one on are
    /// alike and null at index 0, so that as many zero bytes are as many absent fields.
    Optional {
        null: u8,
        run: u16,
        path: Box<str>,
        other: Box<Node>,
    },
    Null,
    Boolean(Leaf),
    Int(Leaf),
    Long(Leaf),
    Float(Leaf),
    Double(Leaf),
    Text(Leaf),
    Bytes(Leaf),
    Fixed(Leaf, usize),
    Enum(Leaf, Box<[Box<str>]>),
    Union(Box<str>, Box<[Node]>),
    Record(Box<[Node]>),
    Array(Box<Sequence>),
    /// A list of keys with their weights.
    Keys(Box<Sequence>),
    Map(Box<Entries>),
    /// One of the plan's named types.
    Named(usize),
    /// Read over, and then refused: a value of a type that its field does not take.
    Refused(Fault, Box<Node>),
}

/// A type that promotes to double.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Int,
    Long,
    Float,
    Double,
}

#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) path: Box<str>,
    pub(super) item: Node,
    pub(super) item_has_bytes: bool,
}

#[derive(Debug)]
pub(super) struct Entries {
    pub(super) path: Box<str>,
    pub(super) by_key: HashMap<Box<str>, Node>,
    pub(super) other: Node,
    /// Numbers become metrics named by their keys, behind this.
    pub(super) metrics: Option<&'static str>,
    /// Each is a cumulative counter named by its key.
    pub(super) counters: bool,
}

/// A plain number for `leaf`.
pub(super) fn number(schema: &Schema, leaf: Leaf) -> Node {
    let number = match schema {
        Schema::Int => Number::Int,
        Schema::Long => Number::Long,
        Schema::Float => Number::Float,
        _ => Number::Double,
    };
    match (&*leaf.sinks, number) {
        ([Sink::Metric { column, scale }], _) => {
            Node::Metric { number, column: *column, scale: *scale, path: leaf.path }
        }
        (_, Number::Int) => Node::Int(leaf),
        (_, Number::Long) => Node::Long(leaf),
        (_, Number::Float) => Node::Float(leaf),
        (_, Number::Double) => Node::Double(leaf),
    }
}

impl Node {
    /// A union of these branches.
    pub(super) fn union(path: &str, branches: Vec<Node>) -> Self {
        let path = path.into();
        match <[Node; 2]>::try_from(branches) {
            Ok([Self::Null, other]) => Self::Optional { null: 0, run: 1, path, other: Box::new(other) },
            Ok([other, Self::Null]) => Self::Optional { null: 2, run: 0, path, other: Box::new(other) },
            Ok(both) => Self::Union(path, Box::new(both)),
            Err(branches) => Self::Union(path, branches.into()),
        }
    }

    /// A record of these fields.
    pub(super) fn record(mut fields: Vec<Node>) -> Self {
        let mut following = 0_u16;
        for field in fields.iter_mut().rev() {
            following = match field {
                Self::Optional { null: 0, run, .. } => {
                    *run = following.saturating_add(1);
                    *run
                }
                _ => 0,
            };
        }
        Self::Record(fields.into())
    }
}
