//! The pictures below some paths, always in the same order.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;

/// Extensions of pictures, in any case.
const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// What was found.
#[derive(Debug, Default)]
pub(in crate::cli) struct Found {
    /// Absolute paths, each once.
    pub(in crate::cli) pictures: Vec<PathBuf>,
    /// Folders that could not be read, and why.
    pub(in crate::cli) unreadable: Vec<(PathBuf, String)>,
}

/// Lists the pictures of `paths`: files as they are, folders with all that is below them, in the order of
/// the arguments and then of the names. Hidden files and folders are left out; links are followed, each
/// folder once, so that a link to a parent ends the walk there.
///
/// # Errors
/// A path of the command line does not exist.
pub(in crate::cli) fn pictures(paths: &[PathBuf]) -> Result<Found, Failure> {
    let mut walk = Walk::default();
    for path in paths {
        let real = fs::canonicalize(path).map_err(|error| Failure::other(format!("`{}`: {error}", path.display())))?;
        if real.is_dir() {
            walk.folder(real);
        } else {
            walk.picture(real);
        }
    }
    Ok(walk.found)
}

#[derive(Default)]
struct Walk {
    found: Found,
    pictures_seen: HashSet<PathBuf>,
    folders_seen: HashSet<PathBuf>,
}

impl Walk {
    fn picture(&mut self, path: PathBuf) {
        if self.pictures_seen.insert(path.clone()) {
            self.found.pictures.push(path);
        }
    }

    /// Depth first, with a stack of its own: the depth of folders is not ours to bound.
    fn folder(&mut self, folder: PathBuf) {
        let mut stack = vec![folder];
        while let Some(path) = stack.pop() {
            if path.is_dir() {
                match self.entries(&path) {
                    Ok(entries) => stack.extend(entries.into_iter().rev()),
                    Err(error) => self.found.unreadable.push((path, error.to_string())),
                }
            } else if is_picture(&path) {
                self.picture(path);
            }
        }
    }

    /// Sorted visible entries of a folder, empty when it was visited before.
    fn entries(&mut self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let real = fs::canonicalize(folder)?;
        if !self.folders_seen.insert(real.clone()) {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&real)? {
            let name = entry?.file_name();
            if !is_hidden(&name) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names.into_iter().map(|name| real.join(name)).collect())
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().first() == Some(&b'.')
}

fn is_picture(path: &Path) -> bool {
    is_named_as_picture(path) && path.is_file()
}

/// By its extension alone.
pub(in crate::cli) fn is_named_as_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        dir
    }

    fn names(dir: &Path, paths: &[PathBuf]) -> Vec<String> {
        let root = fs::canonicalize(dir).unwrap();
        let found = pictures(paths).unwrap();
        found.pictures.iter().map(|p| p.strip_prefix(&root).unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn pictures_come_in_the_order_of_names_without_hidden_and_other_files() {
        let dir = tree(&["b.JPG", "a/2.png", "a/10.webp", ".h.jpg", ".git/x.jpg", "notes.txt", "c.jpeg", "jpg"]);
        let root = vec![dir.path().to_path_buf()];
        assert_eq!(names(dir.path(), &root), ["a/10.webp", "a/2.png", "b.JPG", "c.jpeg"]);
    }

    #[test]
    fn a_picture_named_twice_is_listed_once_and_a_named_file_needs_no_extension() {
        let dir = tree(&["a/1.jpg", "scan"]);
        let paths = vec![dir.path().join("scan"), dir.path().join("a/1.jpg"), dir.path().join("a")];
        assert_eq!(names(dir.path(), &paths), ["scan", "a/1.jpg"]);
    }

    #[test]
    fn a_missing_path_is_an_error_that_names_it() {
        let error = pictures(&[PathBuf::from("no/such/folder")]).unwrap_err();
        assert!(error.to_string().contains("no/such/folder"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_parent_ends_and_a_dangling_link_is_left_out() {
        let dir = tree(&["a/1.jpg"]);
        std::os::unix::fs::symlink(dir.path(), dir.path().join("a/up")).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("a/2.jpg")).unwrap();
        assert_eq!(names(dir.path(), &[dir.path().to_path_buf()]), ["a/1.jpg"]);
    }
}
