//! Calibrations beside the networks: `models/<network>/calibration.toml` inside the program, and in the data
//! directory what `trombi calibrate` made, which goes first.
//!
//! Read strictly: an unknown key or a scale that is not monotone is an error, never a guess.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::SetupError;
use super::catalogue::{Catalogue, bad};
use super::place::Staging;
use crate::gallery::similarity::{Anchor, Calibration, Calibrations, RateSource, StatedRate};
use crate::vision::ModelId;

const SCHEMA: u32 = 1;
/// Longest file that is read.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Longest text in it, bytes.
const TEXT_BYTES_MAX: usize = 2000;
const FILE: &str = "calibration.toml";

/// Those of the program, by network.
const EMBEDDED: [(&str, &str); 2] = [
    ("retail-0095", include_str!("../../models/retail-0095/calibration.toml")),
    ("dlib-resnet", include_str!("../../models/dlib-resnet/calibration.toml")),
];

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: u32,
    model_id: String,
    data_set: String,
    people: Option<u64>,
    pictures: u64,
    comparisons: u64,
    method: String,
    anchors: Vec<AnchorEntry>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct AnchorEntry {
    percent: f64,
    cosine: f64,
    fmr: f64,
    low: f64,
    high: f64,
    source: SourceEntry,
    spread: f64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum SourceEntry {
    Counted,
    Tail,
}

/// Reads a calibration.
///
/// # Errors
/// The text says what is wrong.
pub fn from_toml(text: &str) -> Result<Calibration, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
    if file.schema != SCHEMA {
        return Err(format!("schema {} is not {SCHEMA}", file.schema));
    }
    if [&file.model_id, &file.data_set, &file.method].iter().any(|text| text.is_empty() || text.len() > TEXT_BYTES_MAX)
    {
        return Err(format!("texts have 1 to {TEXT_BYTES_MAX} bytes"));
    }
    let mut calibration = Calibration::none(ModelId::new(&file.model_id));
    calibration.data_set = file.data_set;
    calibration.people = file.people;
    calibration.pictures = file.pictures;
    calibration.comparisons = file.comparisons;
    calibration.method = file.method;
    calibration.with_anchors(file.anchors.iter().map(anchor).collect()).map_err(|error| error.to_string())
}

#[expect(clippy::cast_possible_truncation, reason = "the nearest f32 of a decimal number; ranges are checked after")]
fn anchor(entry: &AnchorEntry) -> Anchor {
    let source = match entry.source {
        SourceEntry::Counted => RateSource::Counted,
        SourceEntry::Tail => RateSource::Tail,
    };
    let fmr = StatedRate { rate: entry.fmr, low: entry.low, high: entry.high, source };
    Anchor { percent: entry.percent as f32, cosine: entry.cosine as f32, fmr, spread: entry.spread }
}

/// Writes a calibration so that [`from_toml`] reads the same one.
///
/// # Errors
/// None for a calibration with levels; the text of the TOML writer otherwise.
pub fn to_toml(calibration: &Calibration) -> Result<String, String> {
    let entry = |anchor: &Anchor| AnchorEntry {
        percent: decimal(anchor.percent),
        cosine: decimal(anchor.cosine),
        fmr: anchor.fmr.rate,
        low: anchor.fmr.low,
        high: anchor.fmr.high,
        source: match anchor.fmr.source {
            RateSource::Counted => SourceEntry::Counted,
            RateSource::Tail => SourceEntry::Tail,
        },
        spread: anchor.spread,
    };
    let file = File {
        schema: SCHEMA,
        model_id: calibration.model_id.as_str().to_owned(),
        data_set: calibration.data_set.clone(),
        people: calibration.people,
        pictures: calibration.pictures,
        comparisons: calibration.comparisons,
        method: calibration.method.clone(),
        anchors: calibration.anchors().iter().map(entry).collect(),
    };
    toml::to_string(&file).map_err(|error| error.to_string())
}

/// The shortest decimal that means this f32.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

/// Where a network's own calibration lies in a data directory.
pub(super) fn path(data_dir: &Path, network: &str) -> PathBuf {
    data_dir.join("models").join(network).join(FILE)
}

/// Of every network of the catalogue: the data directory's, or the program's.
pub(super) fn all(catalogue: &Catalogue, data_dir: &Path) -> Result<Calibrations, SetupError> {
    let mut calibrations = Calibrations::default();
    for network in catalogue.networks() {
        let Some(embedder) = &network.embedder else { continue };
        let own = path(data_dir, &network.name);
        let (name, text) = match read(&own) {
            Ok(Some(text)) => (own.display().to_string(), text),
            Ok(None) => match EMBEDDED.iter().find(|(name, _)| *name == network.name) {
                Some((name, text)) => ((*name).to_owned(), (*text).to_owned()),
                None => continue,
            },
            Err(error) => return Err(bad(&own.display().to_string(), &error.to_string())),
        };
        let calibration = from_toml(&text).map_err(|why| bad(&name, &why))?;
        if calibration.model_id.as_str() != embedder.model_id {
            let why = format!("it is of `{}`, expected `{}`", calibration.model_id, embedder.model_id);
            return Err(bad(&name, &why));
        }
        calibrations.insert(calibration);
    }
    Ok(calibrations)
}

fn read(path: &Path) -> std::io::Result<Option<String>> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(Some(text))
}

/// Writes a calibration whole or not at all.
///
/// # Errors
/// The folder cannot be written.
pub fn write(calibration: &Calibration, to: &Path) -> std::io::Result<()> {
    let text = to_toml(calibration).map_err(std::io::Error::other)?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let staging = Staging::inside(parent)?;
    let file = staging.path().join(FILE);
    fs::write(&file, text)?;
    fs::OpenOptions::new().append(true).open(&file)?.sync_all()?;
    staging.publish_file(FILE, to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gallery::similarity::LEVELS;

    fn embedded() -> Calibration {
        from_toml(EMBEDDED[0].1).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back_bit_for_bit() {
        let calibration = embedded();
        assert_eq!(from_toml(&to_toml(&calibration).unwrap()).unwrap(), calibration);
        // As a hand may have written it: with more digits than a fit has.
        let by_hand = EMBEDDED[0].1.replacen("\nhigh = 0.", "\nhigh = 0.612480228", 1);
        let by_hand = from_toml(&by_hand).unwrap();
        assert_ne!(by_hand, calibration);
        assert_eq!(from_toml(&to_toml(&by_hand).unwrap()).unwrap(), by_hand);
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("models/x/calibration.toml");
        write(&calibration, &place).unwrap();
        write(&calibration, &place).unwrap();
        assert_eq!(from_toml(&read(&place).unwrap().unwrap()).unwrap(), calibration);
        assert_eq!(read(&dir.path().join("none")).unwrap(), None);
    }

    #[test]
    fn documented_levels_stand_for_their_rates() {
        for (network, text) in EMBEDDED {
            let calibration = from_toml(text).unwrap();
            for (percent, rate) in LEVELS {
                let anchor = calibration.anchors().iter().find(|anchor| anchor.percent == percent).unwrap();
                // Cosines have four places, and a step of the last is 3 % of a rate where scores lie close together.
                assert!((anchor.fmr.rate / rate - 1.0).abs() < 0.03, "{network}, {percent}: {}", anchor.fmr.rate);
            }
        }
    }

    #[test]
    fn a_data_directorys_calibration_goes_first_and_a_broken_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let catalogue = Catalogue::embedded().unwrap();
        let model = embedded().model_id;
        assert_eq!(all(&catalogue, dir.path()).unwrap().of(&model).data_set, embedded().data_set);
        let own = path(dir.path(), "retail-0095");
        let mut ours = embedded();
        ours.data_set = "our gate".to_owned();
        write(&ours, &own).unwrap();
        assert_eq!(all(&catalogue, dir.path()).unwrap().of(&model).data_set, "our gate");
        for text in ["", "schema = 1", "schema = 2\n", "\u{0}"] {
            fs::write(&own, text).unwrap();
            assert!(all(&catalogue, dir.path()).is_err(), "{text:?}");
        }
        ours.model_id = ModelId::new("another");
        write(&ours, &own).unwrap();
        assert!(all(&catalogue, dir.path()).unwrap_err().to_string().contains("another"));
    }

    #[test]
    fn doubtful_files_are_refused() {
        let good = EMBEDDED[0].1;
        for (from, to) in [
            ("schema = 1", "schema = 9"),
            ("spread = ", "spread = -1.0 # "),
            ("source = \"counted\"", "source = \"guessed\""),
            ("percent = 80", "percent = 10"),
            ("data_set = ", "extra = 1\ndata_set = "),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            assert!(from_toml(&text).is_err(), "{to}");
        }
    }
}
