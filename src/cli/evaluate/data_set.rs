//! Labelled pictures: a folder per person, or a manifest.
//!
//! The manifest is CSV with a header: `path` and `person` (or `subject_id`), optionally `session`, and any other
//! columns, which are groups (age, sex, skin tone, camera: whatever is to be told apart). Labels stay here: nothing of
//! them is written to a collection.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use crate::cli::index::walk;

/// Bounds on a manifest: it comes from outside.
const MANIFEST_BYTES_MAX: u64 = 256 * 1024 * 1024;
const GROUP_COLUMNS_MAX: usize = 16;
const NAME_BYTES_MAX: usize = 1024;

/// Names of the columns that are not groups.
const PATH: &str = "path";
const PERSON: [&str; 3] = ["person", "subject_id", "subject"];
const SESSION: &str = "session";

/// Labelled pictures in a fixed order: by path.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct DataSet {
    /// For people.
    pub(crate) name: String,
    /// Names of the people, sorted.
    pub(crate) people: Vec<String>,
    pub(crate) pictures: Vec<Labelled>,
    /// Names of the group columns.
    pub(crate) columns: Vec<String>,
    /// What is odd about it, for a person to read.
    pub(crate) remarks: Vec<String>,
}

/// One picture and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Labelled {
    /// Where it is.
    pub(crate) file: PathBuf,
    /// Its name in reports: relative to the data set.
    pub(crate) name: String,
    /// Place in [`DataSet::people`].
    pub(crate) person: u32,
    /// One for each of [`DataSet::columns`]; empty where the manifest says nothing.
    pub(crate) groups: Vec<String>,
}

/// A line of a manifest, or a file of a folder, before people have numbers.
struct Row {
    file: PathBuf,
    name: String,
    person: String,
    groups: Vec<String>,
}

impl DataSet {
    /// Reads a folder with a folder per person, or a `.csv` manifest whose paths are relative to it.
    ///
    /// # Errors
    /// Nothing usable is there; the text says what was expected.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        if path.is_dir() { Self::folder(path) } else { Self::manifest(path) }
    }

    fn folder(root: &Path) -> anyhow::Result<Self> {
        let root = fs::canonicalize(root).with_context(|| format!("`{}` cannot be read", root.display()))?;
        let found = walk::pictures(std::slice::from_ref(&root)).map_err(|error| anyhow::anyhow!("{error}"))?;
        let mut remarks: Vec<String> = found
            .unreadable
            .iter()
            .map(|(folder, why)| format!("folder `{}` cannot be read: {why}", folder.display()))
            .collect();
        let mut loose = 0_usize;
        let rows: Vec<Row> = found
            .pictures
            .into_iter()
            .filter_map(|file| {
                let relative = file.strip_prefix(&root).ok()?.to_path_buf();
                let mut parts = relative.components();
                let person = parts.next()?.as_os_str().to_string_lossy().into_owned();
                if parts.next().is_none() {
                    loose += 1;
                    return None;
                }
                Some(Row { file, name: relative.to_string_lossy().into_owned(), person, groups: Vec::new() })
            })
            .collect();
        if loose > 0 {
            remarks.push(format!("{loose} pictures lie in no person's folder and were left out"));
        }
        ensure!(
            !rows.is_empty(),
            "`{}` holds no labelled pictures; expected a folder for each person with .jpg, .png or .webp files in it",
            root.display()
        );
        let name =
            root.file_name().map_or_else(|| root.display().to_string(), |name| name.to_string_lossy().into_owned());
        Ok(Self::numbered(name, rows, Vec::new(), remarks))
    }

    fn manifest(path: &Path) -> anyhow::Result<Self> {
        let file = fs::File::open(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (rows, columns) =
            rows(file.take(MANIFEST_BYTES_MAX), folder).with_context(|| format!("`{}`", path.display()))?;
        Ok(Self::numbered(name, rows, columns, Vec::new()))
    }

    /// Gives people numbers in the order of their names, and pictures the order of theirs.
    fn numbered(name: String, mut rows: Vec<Row>, columns: Vec<String>, mut remarks: Vec<String>) -> Self {
        rows.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.person.cmp(&b.person)));
        let listed = rows.len();
        rows.dedup_by(|a, b| a.file == b.file && a.person == b.person);
        if rows.len() < listed {
            remarks.push(format!("{} pictures are listed twice and count once", listed - rows.len()));
        }
        let mut numbers: BTreeMap<&str, u32> = rows.iter().map(|row| (row.person.as_str(), 0)).collect();
        for (number, value) in (0..).zip(numbers.values_mut()) {
            *value = number;
        }
        let people = numbers.keys().map(|name| (*name).to_owned()).collect();
        let pictures = rows
            .iter()
            .map(|row| Labelled {
                file: row.file.clone(),
                name: row.name.clone(),
                person: numbers.get(row.person.as_str()).copied().unwrap_or_default(),
                groups: row.groups.clone(),
            })
            .collect();
        Self { name, people, pictures, columns, remarks }
    }
}

/// The rows of a manifest, and the names of its group columns.
fn rows(manifest: impl Read, folder: &Path) -> anyhow::Result<(Vec<Row>, Vec<String>)> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(manifest);
    let header: Vec<String> = reader
        .headers()
        .context("is no CSV file")?
        .iter()
        .map(|name| name.trim_start_matches('\u{feff}').to_owned())
        .collect();
    let columns = Columns::of(&header)?;
    let mut rows = Vec::new();
    for (number, record) in reader.records().enumerate() {
        let record = record.with_context(|| format!("record {} cannot be read", number + 1))?;
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let (path, person) = (cell(columns.path), cell(columns.person));
        ensure!(!path.is_empty() && !person.is_empty(), "record {} has no path or no person", number + 1);
        ensure!(
            record.iter().all(|cell| cell.len() <= NAME_BYTES_MAX),
            "record {} has a cell of more than {NAME_BYTES_MAX} bytes",
            number + 1
        );
        rows.push(Row {
            file: folder.join(path),
            name: path.to_owned(),
            person: person.to_owned(),
            groups: columns.groups.iter().map(|&column| cell(column).to_owned()).collect(),
        });
    }
    ensure!(!rows.is_empty(), "lists no pictures");
    one_group_for_each_person(&rows, &columns, &header)?;
    Ok((rows, columns.groups.iter().map(|&column| header[column].clone()).collect()))
}

/// Which column is what.
struct Columns {
    path: usize,
    person: usize,
    groups: Vec<usize>,
}

impl Columns {
    fn of(header: &[String]) -> anyhow::Result<Self> {
        let place =
            |names: &[&str]| header.iter().position(|column| names.iter().any(|n| column.eq_ignore_ascii_case(n)));
        let have = header.join("`, `");
        let Some(path) = place(&[PATH]) else { bail!("has no column `path`; it has `{have}`") };
        let Some(person) = place(&PERSON) else { bail!("has no column `person` (or `subject_id`); it has `{have}`") };
        let session = place(&[SESSION]);
        let groups: Vec<usize> =
            (0..header.len()).filter(|&c| c != path && c != person && Some(c) != session).collect();
        ensure!(
            groups.len() <= GROUP_COLUMNS_MAX,
            "has {} group columns, at most {GROUP_COLUMNS_MAX} are read",
            groups.len()
        );
        let mut names: Vec<&str> = header.iter().map(String::as_str).collect();
        names.sort_unstable();
        ensure!(names.windows(2).all(|pair| pair[0] != pair[1]), "has two columns of one name; it has `{have}`");
        ensure!(names.iter().all(|name| !name.is_empty()), "has a column without a name; it has `{have}`");
        Ok(Self { path, person, groups })
    }
}

/// A group is of a person, not of a picture: rates of groups compare people.
fn one_group_for_each_person(rows: &[Row], columns: &Columns, header: &[String]) -> anyhow::Result<()> {
    let mut groups: HashMap<&str, &Row> = HashMap::new();
    for row in rows {
        let first = groups.entry(&row.person).or_insert(row);
        if let Some(place) = (0..row.groups.len()).find(|&place| first.groups[place] != row.groups[place]) {
            bail!(
                "person `{}` is in two groups of `{}`: `{}` and `{}`; groups are of people, so give each person one",
                row.person,
                header[columns.groups[place]],
                first.groups[place],
                row.groups[place]
            );
        }
    }
    Ok(())
}

/// What the fuzz target `manifest` calls: whether the bytes are a manifest.
#[must_use]
pub fn accepts_manifest(bytes: &[u8]) -> bool {
    rows(bytes, Path::new("")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<DataSet> {
        let (rows, columns) = rows(text.as_bytes(), Path::new("d"))?;
        Ok(DataSet::numbered("m".to_owned(), rows, columns, Vec::new()))
    }

    #[test]
    fn manifest_gives_people_pictures_and_groups_in_one_order() {
        let set = read(
            "\u{feff}person,path,session,Sex\r\nbob,b.jpg,1,m\r\n\"ann, \"\"a\"\"\",a 1.jpg,2,f\nbob, a.jpg ,1,m\n",
        )
        .unwrap();
        assert_eq!(set.people, ["ann, \"a\"", "bob"]);
        let rows: Vec<_> = set.pictures.iter().map(|p| (p.name.as_str(), p.person, p.groups[0].as_str())).collect();
        assert_eq!(rows, [("a 1.jpg", 0, "f"), ("a.jpg", 1, "m"), ("b.jpg", 1, "m")]);
        assert_eq!(set.columns, ["Sex"]);
        assert_eq!(set.pictures[0].file, Path::new("d/a 1.jpg"));
    }

    #[test]
    fn a_picture_listed_twice_counts_once_and_is_said() {
        let set = read("path,person\na.jpg,x\na.jpg,x\na.jpg,y\n").unwrap();
        assert_eq!((set.pictures.len(), set.remarks.len()), (2, 1));
    }

    #[test]
    fn wrong_manifests_say_what_was_expected() {
        for (text, said) in [
            ("", "path"),
            ("file,person\na,b\n", "no column `path`; it has `file`, `person`"),
            ("path,name\na,b\n", "no column `person`"),
            ("path,person\n", "lists no pictures"),
            ("path,person\na.jpg,\n", "record 1 has no path or no person"),
            ("path,person,g\na.jpg,x\n", "record 1 cannot be read"),
            ("path,person,g,g\na.jpg,x,1,1\n", "two columns of one name"),
            ("path,person,sex\na.jpg,x,m\nb.jpg,x,f\n", "person `x` is in two groups of `sex`: `m` and `f`"),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.contains(said), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_folder_per_person_is_read_and_loose_pictures_are_told() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["b/1.jpg", "a/x/2.PNG", "a/1.jpg", "loose.jpg", "a/notes.txt"] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let set = DataSet::open(dir.path()).unwrap();
        assert_eq!(set.people, ["a", "b"]);
        let names: Vec<_> = set.pictures.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["a/1.jpg", "a/x/2.PNG", "b/1.jpg"]);
        assert!(set.remarks[0].starts_with("1 pictures lie in no person's folder"), "{:?}", set.remarks);
        let empty = tempfile::tempdir().unwrap();
        assert!(DataSet::open(empty.path()).unwrap_err().to_string().contains("expected a folder for each person"));
        assert!(DataSet::open(Path::new("no/such/file.csv")).is_err());
    }
}
