//! The primitives of dlib's serialisation: packed integers, numbers as mantissa and exponent, strings, tensors.

/// A file is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {why}")]
pub struct DatError {
    /// Where in the file.
    pub offset: usize,
    /// What is wrong there.
    pub why: String,
}

/// Exponents from here on are infinities and what is no number.
const EXPONENT_SPECIAL: i64 = 32_000;
/// No name in a file is longer.
const STRING_BYTES_MAX: u64 = 64;

/// Walks over the bytes of a file.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// dlib's tensor: samples x channels x rows x columns, 32-bit floats.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub(super) shape: [usize; 4],
    pub(super) values: Vec<f32>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn error(&self, why: impl Into<String>) -> DatError {
        DatError { offset: self.at, why: why.into() }
    }

    /// Fails with `why` unless `holds`.
    pub(super) fn ensure(&self, holds: bool, why: impl FnOnce() -> String) -> Result<(), DatError> {
        if holds { Ok(()) } else { Err(self.error(why())) }
    }

    /// Bytes that are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn end(&self) -> Result<(), DatError> {
        self.ensure(self.left() == 0, || format!("{} bytes more than expected", self.left()))
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], DatError> {
        let taken = self.at.checked_add(count).and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| self.error(format!("the file ends where {count} bytes are expected")))?;
        self.at += count;
        Ok(taken)
    }

    /// Whether these bytes come next.
    pub(super) fn peek(&self, wanted: &[u8]) -> bool {
        self.bytes[self.at..].starts_with(wanted)
    }

    fn byte(&mut self) -> Result<u8, DatError> {
        Ok(self.take(1)?[0])
    }

    /// One byte tells sign (its highest bit) and length, 1 to 8; then the magnitude, lowest byte first.
    pub(super) fn int(&mut self) -> Result<i64, DatError> {
        let head = self.byte()?;
        let length = usize::from(head & 0x0f);
        self.ensure(head & 0x70 == 0 && (1..=8).contains(&length), || format!("{head:#04x} begins no number"))?;
        let mut magnitude = [0; 8];
        magnitude[..length].copy_from_slice(self.take(length)?);
        let magnitude = i64::try_from(u64::from_le_bytes(magnitude));
        let magnitude = magnitude.map_err(|_| self.error("a number over 63 bits"))?;
        Ok(if head & 0x80 == 0 { magnitude } else { -magnitude })
    }

    /// A count or a size, at most `max`.
    pub(super) fn count(&mut self, max: u64) -> Result<usize, DatError> {
        let value = self.int()?;
        let count =
            u64::try_from(value).ok().filter(|&count| count <= max).and_then(|count| usize::try_from(count).ok());
        count.ok_or_else(|| self.error(format!("a count of {value}, expected 0 to {max}")))
    }

    /// The number `mantissa * 2^exponent`, which must be finite.
    #[expect(clippy::cast_possible_truncation, reason = "the exponent is checked; f32 is what dlib reads it into")]
    #[expect(clippy::cast_precision_loss, reason = "dlib converts the mantissa in the same way")]
    pub(super) fn float(&mut self) -> Result<f32, DatError> {
        let (mantissa, exponent) = (self.int()?, self.int()?);
        self.ensure(exponent.abs() < EXPONENT_SPECIAL, || "a number that is not finite".to_owned())?;
        let value = (mantissa as f64 * 2.0_f64.powi(exponent as i32)) as f32;
        self.ensure(value.is_finite(), || "a number that is not finite".to_owned())?;
        Ok(value)
    }

    pub(super) fn string(&mut self) -> Result<String, DatError> {
        let length = self.count(STRING_BYTES_MAX)?;
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
        text.map(str::to_owned).ok_or_else(|| self.error("a name that is no text"))
    }

    /// The version or the name of an object, which must be `wanted`.
    pub(super) fn expect_int(&mut self, what: &str, wanted: i64) -> Result<(), DatError> {
        let found = self.int()?;
        self.ensure(found == wanted, || format!("{what} is {found}, expected {wanted}"))
    }

    pub(super) fn expect_string(&mut self, wanted: &str) -> Result<(), DatError> {
        let found = self.string()?;
        self.ensure(found == wanted, || format!("`{found}`, expected `{wanted}`"))
    }

    /// dlib's `bool`: the character 0 or 1.
    pub(super) fn flag(&mut self) -> Result<bool, DatError> {
        match self.byte()? {
            b'0' => Ok(false),
            b'1' => Ok(true),
            other => Err(self.error(format!("{other:#04x} is no yes or no"))),
        }
    }

    fn shape(&mut self) -> Result<[usize; 4], DatError> {
        let side = u64::from(u32::MAX);
        Ok([self.count(side)?, self.count(side)?, self.count(side)?, self.count(side)?])
    }

    pub(super) fn tensor(&mut self) -> Result<Tensor, DatError> {
        self.expect_int("the version of a tensor", 2)?;
        let shape = self.shape()?;
        let count = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side));
        let bytes = count.and_then(|count| count.checked_mul(4));
        let bytes = bytes.ok_or_else(|| self.error(format!("a tensor of {shape:?}")))?;
        // INVARIANT (bytes first): what is allocated is no more than what the file holds.
        let (values, _) = self.take(bytes)?.as_chunks::<4>();
        let values: Vec<f32> = values.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        self.ensure(values.iter().all(|value| value.is_finite()), || "a weight that is not finite".to_owned())?;
        Ok(Tensor { shape, values })
    }

    /// A view's shape; its numbers are those of some tensor.
    pub(super) fn alias(&mut self) -> Result<[usize; 4], DatError> {
        self.expect_int("the version of a view", 1)?;
        self.shape()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_signed_and_of_one_to_eight_bytes() {
        let read = |bytes: &[u8]| Reader::new(bytes).int();
        assert_eq!(read(&[1, 5]), Ok(5));
        assert_eq!(read(&[0x81, 5]), Ok(-5));
        assert_eq!(read(&[2, 0xc0, 4]), Ok(1216));
        for bad in
            [&[][..], &[0], &[9, 1, 1, 1, 1, 1, 1, 1, 1, 1], &[2, 1], &[0x11, 1], &[8, 0, 0, 0, 0, 0, 0, 0, 0x80]]
        {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn numbers_are_mantissa_and_exponent() {
        // 3 * 2^-2
        assert_eq!(Reader::new(&[1, 3, 0x81, 2]).float(), Ok(0.75));
        // 2^32000: dlib's infinity.
        assert!(Reader::new(&[1, 1, 2, 0x00, 0x7d]).float().is_err());
        // 2^300 is no 32-bit float.
        assert!(Reader::new(&[1, 1, 2, 0x2c, 0x01]).float().is_err());
    }

    #[test]
    fn a_tensor_that_promises_more_than_the_file_holds_is_refused() {
        let huge = [1, 2, 4, 255, 255, 255, 127, 1, 1, 1, 1, 1, 9];
        assert!(Reader::new(&huge).tensor().unwrap_err().why.contains("the file ends"));
        let overflowing = [1, 2, 4, 255, 255, 255, 127, 4, 255, 255, 255, 127, 4, 255, 255, 255, 127, 1, 9];
        assert!(Reader::new(&overflowing).tensor().is_err());
    }
}
