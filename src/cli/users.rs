//! `trombi users`: list the users of a collection.

use clap::{Args, Subcommand};

use super::collections::collection_id;
use super::failure::{Ending, Failure, Outcome};
use super::house::{ask, expect_response};
use super::{Global, house, output};
use crate::gallery::CollectionId;
use crate::operations::types::{UserStatus, UserSummary};
use crate::operations::{Request, Response, Service, list_users};

/// Options of `users`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List users by name
    List {
        #[arg(value_parser = collection_id)]
        collection: CollectionId,
    },
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    let Action::List { collection } = &arguments.action;
    let service = house::open_service(global)?;
    let all = every_user(&service, collection)?;
    if global.json {
        output::json(&Response::ListUsers(all))?;
    } else if all.users.is_empty() {
        output::note(global, &format!("collection {collection} has no users"));
    } else {
        output::lines(&output::table(&["user", "status"], &all.users.iter().map(row).collect::<Vec<_>>()))?;
    }
    Ok(Ending::Done)
}

fn row(user: &UserSummary) -> Vec<String> {
    let status = match user.status {
        UserStatus::Active => "active",
        UserStatus::Created => "created, no faces yet",
    };
    vec![user.user_id.to_string(), status.to_owned()]
}

/// All pages as one.
fn every_user(service: &Service, id: &CollectionId) -> Result<list_users::Output, Failure> {
    let mut all = list_users::Output { users: Vec::new(), next_token: None };
    loop {
        let input = list_users::Input { collection_id: id.clone(), next_token: all.next_token.take(), limit: None };
        let page = expect_response!(ask(service, Request::ListUsers(input))?, ListUsers)?;
        all.users.extend(page.users);
        all.next_token = page.next_token;
        if all.next_token.is_none() {
            return Ok(all);
        }
    }
}
