//! Encodings of `face_recognition` in the files that people keep them in.
//!
//! The package itself writes no files: what is common is a pickle of a dictionary with `encodings` and `names`, of a
//! dictionary from names to encodings, of a pair of lists, or of a list alone; numpy's `.npy`; and text.

use super::pickle::{self, Value};

/// Numbers of an encoding.
pub const LENGTH: usize = 128;

/// dlib's vectors are about 1.4 long; what is far from that is something else.
const NORM: std::ops::RangeInclusive<f64> = 0.3..=5.0;

/// More in one file are refused.
const COUNT_MAX: usize = 5_000_000;

/// Whose the encodings are, in the words of the tutorials.
const VECTORS: [&str; 5] = ["encodings", "known_face_encodings", "known_encodings", "face_encodings", "data"];
const NAMES: [&str; 6] = ["names", "known_face_names", "known_names", "face_names", "ids", "labels"];

/// One face.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoding {
    /// Its name, where the file has one.
    pub name: Option<String>,
    /// As dlib made it: not of unit length.
    pub vector: Vec<f32>,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Python's pickle.
    Pickle,
    /// numpy's `.npy`.
    Npy,
    /// One face a line: a name and 128 numbers, or the numbers alone.
    Csv,
    /// The same shapes as in a pickle.
    Json,
}

impl Format {
    /// By the file's extension, or its first bytes where that says nothing.
    #[must_use]
    pub fn of(extension: &str, bytes: &[u8]) -> Self {
        match extension.to_ascii_lowercase().as_str() {
            "pickle" | "pkl" | "p" => Self::Pickle,
            "npy" => Self::Npy,
            "csv" | "tsv" | "txt" => Self::Csv,
            "json" => Self::Json,
            _ if bytes.starts_with(b"\x93NUMPY") => Self::Npy,
            _ if matches!(bytes.first(), Some(b'{' | b'[')) => Self::Json,
            _ => Self::Pickle,
        }
    }
}

/// Reads all faces of a file; bounded by its size.
///
/// # Errors
/// What is wrong, for a person.
pub fn read(bytes: &[u8], format: Format) -> Result<Vec<Encoding>, String> {
    let encodings = match format {
        Format::Pickle => of_value(pickle::read(bytes)?)?,
        Format::Json => of_value(json(serde_json::from_slice(bytes).map_err(|error| error.to_string())?))?,
        Format::Npy => rows(npy(bytes)?)?.into_iter().map(|vector| Encoding { name: None, vector }).collect(),
        Format::Csv => csv(bytes)?,
    };
    match encodings.len() {
        0 => Err("there is no encoding in it".to_owned()),
        count if count > COUNT_MAX => Err(format!("{count} encodings, at most {COUNT_MAX} are taken")),
        _ => Ok(encodings),
    }
}

fn json(value: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::None,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Value::Text(text),
        Json::Array(items) => Value::List(items.into_iter().map(json).collect()),
        Json::Object(members) => Value::Dict(members.into_iter().map(|(k, v)| (Value::Text(k), json(v))).collect()),
    }
}

/// The faces of a file's one value, whichever of the usual shapes it has.
fn of_value(value: Value) -> Result<Vec<Encoding>, String> {
    match value {
        Value::Dict(entries) => of_dict(entries),
        Value::List(mut items) if items.len() == 2 && are_names(&items[1]) => {
            let (names, vectors) = (items.pop(), items.pop());
            named(vectors.unwrap_or(Value::None), names.unwrap_or(Value::None))
        }
        Value::List(items) => of_list(items),
        array @ Value::Array { .. } => Ok(unnamed(vectors(array)?)),
        other => Err(format!("{} is no list and no dictionary of encodings", other.kind())),
    }
}

fn of_dict(mut entries: Vec<(Value, Value)>) -> Result<Vec<Encoding>, String> {
    let place = |wanted: &[&str], entries: &[(Value, Value)]| {
        entries.iter().position(|(key, _)| matches!(key, Value::Text(key) if wanted.contains(&key.as_str())))
    };
    if let Some(at) = place(&VECTORS, &entries) {
        let encodings = entries.swap_remove(at).1;
        return match place(&NAMES, &entries) {
            Some(at) => named(encodings, entries.swap_remove(at).1),
            None => of_value(encodings),
        };
    }
    let mut faces = Vec::new();
    for (key, value) in entries {
        let name = text(&key).ok_or_else(|| format!("a key of the dictionary is {}, expected a name", key.kind()))?;
        // A person has one encoding or a list of them.
        let of_person = match vector(&value) {
            Some(vector) => vec![checked(vector)?],
            None => vectors(value).map_err(|why| format!("`{name}`: {why}"))?,
        };
        faces.extend(of_person.into_iter().map(|vector| Encoding { name: Some(name.clone()), vector }));
    }
    Ok(faces)
}

/// A list of encodings, of pairs with a name, or of dictionaries such as `{"name": …, "encoding": …}`.
fn of_list(items: Vec<Value>) -> Result<Vec<Encoding>, String> {
    if items.len() == LENGTH && items.iter().all(|item| number(item).is_some()) {
        return Ok(unnamed(vectors(Value::List(vec![Value::List(items)]))?));
    }
    items.into_iter().map(of_item).collect()
}

fn of_item(item: Value) -> Result<Encoding, String> {
    if let Some(vector) = vector(&item) {
        return Ok(Encoding { name: None, vector: checked(vector)? });
    }
    let (name, value) = match item {
        Value::List(pair) => match <[Value; 2]>::try_from(pair) {
            Ok([a, b]) if text(&a).is_some() => (text(&a), b),
            Ok([a, b]) if text(&b).is_some() => (text(&b), a),
            _ => return Err("a list in the list is no encoding and no pair with a name".to_owned()),
        },
        Value::Dict(entries) => {
            let find = |keys: &[&str]| {
                let found =
                    entries.iter().find(|(key, _)| matches!(key, Value::Text(key) if keys.contains(&key.as_str())));
                found.map(|(_, value)| value.clone())
            };
            let value = find(&["encoding", "embedding", "descriptor", "vector"]).ok_or("an entry has no `encoding`")?;
            (find(&["name", "id", "label"]).as_ref().and_then(text), value)
        }
        other => return Err(format!("{} in the list is no encoding", other.kind())),
    };
    let vector = vector(&value).ok_or("an entry's encoding is no list of 128 numbers")?;
    Ok(Encoding { name, vector: checked(vector)? })
}

fn named(encodings: Value, names: Value) -> Result<Vec<Encoding>, String> {
    let vectors = vectors(encodings)?;
    let Value::List(names) = names else { return Err(format!("the names are {}, expected a list", names.kind())) };
    if names.len() != vectors.len() {
        return Err(format!("{} names for {} encodings", names.len(), vectors.len()));
    }
    let pairs = vectors.into_iter().zip(&names);
    pairs.map(|(vector, name)| Ok(Encoding { name: Some(text(name).ok_or("a name is no text")?), vector })).collect()
}

fn unnamed(vectors: Vec<Vec<f32>>) -> Vec<Encoding> {
    vectors.into_iter().map(|vector| Encoding { name: None, vector }).collect()
}

fn are_names(value: &Value) -> bool {
    matches!(value, Value::List(items) if items.iter().all(|item| text(item).is_some()) && !items.is_empty())
        && vector(value).is_none()
}

fn vectors(value: Value) -> Result<Vec<Vec<f32>>, String> {
    match value {
        Value::Array { shape, values } => rows((shape, values)),
        Value::List(items) => items
            .iter()
            .map(|item| {
                checked(vector(item).ok_or_else(|| format!("{} is no encoding of {LENGTH} numbers", item.kind()))?)
            })
            .collect(),
        other => Err(format!("{} is no list of encodings", other.kind())),
    }
}

/// One encoding, when it is one.
fn vector(value: &Value) -> Option<Vec<f64>> {
    match value {
        Value::Array { shape, values } if *shape == [LENGTH] || *shape == [1, LENGTH] => Some(values.clone()),
        Value::List(items) if items.len() == LENGTH => items.iter().map(number).collect(),
        _ => None,
    }
}

fn rows((shape, values): (Vec<usize>, Vec<f64>)) -> Result<Vec<Vec<f32>>, String> {
    match shape[..] {
        [LENGTH] | [_, LENGTH] => values.chunks_exact(LENGTH).map(|row| checked(row.to_vec())).collect(),
        _ => Err(format!("an array of {shape:?}, expected {LENGTH} columns")),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "dlib computes them as 32-bit floats")]
fn checked(vector: Vec<f64>) -> Result<Vec<f32>, String> {
    let norm = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    if vector.len() == LENGTH && NORM.contains(&norm) {
        Ok(vector.into_iter().map(|value| value as f32).collect())
    } else {
        Err(format!(
            "{} numbers of length {norm:.3}: no encoding of face_recognition, which has {LENGTH} of about 1.4",
            vector.len()
        ))
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Float(value) => Some(*value),
        #[expect(clippy::cast_precision_loss, reason = "a component that happens to be whole")]
        Value::Int(value) => Some(*value as f64),
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `.npy`: a magic number, a version, the length of a header in Python's words, the header, the numbers.
fn npy(bytes: &[u8]) -> Result<(Vec<usize>, Vec<f64>), String> {
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("it does not begin as .npy does")?;
    let (version, rest) = rest.split_at_checked(2).ok_or("it ends in the header")?;
    let size = if version[0] == 1 { 2 } else { 4 };
    let (length, rest) = rest.split_at_checked(size).ok_or("it ends in the header")?;
    let mut wide = [0; 4];
    wide[..size].copy_from_slice(length);
    let length = usize::try_from(u32::from_le_bytes(wide)).unwrap_or(usize::MAX);
    let (header, data) = rest.split_at_checked(length).ok_or("it ends in the header")?;
    let header = std::str::from_utf8(header).map_err(|_| "its header is no text")?;
    let after = |key: &str| header.split_once(key).map(|(_, rest)| rest.trim_start_matches([':', ' ', '\'', '"']));
    let kind: String = after("'descr'").unwrap_or_default().chars().take_while(|c| !matches!(c, '\'' | '"')).collect();
    let by_columns = after("'fortran_order'").is_some_and(|rest| rest.starts_with("True"));
    let shape = after("'shape'").and_then(|rest| rest.strip_prefix('(')).and_then(|rest| rest.split_once(')'));
    let (shape, _) = shape.ok_or("its header has no shape")?;
    let sides = shape.split(',').map(str::trim).filter(|side| !side.is_empty());
    let shape: Vec<usize> = sides.map(str::parse).collect::<Result<_, _>>().map_err(|_| "its header has no shape")?;
    if by_columns && shape.len() > 1 {
        return Err("its numbers are column by column; save it with numpy.ascontiguousarray".to_owned());
    }
    let values = pickle::numbers(&kind, data)?;
    let count = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side));
    if count == Some(values.len()) {
        Ok((shape, values))
    } else {
        Err(format!("{} numbers, its header says {shape:?}", values.len()))
    }
}

/// A name and 128 numbers, or the numbers alone; between commas, semicolons or tabs. A first line of words is a header.
fn csv(bytes: &[u8]) -> Result<Vec<Encoding>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no UTF-8 text".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut encodings = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let cells: Vec<&str> = line.split([',', ';', '\t']).map(|cell| cell.trim().trim_matches('"')).collect();
        let numbers = |cells: &[&str]| cells.iter().map(|cell| cell.parse().ok()).collect::<Option<Vec<f64>>>();
        let (name, vector) = match cells.len() {
            LENGTH => (None, numbers(&cells)),
            count if count == LENGTH + 1 => match numbers(&cells[1..]) {
                Some(vector) => (Some(cells[0].to_owned()), Some(vector)),
                None => (Some(cells[LENGTH].to_owned()), numbers(&cells[..LENGTH])),
            },
            count => {
                return Err(format!("line {}: {count} cells, expected {LENGTH}, or one more for the name", index + 1));
            }
        };
        match vector {
            Some(vector) => {
                let vector = checked(vector).map_err(|why| format!("line {}: {why}", index + 1))?;
                encodings.push(Encoding { name, vector });
            }
            None if index == 0 => {}
            None => return Err(format!("line {}: not all of its {LENGTH} cells are numbers", index + 1)),
        }
    }
    Ok(encodings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector() -> Vec<f64> {
        (0..LENGTH).map(|i| if i % 2 == 0 { 0.125 } else { -0.125 }).collect()
    }

    fn json_of(text: &str) -> Result<Vec<Encoding>, String> {
        let vector = format!("{:?}", vector());
        read(text.replace('V', &vector).as_bytes(), Format::Json)
    }

    #[test]
    fn the_usual_shapes_are_read() {
        struct Case {
            text: &'static str,
            names: &'static [Option<&'static str>],
        }
        let cases = [
            Case { text: r#"{"encodings": [V, V], "names": ["Ada", "Bob"]}"#, names: &[Some("Ada"), Some("Bob")] },
            Case { text: r#"{"Ada": V, "Bob": [V, V]}"#, names: &[Some("Ada"), Some("Bob"), Some("Bob")] },
            Case { text: r#"[[V, V], ["Ada", "Bob"]]"#, names: &[Some("Ada"), Some("Bob")] },
            Case { text: r#"[["Ada", V], [V, "Bob"]]"#, names: &[Some("Ada"), Some("Bob")] },
            Case { text: r#"[{"name": "Ada", "encoding": V}, {"encoding": V}]"#, names: &[Some("Ada"), None] },
            Case { text: "[V, V, V]", names: &[None, None, None] },
            Case { text: "V", names: &[None] },
        ];
        for Case { text, names } in cases {
            let read = json_of(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(read.iter().map(|face| face.name.as_deref()).collect::<Vec<_>>(), names, "{text}");
            assert!(read.iter().all(|face| face.vector.len() == LENGTH && face.vector[1] == -0.125), "{text}");
        }
    }

    #[test]
    fn what_is_no_encoding_is_refused_with_the_reason() {
        struct Case {
            text: &'static str,
            why: &'static str,
        }
        let cases = [
            Case { text: r#"{"encodings": [V], "names": ["Ada", "Bob"]}"#, why: "2 names for 1 encodings" },
            Case { text: r#"{"Ada": [1, 2, 3]}"#, why: "`Ada`" },
            Case { text: "[]", why: "no encoding" },
            Case { text: "3", why: "no list and no dictionary" },
            Case { text: "[[1, 2]]", why: "no encoding and no pair" },
            Case { text: "{", why: "EOF" },
        ];
        for Case { text, why } in cases {
            let error = json_of(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let long = format!("[{:?}]", vec![9.0; LENGTH]);
        assert!(read(long.as_bytes(), Format::Json).unwrap_err().contains("about 1.4"));
    }

    /// Written by Python, with numpy: `tests/encodings/make.py`.
    #[test]
    fn files_of_python_are_read() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/encodings");
        let of = |file: &str| {
            let bytes = std::fs::read(folder.join(file)).unwrap();
            let extension = file.split('.').nth(1).unwrap();
            read(&bytes, Format::of(extension, &bytes)).unwrap_or_else(|why| panic!("{file}: {why}"))
        };
        let expected = of("faces.json");
        let names: Vec<_> = expected.iter().map(|face| face.name.as_deref().unwrap()).collect();
        assert_eq!(names, ["Ada", "Bob", "Ada"]);
        let files = ["protocol_0.pickle", "protocol_2.pickle", "protocol_4.pickle", "protocol_5.pickle", "pair.pickle"];
        for file in files.into_iter().chain(["faces.csv"]) {
            assert_eq!(of(file), expected, "{file}");
        }
        let vectors = |faces: &[Encoding]| faces.iter().map(|face| face.vector.clone()).collect::<Vec<_>>();
        assert_eq!(vectors(&of("matrix.npy")), vectors(&expected));
        let by_name = of("by_name.pkl");
        assert_eq!(by_name, [&expected[0], &expected[2], &expected[1]].map(Clone::clone));
        let evil = std::fs::read(folder.join("evil.pickle")).unwrap();
        assert!(read(&evil, Format::Pickle).unwrap_err().contains("it would call `builtins.eval`"));
    }

    #[test]
    fn text_has_a_name_first_or_last_or_none() {
        let numbers = vector().iter().map(f64::to_string).collect::<Vec<_>>().join(",");
        let header = format!("name{}", ",x".repeat(LENGTH));
        let text = format!("{header}\nAda,{numbers}\n{numbers},Bob\r\n\n{numbers}\n");
        let names: Vec<_> = read(text.as_bytes(), Format::Csv).unwrap().into_iter().map(|face| face.name).collect();
        assert_eq!(names, [Some("Ada".to_owned()), Some("Bob".to_owned()), None]);
        let error = read(format!("{numbers}\n1,2,3\n").as_bytes(), Format::Csv).unwrap_err();
        assert!(error.contains("line 2: 3 cells"), "{error}");
    }

    #[test]
    fn npy_is_read_and_held_against_its_header() {
        let file = |header: &str, data: &[u8]| {
            let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
            bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
            bytes.extend(header.as_bytes());
            bytes.extend(data);
            bytes
        };
        let data: Vec<u8> = vector().iter().chain(&vector()).flat_map(|value| value.to_le_bytes()).collect();
        let good = file("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 128), }\n", &data);
        assert_eq!(read(&good, Format::of("", &good)).unwrap().len(), 2);
        for (header, why) in [
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 128), }", "its header says"),
            ("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 128), }", "column by column"),
            ("{'descr': '|O', 'fortran_order': False, 'shape': (2, 128), }", "no numbers"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (4, 64), }", "128 columns"),
            ("{'descr': '<f8', 'shape': (99999999999999999999,)}", "no shape"),
            ("", "no shape"),
        ] {
            let error = read(&file(header, &data), Format::Npy).unwrap_err();
            assert!(error.contains(why), "{header}: {error}");
        }
        assert!(read(&good[..9], Format::Npy).is_err());
    }
}
