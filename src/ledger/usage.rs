//! The meter: usage as a fold over entries, by tenant, class, outcome, unit and period; and as FOCUS 1.2 rows.
//!
//! Every entry counts in exactly one row's `entries` (that of its first unit), so the rows' entries sum to the
//! entries of the period: nothing is billed that is not in the log, and nothing is in the log that is not counted.

use std::collections::BTreeMap;
use std::io;

use super::LedgerError;
use super::leaf::Leaf;
use super::note::{base64, hex};
use super::read::Reader;
use super::record::{Class, Outcome, Unit};
use super::tenants::date_of_day;
use super::tree::Hash;

const MINUTES_OF_DAY: u32 = 24 * 60;

/// How long one row's period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// A day, UTC.
    Day,
    /// A calendar month, UTC.
    Month,
}

impl Period {
    /// First day and the day behind the last, since 1970, of the period around `day`.
    #[must_use]
    pub fn around(self, day: u32) -> (u32, u32) {
        match self {
            Self::Day => (day, day + 1),
            Self::Month => {
                let first = day + 1 - date_of_day(day).2;
                // 32 days on is the next month, whatever the month.
                let next = first + 32;
                (first, next + 1 - date_of_day(next).2)
            }
        }
    }
}

/// What one row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// First day of the period, since 1970.
    pub day: u32,
    /// The tenant, as leaves have it.
    pub tenant: Hash,
    /// What kind of act.
    pub class: Class,
    /// How it ended.
    pub outcome: Outcome,
    /// What is counted. Entries that count nothing count as one request.
    pub unit: Unit,
}

/// One row's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Amount of the unit.
    pub quantity: u64,
    /// Entries whose first unit this is.
    pub entries: u64,
    /// First entry that counts here.
    pub from: u64,
    /// Behind the last entry that counts here.
    pub to: u64,
}

/// Usage as of one checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Name of the log.
    pub origin: String,
    /// Entries of the log.
    pub size: u64,
    /// Root of the log.
    pub root: Hash,
    /// How long periods are.
    pub period: Period,
    /// By period, tenant, class, outcome, unit.
    pub rows: BTreeMap<Subject, Counted>,
    /// Names of tenants, where they are known.
    pub names: BTreeMap<Hash, String>,
}

impl Usage {
    /// Folds the entries of the days `days.0..days.1` since 1970.
    ///
    /// # Errors
    /// Those of reading.
    pub fn of(reader: &Reader<'_>, days: (u32, u32), period: Period) -> Result<Self, LedgerError> {
        let checkpoint = &reader.checkpoint().checkpoint;
        let mut usage = Self {
            origin: checkpoint.origin.clone(),
            size: checkpoint.size,
            root: checkpoint.root,
            period,
            rows: BTreeMap::new(),
            names: reader.tenant_names().map(|(commitment, name)| (*commitment, name.to_owned())).collect(),
        };
        reader.leaves(0, checkpoint.size, |leaf| {
            if (days.0..days.1).contains(&(leaf.minute / MINUTES_OF_DAY)) {
                usage.count(&leaf);
            }
            Ok::<(), LedgerError>(())
        })?;
        Ok(usage)
    }

    fn count(&mut self, leaf: &Leaf) {
        let (day, _) = self.period.around(leaf.minute / MINUTES_OF_DAY);
        let of = |unit| Subject { day, tenant: leaf.tenant, class: leaf.class, outcome: leaf.outcome, unit };
        let request = (leaf.units.iter().len() == 0).then_some((Unit::Requests, 1));
        for (nth, (unit, amount)) in leaf.units.iter().chain(request).enumerate() {
            let fresh = Counted { quantity: 0, entries: 0, from: leaf.index, to: leaf.index };
            let counted = self.rows.entry(of(unit)).or_insert(fresh);
            counted.quantity = counted.quantity.saturating_add(amount);
            counted.entries += u64::from(nth == 0);
            counted.to = leaf.index + 1;
        }
    }

    /// Entries of all rows.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.rows.values().map(|counted| counted.entries).sum()
    }

    /// The tenant's name, or its commitment where the name is not known.
    #[must_use]
    pub fn tenant_name(&self, commitment: &Hash) -> String {
        self.names.get(commitment).cloned().unwrap_or_else(|| hex(commitment))
    }

    /// Writes FOCUS 1.2 rows: the mandatory columns, the consumed quantity, and where in the log each row comes from.
    ///
    /// Costs are zero: this service has no prices, only amounts.
    ///
    /// # Errors
    /// Those of `into`.
    pub fn write_focus(&self, into: impl io::Write, issuer: &str, currency: &str) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(into);
        csv.write_record(FOCUS_COLUMNS)?;
        for (subject, counted) in &self.rows {
            csv.write_record(self.focus_row(subject, counted, issuer, currency))?;
        }
        csv.flush()
    }

    fn focus_row(&self, subject: &Subject, counted: &Counted, issuer: &str, currency: &str) -> Vec<String> {
        let (first, end) = self.period.around(subject.day);
        let (month_first, month_end) = Period::Month.around(subject.day);
        let (class, outcome, unit) = (subject.class.name(), subject.outcome.name(), focus_unit(subject.unit));
        // With a point: readers take a column without one for whole numbers, and FOCUS asks for decimals.
        let (quantity, zero) = (format!("{}.0", counted.quantity), || "0.0".to_owned());
        let value = |column: &str| match column {
            "BilledCost" | "ContractedCost" | "EffectiveCost" | "ListCost" => zero(),
            "ContractedUnitPrice" | "ListUnitPrice" => zero(),
            "BillingAccountId" => hex(&subject.tenant),
            "BillingAccountName" => self.tenant_name(&subject.tenant),
            "BillingCurrency" => currency.to_owned(),
            "BillingPeriodEnd" => start_of(month_end),
            "BillingPeriodStart" => start_of(month_first),
            "ChargeCategory" => "Usage".to_owned(),
            "ChargeDescription" => format!("{class}, {outcome}: {unit}"),
            "ChargePeriodEnd" => start_of(end),
            "ChargePeriodStart" => start_of(first),
            "ConsumedQuantity" | "PricingQuantity" => quantity.clone(),
            "ConsumedUnit" | "PricingUnit" => unit.to_owned(),
            "InvoiceIssuerName" | "ProviderName" | "PublisherName" => issuer.to_owned(),
            "PricingCategory" => "Standard".to_owned(),
            "ServiceCategory" => "AI and Machine Learning".to_owned(),
            "ServiceName" => "Trombi face recognition".to_owned(),
            "SkuId" | "SkuPriceId" => format!("{class}/{}", subject.unit.name()),
            "x_LedgerEntries" => counted.entries.to_string(),
            "x_LedgerFrom" => counted.from.to_string(),
            "x_LedgerTo" => counted.to.to_string(),
            "x_LedgerSize" => self.size.to_string(),
            "x_LedgerRoot" => base64(&self.root),
            "x_LedgerOrigin" => self.origin.clone(),
            // Columns of things that do not exist here: discounts, regions, resources, sub-accounts, corrections.
            _ => String::new(),
        };
        FOCUS_COLUMNS.iter().map(|column| value(column)).collect()
    }
}

/// Columns of [`Usage::write_focus`]: those that FOCUS demands of everybody, those that it demands under conditions,
/// empty where they do not hold, and ours.
pub const FOCUS_COLUMNS: [&str; 47] = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "SkuId",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "Tags",
    "x_LedgerEntries",
    "x_LedgerFrom",
    "x_LedgerTo",
    "x_LedgerSize",
    "x_LedgerRoot",
    "x_LedgerOrigin",
];

/// Units in FOCUS's spelling: nouns in plural, words capitalised.
fn focus_unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Detect => "Images",
        Unit::Index => "Faces",
        Unit::Search => "Searches",
        Unit::Compare => "Comparisons",
        Unit::Manage | Unit::Requests => "Requests",
        Unit::FacesStoredDay => "Face-Days",
        Unit::EgressVectors => "Vectors",
        Unit::EgressImages => "Exported Images",
        Unit::MinutesOfVideo => "Minutes",
    }
}

/// The first moment of a day, as FOCUS writes times.
fn start_of(day: u32) -> String {
    let (year, month, day) = date_of_day(day);
    format!("{year:04}-{month:02}-{day:02}T00:00:00Z")
}

#[cfg(test)]
mod tests {
    use super::super::{Durability, Folder, Ledger, Record, Units};
    use super::*;

    const DAY_MS: i64 = 24 * 60 * 60 * 1000;

    #[test]
    fn rows_sum_to_the_entries_of_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path(), Durability::Process).unwrap();
        for n in 0..900_i64 {
            let units = match n % 3 {
                0 => Units::none(),
                1 => Units::of(Unit::Search, 1).and(Unit::Detect, 2),
                _ => Units::of(Unit::FacesStoredDay, 1000),
            };
            let tenant = if n % 2 == 0 { "acme, inc." } else { "b" };
            let record = Record::new(20_600 * DAY_MS + n * DAY_MS / 30, Class::Search, "SearchFaces", tenant);
            ledger.record(&Record { units, ..record }).unwrap();
        }
        ledger.close().unwrap();
        let folder = Folder(dir.path().to_owned());
        let reader = Reader::open(&folder).unwrap();
        for period in [Period::Day, Period::Month] {
            let usage = Usage::of(&reader, (0, u32::MAX), period).unwrap();
            assert_eq!(usage.entries(), 900);
            let amount = |unit| usage.rows.iter().filter(|(s, _)| s.unit == unit).map(|(_, c)| c.quantity).sum::<u64>();
            assert_eq!(
                [Unit::Requests, Unit::Search, Unit::Detect, Unit::FacesStoredDay].map(amount),
                [300, 300, 600, 300_000]
            );
            let mut written = Vec::new();
            usage.write_focus(&mut written, "Example", "EUR").unwrap();
            let mut csv = csv::Reader::from_reader(&written[..]);
            let column = FOCUS_COLUMNS.iter().position(|name| *name == "x_LedgerEntries").unwrap();
            let sum: u64 = csv.records().map(|row| row.unwrap()[column].parse::<u64>().unwrap()).sum();
            assert_eq!(sum, 900);
        }
        let one_day = Usage::of(&reader, (20_610, 20_611), Period::Day).unwrap();
        assert_eq!(one_day.entries(), 30);
    }

    #[test]
    fn months_have_their_ends() {
        for (day, first, end) in [(20_782, "2026-11-01", "2026-12-01"), (11_016, "2000-02-01", "2000-03-01")] {
            let (from, to) = Period::Month.around(day);
            assert_eq!((start_of(from), start_of(to)), (format!("{first}T00:00:00Z"), format!("{end}T00:00:00Z")));
        }
    }
}
