//! Salts and body keys by tenant: what is destroyed to erase.
//!
//! `tenants/<first half of the commitment, hex>/tenant` holds the salt (32 bytes) and the name;
//! `tenants/<…>/<month>.key` the key of one month (32 bytes). Only the owner may read them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::LedgerError;
use super::body::BodyKey;
use super::files;
use super::note::hex;
use super::tree::Hash;

const SALT_BYTES: usize = 32;
const TENANT: &str = "tenant";
/// Longest name of a tenant, bytes.
pub const TENANT_BYTES_MAX: usize = 255;

/// Fills a secret from the system's generator.
pub(super) fn random<const N: usize>() -> Result<[u8; N], LedgerError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| LedgerError::Io(format!("random numbers: {error}")))?;
    Ok(bytes)
}

/// What leaves say of a tenant.
#[must_use]
pub(super) fn commitment(salt: &[u8], name: &str) -> Hash {
    // A key of any length is valid for HMAC.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(salt) else { return [0; 32] };
    mac.chain_update(name.as_bytes()).finalize().into_bytes().into()
}

/// The folder of the tenant with this commitment, below [`files::TENANTS`].
pub(super) fn folder_name(commitment: &Hash) -> String {
    hex(&commitment[..16])
}

/// Reads a `tenant` file: salt and name.
pub(super) fn parse(bytes: &[u8]) -> Option<(&[u8; SALT_BYTES], &str)> {
    let (salt, name) = bytes.split_first_chunk::<SALT_BYTES>()?;
    let name = std::str::from_utf8(name).ok().filter(|name| name.len() <= TENANT_BYTES_MAX)?;
    Some((salt, name))
}

/// The month of a file `<month>.key`.
pub(super) fn month_of_key(file: &str) -> Option<u16> {
    let month = file.strip_suffix(".key")?;
    month.parse().ok().filter(|number: &u16| number.to_string() == month)
}

pub(super) fn key_file(month: u16) -> String {
    format!("{month}.key")
}

/// One tenant's commitment and keys.
pub(super) struct Tenant {
    pub(super) name: String,
    pub(super) commitment: Hash,
    folder: PathBuf,
    keys: RwLock<HashMap<u16, Arc<BodyKey>>>,
}

impl Tenant {
    /// The key of `month`, made and durable on first use.
    pub(super) fn key(&self, month: u16) -> Result<Arc<BodyKey>, LedgerError> {
        if let Some(key) = self.keys.read().unwrap_or_else(PoisonError::into_inner).get(&month) {
            return Ok(key.clone());
        }
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.get(&month) {
            return Ok(key.clone());
        }
        let path = self.folder.join(key_file(month));
        let bytes: [u8; 32] = match files::read_if_there(&path)? {
            Some(bytes) => {
                bytes.try_into().map_err(|_| LedgerError::Damaged(format!("{} is not a key", path.display())))?
            }
            None => {
                let bytes = random::<32>()?;
                files::replace(&path, &bytes)?;
                bytes
            }
        };
        let key = BodyKey::new(&bytes).ok_or_else(|| LedgerError::Damaged(format!("{}", path.display())))?;
        Ok(keys.entry(month).or_insert(Arc::new(key)).clone())
    }

    /// Overwrites and removes the key of `month`.
    pub(super) fn destroy_key(&self, month: u16) -> Result<(), LedgerError> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.remove(&month);
        let path = self.folder.join(key_file(month));
        if files::read_if_there(&path)?.is_none() {
            return Ok(());
        }
        overwrite(&path, 32)?;
        fs::remove_file(&path).map_err(|error| files::disk_error(&path, &error))?;
        files::sync_directory(&self.folder)
    }
}

/// Zeroes in place: the same blocks of the disk, as far as the file system goes along.
fn overwrite(path: &Path, length: usize) -> Result<(), LedgerError> {
    use std::io::Write as _;
    let write = || -> std::io::Result<()> {
        let mut file = files::private().open(path)?;
        file.write_all(&vec![0; length])?;
        file.sync_all()
    };
    write().map_err(|error| files::disk_error(path, &error))
}

/// All tenants that the ledger knows.
pub(super) struct Tenants {
    directory: PathBuf,
    by_name: RwLock<HashMap<String, Arc<Tenant>>>,
}

impl Tenants {
    pub(super) fn open(ledger: &Path) -> Result<Self, LedgerError> {
        let directory = ledger.join(files::TENANTS);
        files::create_directory(&directory)?;
        let mut by_name = HashMap::new();
        let entries = fs::read_dir(&directory).map_err(|error| files::disk_error(&directory, &error))?;
        for entry in entries {
            let folder = entry.map_err(|error| files::disk_error(&directory, &error))?.path();
            let path = folder.join(TENANT);
            // A crash may leave a new tenant's folder without its file: nothing refers to it.
            let Some(bytes) = files::read_if_there(&path)? else { continue };
            let (salt, name) =
                parse(&bytes).ok_or_else(|| LedgerError::Damaged(format!("{} is not a tenant", path.display())))?;
            let commitment = commitment(salt, name);
            if folder.file_name().is_none_or(|found| found != folder_name(&commitment).as_str()) {
                return Err(LedgerError::Damaged(format!("{} is not that of its folder", path.display())));
            }
            let tenant = Tenant { name: name.to_owned(), commitment, folder, keys: RwLock::default() };
            by_name.insert(tenant.name.clone(), Arc::new(tenant));
        }
        Ok(Self { directory, by_name: RwLock::new(by_name) })
    }

    /// The tenant of this name, made and durable on first use.
    pub(super) fn get(&self, name: &str) -> Result<Arc<Tenant>, LedgerError> {
        if let Some(tenant) = self.find(name) {
            return Ok(tenant);
        }
        if name.len() > TENANT_BYTES_MAX {
            return Err(LedgerError::Unrecordable(format!("a tenant's name of {} bytes", name.len())));
        }
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(tenant) = by_name.get(name) {
            return Ok(tenant.clone());
        }
        let salt = random::<SALT_BYTES>()?;
        let commitment = commitment(&salt, name);
        let folder = self.directory.join(folder_name(&commitment));
        files::create_directory(&folder)?;
        files::replace(&folder.join(TENANT), &[&salt[..], name.as_bytes()].concat())?;
        files::sync_directory(&self.directory)?;
        let tenant = Arc::new(Tenant { name: name.to_owned(), commitment, folder, keys: RwLock::default() });
        Ok(by_name.entry(name.to_owned()).or_insert(tenant).clone())
    }

    /// The tenant of this name, if there is one.
    pub(super) fn find(&self, name: &str) -> Option<Arc<Tenant>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The tenant with this commitment, if there is one.
    pub(super) fn find_by_commitment(&self, commitment: &Hash) -> Option<Arc<Tenant>> {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        by_name.values().find(|tenant| tenant.commitment == *commitment).cloned()
    }
}

/// The month of a minute since 1970, counted from January 1970 in UTC.
#[must_use]
pub fn month_of_minute(minute: u32) -> u16 {
    let (year, month, _) = date_of_day(minute / (24 * 60));
    u16::try_from((year - 1970) * 12 + month - 1).unwrap_or(u16::MAX)
}

/// Year, month and day (1 to 12, 1 to 31) of a day since 1970, Gregorian.
#[must_use]
pub fn date_of_day(day: u32) -> (u32, u32, u32) {
    // Counted from 1 March of year 0, so that a leap day is the last of its year.
    let day = day + 719_468;
    let (era, in_era) = (day / 146_097, day % 146_097);
    let year_of_era = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * in_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u32::from(month <= 2);
    (year, month, in_year - (153 * shifted + 2) / 5 + 1)
}

/// The day since 1970 of `YYYY-MM-DD`, from 1970 to 9999; `None` for what is no date.
#[must_use]
pub fn day_of_date(text: &str) -> Option<u32> {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| {
        let part = text.get(range)?;
        part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten()
    };
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
    if year < 1970 || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    // Years from March on, so that the leap day is a year's last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    let since = days - 719_468;
    // A day that its month does not have comes out as another date.
    (date_of_day(since) == (year, month, day)).then_some(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        for (day, date) in [(0, (1970, 1, 1)), (59, (1970, 3, 1)), (11_016, (2000, 2, 29)), (20_782, (2026, 11, 25))] {
            assert_eq!(date_of_day(day), date);
        }
        assert_eq!(month_of_minute(20_782 * 1440), 56 * 12 + 10);
    }

    #[test]
    fn dates_are_days_and_other_texts_none() {
        for (text, day) in [("1970-01-01", 0), ("1972-02-29", 789), ("2000-03-01", 11_017), ("2026-11-25", 20_782)] {
            assert_eq!(day_of_date(text), Some(day), "{text}");
        }
        for text in [
            "",
            "1969-12-31",
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "2026-1-001",
            "20260101xx",
            "+026-01-01",
            "２026-01",
        ] {
            assert_eq!(day_of_date(text), None, "{text}");
        }
    }

    #[test]
    fn a_tenant_keeps_its_commitment_and_a_destroyed_key_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let tenants = Tenants::open(dir.path()).unwrap();
        let commitment = tenants.get("acme").unwrap().commitment;
        tenants.get("acme").unwrap().key(682).unwrap();
        let key = dir.path().join(files::TENANTS).join(folder_name(&commitment)).join("682.key");
        let before = fs::read(&key).unwrap();
        let reopened = Tenants::open(dir.path()).unwrap();
        assert_eq!(reopened.get("acme").unwrap().commitment, commitment);
        assert_ne!(reopened.get("other").unwrap().commitment, commitment);
        reopened.get("acme").unwrap().destroy_key(682).unwrap();
        assert!(!key.exists());
        reopened.get("acme").unwrap().key(682).unwrap();
        assert_ne!(fs::read(&key).unwrap(), before);
    }
}
