//! Enrols faces that another program has embedded already: for the person at this machine, not on the wire.

use super::record::{Act, Tally};
use super::types::{BoxRatio, FaceRecord};
use super::{OperationError, Service, derive};
use crate::gallery::{CollectionId, ExternalImageId};
use crate::policy::{Principal, Ruling};
use crate::vision::{Embedding, ModelId};

const OPERATION: &str = "ImportEmbeddings";

impl Service {
    /// The network in use.
    #[must_use]
    pub fn model_id(&self) -> &ModelId {
        self.eyes.model_id()
    }

    /// Enrols embeddings of the collection's own network. Decided and recorded as operations are.
    ///
    /// There is no picture: the id of one is derived from the embedding, so that the same import saves no face twice;
    /// the box is empty and the confidence 0.
    ///
    /// # Errors
    /// As `IndexFaces`; `InvalidParameter` for a collection of another network.
    pub fn import_embeddings(
        &self,
        principal: &Principal,
        collection: &CollectionId,
        faces: Vec<(Option<ExternalImageId>, Embedding)>,
    ) -> Result<usize, OperationError> {
        let act = Act { operation: OPERATION, collection: Some(collection.clone()), ..Act::default() };
        let work = |_: &Ruling| run(self, collection, faces);
        self.through_the_door(&principal.into(), act, work, |count| Tally::indexed(*count)).result
    }
}

fn run(
    service: &Service,
    collection: &CollectionId,
    faces: Vec<(Option<ExternalImageId>, Embedding)>,
) -> Result<usize, OperationError> {
    let shelf = service.shelf(collection)?;
    let record = |(external_image_id, embedding): (Option<ExternalImageId>, Embedding)| {
        let image_id = derive::image_id(&embedding.vector().iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
        let record = FaceRecord {
            face_id: derive::face_id(embedding.model_id(), image_id, external_image_id.as_ref(), 0),
            image_id,
            external_image_id,
            box_ratio: BoxRatio { left: 0.0, top: 0.0, width: 0.0, height: 0.0 },
            confidence: 0.0,
            model_version: shelf.model_version().to_owned(),
            user_id: None,
        };
        (record, embedding)
    };
    if let Some((_, embedding)) = faces.first() {
        shelf.check_model(embedding.model_id())?;
    }
    let faces: Vec<_> = faces.into_iter().map(record).collect();
    Ok(if faces.is_empty() { 0 } else { shelf.enrol(&service.store, faces)?.len() })
}
