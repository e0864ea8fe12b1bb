//! Erasing bodies: the entry that says so first, then the body or its key; finished at the next start after a crash.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::LedgerError;
use super::append::{Ledger, Marks, Shared};
use super::checkpoint::decimal;
use super::files::{self, Folder};
use super::leaf::{Erasure, Ground};
use super::note::hex;
use super::read::Reader;
use super::receipt::Place;
use super::record::{Class, Outcome, Record};
use super::stored_bodies;
use super::tiles::bundle_path;
use super::tree::{Hash, TILE_WIDTH, place_in_tile};

/// The tenant of entries about the service itself; its bodies are not erased.
pub const OPERATOR: &str = "trombi";

/// What `erasing` holds while an erasure is under way: one line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Intent {
    /// Entries in the log before.
    size: u64,
    at_ms: i64,
    erasure: Erasure,
}

impl Intent {
    fn to_text(&self) -> String {
        let Erasure { ground, tenant, from, to, month } = &self.erasure;
        let month = month.map_or_else(|| "-".to_owned(), |month| month.to_string());
        format!("{} {} {} {} {from} {to} {month}\n", self.size, self.at_ms, *ground as u8, hex(tenant))
    }

    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.strip_suffix('\n')?.split(' ').collect();
        let [size, at_ms, ground, tenant, from, to, month] = parts[..] else { return None };
        let ground: u8 = ground.parse().ok()?;
        let erasure = Erasure {
            ground: Ground::ALL.into_iter().find(|one| *one as u8 == ground)?,
            tenant: from_hex(tenant)?,
            from: decimal(from)?,
            to: decimal(to)?,
            month: if month == "-" { None } else { Some(month.parse().ok()?) },
        };
        Some(Self { size: decimal(size)?, at_ms: at_ms.parse().ok()?, erasure })
    }
}

fn from_hex(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(hash)
}

impl Ledger {
    /// Erases the body of one entry. `who` says who had it done; its class, outcome and tenant are set here.
    ///
    /// # Errors
    /// `Missing` if there is no such entry, `Unrecordable` for entries of the service itself, and those of
    /// [`Ledger::append`]. After `Full` or `Io` the entry may say erased what is there still: the next start erases it.
    pub fn erase_entry(&self, index: u64, ground: Ground, who: &Record) -> Result<Place, LedgerError> {
        self.seal()?;
        let folder = Folder(self.shared().directory.clone());
        let leaf = Reader::open(&folder)?.leaf(index)?;
        let erasure = Erasure { ground, tenant: leaf.tenant, from: index, to: index + 1, month: None };
        self.shared().erase(&Intent { size: self.size(), at_ms: who.at_ms, erasure }, who)
    }

    /// Erases all bodies of `tenant` so far that are under the key of `month` (counted from January 1970), by
    /// destroying the key.
    ///
    /// # Errors
    /// As [`Ledger::erase_entry`].
    pub fn erase_month(&self, tenant: &str, month: u16, ground: Ground, who: &Record) -> Result<Place, LedgerError> {
        let found = self.shared().tenants.find(tenant);
        let tenant =
            found.ok_or_else(|| LedgerError::Missing(format!("a tenant `{tenant}` in the ledger")))?.commitment;
        self.seal()?;
        let erasure = Erasure { ground, tenant, from: 0, to: u64::MAX, month: Some(month) };
        self.shared().erase(&Intent { size: self.size(), at_ms: who.at_ms, erasure }, who)
    }

    /// Finishes what a crash has interrupted.
    pub(super) fn finish_erasing(&self) -> Result<(), LedgerError> {
        let shared = self.shared();
        let path = shared.directory.join(files::ERASING);
        let Some(bytes) = files::read_if_there(&path)? else { return Ok(()) };
        let intent = std::str::from_utf8(&bytes).ok().and_then(Intent::parse);
        let intent = intent.ok_or_else(|| LedgerError::Damaged(format!("{} does not read", path.display())))?;
        let folder = Folder(shared.directory.clone());
        let reader = Reader::open(&folder)?;
        let mut recorded = false;
        reader.leaves(intent.size, reader.size(), |leaf| {
            recorded |= leaf.erasure == Some(intent.erasure);
            Ok::<(), LedgerError>(())
        })?;
        if recorded {
            shared.take_away(&intent.erasure)?;
            return shared.forget_intent();
        }
        let who = Record {
            detail: Some("finished after a crash".to_owned()),
            ..Record::new(intent.at_ms, Class::Erase, "Erase", OPERATOR)
        };
        shared.erase(&intent, &who).map(|_| ())
    }
}

impl Shared {
    fn erase(&self, intent: &Intent, who: &Record) -> Result<Place, LedgerError> {
        let tenant = self.tenants.find_by_commitment(&intent.erasure.tenant);
        if tenant.is_some_and(|tenant| tenant.name == OPERATOR) {
            return Err(LedgerError::Unrecordable("the erasure of what the service itself did".to_owned()));
        }
        let record = Record { class: Class::Erase, outcome: Outcome::Done, tenant: OPERATOR.to_owned(), ..who.clone() };
        // Nobody encrypts under a key that is about to be destroyed.
        let _alone = self.erasing.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        files::replace(&self.directory.join(files::ERASING), intent.to_text().as_bytes())?;
        let place = self.record_alone(&record, Marks { erasure: Some(intent.erasure), ..Marks::default() })?;
        // What says that it is erased is durable before it is.
        self.seal_now()?;
        self.take_away(&intent.erasure)?;
        self.forget_intent()?;
        Ok(place)
    }

    fn forget_intent(&self) -> Result<(), LedgerError> {
        let path = self.directory.join(files::ERASING);
        std::fs::remove_file(&path).map_err(|error| files::disk_error(&path, &error))?;
        files::sync_directory(&self.directory)
    }

    /// Destroys the key or the body. May be done again.
    fn take_away(&self, erasure: &Erasure) -> Result<(), LedgerError> {
        match erasure.month {
            Some(month) => match self.tenants.find_by_commitment(&erasure.tenant) {
                Some(tenant) => tenant.destroy_key(month),
                None => Ok(()),
            },
            None => (erasure.from..erasure.to).try_for_each(|index| zero_body(&self.directory, index)),
        }
    }
}

/// Overwrites one stored body in place, with its checksum.
fn zero_body(ledger: &Path, index: u64) -> Result<(), LedgerError> {
    let path = ledger.join(bundle_path(files::BODIES, index / TILE_WIDTH as u64));
    let damaged = || LedgerError::Damaged(format!("{}: entry {index} has no body", path.display()));
    let io = |error: std::io::Error| files::disk_error(&path, &error);
    let mut file = files::private().open(&path).map_err(io)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(io)?;
    let start = stored_bodies::length_of(&bytes, place_in_tile(index)).ok_or_else(damaged)?;
    let (body, _, _) = stored_bodies::take(&bytes[start..]).ok_or_else(damaged)?;
    let mut frame = Vec::new();
    stored_bodies::push(&mut frame, &vec![0; body.len()]);
    file.seek(SeekFrom::Start(start as u64)).and_then(|_| file.write_all(&frame)).map_err(io)?;
    file.sync_all().map_err(io)
}

#[cfg(test)]
mod tests {
    use super::super::verify::{Against, verify};
    use super::super::{Body, Durability, month_of_minute};
    use super::*;

    const AT_MS: i64 = 1_790_000_000_000;

    fn ledger(directory: &Path) -> Ledger {
        let ledger = Ledger::open(directory, Durability::Process).unwrap();
        for n in 0..300_i64 {
            let tenant = if n % 2 == 0 { "acme" } else { "other" };
            ledger.record(&Record::new(AT_MS + n, Class::Read, "ListFaces", tenant)).unwrap();
        }
        ledger
    }

    fn who() -> Record {
        Record { principal: "local".to_owned(), ..Record::new(AT_MS, Class::Erase, "Erase", OPERATOR) }
    }

    #[test]
    fn an_erased_body_is_gone_and_the_tree_still_verifies() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = ledger(dir.path());
        let before = ledger.seal().unwrap();
        let place = ledger.erase_entry(7, Ground::Withdrawal, &who()).unwrap();
        assert!(ledger.erase_entry(place.index, Ground::Request, &who()).is_err(), "what the service did stays");
        ledger.close().unwrap();
        let folder = Folder(dir.path().to_owned());
        let report = verify(&folder, &Against { checkpoints: vec![before], ..Against::default() });
        assert_eq!((report.findings, report.bodies_erased, report.bodies_read), (vec![], 1, 300));
        let reader = Reader::open(&folder).unwrap();
        assert_eq!(reader.entry(7).unwrap().body, Body::Erased { by: place.index, ground: Ground::Withdrawal });
        assert!(matches!(reader.entry(6).unwrap().body, Body::Record(_)));
    }

    #[test]
    fn a_destroyed_key_takes_its_month_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = ledger(dir.path());
        let month = month_of_minute(u32::try_from(AT_MS / 60_000).unwrap());
        ledger.erase_month("acme", month, Ground::Retention, &who()).unwrap();
        // The same month goes on under another key.
        ledger.record(&Record::new(AT_MS, Class::Read, "ListFaces", "acme")).unwrap();
        ledger.close().unwrap();
        let folder = Folder(dir.path().to_owned());
        let report = verify(&folder, &Against::default());
        assert_eq!((report.findings, report.bodies_erased, report.bodies_read), (vec![], 150, 152));
        let reader = Reader::open(&folder).unwrap();
        assert!(matches!(reader.entry(0).unwrap().body, Body::Erased { by: 300, .. }));
        assert!(matches!(reader.entry(301).unwrap().body, Body::Record(_)));
    }

    #[test]
    fn an_interrupted_erasure_is_finished_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let tenant = {
            let ledger = ledger(dir.path());
            ledger.shared().tenants.find("acme").unwrap().commitment
        };
        let erasure = Erasure { ground: Ground::Order, tenant, from: 8, to: 9, month: None };
        let intent = Intent { size: 300, at_ms: AT_MS, erasure };
        assert_eq!(Intent::parse(&intent.to_text()), Some(intent.clone()));
        for _ in ["before its entry", "after it"] {
            std::fs::write(dir.path().join(files::ERASING), intent.to_text()).unwrap();
            Ledger::open(dir.path(), Durability::Process).unwrap().close().unwrap();
            let report = verify(&Folder(dir.path().to_owned()), &Against::default());
            assert_eq!((report.findings, report.bodies_erased, report.size), (vec![], 1, 301));
        }
    }

    #[test]
    fn a_body_that_is_taken_away_without_an_entry_is_found() {
        let dir = tempfile::tempdir().unwrap();
        ledger(dir.path()).close().unwrap();
        zero_body(dir.path(), 9).unwrap();
        let report = verify(&Folder(dir.path().to_owned()), &Against::default());
        assert_eq!(report.findings.len(), 1);
        assert_eq!(report.findings[0].to_string(), "bodies/000: entry 9: its body is erased and no entry says so");
    }
}
