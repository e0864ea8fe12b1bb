//! `trombi faces`: list and delete enrolled faces, find those that are like one another.

mod duplicates;

use clap::{Args, Subcommand};

use super::collections::collection_id;
use super::failure::{Ending, Failure, Outcome};
use super::house::{ask, expect_response};
use super::{Global, house, output};
use crate::gallery::{CollectionId, FaceId, UserId};
use crate::operations::types::{FaceRecord, FaceRefusal, RefusedFace};
use crate::operations::{Request, Response, Service, delete_faces, list_faces};

/// Faces of one page, and of one deletion: the API's own limit.
const PAGE_FACES: usize = 4096;

/// Options of `faces`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the faces of a collection in the order they were enrolled
    List {
        #[arg(value_parser = collection_id)]
        collection: CollectionId,
        /// Only this user's faces
        #[arg(long, value_parser = user_id)]
        user: Option<UserId>,
    },
    /// Find faces that are like one another: people who are enrolled twice
    Duplicates(duplicates::Arguments),
    /// Delete faces, for good
    Delete {
        #[arg(value_parser = collection_id)]
        collection: CollectionId,
        /// Face ids, as `faces list` shows them
        #[arg(required = true, value_parser = face_id)]
        faces: Vec<FaceId>,
    },
}

/// Reads a user's name from the command line.
pub(super) fn user_id(text: &str) -> Result<UserId, String> {
    UserId::parse(text).ok_or_else(|| format!("a user's name is 1 to {} of a-z A-Z 0-9 _ . - :", UserId::LENGTH_MAX))
}

fn face_id(text: &str) -> Result<FaceId, String> {
    FaceId::parse(text).ok_or_else(|| "a face id looks like 1b4e28ba-2fa1-11d2-883f-b9a761bde3fb".to_owned())
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    let service = house::open_service(global)?;
    match &arguments.action {
        Action::List { collection, user } => list(global, &service, collection, user.as_ref()),
        Action::Duplicates(arguments) => duplicates::run(global, &service, arguments),
        Action::Delete { collection, faces } => delete(global, &service, collection, faces),
    }
}

fn list(global: &Global, service: &Service, id: &CollectionId, user: Option<&UserId>) -> Outcome {
    let mut next_token = None;
    let mut all: Option<list_faces::Output> = None;
    loop {
        let page = page(service, id, user, next_token.take())?;
        next_token.clone_from(&page.next_token);
        match (&mut all, global.json) {
            (_, false) => output::lines(&page.faces.iter().map(face_line).collect::<Vec<_>>())?,
            (Some(all), true) => all.faces.extend(page.faces),
            (None, true) => all = Some(page),
        }
        if next_token.is_none() {
            break;
        }
    }
    if let Some(all) = all {
        output::json(&Response::ListFaces(list_faces::Output { next_token: None, ..all }))?;
    }
    Ok(Ending::Done)
}

fn page(
    service: &Service,
    id: &CollectionId,
    user: Option<&UserId>,
    next_token: Option<String>,
) -> Result<list_faces::Output, Failure> {
    let input = list_faces::Input {
        collection_id: id.clone(),
        next_token,
        limit: Some(PAGE_FACES),
        user_id: user.cloned(),
        face_ids: Vec::new(),
    };
    expect_response!(ask(service, Request::ListFaces(input))?, ListFaces)
}

/// Face id, confidence, name of the picture, user.
fn face_line(face: &FaceRecord) -> String {
    let name = face.external_image_id.as_ref().map_or("-", |id| id.as_str());
    let user = face.user_id.as_ref().map_or(String::new(), |user| format!("  user {user}"));
    format!("{}  {:6.2} %  {name}{user}", face.face_id, face.confidence)
}

fn delete(global: &Global, service: &Service, id: &CollectionId, faces: &[FaceId]) -> Outcome {
    let mut all = delete_faces::Output { deleted: Vec::new(), refused: Vec::new() };
    for faces in faces.chunks(PAGE_FACES) {
        let input = delete_faces::Input { collection_id: id.clone(), face_ids: faces.to_vec() };
        let part = expect_response!(ask(service, Request::DeleteFaces(input))?, DeleteFaces)?;
        all.deleted.extend(part.deleted);
        all.refused.extend(part.refused);
    }
    if global.json {
        output::json(&Response::DeleteFaces(all.clone()))?;
    } else {
        output::line(&format!("deleted {} of {} faces", all.deleted.len(), faces.len()))?;
        output::lines(&all.refused.iter().map(refused_line).collect::<Vec<_>>())?;
    }
    Ok(if all.refused.is_empty() { Ending::Done } else { Ending::SomeRefused })
}

fn refused_line(refused: &RefusedFace) -> String {
    let user = refused.user_id.as_ref().map_or(String::new(), |user| format!(" `{user}`"));
    let reasons = refused.reasons.iter().map(|reason| match reason {
        FaceRefusal::FaceNotFound => "not in the collection".to_owned(),
        FaceRefusal::AssociatedToAnExistingUser => format!("belongs to user{user}; disassociate it first"),
        FaceRefusal::AssociatedToADifferentUser => format!("belongs to another user{user}"),
        FaceRefusal::LowMatchConfidence => "does not resemble the user's other faces".to_owned(),
    });
    format!("kept {}: {}", refused.face_id, reasons.collect::<Vec<_>>().join(", "))
}
