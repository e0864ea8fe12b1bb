//! `CompareFaces`: the largest face of a source picture against every face of a target picture.

use super::picture::{detail, largest};
use super::quality_filter::faults;
use super::types::{BoxRatio, FaceDetail, ImageSource, QualityFilter, Reason};
use super::{OperationError, Service, limits};
use crate::vision::{Embedding, Face};

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub source: ImageSource,
    /// As on the wire.
    pub target: ImageSource,
    /// As on the wire.
    pub threshold: Option<f32>,
    /// As on the wire.
    pub quality_filter: QualityFilter,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub source_box: BoxRatio,
    /// As on the wire.
    pub source_confidence: f32,
    /// As on the wire.
    pub matches: Vec<(f32, FaceDetail)>,
    /// As on the wire.
    pub unmatched: Vec<FaceDetail>,
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let percent_min = limits::percent(input.threshold, limits::MATCH_PERCENT)?;
    let source = service.look(input.source)?;
    let (_, source_face, source_aligned) = largest(&source, input.quality_filter).ok_or_else(limits::invalid)?;
    let target = service.look(input.target)?;
    let compared: Vec<&Face> = target.faces.iter().filter(|face| is_compared(face, input.quality_filter)).collect();
    if compared.is_empty() {
        return Err(limits::invalid());
    }
    let probe = service.embed_one(source_aligned)?;
    let similarities = similarities(service, &probe, &compared)?;
    let (mut matches, mut unmatched) = (Vec::new(), Vec::new());
    for (face, similarity) in compared.into_iter().zip(similarities) {
        match similarity {
            Some(similarity) if similarity >= percent_min => matches.push((similarity, detail(&target, face))),
            _ => unmatched.push(detail(&target, face)),
        }
    }
    matches.sort_by(|a, b| b.0.total_cmp(&a.0));
    let searched = detail(&source, source_face);
    Ok(Output { source_box: searched.box_ratio, source_confidence: searched.confidence, matches, unmatched })
}

/// Faces that the filter drops are not in the answer at all. One that only cannot be aligned is there, unmatched.
fn is_compared(face: &Face, filter: QualityFilter) -> bool {
    faults(face, filter).iter().all(|reason| *reason == Reason::LowFaceQuality)
}

/// The similarity of each face to the probe; `None` for one that cannot be embedded.
fn similarities(service: &Service, probe: &Embedding, faces: &[&Face]) -> Result<Vec<Option<f32>>, OperationError> {
    let aligned: Vec<_> = faces.iter().filter_map(|face| face.aligned.as_ref()).collect();
    let mut embeddings = service.embed(&aligned)?.into_iter();
    let mut next = |face: &Face| face.aligned.as_ref().and_then(|_| embeddings.next());
    let calibration = service.calibration(probe.model_id());
    let percent = |embedding: Embedding| Some(calibration.percent(probe.cosine(&embedding)?));
    Ok(faces.iter().map(|face| next(face).and_then(percent)).collect())
}
