//! The preset `lfw`: Labeled Faces in the Wild and its list of pairs.
//!
//! Source of the protocol: Huang et al., *Labeled Faces in the Wild* (2007), `View 2`: 6,000 pairs in ten folds,
//! the threshold of each fold chosen on the other nine.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};

use super::data_set::DataSet;

/// Name of the list beside the folders.
const PAIRS_FILE: &str = "pairs.txt";

/// Two pictures of the official list, as places in the data set; `None` for a picture that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListedPair {
    pub(super) first: Option<usize>,
    pub(super) second: Option<usize>,
    pub(super) mated: bool,
}

/// Pairs by fold.
pub(super) type Folds = Vec<Vec<ListedPair>>;

/// Reads the folder (`NAME/NAME_0001.jpg`, `pairs.txt`).
///
/// # Errors
/// The folder is not LFW.
pub(super) fn open(directory: &Path) -> anyhow::Result<(DataSet, Folds)> {
    let pairs_file = directory.join(PAIRS_FILE);
    let text = fs::read_to_string(&pairs_file).with_context(|| {
        format!("`{}` cannot be read: expected the folder of LFW with its pairs.txt", pairs_file.display())
    })?;
    let listed =
        parse_pairs(&text).with_context(|| format!("`{}` is not LFW's list of pairs", pairs_file.display()))?;
    let mut set = DataSet::open(directory)?;
    set.name = "LFW".to_owned();
    let places: HashMap<(String, u32), usize> =
        set.pictures.iter().enumerate().filter_map(|(place, picture)| Some((name_of(&picture.file)?, place))).collect();
    let place = |picture: &(String, u32)| places.get(picture).copied();
    let pair = |(first, second): &(Picture, Picture)| ListedPair {
        first: place(first),
        second: place(second),
        mated: first.0 == second.0,
    };
    let folds = listed.iter().map(|fold| fold.iter().map(pair).collect()).collect();
    Ok((set, folds))
}

/// A person's name and the number of the picture.
type Picture = (String, u32);

/// First line: folds and pairs of each kind; then, fold by fold, mated pairs (`NAME i j`) and non-mated ones
/// (`NAME i OTHER j`).
fn parse_pairs(text: &str) -> anyhow::Result<Vec<Vec<(Picture, Picture)>>> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let header: Vec<usize> =
        lines.next().unwrap_or_default().split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [folds, of_each] = header[..] else { bail!("the first line should hold two numbers") };
    ensure!(
        (1..=1000).contains(&folds) && (1..=1_000_000).contains(&of_each),
        "the first line's numbers are out of range"
    );
    let pairs: Vec<(Picture, Picture)> = lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Ok(match words[..] {
                [name, i, j] => ((name.to_owned(), i.parse()?), (name.to_owned(), j.parse()?)),
                [a, i, b, j] => ((a.to_owned(), i.parse()?), (b.to_owned(), j.parse()?)),
                _ => bail!("line `{line}` has {} words, expected 3 or 4", words.len()),
            })
        })
        .collect::<anyhow::Result<_>>()?;
    ensure!(
        pairs.len() == folds * of_each * 2,
        "{} pairs, the first line promises {}",
        pairs.len(),
        folds * of_each * 2
    );
    let mut pairs = pairs.into_iter();
    Ok((0..folds).map(|_| pairs.by_ref().take(2 * of_each).collect()).collect())
}

fn name_of(file: &Path) -> Option<Picture> {
    let stem = file.file_name()?.to_str()?.strip_suffix(".jpg")?;
    let (name, number) = stem.rsplit_once('_')?;
    Some((name.to_owned(), number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_fold_by_fold() {
        let folds = parse_pairs("2\t1\nA\t1\t2\nA\t1\tB\t3\nC 1 4\nC 2 D 1\n").unwrap();
        assert_eq!(folds.len(), 2);
        assert_eq!(folds[1][0].1, ("C".to_owned(), 4));
        assert_eq!(folds[1][1].1, ("D".to_owned(), 1));
    }

    #[test]
    fn a_list_that_breaks_its_promise_is_refused() {
        for text in ["", "x", "10", "1 1\nA 1 2\n", "1 1\nA 1\nA 1 B 2\n", "1 1\nA one 2\nA 1 B 2", "9999999 9999999\n"]
        {
            assert!(parse_pairs(text).is_err(), "{text:?}");
        }
    }
}
