//! `IndexFaces`: detects, filters, embeds and enrols the faces of a picture.

use super::picture::detail;
use super::quality_filter::{faults, keep_best};
use super::types::{FaceDetail, FaceRecord, ImageSource, QualityFilter, Reason, UnusedFace};
use super::{OperationError, Service, derive, limits};
use crate::gallery::{CollectionId, ExternalImageId};
use crate::vision::{AlignedFace, FACES_MAX, Face, Scene};

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub collection_id: CollectionId,
    /// As on the wire.
    pub image: ImageSource,
    /// As on the wire.
    pub external_image_id: Option<ExternalImageId>,
    /// As on the wire.
    pub faces_max: Option<usize>,
    /// As on the wire.
    pub quality_filter: QualityFilter,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub records: Vec<(FaceRecord, FaceDetail)>,
    /// As on the wire.
    pub unindexed: Vec<UnusedFace>,
    /// As on the wire.
    pub model_version: String,
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let shelf = service.shelf(&input.collection_id)?;
    shelf.check_model(service.eyes.model_id())?;
    if input.faces_max == Some(0) {
        return Err(limits::invalid());
    }
    let bytes = service.bytes_of(input.image)?;
    let image_id = derive::image_id(&bytes);
    let scene = service.look(ImageSource::Bytes(bytes))?;
    let sorted = sort(&scene, input.quality_filter, input.faces_max.unwrap_or(FACES_MAX));
    let aligned: Vec<&AlignedFace> = sorted.used.iter().map(|(_, aligned)| *aligned).collect();
    let embeddings = service.embed(&aligned)?;
    let details: Vec<FaceDetail> = sorted.used.iter().map(|(place, _)| detail(&scene, &scene.faces[*place])).collect();
    let external = input.external_image_id.as_ref();
    let record = |place: usize, detail: &FaceDetail| FaceRecord {
        face_id: derive::face_id(service.eyes.model_id(), image_id, external, place),
        image_id,
        external_image_id: external.cloned(),
        box_ratio: detail.box_ratio,
        confidence: detail.confidence,
        model_version: shelf.model_version().to_owned(),
        user_id: None,
    };
    let places = sorted.used.iter().map(|(place, _)| *place);
    let faces: Vec<_> = places.zip(&details).map(|(place, detail)| record(place, detail)).zip(embeddings).collect();
    let records = if faces.is_empty() { Vec::new() } else { shelf.enrol(&service.store, faces)? };
    Ok(Output {
        records: records.into_iter().zip(details).collect(),
        unindexed: sorted.unused,
        model_version: shelf.model_version().to_owned(),
    })
}

/// The faces to enrol, with their places in the scene (largest first), and the others with their reasons.
struct Sorted<'a> {
    used: Vec<(usize, &'a AlignedFace)>,
    unused: Vec<UnusedFace>,
}

fn sort(scene: &Scene, filter: QualityFilter, faces_max: usize) -> Sorted<'_> {
    let mut reasons: Vec<Vec<Reason>> = scene.faces.iter().map(|face| faults(face, filter)).collect();
    let good: Vec<usize> = (0..reasons.len()).filter(|&place| reasons[place].is_empty()).collect();
    let faces: Vec<&Face> = good.iter().map(|&place| &scene.faces[place]).collect();
    for (&place, keep) in good.iter().zip(keep_best(&faces, faces_max)) {
        if !keep {
            reasons[place].push(Reason::ExceedsMaxFaces);
        }
    }
    let mut sorted = Sorted { used: Vec::new(), unused: Vec::new() };
    for (place, (face, reasons)) in scene.faces.iter().zip(reasons).enumerate() {
        match &face.aligned {
            Some(aligned) if reasons.is_empty() => sorted.used.push((place, aligned)),
            _ => sorted.unused.push(UnusedFace { reasons, detail: detail(scene, face) }),
        }
    }
    sorted
}
