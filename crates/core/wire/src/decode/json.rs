//! JSON objects into columns: a serde visitor that follows the routes, and makes no tree of values.
//!
//! - **J1** One object and nothing after it; a field set twice is refused, a field without a route read over.
//! - **J2** `null` is absent. `"NaN"`, `NaN`, `Infinity` and numbers beyond 64-bit floats are `not_finite`.

use super::columns::Columns;
use super::route::{Leaf, Object, Others, Route, is_non_finite, wrong_leaf};
use crate::reject::{Fault, RejectCode, Rejected, fault};
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Reads one record into `columns`; `key` is room for names.
pub(super) fn read(columns: &mut Columns, routes: &Object, payload: &[u8], key: &mut String) -> Result<(), Fault> {
    let mut context = Context { columns, fault: None, field: None, key };
    // UTF-8 is checked once for all; bytes that are not go the slow way, which says in which field they are.
    let outcome = match std::str::from_utf8(payload) {
        Ok(text) => read_from(serde_json::Deserializer::from_str(text), routes, &mut context),
        Err(error) => read_from(serde_json::Deserializer::from_slice(payload), routes, &mut context)
            .and_then(|()| Err(serde_json::Error::custom(error))),
    };
    outcome.map_err(|error| context.fault_of(&error, payload))
}

fn read_from<'de, 'r, R: serde_json::de::Read<'de>>(
    mut json: serde_json::Deserializer<R>,
    routes: &'r Object,
    context: &mut Context<'_, 'r>,
) -> serde_json::Result<()> {
    json.deserialize_map(ObjectVisitor { object: routes, context: &mut *context })?;
    context.field = None;
    json.end()
}

struct Context<'c, 'r> {
    columns: &'c mut Columns,
    /// What the columns said, on its way past serde.
    fault: Option<Fault>,
    /// The field being read; without one, `key` has its name.
    field: Option<&'r str>,
    key: &'c mut String,
}

impl Context<'_, '_> {
    fn check<E: serde::de::Error>(&mut self, outcome: Result<(), Fault>) -> Result<(), E> {
        outcome.map_err(|fault| {
            self.fault = Some(fault);
            E::custom("refused")
        })
    }

    #[cold]
    fn fault_of(self, error: &serde_json::Error, payload: &[u8]) -> Fault {
        if let Some(fault) = self.fault {
            return fault;
        }
        let field = self.field.or(Some(self.key.as_str())).filter(|field| !field.is_empty());
        let text = error.to_string();
        let non_finite = text.starts_with("number out of range") || is_bare_non_finite(error, payload);
        let code = if non_finite { RejectCode::NotFinite } else { RejectCode::Malformed };
        match field {
            Some(field) => fault(code, field, text),
            None => Box::new(Rejected::record(code, text)),
        }
    }
}

/// Whether the syntax error is at a bare `NaN` or `Infinity`, which some writers emit.
fn is_bare_non_finite(error: &serde_json::Error, payload: &[u8]) -> bool {
    let line_start =
        payload.split(|b| *b == b'\n').take(error.line().saturating_sub(1)).map(|line| line.len() + 1).sum::<usize>();
    let at = line_start + error.column().saturating_sub(1);
    // The position is that of the first byte that does not fit, which in -Infinity is the second.
    let word_at = |start: usize| {
        let word = payload.get(start..)?;
        let length = word.iter().take_while(|b| b.is_ascii_alphabetic() || **b == b'-').count();
        std::str::from_utf8(&word[..length]).ok()
    };
    [at, at.saturating_sub(1)].into_iter().filter_map(word_at).any(is_non_finite)
}

struct ObjectVisitor<'a, 'c, 'r> {
    object: &'r Object,
    context: &'a mut Context<'c, 'r>,
}

impl<'de> Visitor<'de> for ObjectVisitor<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { object, context } = self;
        loop {
            context.field = None;
            context.key.clear();
            let key = KeySeed { object, key: &mut *context.key };
            let Some(route) = map.next_key_seed(key)? else {
                return Ok(());
            };
            let context = &mut *context;
            match route {
                Some(Route::Leaf(leaf)) => {
                    context.field = Some(&leaf.path);
                    map.next_value_seed(LeafSeed { leaf, context })?;
                }
                Some(Route::Object(object)) => map.next_value_seed(ObjectSeed { object, context })?,
                Some(Route::Items(leaf)) => {
                    context.field = Some(&leaf.path);
                    map.next_value_seed(ItemsSeed { leaf, context })?;
                }
                Some(Route::Counters(path, fields)) => {
                    context.field = Some(path);
                    map.next_value_seed(CountersSeed { path, fields, context })?;
                }
                Some(Route::Keys(path, fields)) => {
                    context.field = Some(path);
                    map.next_value_seed(KeysSeed { path, fields, context })?;
                }
                Some(Route::Skip) => {
                    map.next_value::<IgnoredAny>()?;
                }
                None => match object.others {
                    Others::Skip => {
                        map.next_value::<IgnoredAny>()?;
                    }
                    others => {
                        context.key.insert_str(0, object.prefix);
                        map.next_value_seed(NumberSeed { context, others })?;
                    }
                },
            }
        }
    }
}

/// Looks a key up; the name of one without a route is left in `key`.
struct KeySeed<'r, 'k> {
    object: &'r Object,
    key: &'k mut String,
}

impl<'de, 'r> DeserializeSeed<'de> for KeySeed<'r, '_> {
    type Value = Option<&'r Route>;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'r> Visitor<'_> for KeySeed<'r, '_> {
    type Value = Option<&'r Route>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let route = self.object.keys.get(name);
        if !matches!(route, Some(Route::Leaf(_))) {
            self.key.clear();
            self.key.push_str(name);
        }
        Ok(route)
    }
}

/// A nested object that has routes; anything else in its place is read over only if it is null.
struct ObjectSeed<'a, 'c, 'r> {
    object: &'r Object,
    context: &'a mut Context<'c, 'r>,
}

/// Seeds that look at what they find, whatever kind that is.
macro_rules! of_any_kind {
    ($($seed:ident)*) => {
        $(impl<'de> DeserializeSeed<'de> for $seed<'_, '_, '_> {
            type Value = ();

            fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
                json.deserialize_any(self)
            }
        })*
    };
}

of_any_kind! { ObjectSeed LeafSeed ItemsSeed CountersSeed KeysSeed NumberSeed }

/// Refuses what the visitor has no method for: a value of a type that is not expected here.
macro_rules! refuse {
    (scalars) => {
        refuse! {
            visit_bool(bool) "a truth value";
            visit_i64(i64) "a number";
            visit_u64(u64) "a number";
            visit_f64(f64) "a number";
            visit_str(&str) "a text";
        }
    };
    ($($method:ident($type:ty) $found:literal;)*) => {
        $(fn $method<E: serde::de::Error>(self, _: $type) -> Result<(), E> {
            let fault = self.refusal($found);
            self.context.check(Err(fault))
        })*
    };
}

impl ObjectSeed<'_, '_, '_> {
    fn refusal(&self, found: &str) -> Fault {
        fault(RejectCode::WrongType, self.context.key, format!("{found} where an object is expected"))
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        ObjectVisitor { object: self.object, context: self.context }.visit_map(map)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        let fault = self.refusal("an array");
        self.context.check(Err(fault))
    }

    refuse! { scalars }
}

/// A value that has somewhere to go.
struct LeafSeed<'a, 'c, 'r> {
    leaf: &'r Leaf,
    context: &'a mut Context<'c, 'r>,
}

impl LeafSeed<'_, '_, '_> {
    fn refusal(&self, found: &str) -> Fault {
        wrong_leaf(self.leaf, found)
    }
}

impl<'de> Visitor<'de> for LeafSeed<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        let outcome = self.context.columns.put_int(self.leaf, value);
        self.context.check(outcome)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            #[allow(clippy::cast_precision_loss, reason = "beyond 2^63 a double is all there is")]
            Err(_) => self.visit_f64(value as f64),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        let outcome = self.context.columns.put_float(self.leaf, value);
        self.context.check(outcome)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        let outcome = self.context.columns.put_text(self.leaf, value);
        self.context.check(outcome)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        let fault = self.refusal("an array");
        self.context.check(Err(fault))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        let fault = self.refusal("an object");
        self.context.check(Err(fault))
    }

    refuse! {
        visit_bool(bool) "a truth value";
    }
}

/// A list, each of whose items has somewhere to go.
struct ItemsSeed<'a, 'c, 'r> {
    leaf: &'r Leaf,
    context: &'a mut Context<'c, 'r>,
}

impl ItemsSeed<'_, '_, '_> {
    fn refusal(&self, found: &str) -> Fault {
        fault(RejectCode::WrongType, &self.leaf.path, format!("{found} where a list is expected"))
    }
}

impl<'de> Visitor<'de> for ItemsSeed<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { leaf, context } = self;
        while items.next_element_seed(LeafSeed { leaf, context: &mut *context })?.is_some() {}
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        let fault = self.refusal("an object");
        self.context.check(Err(fault))
    }

    refuse! { scalars }
}

/// A map of cumulative counters.
struct CountersSeed<'a, 'c, 'r> {
    path: &'r str,
    fields: &'r Object,
    context: &'a mut Context<'c, 'r>,
}

impl CountersSeed<'_, '_, '_> {
    fn refusal(&self, found: &str) -> Fault {
        fault(RejectCode::WrongType, self.path, format!("{found} where an object of counters is expected"))
    }
}

impl<'de> Visitor<'de> for CountersSeed<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of counters")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut counters: A) -> Result<(), A::Error> {
        let Self { path, fields, context } = self;
        while let Some(name) = counters.next_key::<String>()? {
            let opened = context.columns.open_counter(&name);
            context.check(opened)?;
            context.key.clear();
            context.key.push_str(&name);
            counters.next_value_seed(ObjectSeed { object: fields, context: &mut *context })?;
            let closed = context.columns.close_counter();
            context.check(closed)?;
            context.field = Some(path);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        let fault = self.refusal("an array");
        self.context.check(Err(fault))
    }

    refuse! { scalars }
}

/// A list of keys with their weights.
struct KeysSeed<'a, 'c, 'r> {
    path: &'r str,
    fields: &'r Object,
    context: &'a mut Context<'c, 'r>,
}

impl KeysSeed<'_, '_, '_> {
    fn refusal(&self, found: &str) -> Fault {
        fault(RejectCode::WrongType, self.path, format!("{found} where a list of keys is expected"))
    }
}

impl<'de> Visitor<'de> for KeysSeed<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of keys")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { path, fields, context } = self;
        loop {
            context.key.clear();
            context.key.push_str(path);
            if items.next_element_seed(ObjectSeed { object: fields, context: &mut *context })?.is_none() {
                return Ok(());
            }
            context.field = Some(path);
            let ended = context.columns.end_key();
            context.check(ended)?;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        let fault = self.refusal("an object");
        self.context.check(Err(fault))
    }

    refuse! { scalars }
}

/// The value of a field without a route whose name is in the context: a metric if it is a number.
struct NumberSeed<'a, 'c, 'r> {
    context: &'a mut Context<'c, 'r>,
    others: Others,
}

impl NumberSeed<'_, '_, '_> {
    fn put<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        let name = self.context.key.as_str();
        let outcome = self.context.columns.metric_named(name, value, name);
        self.context.check(outcome)
    }

    fn no_number<E: serde::de::Error>(self, found: &str, non_finite: bool) -> Result<(), E> {
        let name = self.context.key.as_str();
        let outcome = match self.others {
            Others::OnlyNumbers if non_finite => {
                Err(fault(RejectCode::NotFinite, name, format!("{found} is not a number to count with")))
            }
            Others::OnlyNumbers => {
                Err(fault(RejectCode::WrongType, name, format!("{found} where a number is expected")))
            }
            Others::Skip | Others::Numbers => Ok(()),
        };
        self.context.check(outcome)
    }
}

#[allow(clippy::cast_precision_loss, reason = "metrics are doubles: whole to 2^53, rounded beyond")]
impl<'de> Visitor<'de> for NumberSeed<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.put(value as f64)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.put(value as f64)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.put(value)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.no_number("a text", is_non_finite(value))
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.no_number("a truth value", false)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        self.no_number("an array", false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.no_number("an object", false)
    }
}
