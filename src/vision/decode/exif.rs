//! EXIF orientation: reading it, and turning pixels and rectangles upright.

use super::Rect;

/// How the stored picture must be turned to stand upright; named by the EXIF value 1 to 8
/// (CIPA DC-008, tag 0x0112).
///
/// `swap` exchanges rows and columns first (stored (x, y) -> (y, x)), then the mirrors act on the
/// upright picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Orientation {
    swap: bool,
    mirror_x: bool,
    mirror_y: bool,
}

impl Orientation {
    /// From the EXIF value; anything but 1 to 8 means upright.
    pub(super) fn from_exif(value: u16) -> Self {
        let (swap, mirror_x, mirror_y) = match value {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, true, false),
            7 => (true, true, true),
            8 => (true, false, true),
            _ => (false, false, false),
        };
        Self { swap, mirror_x, mirror_y }
    }

    /// Stored size to upright size; its own inverse.
    pub(super) fn upright_size(self, (width, height): (u32, u32)) -> (u32, u32) {
        if self.swap { (height, width) } else { (width, height) }
    }

    /// A rectangle of the upright picture of size `upright` to the same place in the stored one.
    ///
    /// `rect` must lie inside the picture.
    pub(super) fn to_stored(self, rect: Rect, upright: (u32, u32)) -> Rect {
        let left = if self.mirror_x { upright.0 - rect.left - rect.width } else { rect.left };
        let top = if self.mirror_y { upright.1 - rect.top - rect.height } else { rect.top };
        if self.swap {
            Rect { left: top, top: left, width: rect.height, height: rect.width }
        } else {
            Rect { left, top, width: rect.width, height: rect.height }
        }
    }

    /// The stored position of a window, which may overhang the right and bottom edge, to its upright
    /// position, which may overhang any edge. `size` is the window's stored size in picture pixels.
    pub(super) fn to_upright_corner(self, corner: (i64, i64), size: (i64, i64), upright: (u32, u32)) -> (i64, i64) {
        let ((x, y), (width, height)) =
            if self.swap { ((corner.1, corner.0), (size.1, size.0)) } else { (corner, size) };
        (
            if self.mirror_x { i64::from(upright.0) - x - width } else { x },
            if self.mirror_y { i64::from(upright.1) - y - height } else { y },
        )
    }

    /// Turns stored RGB pixels upright; gives the pixels and their size.
    pub(super) fn turn(self, rgb: Vec<u8>, size: (u32, u32)) -> (Vec<u8>, (u32, u32)) {
        if self == Self::default() {
            return (rgb, size);
        }
        let upright = self.upright_size(size);
        let (width, height) = (upright.0 as usize, upright.1 as usize);
        let stride = size.0 as usize;
        let mut out = Vec::with_capacity(rgb.len());
        for y in 0..height {
            let y = if self.mirror_y { height - 1 - y } else { y };
            for x in 0..width {
                let x = if self.mirror_x { width - 1 - x } else { x };
                let at = 3 * if self.swap { x * stride + y } else { y * stride + x };
                out.extend_from_slice(&rgb[at..at + 3]);
            }
        }
        (out, upright)
    }
}

/// The orientation in a TIFF structure, as EXIF carries it. `None` when there is none or the bytes
/// are broken: a picture is not refused for its metadata.
pub(super) fn orientation(tiff: &[u8]) -> Option<Orientation> {
    const TAG_ORIENTATION: u16 = 0x0112;
    const TYPE_SHORT: u16 = 3;
    let order = match tiff.get(..4)? {
        [b'I', b'I', 42, 0] => u16::from_le_bytes,
        [b'M', b'M', 0, 42] => u16::from_be_bytes,
        _ => return None,
    };
    let short = |at: usize| Some(order(tiff.get(at..at.checked_add(2)?)?.try_into().ok()?));
    let long = |at: usize| {
        let (first, second) = (u32::from(short(at)?), u32::from(short(at.checked_add(2)?)?));
        Some(if tiff[0] == b'I' { first | second << 16 } else { first << 16 | second })
    };
    let directory = long(4)? as usize;
    let entries = usize::from(short(directory)?);
    (0..entries).find_map(|entry| {
        let at = directory.checked_add(2 + 12 * entry)?;
        let is_orientation = short(at)? == TAG_ORIENTATION && short(at + 2)? == TYPE_SHORT && long(at + 4)? == 1;
        let value = is_orientation.then(|| short(at + 8)).flatten()?;
        (1..=8).contains(&value).then(|| Orientation::from_exif(value))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tiff(big_endian: bool, value: u16) -> Vec<u8> {
        let short = |v: u16| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
        let long = |v: u32| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
        let mut out = if big_endian { b"MM".to_vec() } else { b"II".to_vec() };
        out.extend(short(42));
        out.extend(long(8));
        out.extend(short(1));
        out.extend(short(0x0112));
        out.extend(short(3));
        out.extend(long(1));
        out.extend(short(value));
        out.extend([0; 6]);
        out
    }

    #[test]
    fn both_byte_orders_are_read() {
        for value in 1..=8 {
            for big_endian in [false, true] {
                assert_eq!(orientation(&tiff(big_endian, value)), Some(Orientation::from_exif(value)));
            }
        }
    }

    #[test]
    fn cut_or_absurd_exif_is_no_orientation() {
        let whole = tiff(false, 6);
        for length in 0..18 {
            assert_eq!(orientation(&whole[..length]), None);
        }
        assert_eq!(orientation(&tiff(true, 9)), None);
        assert_eq!(orientation(b"II\x2a\0\xff\xff\xff\xff"), None);
    }

    /// The stored 2 x 1 picture `A B` in each of the eight turns, as the standard draws them.
    #[test]
    fn eight_orientations_turn_as_the_standard_says() {
        let stored = vec![1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6]; // 1 2 3 / 4 5 6
        let cases: [(u16, &[u8]); 8] = [
            (1, &[1, 2, 3, 4, 5, 6]),
            (2, &[3, 2, 1, 6, 5, 4]),
            (3, &[6, 5, 4, 3, 2, 1]),
            (4, &[4, 5, 6, 1, 2, 3]),
            (5, &[1, 4, 2, 5, 3, 6]),
            (6, &[4, 1, 5, 2, 6, 3]),
            (7, &[6, 3, 5, 2, 4, 1]),
            (8, &[3, 6, 2, 5, 1, 4]),
        ];
        for (value, expected) in cases {
            let (pixels, size) = Orientation::from_exif(value).turn(stored.clone(), (3, 2));
            let reds: Vec<u8> = pixels.chunks_exact(3).map(|pixel| pixel[0]).collect();
            assert_eq!(reds, expected, "orientation {value}");
            assert_eq!(size, if value < 5 { (3, 2) } else { (2, 3) });
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = orientation(&bytes);
            let mut tiff = b"II\x2a\0\x08\0\0\0".to_vec();
            tiff.extend(bytes);
            let _ = orientation(&tiff);
        }
    }
}
