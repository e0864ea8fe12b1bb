//! Writes networks in the ONNX format: the few of its parts that we need, as protocol buffers.
//!
//! Field numbers are those of ONNX's `onnx.proto`; operators are those of version 13. Useful for: dlib's networks, and
//! small networks in tests. Not useful for: reading anything.

use std::fmt::Write as _;

/// Version of the operators' definitions.
const OPERATORS_VERSION: u64 = 13;
/// Version of the file format that came with them.
const FORMAT_VERSION: u64 = 7;
const FLOAT: u64 = 1;
const INT64: u64 = 7;

/// One side of an input or output.
#[derive(Debug, Clone, Copy)]
pub enum Side {
    /// Always this long.
    Fixed(usize),
    /// As long as the caller makes it; sides of one name are equal.
    Free(&'static str),
}

/// A setting of an operator.
#[derive(Debug, Clone, Copy)]
pub enum Attribute<'a> {
    /// One integer.
    Int(i64),
    /// Several.
    Ints(&'a [i64]),
    /// One number.
    Float(f32),
}

/// A network in the making: values have names, and each operator's result gets the next free one.
#[derive(Debug, Default)]
pub struct Graph {
    body: Vec<u8>,
    values: usize,
}

impl Graph {
    /// An empty network.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An input of 32-bit floats.
    pub fn input(&mut self, name: &str, shape: &[Side]) -> String {
        message(&mut self.body, 11, &value_info(name, shape));
        name.to_owned()
    }

    /// Makes `value` an output called `name`.
    pub fn output(&mut self, value: &str, name: &str, shape: &[Side]) {
        self.node("Identity", &[value], name, &[]);
        message(&mut self.body, 12, &value_info(name, shape));
    }

    /// A constant of 32-bit floats; `values` in row-major order.
    pub fn floats(&mut self, shape: &[usize], values: &[f32]) -> String {
        self.constant(shape, FLOAT, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// A constant of one axis of integers.
    pub fn ints(&mut self, values: &[i64]) -> String {
        self.constant(&[values.len()], INT64, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// The result of an operator.
    pub fn apply(&mut self, operator: &str, inputs: &[&str], attributes: &[(&str, Attribute<'_>)]) -> String {
        let name = self.fresh();
        self.node(operator, inputs, &name, attributes);
        name
    }

    /// The whole file.
    #[must_use]
    pub fn into_file(self, name: &str) -> Vec<u8> {
        let mut graph = self.body;
        text(&mut graph, 2, name);
        let mut operators = Vec::new();
        text(&mut operators, 1, "");
        number(&mut operators, 2, OPERATORS_VERSION);
        let mut file = Vec::with_capacity(graph.len() + 64);
        number(&mut file, 1, FORMAT_VERSION);
        text(&mut file, 2, "trombi");
        message(&mut file, 7, &graph);
        message(&mut file, 8, &operators);
        file
    }

    fn fresh(&mut self) -> String {
        self.values += 1;
        let mut name = String::from("v");
        let _ = write!(name, "{}", self.values);
        name
    }

    fn constant(&mut self, shape: &[usize], kind: u64, bytes: Vec<u8>) -> String {
        let name = self.fresh();
        let mut tensor = Vec::with_capacity(bytes.len() + 64);
        shape.iter().for_each(|&side| number(&mut tensor, 1, side as u64));
        number(&mut tensor, 2, kind);
        text(&mut tensor, 8, &name);
        message(&mut tensor, 9, &bytes);
        message(&mut self.body, 5, &tensor);
        name
    }

    fn node(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: &[(&str, Attribute<'_>)]) {
        let mut node = Vec::new();
        inputs.iter().for_each(|input| text(&mut node, 1, input));
        text(&mut node, 2, output);
        text(&mut node, 3, output);
        text(&mut node, 4, operator);
        for (name, value) in attributes {
            message(&mut node, 5, &attribute(name, *value));
        }
        message(&mut self.body, 1, &node);
    }
}

fn attribute(name: &str, value: Attribute<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    text(&mut bytes, 1, name);
    let kind = match value {
        Attribute::Float(value) => {
            key(&mut bytes, 2, 5);
            bytes.extend(value.to_le_bytes());
            1
        }
        Attribute::Int(value) => {
            number(&mut bytes, 3, value.cast_unsigned());
            2
        }
        Attribute::Ints(values) => {
            values.iter().for_each(|value| number(&mut bytes, 8, value.cast_unsigned()));
            7
        }
    };
    number(&mut bytes, 20, kind);
    bytes
}

fn value_info(name: &str, shape: &[Side]) -> Vec<u8> {
    let (mut sides, mut tensor, mut kind, mut info) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for side in shape {
        let mut bytes = Vec::new();
        match side {
            Side::Fixed(length) => number(&mut bytes, 1, *length as u64),
            Side::Free(name) => text(&mut bytes, 2, name),
        }
        message(&mut sides, 1, &bytes);
    }
    number(&mut tensor, 1, FLOAT);
    message(&mut tensor, 2, &sides);
    message(&mut kind, 1, &tensor);
    text(&mut info, 1, name);
    message(&mut info, 2, &kind);
    info
}

fn key(bytes: &mut Vec<u8>, field: u64, wire: u64) {
    varint(bytes, field << 3 | wire);
}

fn number(bytes: &mut Vec<u8>, field: u64, value: u64) {
    key(bytes, field, 0);
    varint(bytes, value);
}

fn text(bytes: &mut Vec<u8>, field: u64, value: &str) {
    message(bytes, field, value.as_bytes());
}

fn message(bytes: &mut Vec<u8>, field: u64, value: &[u8]) {
    key(bytes, field, 2);
    varint(bytes, value.len() as u64);
    bytes.extend_from_slice(value);
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_seven_bits_a_byte() {
        let mut bytes = Vec::new();
        number(&mut bytes, 1, 300);
        assert_eq!(bytes, [0x08, 0xac, 0x02]);
        bytes.clear();
        number(&mut bytes, 8, (-1_i64).cast_unsigned());
        assert_eq!(bytes.len(), 11);
    }

    #[test]
    fn a_file_begins_with_its_version() {
        let mut graph = Graph::new();
        let input = graph.input("x", &[Side::Fixed(1), Side::Free("n")]);
        let double = graph.apply("Add", &[&input, &input], &[]);
        graph.output(&double, "y", &[Side::Fixed(1), Side::Free("n")]);
        assert_eq!(graph.into_file("double")[..2], [0x08, 7]);
    }
}
