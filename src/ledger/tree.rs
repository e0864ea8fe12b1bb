//! The Merkle tree of RFC 6962: hashes, roots, inclusion and consistency.
//!
//! Useful for any log of byte strings; knows nothing of entries, files or signatures.

use sha2::{Digest as _, Sha256};

/// SHA-256.
pub type Hash = [u8; 32];

/// Hashes in a full tile, and the fan-out between levels of tiles.
pub const TILE_WIDTH: usize = 256;
/// Levels of a binary tree inside one tile.
const TILE_HEIGHT: u32 = 8;

/// Hash of an entry: `SHA-256(0x00 ‖ entry)`.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// Hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(left);
    bytes[33..].copy_from_slice(right);
    Sha256::digest(bytes).into()
}

/// Root of the tree without entries: `SHA-256("")`.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// `MTH` of RFC 6962, section 2.1, over hashes of one level in place of entries.
#[must_use]
pub fn root_of(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty_root(),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(1 << (many.len() - 1).ilog2());
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// A tile that an [`Edge`] has just filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullTile {
    /// 0 for leaf hashes.
    pub level: u8,
    /// Place within the level.
    pub index: u64,
    /// Its 256 hashes.
    pub hashes: Vec<Hash>,
}

/// The right edge of a tree: all that is needed to append and to know the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    /// The partial tile of each level, 0 to 255 hashes.
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// The edge of a tree of `size`, given the partial tile of each level.
    ///
    /// `None` if their widths are not those of that size.
    #[must_use]
    pub fn from_partial_tiles(size: u64, levels: Vec<Vec<Hash>>) -> Option<Self> {
        let fits = levels.iter().enumerate().all(|(level, tile)| tile.len() == partial_width(size, level));
        let covered = u32::try_from(levels.len()).ok()?.saturating_mul(TILE_HEIGHT);
        (fits && size.checked_shr(covered).unwrap_or(0) == 0).then_some(Self { size, levels })
    }

    /// Entries in the tree.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The partial tile of each level; those of width 0 do not exist as files.
    #[must_use]
    pub fn partial_tiles(&self) -> &[Vec<Hash>] {
        &self.levels
    }

    /// Appends the hash of an entry; tiles that became full go to `full`, the lowest level first.
    pub fn push(&mut self, leaf: Hash, full: &mut Vec<FullTile>) {
        let mut carry = leaf;
        for level in 0..=u8::MAX {
            let at = usize::from(level);
            if self.levels.len() == at {
                self.levels.push(Vec::new());
            }
            self.levels[at].push(carry);
            if self.levels[at].len() < TILE_WIDTH {
                break;
            }
            let hashes = std::mem::take(&mut self.levels[at]);
            carry = root_of(&hashes);
            full.push(FullTile { level, index: self.size >> (TILE_HEIGHT * (u32::from(level) + 1)), hashes });
        }
        self.size += 1;
    }

    /// Root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut root = None;
        for tile in &self.levels {
            let mut end = tile.len();
            while end > 0 {
                let start = end & (end - 1); // without the lowest bit: the smallest perfect subtree ends here
                let left = root_of(&tile[start..end]);
                root = Some(root.map_or(left, |right| node_hash(&left, &right)));
                end = start;
            }
        }
        root.unwrap_or_else(empty_root)
    }
}

/// Place of a hash in its tile: the index modulo 256, its lowest byte.
#[must_use]
pub fn place_in_tile(index: u64) -> usize {
    usize::from(index.to_le_bytes()[0])
}

/// Width of the partial tile at `level` of a tree of `size`; 0 where there is none.
#[must_use]
pub fn partial_width(size: u64, level: usize) -> usize {
    let shift = u32::try_from(level).unwrap_or(u32::MAX).saturating_mul(TILE_HEIGHT);
    place_in_tile(size.checked_shr(shift).unwrap_or(0))
}

/// Where proofs take their hashes from.
pub trait TileHashes {
    /// Why a hash cannot be had.
    type Error;

    /// Hash `index` of the tiles at `level`: the root over entries `index · 256^level ..(index + 1) · 256^level`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn tile_hash(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// Root over the entries `from..to`, which lie within the tree; `MTH(D[from:to])` of RFC 6962.
///
/// # Errors
/// Those of `hashes`.
pub fn range_root<T: TileHashes>(hashes: &T, from: u64, to: u64) -> Result<Hash, T::Error> {
    let length = to - from;
    if length == 0 {
        return Ok(empty_root());
    }
    if length.is_power_of_two() && from.is_multiple_of(length) {
        let exponent = length.trailing_zeros();
        let level = u8::try_from(exponent / TILE_HEIGHT).unwrap_or(u8::MAX);
        let width = 1_u64 << (exponent % TILE_HEIGHT);
        let first = from >> (TILE_HEIGHT * u32::from(level));
        let row: Vec<Hash> = (first..first + width).map(|i| hashes.tile_hash(level, i)).collect::<Result<_, _>>()?;
        return Ok(root_of(&row));
    }
    let middle = from + (1 << (length - 1).ilog2());
    Ok(node_hash(&range_root(hashes, from, middle)?, &range_root(hashes, middle, to)?))
}

/// `PATH(index, D[size])` of RFC 6962, section 2.1.1, the leaf's sibling first. `index < size`.
///
/// # Errors
/// Those of `hashes`.
pub fn inclusion_proof<T: TileHashes>(hashes: &T, index: u64, size: u64) -> Result<Vec<Hash>, T::Error> {
    let (mut from, mut to, mut path) = (0, size, Vec::new());
    while to - from > 1 {
        let middle = from + (1 << (to - from - 1).ilog2());
        if index < middle {
            path.push(range_root(hashes, middle, to)?);
            to = middle;
        } else {
            path.push(range_root(hashes, from, middle)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// `PROOF(old, D[new])` of RFC 6962, section 2.1.2. `old <= new`; empty for an old size of 0.
///
/// # Errors
/// Those of `hashes`.
pub fn consistency_proof<T: TileHashes>(hashes: &T, old: u64, new: u64) -> Result<Vec<Hash>, T::Error> {
    let mut path = Vec::new();
    if old == 0 || old == new {
        return Ok(path);
    }
    let (mut from, mut to, mut whole) = (0, new, true);
    while old != to {
        let middle = from + (1 << (to - from - 1).ilog2());
        if old <= middle {
            path.push(range_root(hashes, middle, to)?);
            to = middle;
        } else {
            path.push(range_root(hashes, from, middle)?);
            from = middle;
            whole = false;
        }
    }
    if !whole {
        path.push(range_root(hashes, from, to)?);
    }
    path.reverse();
    Ok(path)
}

/// Is the entry with hash `leaf` at `index` of the tree of `size` with `root`? RFC 9162, section 2.1.3.2.
#[must_use]
pub fn is_included(leaf: &Hash, index: u64, size: u64, root: &Hash, path: &[Hash]) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Is the tree of `old_size` with `old_root` a beginning of the tree of `new_size` with `new_root`?
/// RFC 9162, section 2.1.4.2; a tree is a beginning of itself, the empty tree of every tree, both without proof.
#[must_use]
pub fn is_consistent(old_size: u64, old_root: &Hash, new_size: u64, new_root: &Hash, path: &[Hash]) -> bool {
    if old_size > new_size {
        return false;
    }
    if old_size == new_size {
        return path.is_empty() && old_root == new_root;
    }
    if old_size == 0 {
        return path.is_empty() && *old_root == empty_root();
    }
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let mut path = path.iter();
    // A perfect old tree is itself the first hash, and is left out of the proof.
    let Some(first) = (if old_size.is_power_of_two() { Some(old_root) } else { path.next() }) else { return false };
    let (mut old, mut new) = (*first, *first);
    for hash in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old = node_hash(hash, &old);
            new = node_hash(hash, &new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old == *old_root && new == *new_root
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes of a tree kept whole, by definition.
    struct Whole(Vec<Hash>);

    impl TileHashes for Whole {
        type Error = std::convert::Infallible;

        fn tile_hash(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
            let span = TILE_WIDTH.pow(u32::from(level));
            Ok(root_of(&self.0[index as usize * span..(index as usize + 1) * span]))
        }
    }

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    #[test]
    fn the_edge_has_the_root_of_the_definition_at_every_size() {
        let leaves = leaves(700);
        let (mut edge, mut full) = (Edge::default(), Vec::new());
        for (size, leaf) in leaves.iter().enumerate() {
            assert_eq!(edge.root(), root_of(&leaves[..size]), "size {size}");
            edge.push(*leaf, &mut full);
        }
        assert_eq!(full.iter().map(|t| (t.level, t.index)).collect::<Vec<_>>(), [(0, 0), (0, 1)]);
        let again = Edge::from_partial_tiles(edge.size(), edge.partial_tiles().to_vec()).unwrap();
        assert_eq!(again, edge);
    }

    #[test]
    fn a_level_that_fills_carries_upwards() {
        let (mut edge, mut full) = (Edge::default(), Vec::new());
        for i in 0..TILE_WIDTH * TILE_WIDTH {
            edge.push(leaf_hash(&i.to_be_bytes()), &mut full);
        }
        assert_eq!(full.last().map(|t| (t.level, t.index)), Some((1, 0)));
        assert_eq!(edge.partial_tiles()[2], [edge.root()]);
        assert!(Edge::from_partial_tiles(edge.size(), vec![Vec::new(), Vec::new()]).is_none());
    }

    #[test]
    fn proofs_verify_and_nothing_else_does() {
        let leaves = leaves(300);
        let tree = Whole(leaves.clone());
        for size in [1, 2, 3, 7, 8, 100, 255, 256, 257, 300] {
            let root = root_of(&leaves[..size]);
            for index in (0..size).step_by(7) {
                let Ok(path) = inclusion_proof(&tree, index as u64, size as u64);
                assert!(is_included(&leaves[index], index as u64, size as u64, &root, &path));
                assert!(!is_included(&leaves[index], index as u64 ^ 1, size as u64, &root, &path) || size == 1);
                assert!(!is_included(&leaf_hash(b"other"), index as u64, size as u64, &root, &path));
            }
            for old in 0..=size {
                let Ok(path) = consistency_proof(&tree, old as u64, size as u64);
                let old_root = root_of(&leaves[..old]);
                assert!(is_consistent(old as u64, &old_root, size as u64, &root, &path), "{old} to {size}");
                assert!(!is_consistent(old as u64, &leaf_hash(b"other"), size as u64, &root, &path));
                assert!(!is_consistent(old as u64, &old_root, size as u64, &leaf_hash(b"other"), &path) || old == 0);
            }
        }
    }
}
