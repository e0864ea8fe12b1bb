//! The leaf of an entry: what stands in the tree, without personal data. `docs/ledger-format.md` has every byte.

use super::record::{Class, Outcome, Unit, Units};
use super::tree::{Hash, leaf_hash};
use super::varint;

/// The only version so far.
const VERSION: u8 = 1;
/// Longest leaf, bytes.
pub const LEAF_BYTES_MAX: usize = 200;
const FIXED_BYTES: usize = 112;
/// Most kinds of units in one leaf.
const UNITS_MAX: usize = 10;

const CLOCK_WENT_BACK: u8 = 0x10;
const FLOOD_BEGINS: u8 = 0x20;
const FLOOD_ENDS: u8 = 0x40;
const OUTCOME_BITS: u8 = 0x03;

/// Why something was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Ground {
    /// Kept as long as was set.
    Retention = 1,
    /// The person concerned asked for it.
    Request = 2,
    /// Consent was withdrawn.
    Withdrawal = 3,
    /// The authorisation was refused or ran out.
    Refused = 4,
    /// An authority or court ordered it.
    Order = 5,
}

impl Ground {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Retention, Self::Request, Self::Withdrawal, Self::Refused, Self::Order];

    /// The word for people and machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::Request => "request",
            Self::Withdrawal => "withdrawal",
            Self::Refused => "refused",
            Self::Order => "order",
        }
    }
}

/// Which bodies an entry of class `erase` took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    /// Why.
    pub ground: Ground,
    /// Whose, as their leaves have it.
    pub tenant: Hash,
    /// First entry.
    pub from: u64,
    /// Behind the last entry.
    pub to: u64,
    /// Only bodies under the key of this month, counted from January 1970; `None` for all in the range.
    pub month: Option<u16>,
}

/// The leaf of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Place in the log, from 0.
    pub index: u64,
    /// Minutes since 1970; never less than that of the leaf before.
    pub minute: u32,
    /// The clock was behind the minute of the leaf before; the body has what it said.
    pub clock_went_back: bool,
    /// From here on, equal denials of this minute are only counted.
    pub flood_begins: bool,
    /// Stands for as many denials as its unit `requests` says.
    pub flood_ends: bool,
    /// What kind of act.
    pub class: Class,
    /// How it ended.
    pub outcome: Outcome,
    /// `HMAC-SHA-256(salt of the tenant, name of the tenant)`.
    pub tenant: Hash,
    /// `SHA-256(salt of the entry ‖ body)`.
    pub body: Hash,
    /// Hash of the rules in force.
    pub policy: [u8; 32],
    /// What it counts for.
    pub units: Units,
    /// For class `erase`, and only for it.
    pub erasure: Option<Erasure>,
}

impl Leaf {
    /// The bytes in the bundle of entries.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + 16);
        let outcome =
            (0..).zip(Outcome::ALL).find_map(|(code, one)| (one == self.outcome).then_some(code)).unwrap_or(0_u8);
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = flag(self.clock_went_back, CLOCK_WENT_BACK)
            | flag(self.flood_begins, FLOOD_BEGINS)
            | flag(self.flood_ends, FLOOD_ENDS);
        bytes.extend_from_slice(&[VERSION, self.class.code(), outcome | flags]);
        bytes.extend_from_slice(&self.index.to_be_bytes());
        bytes.extend_from_slice(&self.minute.to_be_bytes());
        bytes.extend_from_slice(&self.tenant);
        bytes.extend_from_slice(&self.body);
        bytes.extend_from_slice(&self.policy);
        bytes.push(u8::try_from(self.units.iter().len()).unwrap_or(u8::MAX));
        for (unit, amount) in self.units.iter() {
            bytes.push(unit.code());
            varint::put(&mut bytes, amount);
        }
        if let Some(erasure) = &self.erasure {
            bytes.push(erasure.ground as u8);
            bytes.extend_from_slice(&erasure.tenant);
            varint::put(&mut bytes, erasure.from);
            varint::put(&mut bytes, erasure.to);
            varint::put(&mut bytes, erasure.month.map_or(0, |month| u64::from(month) + 1));
        }
        bytes
    }

    /// Reads a leaf; `None` unless it is exactly what [`Leaf::to_bytes`] writes.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (fixed, mut rest) = bytes.split_first_chunk::<FIXED_BYTES>()?;
        let [version, class, flags, ..] = *fixed;
        if version != VERSION || bytes.len() > LEAF_BYTES_MAX {
            return None;
        }
        let known = OUTCOME_BITS | CLOCK_WENT_BACK | FLOOD_BEGINS | FLOOD_ENDS;
        if flags & !known != 0 {
            return None;
        }
        let class = Class::from_code(class)?;
        let units = take_units(usize::from(fixed[FIXED_BYTES - 1]), &mut rest)?;
        let erasure = if class == Class::Erase { Some(take_erasure(&mut rest)?) } else { None };
        if !rest.is_empty() {
            return None;
        }
        Some(Self {
            index: u64::from_be_bytes(fixed[3..11].try_into().ok()?),
            minute: u32::from_be_bytes(fixed[11..15].try_into().ok()?),
            clock_went_back: flags & CLOCK_WENT_BACK != 0,
            flood_begins: flags & FLOOD_BEGINS != 0,
            flood_ends: flags & FLOOD_ENDS != 0,
            class,
            outcome: Outcome::ALL[usize::from(flags & OUTCOME_BITS)],
            tenant: fixed[15..47].try_into().ok()?,
            body: fixed[47..79].try_into().ok()?,
            policy: fixed[79..111].try_into().ok()?,
            units,
            erasure,
        })
    }

    /// Its hash in the tree.
    #[must_use]
    pub fn hash(&self) -> Hash {
        leaf_hash(&self.to_bytes())
    }
}

fn take_units(count: usize, rest: &mut &[u8]) -> Option<Units> {
    let mut units = Units::none();
    let mut before = 0;
    for _ in 0..count {
        let (code, after) = rest.split_first()?;
        *rest = after;
        let amount = varint::take(rest).filter(|amount| *amount > 0)?;
        // Each unit once, in order: one record has one form.
        if count > UNITS_MAX || *code <= before {
            return None;
        }
        before = *code;
        units = units.and(Unit::from_code(*code)?, amount);
    }
    Some(units)
}

fn take_erasure(rest: &mut &[u8]) -> Option<Erasure> {
    let (code, after) = rest.split_first()?;
    *rest = after;
    let ground = Ground::ALL.into_iter().find(|ground| *ground as u8 == *code)?;
    let (tenant, after) = rest.split_first_chunk::<32>()?;
    *rest = after;
    let (from, to) = (varint::take(rest)?, varint::take(rest)?);
    let month = match varint::take(rest)? {
        0 => None,
        month => Some(u16::try_from(month - 1).ok()?),
    };
    Some(Erasure { ground, tenant: *tenant, from, to, month })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf() -> Leaf {
        Leaf {
            index: 300,
            minute: 29_000_000,
            clock_went_back: true,
            flood_begins: false,
            flood_ends: true,
            class: Class::Search,
            outcome: Outcome::Denied,
            tenant: [1; 32],
            body: [2; 32],
            policy: [3; 32],
            units: Units::of(Unit::Search, 1).and(Unit::Requests, 70_000),
            erasure: None,
        }
    }

    #[test]
    fn leaves_read_back_and_are_short() {
        let erasure = Erasure { ground: Ground::Order, tenant: [4; 32], from: 0, to: u64::MAX, month: Some(u16::MAX) };
        let largest = Unit::ALL.iter().map(|unit| (*unit, u64::MAX)).collect();
        for leaf in [
            leaf(),
            Leaf { class: Class::Erase, erasure: Some(erasure), ..leaf() },
            Leaf { units: Units::none(), ..leaf() },
        ] {
            let bytes = leaf.to_bytes();
            assert!(bytes.len() <= LEAF_BYTES_MAX, "{}", bytes.len());
            assert_eq!(Leaf::parse(&bytes), Some(leaf));
        }
        let all = Leaf { units: largest, ..leaf() };
        assert!(all.to_bytes().len() > LEAF_BYTES_MAX, "ten kinds at their largest are refused when appended");
    }

    #[test]
    fn any_other_byte_is_another_leaf_or_none() {
        let bytes = leaf().to_bytes();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                if let Some(read) = Leaf::parse(&other) {
                    assert_eq!(read.to_bytes(), other);
                }
            }
        }
        assert!(Leaf::parse(&bytes[..bytes.len() - 1]).is_none());
        assert!(Leaf::parse(&[&bytes[..], &[0]].concat()).is_none());
    }
}
