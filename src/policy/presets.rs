//! Policy sets that the program carries: `policy/presets`, each with its text for people.

/// A set that the program carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Name on the command line.
    pub name: &'static str,
    /// One line for lists.
    pub summary: &'static str,
    /// Names and texts of its files.
    files: &'static [(&'static str, &'static str)],
}

macro_rules! preset {
    ($name:literal, $summary:literal, [$($file:literal),*]) => {
        Preset {
            name: $name,
            summary: $summary,
            files: &[$(($file, include_str!(concat!("../../policy/presets/", $name, "/", $file)))),*],
        }
    };
}

/// Every preset.
pub const PRESETS: &[Preset] = &[
    preset!("ibm-2020", "IBM, 8 June 2020: no face recognition at all", ["README.md", "commitment.toml"]),
    preset!(
        "amazon-2020-announced",
        "Amazon, 10 June 2020, as announced: no police use",
        ["README.md", "commitment.toml"]
    ),
    preset!(
        "amazon-2021-terms",
        "Amazon, as in the terms: no face comparison by police in criminal investigations",
        ["README.md", "commitment.toml"]
    ),
    preset!(
        "microsoft-2020",
        "Microsoft, 11 June 2020: none for police in the United States until a federal law",
        ["README.md", "commitment.toml"]
    ),
    preset!(
        "eu-ai-act",
        "Regulation (EU) 2024/1689: Articles 5, 14 and 26",
        ["README.md", "commitments.toml", "scraping.cedar"]
    ),
    preset!("us-il-bipa", "Illinois, 740 ILCS 14: written policy and release", ["README.md", "consent.cedar"]),
];

impl Preset {
    /// The preset of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// Its files, as [`super::Gate::from_files`] reads them.
    #[must_use]
    pub fn files(&self) -> Vec<(String, String)> {
        self.files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    /// Its text for people.
    #[must_use]
    pub fn text(&self) -> &'static str {
        self.files.iter().find(|(name, _)| *name == "README.md").map_or("", |(_, text)| text)
    }
}
