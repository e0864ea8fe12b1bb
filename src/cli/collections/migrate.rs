//! `trombi collections migrate`: a collection's faces again, with the network in use.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use super::super::failure::{Ending, Failure, Outcome};
use super::super::house::{ask, expect_response};
use super::super::index::{journal, walk};
use super::super::s3::{S3Address, S3Options};
use super::super::{Global, house, output};
use crate::gallery::{CollectionId, FaceId, ImageId, UserId};
use crate::operations::migrate_collection::overlap;
use crate::operations::types::FaceRecord;
use crate::operations::{
    OperationError, Request, Service, associate_faces, create_collection, create_user, list_faces,
    list_tags_for_resource,
};
use crate::policy::Principal;
use crate::store::buckets::Buckets;
use crate::vision::DecodeLimits;

/// Options of `collections migrate`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Collection whose faces another network has embedded
    #[arg(value_parser = super::collection_id)]
    collection: CollectionId,
    /// The pictures its faces came from, folders of them, and s3://BUCKET/PREFIX: those whose bytes are the same are used
    #[arg(required = true, value_name = "PATH")]
    pictures: Vec<PathBuf>,
    #[command(flatten)]
    s3: S3Options,
    /// Region of --s3-endpoint
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    s3_region: String,
    /// Exchange the collections although some faces' pictures were not supplied, or show no face now
    #[arg(long)]
    leave_out_missing: bool,
}

pub(super) fn run(global: &Global, service: &Service, arguments: &Arguments) -> Outcome {
    let old = &arguments.collection;
    let about = super::description(service, old)?;
    let version = super::model_number(&about.model_version);
    if version == service.model_version() {
        return Err(Failure::other(format!(
            "collection `{old}` is of the network in use already; choose another one with --pack"
        )));
    }
    let new = renamed(old, "migrating")?;
    // First, so that a mistyped path leaves nothing behind.
    let supply = Supply::open(arguments)?;
    let pictures = supply.pictures(&arguments.pictures)?;
    create(service, old, &new, global)?;
    let faces = every_face(service, old)?;
    let missing = migrate(global, service, &new, &faces, &supply, &pictures)?;
    give_users(service, &new, &faces)?;
    if missing > 0 && !arguments.leave_out_missing {
        output::line(&format!(
            "{missing} of {} faces are not in `{new}` yet; `{old}` serves as before; supply their pictures, or say --leave-out-missing",
            faces.len()
        ))?;
        return Ok(Ending::SomeRefused);
    }
    let kept = renamed(old, &version)?;
    service.exchange_collections(&Principal::Local, old, &new, &kept)?;
    for id in [old, &new] {
        journal::forget(&house::data_dir(global)?, id)?;
    }
    output::line(&format!(
        "`{old}` has {} faces of the network in use now; what it was is `{kept}`, delete it when you no longer need it",
        faces.len() - missing
    ))?;
    Ok(Ending::Done)
}

/// The collection's name with an end; shortened where it would be too long.
fn renamed(id: &CollectionId, end: &str) -> Result<CollectionId, Failure> {
    let room = CollectionId::LENGTH_MAX - end.len() - 1;
    let name: String = id.as_str().chars().take(room).collect();
    CollectionId::parse(&format!("{name}.{end}")).ok_or_else(|| Failure::other("internal error: no collection's name"))
}

/// Makes the new collection with the old one's tags, unless an earlier run did.
fn create(service: &Service, old: &CollectionId, new: &CollectionId, global: &Global) -> Result<(), Failure> {
    let arn = super::description(service, old)?.collection_arn;
    let request = Request::ListTagsForResource(list_tags_for_resource::Input { resource_arn: arn });
    let tags = expect_response!(ask(service, request)?, ListTagsForResource)?.tags;
    let input = create_collection::Input { collection_id: new.clone(), tags };
    match ask(service, Request::CreateCollection(input)) {
        Ok(_) => output::note(global, &format!("new embeddings go to `{new}` until all are there")),
        Err(OperationError::CollectionExists(_)) => output::note(global, &format!("going on with `{new}`")),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Every enrolled face of a collection.
fn every_face(service: &Service, collection: &CollectionId) -> Result<Vec<FaceRecord>, Failure> {
    let (mut faces, mut next_token) = (Vec::new(), None);
    loop {
        let input = list_faces::Input {
            collection_id: collection.clone(),
            next_token: next_token.take(),
            limit: None,
            face_ids: Vec::new(),
            user_id: None,
        };
        let page = expect_response!(ask(service, Request::ListFaces(input))?, ListFaces)?;
        faces.extend(page.faces);
        next_token = page.next_token;
        if next_token.is_none() {
            return Ok(faces);
        }
    }
}

/// Goes through the pictures; gives the number of faces that have no counterpart afterwards.
fn migrate(
    global: &Global,
    service: &Service,
    new: &CollectionId,
    faces: &[FaceRecord],
    supply: &Supply,
    pictures: &[Picture],
) -> Result<usize, Failure> {
    let mut by_picture: BTreeMap<ImageId, Vec<FaceRecord>> = BTreeMap::new();
    for face in faces {
        by_picture.entry(face.image_id).or_default().push(face.clone());
    }
    // What an earlier run has done.
    let done: BTreeSet<ImageId> = every_face(service, new)?.iter().map(|face| face.image_id).collect();
    let progress = output::progress(global, pictures.len(), "pictures");
    for picture in pictures {
        progress.inc(1);
        let bytes = match supply.read(picture) {
            Ok(bytes) => bytes,
            Err(why) => {
                output::note(global, &why.to_string());
                continue;
            }
        };
        let image_id = Service::image_id(&bytes);
        let Some(wanted) = by_picture.get(&image_id).filter(|_| !done.contains(&image_id)) else { continue };
        match service.migrate_picture(&Principal::Local, new, &bytes, wanted) {
            Ok(count) if count < wanted.len() => {
                output::note(global, &format!("`{picture}`: {count} of its {} faces were found", wanted.len()))
            }
            Ok(_) => {}
            Err(error) if house::is_about_the_picture(&error) => {
                output::note(global, &format!("`{picture}`: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    progress.finish_and_clear();
    let enrolled = every_face(service, new)?;
    Ok(faces.iter().filter(|face| counterpart(face, &enrolled).is_none()).count())
}

/// A picture that is supplied again.
enum Picture {
    File(PathBuf),
    Object { bucket: String, key: String },
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Object { bucket, key } => write!(f, "s3://{bucket}/{key}"),
        }
    }
}

/// Where pictures come from.
struct Supply {
    /// `None` without an S3 service.
    buckets: Option<Buckets>,
}

impl Supply {
    fn open(arguments: &Arguments) -> Result<Self, Failure> {
        let source = arguments.s3.source(&arguments.s3_region);
        let buckets = source.map(Buckets::open).transpose().map_err(|error| Failure::other(error.to_string()))?;
        Ok(Self { buckets })
    }

    fn buckets(&self) -> Result<&Buckets, Failure> {
        let missing = || Failure::other("pictures of s3://… need --s3-endpoint with a key".to_owned());
        self.buckets.as_ref().ok_or_else(missing)
    }

    /// All of them: those of files and folders first, then those of buckets.
    fn pictures(&self, paths: &[PathBuf]) -> Result<Vec<Picture>, Failure> {
        let (mut files, mut addresses) = (Vec::new(), Vec::new());
        for path in paths {
            match S3Address::parse(path) {
                Some(address) => addresses.push(address),
                None => files.push(path.clone()),
            }
        }
        let mut pictures: Vec<Picture> = walk::pictures(&files)?.pictures.into_iter().map(Picture::File).collect();
        for S3Address { bucket, prefix } in addresses {
            let keys = self.buckets()?.list(&bucket, &prefix);
            let keys = keys.map_err(|error| Failure::other(format!("s3://{bucket}/{prefix}: {error}")))?;
            let keys = keys.into_iter().filter(|key| walk::is_named_as_picture(Path::new(key)));
            pictures.extend(keys.map(|key| Picture::Object { bucket: bucket.clone(), key }));
        }
        Ok(pictures)
    }

    fn read(&self, picture: &Picture) -> Result<Vec<u8>, Failure> {
        match picture {
            Picture::File(path) => house::read_picture(path),
            Picture::Object { bucket, key } => {
                let bytes_max = u64::try_from(DecodeLimits::default().bytes_max).unwrap_or(u64::MAX);
                let read = self.buckets()?.get(bucket, key, None, bytes_max);
                read.map_err(|error| Failure::other(format!("`{picture}`: {error}")))
            }
        }
    }
}

/// The new record of an old one's face.
fn counterpart(old: &FaceRecord, new: &[FaceRecord]) -> Option<FaceId> {
    let same = |face: &&FaceRecord| {
        face.image_id == old.image_id
            && face.external_image_id == old.external_image_id
            && overlap(&face.box_ratio, &old.box_ratio) > 0.0
    };
    let nearness = |face: &&FaceRecord| overlap(&face.box_ratio, &old.box_ratio);
    new.iter().filter(same).max_by(|a, b| nearness(a).total_cmp(&nearness(b))).map(|face| face.face_id)
}

/// Makes the users again, each with his faces.
fn give_users(service: &Service, new: &CollectionId, faces: &[FaceRecord]) -> Result<(), Failure> {
    let enrolled = every_face(service, new)?;
    let mut by_user: BTreeMap<UserId, Vec<FaceId>> = BTreeMap::new();
    for face in faces {
        if let Some(user) = &face.user_id {
            by_user.entry(user.clone()).or_default().extend(counterpart(face, &enrolled));
        }
    }
    for (user_id, face_ids) in by_user {
        let input = create_user::Input { collection_id: new.clone(), user_id: user_id.clone(), token: None };
        match ask(service, Request::CreateUser(input)) {
            Ok(_) | Err(OperationError::UserExists(_)) => {}
            Err(error) => return Err(error.into()),
        }
        if !face_ids.is_empty() {
            let (collection_id, threshold) = (new.clone(), Some(0.0));
            let input = associate_faces::Input { collection_id, user_id, face_ids, threshold, token: None };
            ask(service, Request::AssociateFaces(input))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_names() {
        let id = CollectionId::parse("staff").unwrap();
        assert_eq!(renamed(&id, "95.1").unwrap().as_str(), "staff.95.1");
        let long = CollectionId::parse(&"x".repeat(CollectionId::LENGTH_MAX)).unwrap();
        assert_eq!(renamed(&long, "migrating").unwrap().as_str().len(), CollectionId::LENGTH_MAX);
    }
}
