//! `trombi import`: faces that another program has enrolled already.

pub mod encodings;
pub mod pickle;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::collections::collection_id;
use super::failure::{Ending, Failure, Outcome};
use super::index::external_id::fit;
use super::{Global, house, output};
use crate::gallery::{CollectionId, ExternalImageId};
use crate::operations::{OperationError, Request, create_collection};
use crate::policy::Principal;
use crate::vision::{Embedding, ModelId};
use encodings::{Encoding, Format};

/// The network that made them; `models/dlib-resnet/manifest.toml` says the same.
const MODEL: &str = "dlib-face-recognition-resnet-v1";

/// A file of encodings is not larger: a million of them as text.
const FILE_BYTES_MAX: usize = 2 << 30;

/// Faces that are enrolled in one go.
const GROUP: usize = 1000;

/// Options of `import`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// Encodings of the Python package face_recognition (or of dlib): pickle, .npy, CSV or JSON
    FaceRecognition {
        /// The file; a pickle is read without running anything in it
        file: PathBuf,
        /// Collection to enrol them in; made if it is not there
        #[arg(long, value_parser = collection_id)]
        collection: CollectionId,
        /// Names, one a line in the order of the encodings, for files that hold none
        #[arg(long, value_name = "FILE")]
        names: Option<PathBuf>,
    },
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    let From::FaceRecognition { file, collection, names } = &arguments.from;
    let bytes = house::read_bounded(file, FILE_BYTES_MAX)
        .map_err(|why| Failure::other(format!("`{}`: {why}", file.display())))?;
    let about = |why: String| Failure::other(format!("`{}`: {why}", file.display()));
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let mut encodings = encodings::read(&bytes, Format::of(extension, &bytes)).map_err(about)?;
    drop(bytes);
    if let Some(names) = names {
        name(&mut encodings, &house::read_bounded(names, FILE_BYTES_MAX).map_err(about)?).map_err(about)?;
    }
    let faces = embeddings(encodings).map_err(about)?;
    enrol(global, collection, faces)
}

fn name(encodings: &mut [Encoding], names: &[u8]) -> Result<(), String> {
    let names = std::str::from_utf8(names).map_err(|_| "the names are no UTF-8 text".to_owned())?;
    let names: Vec<&str> = names.lines().collect();
    if names.len() != encodings.len() {
        return Err(format!("{} names for {} encodings", names.len(), encodings.len()));
    }
    encodings.iter_mut().zip(names).for_each(|(encoding, name)| encoding.name = Some(name.to_owned()));
    Ok(())
}

type Face = (Option<ExternalImageId>, Embedding);

fn embeddings(encodings: Vec<Encoding>) -> Result<Vec<Face>, String> {
    let mut faces = Vec::with_capacity(encodings.len());
    for (index, encoding) in encodings.into_iter().enumerate() {
        let embedding = Embedding::normalised(ModelId::new(MODEL), &encoding.vector);
        let embedding = embedding.ok_or_else(|| format!("encoding {} has no direction", index + 1))?;
        let external = encoding.name.as_deref().filter(|name| !name.is_empty());
        faces.push((external.and_then(|name| ExternalImageId::parse(&fit(name))), embedding));
    }
    Ok(faces)
}

fn enrol(global: &Global, collection: &CollectionId, faces: Vec<Face>) -> Outcome {
    let service = house::open_service(global)?;
    if service.model_id().as_str() != MODEL {
        return Err(Failure::other(format!(
            "encodings of face_recognition belong to the pack `dlib`, and this data directory uses the network `{}`; say `--pack dlib`, or name a data directory of their own with --data",
            service.model_id()
        )));
    }
    let create = create_collection::Input { collection_id: collection.clone(), tags: BTreeMap::new() };
    match house::ask(&service, Request::CreateCollection(create)) {
        Ok(_) => output::note(global, &format!("created the collection `{collection}`")),
        Err(OperationError::CollectionExists(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let count = faces.len();
    let progress = output::progress(global, count, "faces");
    let mut faces = faces.into_iter().peekable();
    while faces.peek().is_some() {
        let group: Vec<Face> = faces.by_ref().take(GROUP).collect();
        progress.inc(group.len() as u64);
        service.import_embeddings(&Principal::Local, collection, group)?;
    }
    progress.finish_and_clear();
    output::line(&format!("imported {count} faces into {collection}"))?;
    Ok(Ending::Done)
}
