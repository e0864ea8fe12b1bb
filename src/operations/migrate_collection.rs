//! Re-embeds a collection's faces with the network in use, from the pictures they came from; for the person at this
//! machine, not on the wire.
//!
//! The old collection stays as it is, and is searched by the network it belongs to, until the two names are exchanged.

use std::sync::Arc;

use super::record::{Act, Tally};
use super::shelf::{Shelf, lock};
use super::types::{BoxRatio, FaceRecord};
use super::{OperationError, Service, derive, internal};
use crate::gallery::{CollectionId, ImageId};
use crate::policy::Principal;
use crate::store::StoreError;
use crate::vision::{AlignedFace, Face, Scene};

const OPERATION: &str = "MigrateCollection";

/// Two detectors draw their boxes differently around one face; those of two faces hardly overlap.
const IOU_MIN: f32 = 0.2;

impl Service {
    /// Version of the network that faces are embedded with now, such as `95.1`.
    #[must_use]
    pub fn model_version(&self) -> &str {
        &self.settings.model_version
    }

    /// The id under which a picture's faces are enrolled.
    #[must_use]
    pub fn image_id(bytes: &[u8]) -> ImageId {
        derive::image_id(bytes)
    }

    /// Enrols in `into` the faces of one picture that `old` names (records of another collection, all of this
    /// picture): for each, the face whose box agrees best. Gives the number of faces that were found.
    ///
    /// The quality filter is not asked: they were enrolled before.
    ///
    /// # Errors
    /// As `IndexFaces`.
    pub fn migrate_picture(
        &self,
        principal: &Principal,
        into: &CollectionId,
        bytes: &[u8],
        old: &[FaceRecord],
    ) -> Result<usize, OperationError> {
        let act = act(into);
        self.through_the_door(
            &principal.into(),
            act,
            |_| migrate(self, into, bytes, old),
            |count| Tally::indexed(*count),
        )
        .result
    }

    /// Gives `new` the name of `old`, and `old` the name `kept`, at once.
    ///
    /// # Errors
    /// `CollectionNotFound`; `CollectionExists` for `kept`.
    pub fn exchange_collections(
        &self,
        principal: &Principal,
        old: &CollectionId,
        new: &CollectionId,
        kept: &CollectionId,
    ) -> Result<(), OperationError> {
        let act = act(old);
        self.through_the_door(&principal.into(), act, |_| exchange(self, old, new, kept), |()| Tally::managed()).result
    }
}

fn act(collection: &CollectionId) -> Act {
    Act { operation: OPERATION, collection: Some(collection.clone()), ..Act::default() }
}

fn migrate(service: &Service, into: &CollectionId, bytes: &[u8], old: &[FaceRecord]) -> Result<usize, OperationError> {
    let shelf = service.shelf(into)?;
    shelf.check_model(service.eyes.model_id())?;
    let image_id = derive::image_id(bytes);
    let scene = service.eyes.look(bytes).map_err(super::picture::vision_error)?;
    let found: Vec<(&FaceRecord, usize, &AlignedFace)> = old
        .iter()
        .filter(|record| record.image_id == image_id)
        .filter_map(|record| {
            let (place, face) = nearest(&scene, &record.box_ratio)?;
            Some((record, place, face.aligned.as_ref()?))
        })
        .collect();
    let aligned: Vec<&AlignedFace> = found.iter().map(|(_, _, aligned)| *aligned).collect();
    let embeddings = service.embed(&aligned)?;
    let record = |(old, place, _): &(&FaceRecord, usize, &AlignedFace)| {
        let detail = super::picture::detail(&scene, &scene.faces[*place]);
        let external = old.external_image_id.as_ref();
        FaceRecord {
            face_id: derive::face_id(service.eyes.model_id(), image_id, external, *place),
            image_id,
            external_image_id: external.cloned(),
            box_ratio: detail.box_ratio,
            confidence: detail.confidence,
            model_version: shelf.model_version().to_owned(),
            user_id: None,
        }
    };
    let faces: Vec<_> = found.iter().map(record).zip(embeddings).collect();
    let count = faces.len();
    if count > 0 {
        shelf.enrol(&service.store, faces)?;
    }
    Ok(count)
}

/// The face of the scene whose box agrees best with one found before, with its place.
fn nearest<'a>(scene: &'a Scene, before: &BoxRatio) -> Option<(usize, &'a Face)> {
    let overlap = |face: &Face| overlap(&super::picture::detail(scene, face).box_ratio, before);
    let best = scene.faces.iter().enumerate().max_by(|a, b| overlap(a.1).total_cmp(&overlap(b.1)))?;
    (overlap(best.1) >= IOU_MIN).then_some(best)
}

/// Intersection over union of two boxes, 0 to 1.
#[must_use]
pub fn overlap(a: &BoxRatio, b: &BoxRatio) -> f32 {
    let width = (a.left + a.width).min(b.left + b.width) - a.left.max(b.left);
    let height = (a.top + a.height).min(b.top + b.height) - a.top.max(b.top);
    if width <= 0.0 || height <= 0.0 {
        return 0.0;
    }
    let inner = width * height;
    inner / (a.width * a.height + b.width * b.height - inner)
}

fn exchange(
    service: &Service,
    old: &CollectionId,
    new: &CollectionId,
    kept: &CollectionId,
) -> Result<(), OperationError> {
    let _structure = lock(&service.structure);
    let renames = [(old.clone(), kept.clone()), (new.clone(), old.clone())];
    service.store.rename_collections(&renames).map_err(|error| match error {
        StoreError::Missing => OperationError::CollectionNotFound(format!("{old}` or `{new}")),
        StoreError::Exists => OperationError::CollectionExists(kept.to_string()),
        other => internal(other),
    })?;
    let mut shelves = service.shelves.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    for id in [old, new, kept] {
        shelves.remove(id);
    }
    for id in [old, kept] {
        let record = service.store.collection(id).map_err(internal)?;
        shelves.insert(id.clone(), Arc::new(Shelf::load(record, &service.store).map_err(internal)?));
    }
    Ok(())
}
