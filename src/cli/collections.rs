//! `trombi collections`: create, list, describe, delete.

mod migrate;

use clap::{Args, Subcommand};

use super::failure::{Ending, Failure, Outcome};
use super::house::{ask, expect_response};
use super::index::journal;
use super::{Global, house, output};
use crate::gallery::CollectionId;
pub(super) use crate::models::date::utc as date;
use crate::operations::{
    Request, Response, Service, create_collection, delete_collection, describe_collection, list_collections,
};

/// Options of `collections`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make an empty collection
    Create {
        #[arg(value_parser = collection_id)]
        collection: CollectionId,
        /// Tag to put on it, once or more
        #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
        tags: Vec<(String, String)>,
    },
    /// List collections by name
    List,
    /// Show one collection's counts, network and age
    Describe {
        #[arg(value_parser = collection_id)]
        collection: CollectionId,
    },
    /// Embed a collection's faces again, with the network in use, from the pictures they came from
    Migrate(migrate::Arguments),
    /// Delete a collection with its faces and users, for good
    Delete {
        #[arg(value_parser = collection_id)]
        collection: CollectionId,
    },
}

/// Reads a collection's name from the command line.
pub(super) fn collection_id(text: &str) -> Result<CollectionId, String> {
    CollectionId::parse(text)
        .ok_or_else(|| format!("a collection's name is 1 to {} of a-z A-Z 0-9 _ . -", CollectionId::LENGTH_MAX))
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    let service = house::open_service(global)?;
    match &arguments.action {
        Action::Create { collection, tags } => create(global, &service, collection, tags)?,
        Action::List => list(global, &service)?,
        Action::Describe { collection } => describe(global, &service, collection)?,
        Action::Migrate(arguments) => return migrate::run(global, &service, arguments),
        Action::Delete { collection } => delete(global, &service, collection)?,
    }
    Ok(Ending::Done)
}

fn create(global: &Global, service: &Service, id: &CollectionId, tags: &[(String, String)]) -> Result<(), Failure> {
    let tags = tags.iter().cloned().collect();
    let input = create_collection::Input { collection_id: id.clone(), tags };
    let response = ask(service, Request::CreateCollection(input))?;
    if global.json {
        return output::json(&response);
    }
    let made = expect_response!(response, CreateCollection)?;
    output::lines(&[format!("created {id}"), format!("arn      {}", made.collection_arn)])
}

fn list(global: &Global, service: &Service) -> Result<(), Failure> {
    let all = every_collection(service)?;
    if global.json {
        return output::json(&Response::ListCollections(all));
    }
    if all.collections.is_empty() {
        output::note(global, "no collections; make one with `trombi collections create NAME`");
        return Ok(());
    }
    let mut rows = Vec::with_capacity(all.collections.len());
    for (id, _) in &all.collections {
        let about = description(service, id)?;
        rows.push(vec![
            id.to_string(),
            about.face_count.to_string(),
            about.user_count.to_string(),
            about.model_version,
            date(about.created_ms),
        ]);
    }
    output::lines(&output::table(&["collection", "faces", "users", "model", "created"], &rows))
}

/// All pages as one.
fn every_collection(service: &Service) -> Result<list_collections::Output, Failure> {
    let mut all = list_collections::Output { collections: Vec::new(), next_token: None };
    loop {
        let input = list_collections::Input { next_token: all.next_token.take(), limit: None };
        let page = expect_response!(ask(service, Request::ListCollections(input))?, ListCollections)?;
        all.collections.extend(page.collections);
        all.next_token = page.next_token;
        if all.next_token.is_none() {
            return Ok(all);
        }
    }
}

fn ask_description(service: &Service, id: &CollectionId) -> Result<Response, Failure> {
    let input = describe_collection::Input { collection_id: id.clone() };
    Ok(ask(service, Request::DescribeCollection(input))?)
}

/// One collection's counts and age.
pub(super) fn description(service: &Service, id: &CollectionId) -> Result<describe_collection::Output, Failure> {
    expect_response!(ask_description(service, id)?, DescribeCollection)
}

fn describe(global: &Global, service: &Service, id: &CollectionId) -> Result<(), Failure> {
    let response = ask_description(service, id)?;
    if global.json {
        return output::json(&response);
    }
    let about = expect_response!(response, DescribeCollection)?;
    output::lines(&[
        format!("collection  {id}"),
        format!("faces       {}", about.face_count),
        format!("users       {}", about.user_count),
        format!("model       {}", about.model_version),
        format!("created     {}", date(about.created_ms)),
        format!("arn         {}", about.collection_arn),
    ])
}

/// The number of a described model version, without what it says of the pack.
fn model_number(described: &str) -> String {
    described.split(' ').next().unwrap_or_default().to_owned()
}

fn delete(global: &Global, service: &Service, id: &CollectionId) -> Result<(), Failure> {
    let input = delete_collection::Input { collection_id: id.clone() };
    let response = ask(service, Request::DeleteCollection(input))?;
    journal::forget(&house::data_dir(global)?, id)?;
    if global.json {
        return output::json(&response);
    }
    output::line(&format!("deleted {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_needs_an_equals_sign() {
        assert!(tag("a").is_err());
        assert_eq!(tag("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
    }
}
