//! What was found, as plain data in the order of the report; the JSON file is exactly this.

use serde::Serialize;

use crate::gallery::error_rates::Rate;
use crate::gallery::error_rates::groups::Ratio;

/// A rate as it is written.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Figure {
    pub(super) errors: u64,
    pub(super) trials: u64,
    /// Independent trials that they are worth.
    pub(super) independent_trials: f64,
    pub(super) value: Option<f64>,
    /// 95 % interval.
    pub(super) low: f64,
    pub(super) high: f64,
}

impl From<Rate> for Figure {
    fn from(rate: Rate) -> Self {
        let (low, high) = rate.interval();
        Self {
            errors: rate.errors,
            trials: rate.trials,
            independent_trials: rate.independent_trials,
            value: rate.value(),
            low,
            high,
        }
    }
}

/// A number that is no share, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Estimate {
    pub(super) value: f64,
    /// Interval of 95 % (of ratios, of at least that).
    pub(super) low: f64,
    pub(super) high: f64,
}

impl From<Ratio> for Estimate {
    fn from(Ratio { value, low, high }: Ratio) -> Self {
        Self { value, low, high }
    }
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Findings {
    pub(super) format: u32,
    pub(super) data_set: DataSetPart,
    pub(super) calibration: CalibrationPart,
    pub(super) statement: Vec<String>,
    pub(super) verification: Verification,
    pub(super) listed_pairs: Option<ListedPairs>,
    pub(super) identification: Vec<Gallery>,
    pub(super) prediction: Vec<PredictionCheck>,
    pub(super) congress: Option<Congress>,
    pub(super) quality: Vec<QualityCurve>,
    pub(super) groups: Vec<GroupTable>,
    pub(super) suspects: Suspects,
    pub(super) reproducibility: Reproducibility,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DataSetPart {
    pub(super) name: String,
    pub(super) people: u64,
    pub(super) people_with_two_pictures: u64,
    pub(super) pictures: u64,
    pub(super) failure_to_enrol: Figure,
    pub(super) without_face: Vec<String>,
    pub(super) unreadable: Vec<String>,
    pub(super) remarks: Vec<String>,
}

/// The calibration whose percents are used.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CalibrationPart {
    pub(super) network: String,
    pub(super) data_set: String,
    pub(super) comparisons: u64,
    pub(super) method: String,
}

/// 1:1.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Verification {
    pub(super) mated: u64,
    pub(super) non_mated: u64,
    pub(super) at_fmr: Vec<AtFmr>,
    pub(super) at_threshold: Vec<AtThreshold>,
    /// Cosine, FMR, FNMR.
    pub(super) det: Vec<[f64; 3]>,
    /// Counts in equal parts of the cosine from -1 to 1.
    pub(super) non_mated_histogram: Vec<u64>,
    pub(super) mated_histogram: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AtFmr {
    pub(super) fmr: f64,
    /// Where the data can show such a rate.
    pub(super) cosine: Option<f32>,
    pub(super) similarity: Option<f32>,
    /// Share of mated comparisons that reach the threshold; its errors are the others.
    pub(super) tmr: Option<Figure>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AtThreshold {
    pub(super) label: String,
    pub(super) cosine: f32,
    /// Of all comparisons as they are labelled.
    pub(super) fmr: Figure,
    /// The same without the pairs of people who are suspected to be one.
    pub(super) fmr_suspects_aside: Figure,
    /// Each pair of people counted once, suspects aside: rate, low, high. This is what calibrations state.
    pub(super) fmr_of_people: Option<[f64; 3]>,
    pub(super) fnmr: Figure,
    /// What the calibration states: rate, low, high.
    pub(super) stated_fmr: Option<[f64; 3]>,
}

/// The public protocol of given pairs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListedPairs {
    pub(super) pairs: u64,
    pub(super) without_face: u64,
    pub(super) accuracy: f64,
    pub(super) standard_error: f64,
    pub(super) interval: [f64; 2],
    pub(super) fold_accuracies: Vec<f64>,
    pub(super) fold_thresholds: Vec<f32>,
}

/// 1:N at one gallery size.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Gallery {
    pub(super) enrolled: u64,
    pub(super) draws: u64,
    pub(super) non_mated_searches: u64,
    pub(super) mated_searches: u64,
    pub(super) at_threshold: Vec<Identified>,
    /// No threshold, a person looks at the list: rank and FNIR. FPIR is 1 by construction.
    pub(super) investigation: Vec<(u32, Figure)>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Identified {
    pub(super) label: String,
    pub(super) cosine: f32,
    pub(super) fpir: Figure,
    /// The same when suspected labels are taken for what they may be: one person. `None` without suspects.
    pub(super) fpir_suspects_aside: Option<Figure>,
    pub(super) fnir_rank_1: Figure,
    /// Others returned by a search of somebody who is not enrolled, on average.
    pub(super) selectivity: Option<Estimate>,
    /// What the calibration in use expects: rate, low, high.
    pub(super) expected_fpir: Option<[f64; 3]>,
}

/// FPIR of the largest gallery, predicted from a smaller one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PredictionCheck {
    pub(super) label: String,
    pub(super) from_enrolled: u64,
    pub(super) to_enrolled: u64,
    pub(super) draws: u64,
    /// Draws whose prediction lies inside the measured 95 % interval.
    pub(super) inside: u64,
    /// Draws whose prediction's own interval and the measured one have a part in common.
    pub(super) overlapping: u64,
    /// The same with every comparison independent, 1 - (1 - FMR)^N.
    pub(super) inside_if_independent: u64,
    /// The same with the false match rate, or the spread of people, that the largest gallery itself shows.
    pub(super) inside_with_measured_rate: u64,
    pub(super) inside_with_measured_spread: u64,
    /// Means over the draws.
    pub(super) predicted: f64,
    pub(super) measured: f64,
    /// Inside in nine draws of ten.
    pub(super) holds: bool,
    /// Where it does not: that, and what the data show of the reason.
    pub(super) why_not: Option<String>,
}

/// A published test's shape on these pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Congress {
    pub(super) preset: String,
    pub(super) published: String,
    pub(super) gallery_wanted: u64,
    pub(super) gallery: u64,
    pub(super) gallery_source: String,
    pub(super) similarity: Option<f32>,
    pub(super) list_length: u64,
    pub(super) outcome: Figure,
    /// False positive searches in each of the draws.
    pub(super) over_draws: Vec<u64>,
    /// People who were not searched for, because they are enrolled in the collection.
    pub(super) left_out: Option<LeftOut>,
    /// Of the first draw, closest first, at most so many as the report lists: the picture searched with, and whom it
    /// was taken for.
    pub(super) taken_for: Vec<SuspectPair>,
    pub(super) paragraph: String,
}

/// By what people were known to be enrolled in a collection; each is counted once, by the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LeftOut {
    /// A user has their name.
    pub(super) by_user: u64,
    /// A face has their name as its external image id.
    pub(super) by_external_image_id: u64,
    /// One of their pictures was enrolled.
    pub(super) by_picture: u64,
}

/// FNMR when the worst pictures by one measure are left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QualityCurve {
    pub(super) measure: String,
    /// Threshold of the FNMR.
    pub(super) label: String,
    pub(super) points: Vec<Discarded>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Discarded {
    /// Share of pictures left out.
    pub(super) share: f64,
    /// Lowest value that stays.
    pub(super) floor: f32,
    pub(super) fnmr: Figure,
}

/// One measure by the groups of one column.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GroupTable {
    pub(super) column: String,
    pub(super) measure: String,
    pub(super) label: String,
    pub(super) groups: Vec<GroupRow>,
    pub(super) max_over_geometric_mean: Option<Estimate>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GroupRow {
    pub(super) group: String,
    pub(super) people: u64,
    pub(super) rate: Figure,
    /// `None` where the people or their errors are too few.
    pub(super) ratio_to_best: Option<Estimate>,
    /// `too few`, `not worse` or `worse`.
    pub(super) standing: String,
}

/// Labels for a person to look at. Everything is counted as labelled; nothing is dropped.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Suspects {
    /// Pairs of people who may be one.
    pub(super) pairs_of_people: u64,
    /// Their closest pictures, closest first, at most so many as the report lists.
    pub(super) one_person_two_names: Vec<SuspectPair>,
    /// One picture under two names.
    pub(super) same_picture: Vec<SuspectPair>,
    /// Pictures unlike all others of their person.
    pub(super) unlike_their_person: Vec<(String, f32)>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SuspectPair {
    pub(super) cosine: f32,
    pub(super) first: String,
    pub(super) second: String,
}

/// What the same figures are made from again.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Reproducibility {
    pub(super) program: String,
    pub(super) program_sha256: String,
    /// Of the names, people and hashes of all pictures, in order.
    pub(super) pictures_sha256: String,
    pub(super) networks_sha256: String,
    pub(super) settings: Vec<(String, String)>,
}
