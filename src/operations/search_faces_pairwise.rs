//! `SearchFacesPairwise`: which enrolled faces are like one another, so that people who are enrolled twice are found.
//! For the person at this machine, not on the wire: it takes the time of n (n - 1) / 2 comparisons of n faces.

use super::record::{Act, Tally, hundredths, percent};
use super::types::FaceRecord;
use super::{OperationError, Service, internal, limits, unreadable};
use crate::gallery::similarity::StatedRate;
use crate::gallery::{CollectionId, FaceId, Search};
use crate::ledger::{Unit, Units};
use crate::policy::{Principal, Ruling};
use crate::store::StoreError;

const OPERATION: &str = "SearchFacesPairwise";

/// Most pairs of one answer.
pub const PAIRS_MAX: usize = 1_000_000;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// The collection.
    pub collection_id: CollectionId,
    /// Similarity from which two faces count, percent.
    pub threshold: f32,
    /// At most this many pairs, the closest first; up to [`PAIRS_MAX`].
    pub pairs_max: usize,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The closest first.
    pub pairs: Vec<Duplicate>,
    /// Enrolled faces, each of which was compared with every other.
    pub faces: u64,
    /// The threshold that was applied, percent.
    pub threshold: f32,
    /// Most pairs that were told: with as many, there may be more.
    pub pairs_max: usize,
    /// How many pairs would be found if no two faces were of one person; `None` where the network has no calibration.
    pub expected_false: Option<StatedRate>,
}

/// Two enrolled faces that may be one person's.
#[derive(Debug, Clone, PartialEq)]
pub struct Duplicate {
    /// Percent.
    pub similarity: f32,
    /// Both, the one with the smaller id first.
    pub faces: [FaceRecord; 2],
}

impl Service {
    /// Compares every face of a collection with every other. Decided and recorded as a search of every face is: a rule's
    /// least threshold and most candidates hold, the latter for all pairs together. Tells `progress` which share is done,
    /// 0 to 1.
    ///
    /// # Errors
    /// As `SearchFaces`.
    pub fn search_faces_pairwise(
        &self,
        principal: &Principal,
        input: &Input,
        progress: &(dyn Fn(f64) + Sync),
    ) -> Result<Output, OperationError> {
        let act = Act {
            operation: OPERATION,
            collection: Some(input.collection_id.clone()),
            threshold: Some(hundredths(input.threshold)),
            faces_max: Some(u32::try_from(input.pairs_max).unwrap_or(u32::MAX)),
            ..Act::default()
        };
        self.through_the_door(&principal.into(), act, |ruling| run(self, input, ruling, progress), tally).result
    }
}

fn tally(output: &Output) -> Tally {
    Tally {
        matches: u32::try_from(output.pairs.len()).unwrap_or(u32::MAX),
        searched: Some(output.faces),
        units: Units::of(Unit::Search, output.faces),
        ..Tally::default()
    }
}

fn run(
    service: &Service,
    input: &Input,
    ruling: &Ruling,
    progress: &(dyn Fn(f64) + Sync),
) -> Result<Output, OperationError> {
    let asked = limits::percent(Some(input.threshold), input.threshold)?;
    let threshold = ruling.threshold.filter(|&least| least > hundredths(asked)).map_or(asked, percent);
    let most = ruling.faces_max.map_or(input.pairs_max, |most| input.pairs_max.min(most as usize));
    let limit = limits::count(Some(most), PAIRS_MAX)?;
    let shelf = service.shelf(&input.collection_id)?;
    let calibration = service.calibration(shelf.model_id());
    let search = Search { cosine_min: calibration.threshold(threshold), limit };
    let (pairs, faces) =
        shelf.read(&service.store, |gallery| (gallery.pairs(search, progress), gallery.face_count() as u64))?;
    // A face that was deleted since makes no pair.
    let record = |id: FaceId| match service.store.face(shelf.id(), id) {
        Ok(face) => Ok(Some(face)),
        Err(StoreError::Missing) => Ok(None),
        Err(error) => Err(internal(error)),
    };
    let mut found = Vec::new();
    for pair in pairs.map_err(unreadable)? {
        if let (Some(first), Some(second)) = (record(pair.first)?, record(pair.second)?) {
            found.push(Duplicate { similarity: calibration.percent(pair.cosine), faces: [first, second] });
        }
    }
    let compared = faces as f64 * faces.saturating_sub(1) as f64 / 2.0;
    let times = |fmr: StatedRate| StatedRate {
        rate: fmr.rate * compared,
        low: fmr.low * compared,
        high: fmr.high * compared,
        ..fmr
    };
    let expected_false = calibration.fmr(search.cosine_min).map(times);
    Ok(Output { pairs: found, faces, threshold, pairs_max: limit, expected_false })
}
