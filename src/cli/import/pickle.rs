//! Reads a pickle without running anything in it.
//!
//! A pickle is a program for a small stack machine that can call any function of Python. We carry out what builds plain
//! data (lists, tuples, dictionaries, text, numbers), and the three calls by which numpy writes an array, done here in
//! Rust; every other name is refused. Python's `pickletools` documents the machine.

use std::rc::Rc;

/// Values nested deeper are refused.
const DEPTH_MAX: usize = 64;
/// A pickle can mention one value many times; what it unfolds to is bounded by this times its bytes, and this at least.
const UNFOLDED_MIN: usize = 1 << 16;
const UNFOLDED_PER_BYTE: usize = 4;

/// Plain data.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// `str`.
    Text(String),
    /// `bytes` or `bytearray`.
    Bytes(Rc<[u8]>),
    /// A list or a tuple.
    List(Vec<Value>),
    /// A dictionary, in the file's order.
    Dict(Vec<(Value, Value)>),
    /// A numpy array of numbers, row by row.
    Array {
        /// Its sides.
        shape: Vec<usize>,
        /// Its numbers.
        values: Vec<f64>,
    },
}

impl Value {
    /// What it is, for messages.
    #[must_use]
    pub fn kind(&self) -> String {
        match self {
            Self::None => "nothing".to_owned(),
            Self::Bool(_) => "a truth value".to_owned(),
            Self::Int(_) | Self::Float(_) => "a number".to_owned(),
            Self::Text(_) => "a text".to_owned(),
            Self::Bytes(_) => "a string of bytes".to_owned(),
            Self::List(items) => format!("a list of {}", items.len()),
            Self::Dict(_) => "a dictionary".to_owned(),
            Self::Array { shape, .. } => format!("an array of {shape:?}"),
        }
    }
}

/// Reads the one value of a pickle of any protocol.
///
/// # Errors
/// What is wrong; for a pickle that would call something, what it would call.
pub fn read(bytes: &[u8]) -> Result<Value, String> {
    let mut machine =
        Machine { bytes, at: 0, nodes: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: Vec::new() };
    let root = machine.run().map_err(|why| format!("no pickle that can be read, at byte {}: {why}", machine.at))?;
    let mut budget = UNFOLDED_MIN.max(bytes.len().saturating_mul(UNFOLDED_PER_BYTE));
    machine.unfold(root, 0, &mut budget)
}

/// Numbers of one of numpy's kinds, such as `<f8`.
///
/// # Errors
/// The kind is not one of floating-point numbers or integers, or the bytes are no multiple of its size.
pub fn numbers(kind: &str, bytes: &[u8]) -> Result<Vec<f64>, String> {
    let (big, kind) = match kind.strip_prefix('>') {
        Some(rest) => (true, rest),
        None => (false, kind.trim_start_matches(['<', '=', '|'])),
    };
    macro_rules! each {
        ($type:ty) => {{
            let (items, rest) = bytes.as_chunks::<{ size_of::<$type>() }>();
            if !rest.is_empty() {
                return Err(format!("{} bytes are no whole number of `{kind}`", bytes.len()));
            }
            let one = |item: &[u8; size_of::<$type>()]| {
                if big { <$type>::from_be_bytes(*item) } else { <$type>::from_le_bytes(*item) }
            };
            items.iter().map(|item| f64::from(one(item))).collect()
        }};
    }
    Ok(match kind {
        "f8" => each!(f64),
        "f4" => each!(f32),
        "i4" => each!(i32),
        "i2" => each!(i16),
        "i1" => each!(i8),
        "u1" => each!(u8),
        _ => return Err(format!("`{kind}` are no numbers that are read; floating-point numbers of 4 or 8 bytes are")),
    })
}

/// A value in the making; containers hold places, so that they can be filled after they are mentioned.
#[derive(Debug, Clone)]
enum Node {
    Plain(Value),
    List(Vec<usize>),
    Dict(Vec<(usize, usize)>),
    /// A name of Python's, allowed or not: it matters only when it is called.
    Name(String, String),
    /// numpy's element type.
    Kind(String),
    /// An array that gets its contents later.
    EmptyArray,
    Array {
        shape: Vec<usize>,
        values: Rc<[f64]>,
    },
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    // INVARIANT (in proportion): every operation adds a bounded number of nodes for each byte read.
    nodes: Vec<Node>,
    stack: Vec<usize>,
    marks: Vec<usize>,
    memo: Vec<Option<usize>>,
}

type Step<T> = Result<T, String>;

impl<'a> Machine<'a> {
    fn run(&mut self) -> Step<usize> {
        loop {
            let code = self.take(1)?[0];
            if code == b'.' {
                return self.pop();
            }
            self.step(code)?;
        }
    }

    fn step(&mut self, code: u8) -> Step<()> {
        match code {
            // PROTO, FRAME: nothing depends on them.
            0x80 => self.take(1).map(drop),
            0x95 => self.take(8).map(drop),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.pop().map(drop),
            b'1' => self.since_mark().map(drop),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
                Ok(())
            }
            b'N' | 0x88 | 0x89 | b'I' | b'J' | b'K' | b'M' | b'L' | 0x8a | b'F' | b'G' => self.number(code),
            b'S' | b'T' | b'U' | b'V' | b'X' | 0x8c | 0x8d | b'B' | b'C' | 0x8e | 0x96 => self.text_or_bytes(code),
            b']' | b')' | b'a' | b'e' | b'l' | b't' | 0x85..=0x87 => self.list(code),
            b'}' | b's' | b'u' | b'd' => self.dict(code),
            b'g' | b'h' | b'j' | b'p' | b'q' | b'r' | 0x94 => self.remember(code),
            b'c' | 0x93 => self.name(code),
            b'R' => self.call(),
            b'b' => self.build(),
            _ => Err(format!("operation {code:#04x} is not one that builds plain data")),
        }
    }

    fn number(&mut self, code: u8) -> Step<()> {
        let value = match code {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'I' | b'L' => match self.line()?.trim_end_matches('L') {
                "01" => Value::Bool(true),
                "00" => Value::Bool(false),
                text => Value::Int(text.parse().map_err(|_| "a number that is none")?),
            },
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.array()?))),
            b'K' => Value::Int(i64::from(self.take(1)?[0])),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(self.array()?))),
            0x8a => Value::Int(self.long()?),
            b'F' => Value::Float(self.line()?.parse().map_err(|_| "a number that is none")?),
            _ => Value::Float(f64::from_be_bytes(self.array()?)),
        };
        self.push(Node::Plain(value));
        Ok(())
    }

    /// Two's complement, lowest byte first, at most eight bytes.
    fn long(&mut self) -> Step<i64> {
        let length = usize::from(self.take(1)?[0]);
        let bytes = self.take(length)?;
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide.get_mut(..length).ok_or("a number over 64 bits")?.copy_from_slice(bytes);
        Ok(i64::from_le_bytes(wide))
    }

    fn text_or_bytes(&mut self, code: u8) -> Step<()> {
        let length = match code {
            b'S' | b'V' => {
                let line = self.raw_line()?;
                let text = if code == b'V' { raw_unicode(line)? } else { quoted(line)? };
                self.push(Node::Plain(Value::Text(text)));
                return Ok(());
            }
            b'U' | b'C' | 0x8c => u64::from(self.take(1)?[0]),
            b'T' | b'X' | b'B' => u64::from(u32::from_le_bytes(self.array()?)),
            _ => u64::from_le_bytes(self.array()?),
        };
        let bytes = self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        let value = match (code, std::str::from_utf8(bytes)) {
            (b'X' | 0x8c | 0x8d, Ok(text)) => Value::Text(text.to_owned()),
            (b'X' | 0x8c | 0x8d, Err(_)) => return Err("a text that is not UTF-8".to_owned()),
            // A string of Python 2 is text or bytes.
            (b'U' | b'T', Ok(text)) => Value::Text(text.to_owned()),
            _ => Value::Bytes(bytes.into()),
        };
        self.push(Node::Plain(value));
        Ok(())
    }

    fn list(&mut self, code: u8) -> Step<()> {
        let items = match code {
            b']' | b')' => Vec::new(),
            b'a' => {
                let item = self.pop()?;
                return self.extend(&[item]);
            }
            b'e' => {
                let items = self.since_mark()?;
                return self.extend(&items);
            }
            b'l' | b't' => self.since_mark()?,
            _ => {
                let count = usize::from(code - 0x84);
                let from = self.above_mark().checked_sub(count).ok_or("the stack is empty")?;
                self.stack.split_off(self.stack.len() - self.above_mark() + from)
            }
        };
        self.push(Node::List(items));
        Ok(())
    }

    fn extend(&mut self, items: &[usize]) -> Step<()> {
        let list = self.top()?;
        match &mut self.nodes[list] {
            Node::List(all) => {
                all.extend_from_slice(items);
                Ok(())
            }
            _ => Err("something is appended to what is no list".to_owned()),
        }
    }

    fn dict(&mut self, code: u8) -> Step<()> {
        let pairs = match code {
            b'}' => Vec::new(),
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.since_mark()?,
        };
        let (pairs, rest) = pairs.as_chunks::<2>();
        if !rest.is_empty() {
            return Err("a key without a value".to_owned());
        }
        let pairs = pairs.iter().map(|&[key, value]| (key, value));
        if matches!(code, b'}' | b'd') {
            let pairs = pairs.collect();
            self.push(Node::Dict(pairs));
            return Ok(());
        }
        let dict = self.top()?;
        match &mut self.nodes[dict] {
            Node::Dict(all) => {
                all.extend(pairs);
                Ok(())
            }
            _ => Err("something is put into what is no dictionary".to_owned()),
        }
    }

    fn remember(&mut self, code: u8) -> Step<()> {
        let place = match code {
            0x94 => self.memo.len(),
            b'h' | b'q' => usize::from(self.take(1)?[0]),
            b'j' | b'r' => usize::try_from(u32::from_le_bytes(self.array()?)).unwrap_or(usize::MAX),
            _ => self.line()?.parse().map_err(|_| "a place that is no number")?,
        };
        if matches!(code, b'g' | b'h' | b'j') {
            let known =
                self.memo.get(place).copied().flatten().ok_or("a value is mentioned that was not remembered")?;
            self.stack.push(known);
            return Ok(());
        }
        // Pickles number what they remember one after the other.
        if place > self.nodes.len() + self.memo.len() {
            return Err("a place far beyond those in use".to_owned());
        }
        if place >= self.memo.len() {
            self.memo.resize(place + 1, None);
        }
        self.memo[place] = Some(self.top()?);
        Ok(())
    }

    fn name(&mut self, code: u8) -> Step<()> {
        let (module, name) = if code == b'c' {
            (self.line()?.to_owned(), self.line()?.to_owned())
        } else {
            let name = self.pop()?;
            let module = self.pop()?;
            (self.text(module)?, self.text(name)?)
        };
        self.push(Node::Name(module, name));
        Ok(())
    }

    /// The calls that numpy's arrays are made of; every other one is refused by its name.
    fn call(&mut self) -> Step<()> {
        let arguments = self.pop()?;
        let function = self.pop()?;
        let Node::Name(module, name) = &self.nodes[function] else {
            return Err("something is called that is no function".to_owned());
        };
        let Node::List(arguments) = &self.nodes[arguments] else {
            return Err("a call without arguments".to_owned());
        };
        let made = match (module.as_str(), name.as_str()) {
            ("numpy", "dtype") => Node::Kind(self.text(*arguments.first().ok_or("numpy.dtype of nothing")?)?),
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Node::EmptyArray,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => self.scalar(arguments)?,
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => self.buffered(arguments)?,
            ("_codecs", "encode") => self.latin1(arguments)?,
            _ => {
                return Err(format!(
                    "it would call `{module}.{name}`; only lists, dictionaries, text, numbers and numpy arrays are read"
                ));
            }
        };
        self.push(made);
        Ok(())
    }

    /// What protocols before 3 write bytes with.
    fn latin1(&self, arguments: &[usize]) -> Step<Node> {
        let text = self.text(*arguments.first().ok_or("bytes of nothing")?)?;
        let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        Ok(Node::Plain(Value::Bytes(bytes.ok_or("bytes that are none")?.into())))
    }

    fn scalar(&self, arguments: &[usize]) -> Step<Node> {
        let [kind, data] = arguments else { return Err("a number of numpy without its bytes".to_owned()) };
        let values = numbers(&self.element_kind(*kind)?, &self.raw(*data)?)?;
        let value = values.first().ok_or("a number of numpy without its bytes")?;
        Ok(Node::Plain(Value::Float(*value)))
    }

    fn buffered(&self, arguments: &[usize]) -> Step<Node> {
        let [data, kind, shape, rest @ ..] = arguments else { return Err("an array without its shape".to_owned()) };
        let by_columns = rest.first().is_some_and(|order| self.text(*order).is_ok_and(|order| order == "F"));
        self.array_of(*shape, *kind, by_columns, *data)
    }

    /// Fills an array (version, shape, kind, by columns, bytes), or sets the byte order of a kind.
    fn build(&mut self) -> Step<()> {
        let state = self.pop()?;
        let target = self.top()?;
        let Node::List(state) = &self.nodes[state] else { return Err("a state that is no tuple".to_owned()) };
        let built = match (&self.nodes[target], &state[..]) {
            (Node::Kind(kind), [_, order, ..]) => {
                let order = self.text(*order)?;
                Node::Kind(format!("{order}{kind}"))
            }
            (Node::EmptyArray, [_, shape, kind, by_columns, data]) => {
                let by_columns = matches!(self.nodes[*by_columns], Node::Plain(Value::Bool(true) | Value::Int(1)));
                self.array_of(*shape, *kind, by_columns, *data)?
            }
            _ => return Err("an object is given a state; only numpy arrays are read".to_owned()),
        };
        self.nodes[target] = built;
        Ok(())
    }

    fn array_of(&self, shape: usize, kind: usize, by_columns: bool, data: usize) -> Step<Node> {
        let Node::List(sides) = &self.nodes[shape] else { return Err("a shape that is no tuple".to_owned()) };
        let side = |&side: &usize| match self.nodes[side] {
            Node::Plain(Value::Int(side)) => usize::try_from(side).map_err(|_| "a negative side".to_owned()),
            _ => Err("a side that is no number".to_owned()),
        };
        let shape: Vec<usize> = sides.iter().map(side).collect::<Result<_, _>>()?;
        if by_columns && shape.len() > 1 {
            return Err("an array that is stored column by column".to_owned());
        }
        let values = numbers(&self.element_kind(kind)?, &self.raw(data)?)?;
        let count = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side));
        if count != Some(values.len()) {
            return Err(format!("an array of {shape:?} with {} numbers", values.len()));
        }
        Ok(Node::Array { shape, values: values.into() })
    }

    fn element_kind(&self, at: usize) -> Step<String> {
        match &self.nodes[at] {
            Node::Kind(kind) => Ok(kind.clone()),
            _ => Err("an array without its kind of numbers".to_owned()),
        }
    }

    fn raw(&self, at: usize) -> Step<Rc<[u8]>> {
        match &self.nodes[at] {
            Node::Plain(Value::Bytes(bytes)) => Ok(Rc::clone(bytes)),
            Node::Plain(Value::Text(text)) if text.is_empty() => Ok(Rc::new([])),
            _ => Err("an array without its bytes".to_owned()),
        }
    }

    fn text(&self, at: usize) -> Step<String> {
        match &self.nodes[at] {
            Node::Plain(Value::Text(text)) => Ok(text.clone()),
            _ => Err("a name that is no text".to_owned()),
        }
    }

    fn push(&mut self, node: Node) {
        self.nodes.push(node);
        self.stack.push(self.nodes.len() - 1);
    }

    fn above_mark(&self) -> usize {
        self.stack.len() - self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Step<usize> {
        if self.above_mark() == 0 {
            return Err("the stack is empty".to_owned());
        }
        self.stack.pop().ok_or_else(|| "the stack is empty".to_owned())
    }

    fn top(&self) -> Step<usize> {
        if self.above_mark() == 0 {
            return Err("the stack is empty".to_owned());
        }
        self.stack.last().copied().ok_or_else(|| "the stack is empty".to_owned())
    }

    fn since_mark(&mut self) -> Step<Vec<usize>> {
        let mark = self.marks.pop().ok_or("there is no mark")?;
        Ok(self.stack.split_off(mark))
    }

    fn take(&mut self, count: usize) -> Step<&'a [u8]> {
        let taken = self.at.checked_add(count).and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or("it ends too early")?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| "it ends too early".to_owned())
    }

    fn line(&mut self) -> Step<&'a str> {
        std::str::from_utf8(self.raw_line()?).map_err(|_| "a line that is no text".to_owned())
    }

    fn raw_line(&mut self) -> Step<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n').ok_or("a line without an end")?;
        self.at += end + 1;
        Ok(&rest[..end])
    }

    /// The finished value at a place. A pickle can hold itself, and mention one value very often.
    fn unfold(&self, at: usize, depth: usize, budget: &mut usize) -> Result<Value, String> {
        if depth > DEPTH_MAX {
            return Err(format!("values are nested deeper than {DEPTH_MAX}"));
        }
        let size = match &self.nodes[at] {
            Node::Plain(Value::Text(text)) => 1 + text.len(),
            Node::Array { values, .. } => 1 + values.len(),
            _ => 1,
        };
        *budget = budget.checked_sub(size).ok_or("it unfolds to far more than its size")?;
        let mut inner = |at: &usize| self.unfold(*at, depth + 1, budget);
        Ok(match &self.nodes[at] {
            Node::Plain(value) => value.clone(),
            Node::List(items) => Value::List(items.iter().map(inner).collect::<Result<_, _>>()?),
            Node::Dict(pairs) => Value::Dict(
                pairs.iter().map(|(key, value)| Ok((inner(key)?, inner(value)?))).collect::<Result<_, String>>()?,
            ),
            Node::Array { shape, values } => Value::Array { shape: shape.clone(), values: values.to_vec() },
            Node::Name(module, name) => {
                return Err(format!("it names `{module}.{name}`, which is no data"));
            }
            Node::Kind(_) | Node::EmptyArray => return Err("an array that was never filled".to_owned()),
        })
    }
}

/// Python's raw-unicode-escape: each byte is a character, but for backslash, `u` or `U`, and four or eight digits.
fn raw_unicode(line: &[u8]) -> Step<String> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((&first, after)) = rest.split_first() {
        let digits = match (first, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => 0,
        };
        if digits == 0 {
            text.push(char::from(first));
            rest = after;
            continue;
        }
        let number = after.get(1..=digits).and_then(|digits| std::str::from_utf8(digits).ok());
        let number = number.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        text.push(number.ok_or("a character that is none")?);
        rest = &after[1 + digits..];
    }
    Ok(text)
}

/// A quoted string of the oldest protocol; one with escapes in it is refused.
fn quoted(line: &[u8]) -> Step<String> {
    let text = std::str::from_utf8(line).map_err(|_| "a line that is no text")?;
    if text.contains('\\') {
        return Err("a quoted text with escapes; save it with a protocol of 2 or more".to_owned());
    }
    Ok(text.trim_matches(['\'', '"']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_data_of_the_old_and_the_new_protocols() {
        // pickle.dumps({"a": [1, 2.5, None, True], "b": ("x", b"y")}, protocol=4)
        let four = b"\x80\x04\x95\x2b\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94]\x94(K\x01G@\x04\x00\x00\x00\x00\x00\x00N\x88e\x8c\x01b\x94\x8c\x01x\x94C\x01y\x94\x86\x94u.";
        let list = Value::List(vec![Value::Int(1), Value::Float(2.5), Value::None, Value::Bool(true)]);
        let pair = Value::List(vec![Value::Text("x".into()), Value::Bytes((*b"y").into())]);
        let expected = Value::Dict(vec![(Value::Text("a".into()), list), (Value::Text("b".into()), pair)]);
        assert_eq!(read(four).unwrap(), expected);
        // pickle.dumps([1, "x"], protocol=0)
        let zero = b"(lp0\nI1\naVx\np1\na.";
        assert_eq!(read(zero).unwrap(), Value::List(vec![Value::Int(1), Value::Text("x".into())]));
    }

    #[test]
    fn a_pickle_that_runs_code_is_refused_by_name() {
        for (pickle, name) in [
            (&b"cos\nsystem\n(S'touch /tmp/evil'\ntR."[..], "os.system"),
            (b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04evil\x85R.", "posix.system"),
            (b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.", "__builtin__.eval"),
            (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "os.system"),
        ] {
            let error = read(pickle).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
        // INST, OBJ, NEWOBJ and persistent ids make objects too.
        for pickle in
            [&b"(S'x'\nios\nsystem\n."[..], b"\x80\x02(cos\nsystem\no.", b"\x80\x02cos\nsystem\n)\x81.", b"Pid\n."]
        {
            assert!(read(pickle).unwrap_err().contains("not one that builds plain data"), "{pickle:?}");
        }
    }

    #[test]
    fn a_value_that_holds_itself_or_unfolds_without_end_is_refused() {
        // l = []; l.append(l)
        assert!(read(b"\x80\x04]\x94h\x00a.").unwrap_err().contains("nested deeper"));
        // Forty times a pair of what was before.
        let mut bomb = b"\x80\x04]\x94".to_vec();
        for _ in 0..40 {
            bomb.extend(b"2\x86");
        }
        bomb.push(b'.');
        assert!(read(&bomb).unwrap_err().contains("unfolds"), "a bomb was unfolded");
    }

    #[test]
    fn broken_pickles_are_errors() {
        for bytes in [
            &b""[..],
            b".",
            b"]",
            b"e.",
            b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffx.",
            b"h\x07.",
            b"Nu.",
            b"(K\x01d.",
            b"\x80\x04\x8a\xff.",
            b"Na.",
            b"K\x01r\xff\xff\xff\xff.",
            b"(0.",
            b"\x85.",
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn numbers_follow_their_kind() {
        assert_eq!(numbers("<f4", &1.5_f32.to_le_bytes()).unwrap(), [1.5]);
        assert_eq!(numbers(">f8", &(-2.0_f64).to_be_bytes()).unwrap(), [-2.0]);
        assert!(numbers("<f8", &[0; 7]).is_err());
        assert!(numbers("|O", &[0; 8]).is_err());
    }
}
