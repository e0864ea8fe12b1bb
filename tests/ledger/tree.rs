//! Our tree against `ct-merkle`'s, another implementation of RFC 6962.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use sha2::Sha256;
use trombi::ledger::tree::{
    Edge, Hash, TileHashes, consistency_proof, inclusion_proof, is_consistent, is_included, leaf_hash, root_of,
};

use super::Random;

/// Trees of the short run; `TROMBI_LEDGER_TREES` asks for more.
const TREES: u64 = 20_000;
const LARGEST: u64 = 40;
const SEED: u64 = 0x6962;

struct Leaves<'a>(&'a [Hash]);

impl TileHashes for Leaves<'_> {
    type Error = std::convert::Infallible;

    fn tile_hash(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        let span = 256_usize.pow(u32::from(level));
        let from = usize::try_from(index).unwrap() * span;
        Ok(root_of(&self.0[from..from + span]))
    }
}

/// Grows both trees to `size` and compares roots and one proof of each kind.
fn agree(random: &mut Random, size: u64) {
    let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let (mut edge, mut leaves, mut full) = (Edge::default(), Vec::new(), Vec::new());
    let old_size = random.below(size + 1);
    let mut old_root = edge.root();
    for n in 0..size {
        let entry = random.next().to_be_bytes()[..usize::try_from(random.below(9)).unwrap()].to_vec();
        leaves.push(leaf_hash(&entry));
        edge.push(leaf_hash(&entry), &mut full);
        theirs.push(entry);
        if n + 1 == old_size {
            old_root = edge.root();
        }
    }
    let root: Hash = (*theirs.root().as_bytes()).into();
    assert_eq!(edge.root(), root, "root of {size}");
    if size == 0 {
        return;
    }
    let ours = Leaves(&leaves);
    let index = random.below(size);
    let Ok(path) = inclusion_proof(&ours, index, size);
    let theirs_path = theirs.prove_inclusion(usize::try_from(index).unwrap());
    assert_eq!(path.concat(), theirs_path.as_bytes(), "inclusion of {index} in {size}");
    assert!(is_included(&leaves[usize::try_from(index).unwrap()], index, size, &root, &path));
    if old_size > 0 && old_size < size {
        let Ok(path) = consistency_proof(&ours, old_size, size);
        let theirs_path = theirs.prove_consistency(usize::try_from(size - old_size).unwrap());
        assert_eq!(path.concat(), theirs_path.as_bytes(), "{old_size} to {size}");
        assert!(is_consistent(old_size, &old_root, size, &root, &path));
    }
}

#[test]
fn random_trees_agree_with_ct_merkle() {
    let trees = std::env::var("TROMBI_LEDGER_TREES").map_or(TREES, |text| text.parse().unwrap());
    let mut random = Random(SEED);
    for _ in 0..trees {
        let size = random.below(LARGEST + 1);
        agree(&mut random, size);
    }
    for size in [255, 256, 257, 511, 512, 513, 1000] {
        agree(&mut random, size);
    }
}
