//! The access keys that may sign, in memory beside the store's: made and revoked at once, on disk first.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{OperationError, internal, limits};
use crate::store::{AccessKey, KeyBinding, Store};

/// Active keys by id.
pub(super) struct Keys(RwLock<BTreeMap<String, AccessKey>>);

impl Keys {
    pub(super) fn load(store: &Store) -> Result<Self, OperationError> {
        let keys = store.keys().map_err(internal)?;
        let active = keys.into_iter().filter(|key| !key.revoked);
        Ok(Self(RwLock::new(active.map(|key| (key.id.clone(), key)).collect())))
    }

    /// The secret of an active key.
    pub(super) fn secret(&self, id: &str) -> Option<String> {
        self.read().get(id).map(|key| key.secret.clone())
    }

    /// What an active key is bound to.
    pub(super) fn binding(&self, id: &str) -> Option<KeyBinding> {
        self.read().get(id).map(|key| key.binding.clone())
    }

    /// A new key, on disk before it signs.
    pub(super) fn create(&self, store: &Store, binding: &KeyBinding) -> Result<AccessKey, OperationError> {
        let mut keys = self.write();
        if keys.len() >= limits::KEYS_MAX {
            return Err(OperationError::QuotaExceeded(format!("there are {} active access keys", limits::KEYS_MAX)));
        }
        let key = store.create_key(binding).map_err(internal)?;
        keys.insert(key.id.clone(), key.clone());
        Ok(key)
    }

    /// Revokes an active key on disk, then in memory; under one lock, so that two callers cannot revoke the last two.
    pub(super) fn revoke(&self, store: &Store, id: &str) -> Result<(), OperationError> {
        let mut keys = self.write();
        if !keys.contains_key(id) {
            return Err(OperationError::KeyNotFound(id.to_owned()));
        }
        if keys.len() == 1 {
            let text = "the last active access key cannot be revoked here: make another one first";
            return Err(OperationError::InvalidParameter(text.to_owned()));
        }
        store.revoke_key(id).map_err(internal)?;
        keys.remove(id);
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, AccessKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, AccessKey>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
