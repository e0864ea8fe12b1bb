//! `trombi keys`: the access keys that SDKs sign with.

use std::path::Path;

use clap::{Args, Subcommand};

use super::failure::{Ending, Failure, Outcome};
use super::{Global, house, output};
use crate::policy::vocabulary::{Purpose, Role};
use crate::store::{AccessKey, KeyBinding, Store, StoreError};

/// Options of `keys`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key; its secret is shown this once
    Create(Binding),
    /// List keys, without their secrets
    List,
    /// Revoke a key: requests signed with it are refused from now on
    Revoke {
        /// Access key id
        id: String,
    },
}

/// What a new key is bound to, for good.
#[derive(Debug, Args)]
struct Binding {
    /// Who answers for what is asked with it: a tenant of the policy set
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// The one purpose that it may be used for
    #[arg(long, value_name = "PURPOSE")]
    purpose: Option<String>,
    /// The case that it is used for
    #[arg(long, value_name = "REFERENCE")]
    case: Option<String>,
    /// What its holder is here to do
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
}

impl Binding {
    fn checked(&self) -> Result<KeyBinding, Failure> {
        let Self { tenant, purpose, case, role } = self;
        if let Some(purposes) = purpose {
            Purpose::list(purposes).map_err(|word| {
                let known: Vec<_> = Purpose::ALL.iter().map(|purpose| purpose.name()).collect();
                Failure::Usage(format!("`{word}` is no purpose; the purposes are {}", known.join(", ")))
            })?;
        }
        if let Some(name) = role.as_ref().filter(|name| Role::parse(name).is_none()) {
            let known: Vec<_> = Role::ALL.iter().map(|role| role.name()).collect();
            return Err(Failure::Usage(format!("`{name}` is no role; the roles are {}", known.join(", "))));
        }
        let [tenant, purpose, case, role] = [tenant, purpose, case, role].map(Clone::clone);
        Ok(KeyBinding { tenant, purpose, case, role })
    }
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    let data_dir = house::data_dir(global)?;
    let store = Store::open(&data_dir)?;
    match &arguments.action {
        Action::Create(binding) => create(global, &store, &data_dir, binding)?,
        Action::List => list(global, &store)?,
        Action::Revoke { id } => {
            house::record(&data_dir, "RevokeAccessKey", id)?;
            revoke(global, &store, id)?;
        }
    }
    Ok(Ending::Done)
}

fn create(global: &Global, store: &Store, data_dir: &Path, binding: &Binding) -> Result<(), Failure> {
    let key = store.create_key(&binding.checked()?)?;
    // One that cannot be recorded is not handed out.
    house::record(data_dir, "CreateAccessKey", &key.id)?;
    if global.json {
        // The shape of IAM's CreateAccessKey, which clients know.
        let members = serde_json::json!({ "AccessKeyId": key.id, "SecretAccessKey": key.secret, "Status": "Active" });
        return output::line(&format!("{:#}", serde_json::json!({ "AccessKey": members })));
    }
    output::lines(&exports(&key))?;
    output::note(global, "The secret is shown this once; keep it.");
    Ok(())
}

/// The two lines to paste.
pub(super) fn exports(key: &AccessKey) -> Vec<String> {
    vec![
        format!("export AWS_ACCESS_KEY_ID={}", key.id),
        format!("export AWS_SECRET_ACCESS_KEY={}", shell_word(&key.secret)),
    ]
}

/// `text` as one word of a POSIX shell.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./+=:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn status(key: &AccessKey) -> &'static str {
    if key.revoked { "Inactive" } else { "Active" }
}

fn list(global: &Global, store: &Store) -> Result<(), Failure> {
    let keys = store.keys()?;
    if global.json {
        let members = keys.iter().map(|key| {
            serde_json::json!({
                "AccessKeyId": key.id,
                "Status": status(key),
                "CreateDate": seconds(key.created_ms),
                "Tenant": key.binding.tenant,
                "Purpose": key.binding.purpose,
                "Case": key.binding.case,
                "Role": key.binding.role,
            })
        });
        let members = serde_json::Value::Array(members.collect());
        return output::line(&format!("{:#}", serde_json::json!({ "AccessKeyMetadata": members })));
    }
    if keys.is_empty() {
        output::note(global, "no keys; make one with `trombi keys create`");
        return Ok(());
    }
    let row =
        |key: &AccessKey| vec![key.id.clone(), status(key).to_lowercase(), super::collections::date(key.created_ms)];
    output::lines(&output::table(&["access key id", "status", "created"], &keys.iter().map(row).collect::<Vec<_>>()))
}

/// Seconds since 1970, as the API writes times.
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

fn revoke(global: &Global, store: &Store, id: &str) -> Result<(), Failure> {
    store.revoke_key(id).map_err(|error| match error {
        StoreError::Missing => {
            Failure::other(format!("access key `{id}` does not exist; `trombi keys list` shows those that do"))
        }
        other => other.into(),
    })?;
    output::note(global, &format!("revoked {id}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_survive_pasting_into_a_shell() {
        assert_eq!(shell_word("aZ09+/="), "aZ09+/=");
        assert_eq!(shell_word("a b"), "'a b'");
        assert_eq!(shell_word("it's $x"), "'it'\\''s $x'");
    }
}
