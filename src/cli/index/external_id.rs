//! File and folder names as `ExternalImageId`s.

use std::path::Path;

use crate::gallery::ExternalImageId;

/// Where a picture's `ExternalImageId` comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ExternalIdFrom {
    /// The file's name, with its extension
    File,
    /// The name of the folder it lies in, as when each person has a folder
    Folder,
    /// No ExternalImageId
    None,
}

impl ExternalIdFrom {
    /// The id of a picture, and whether characters had to be replaced.
    pub(super) fn of(self, path: &Path) -> (Option<ExternalImageId>, bool) {
        let name = match self {
            Self::File => path.file_name(),
            Self::Folder => path.parent().and_then(Path::file_name),
            Self::None => return (None, false),
        };
        let name = name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let fitted = fit(&name);
        let changed = fitted != name;
        (ExternalImageId::parse(&fitted), changed)
    }
}

/// `name` with `_` for every character that an id may not have, cut to the longest id.
pub(in crate::cli) fn fit(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-:".contains(c);
    name.chars().map(|c| if allowed(c) { c } else { '_' }).take(ExternalImageId::LENGTH_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(from: ExternalIdFrom, path: &str) -> (Option<String>, bool) {
        let (id, changed) = from.of(Path::new(path));
        (id.map(|id| id.to_string()), changed)
    }

    #[test]
    fn names_that_fit_are_kept() {
        assert_eq!(id(ExternalIdFrom::File, "a/Ada-1.jpg"), (Some("Ada-1.jpg".into()), false));
        assert_eq!(id(ExternalIdFrom::Folder, "people/Ada_L/1.jpg"), (Some("Ada_L".into()), false));
        assert_eq!(id(ExternalIdFrom::None, "a/b.jpg"), (None, false));
    }

    #[test]
    fn other_characters_become_underscores_and_that_is_said() {
        assert_eq!(id(ExternalIdFrom::File, "Zoë (1).jpg"), (Some("Zo___1_.jpg".into()), true));
    }

    #[test]
    fn a_picture_in_the_root_has_no_folder_to_be_named_after() {
        assert_eq!(id(ExternalIdFrom::Folder, "/a.jpg"), (None, false));
    }

    proptest! {
        #[test]
        fn every_name_gives_a_valid_id(name in "\\PC{1,400}") {
            let fitted = fit(&name);
            prop_assert!(ExternalImageId::parse(&fitted).is_some());
            prop_assert_eq!(fit(&fitted), fitted);
        }
    }
}
