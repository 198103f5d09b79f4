//! Avro binary as a serde format: a value is written in the order of its fields, which is that of its schema.
//!
//! A record type here and its `schemas/*.avsc` are the same list twice; tests hold them together, and apache-avro
//! reads what is written. Options are unions of null and the type; of an enum, symbol 0 is `unknown`, so that variant
//! `n` is symbol `n + 1`.

use super::framing::{put_bytes, put_double, put_long, put_text};
use serde::ser::{self, Impossible, Serialize};
use std::fmt;

/// What a value of ours never is, or what bytes are not.
#[derive(Debug)]
pub(crate) struct Error(pub(crate) String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Appends the datum of `value`, without framing.
pub(super) fn write<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
    value.serialize(&mut Writer { out })
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
}

fn no(what: &str) -> Error {
    Error(format!("{what} has no place in our schemas"))
}

macro_rules! longs {
    ($($method:ident $type:ty),*) => {
        $(fn $method(self, value: $type) -> Result<(), Error> {
            put_long(i64::from(value), self.out);
            Ok(())
        })*
    };
}

impl ser::Serializer for &mut Writer<'_> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<(), Error>;

    longs!(serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64, serialize_u8 u8, serialize_u16 u16, serialize_u32 u32);

    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        let value = i64::try_from(value).map_err(|_| Error(format!("{value} is more than a long holds")))?;
        self.serialize_i64(value)
    }

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.out.push(u8::from(value));
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        put_double(value, self.out);
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        put_text(value, self.out);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        put_long(0, self.out);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        put_long(1, self.out);
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, variant: u32, _: &'static str) -> Result<(), Error> {
        put_long(i64::from(variant) + 1, self.out);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self, Error> {
        self.begin_block(length)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self, Error> {
        self.begin_block(length)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_f32(self, _: f32) -> Result<(), Error> {
        Err(no("a float"))
    }

    fn serialize_char(self, _: char) -> Result<(), Error> {
        Err(no("a character"))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        put_bytes(value, self.out);
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), Error> {
        Err(no("a unit"))
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        Err(no("a unit"))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        Err(no("a variant with content"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        Err(no("a tuple"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        Err(no("a tuple"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Err(no("a variant with content"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Err(no("a variant with content"))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl Writer<'_> {
    /// An array or a map is one block of all its items, unless it has none, and an empty block.
    fn begin_block(&mut self, length: Option<usize>) -> Result<&mut Self, Error> {
        let length = length.ok_or_else(|| no("a sequence of unknown length"))?;
        if length > 0 {
            put_long(i64::try_from(length).map_err(|_| no("a sequence without end"))?, self.out);
        }
        Ok(self)
    }

    fn end_blocks(&mut self) {
        put_long(0, self.out);
    }
}

impl ser::SerializeSeq for &mut Writer<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Error> {
        self.end_blocks();
        Ok(())
    }
}

impl ser::SerializeMap for &mut Writer<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Error> {
        self.end_blocks();
        Ok(())
    }
}

impl ser::SerializeStruct for &mut Writer<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}
