//! Names and bytes of tiles and entry bundles, as C2SP tlog-tiles has them.

use super::tree::{Hash, TILE_WIDTH};

/// Longest entry that fits its 16-bit length.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;

/// `000`, `x001/x234/067`: an index as path elements of three digits.
fn index_path(index: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    path
}

/// Which file of the log a tile or bundle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TileName {
    /// 0 to 63; `None` for the bundle of entries.
    pub level: Option<u8>,
    /// Place within the level.
    pub index: u64,
    /// 1 to 255 for a partial one, 256 for a full one.
    pub width: usize,
}

impl TileName {
    /// The path below the log's folder.
    #[must_use]
    pub fn path(&self) -> String {
        let level = self.level.map_or_else(|| "entries".to_owned(), |level| level.to_string());
        let partial = if self.width < TILE_WIDTH { format!(".p/{}", self.width) } else { String::new() };
        format!("tile/{level}/{}{partial}", index_path(self.index))
    }

    /// Reads a path back; `None` unless it is exactly what [`TileName::path`] writes.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("tile/")?;
        let (level, rest) = rest.split_once('/')?;
        let level = if level == "entries" { None } else { Some(level.parse().ok().filter(|l| *l < 64)?) };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, width.parse().ok().filter(|w| (1..TILE_WIDTH).contains(w))?),
            None => (rest, TILE_WIDTH),
        };
        let mut number = 0_u64;
        for element in index.split('/') {
            let digits = element.trim_start_matches('x').parse::<u64>().ok()?;
            number = number.checked_mul(1000)?.checked_add(digits)?;
        }
        let name = Self { level, index: number, width };
        (name.path() == path).then_some(name)
    }
}

/// The path of a file that holds something of each entry of one bundle, under `folder`.
pub(super) fn bundle_path(folder: &str, index: u64) -> String {
    format!("{folder}/{}", index_path(index))
}

/// The hashes of a tile, concatenated.
#[must_use]
pub fn tile_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.concat()
}

/// Reads a tile; `None` unless it is whole hashes, 1 to 256 of them.
#[must_use]
pub fn tile_hashes(bytes: &[u8]) -> Option<&[Hash]> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    (rest.is_empty() && (1..=TILE_WIDTH).contains(&hashes.len())).then_some(hashes)
}

/// Appends `entry` to a bundle. Entries are at most [`ENTRY_BYTES_MAX`] long.
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) {
    let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(&entry[..usize::from(length)]);
}

/// The entries of a bundle; `None` unless they fill it exactly.
#[must_use]
pub fn bundle_entries(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::with_capacity(TILE_WIDTH);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (entry, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry);
        rest = after;
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_standard() {
        struct Case(Option<u8>, u64, usize, &'static str);
        for Case(level, index, width, path) in [
            Case(Some(0), 0, 256, "tile/0/000"),
            Case(Some(0), 1_234_067, 256, "tile/0/x001/x234/067"),
            Case(Some(1), 17, 17, "tile/1/017.p/17"),
            Case(None, 999, 256, "tile/entries/999"),
            Case(None, 1000, 1, "tile/entries/x001/000.p/1"),
            Case(Some(63), 0, 255, "tile/63/000.p/255"),
        ] {
            let name = TileName { level, index, width };
            assert_eq!(name.path(), path);
            assert_eq!(TileName::parse(path), Some(name));
        }
        for path in ["tile/0/0", "tile/00/000", "tile/64/000", "tile/0/x000/001", "tile/0/000.p/256", "tile/0/000.p/0"]
        {
            assert_eq!(TileName::parse(path), None, "{path}");
        }
    }

    #[test]
    fn bundles_read_back_and_torn_ones_do_not() {
        let mut bundle = Vec::new();
        push_entry(&mut bundle, b"first");
        push_entry(&mut bundle, b"");
        push_entry(&mut bundle, b"third");
        assert_eq!(bundle_entries(&bundle).unwrap(), [&b"first"[..], b"", b"third"]);
        assert!(bundle_entries(&bundle[..bundle.len() - 1]).is_none());
    }
}
