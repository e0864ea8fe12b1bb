//! What one entry records, as plain values.

use std::collections::BTreeMap;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Answered.
    Done,
    /// Refused by a rule.
    Denied,
    /// Ended in an error of the caller's.
    Refused,
    /// Ended in an error of ours.
    Failed,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Done, Self::Denied, Self::Refused, Self::Failed];

    /// The word for people and machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

macro_rules! closed_vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal, $word:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_doc])* $variant = $code),+ }

        impl $name {
            /// All of them, by code.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word for people and machines.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The byte on disk.
            #[must_use]
            pub fn code(self) -> u8 {
                self as u8
            }

            /// Reads the byte on disk.
            #[must_use]
            pub fn from_code(code: u8) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.code() == code)
            }

            /// Reads the word.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

closed_vocabulary! {
    /// What kind of act an entry records; stands in the leaf, so codes never change their meaning.
    Class {
        /// Faces found in a picture, nobody recognised.
        Detect = 1, "detect";
        /// Faces enrolled.
        Index = 2, "index";
        /// One face against many.
        Search = 3, "search";
        /// One face against another.
        Compare = 4, "compare";
        /// Collections, faces, users, keys changed.
        Manage = 5, "manage";
        /// Lists and descriptions read.
        Read = 6, "read";
        /// The rules in force changed.
        Policy = 7, "policy";
        /// A witness was added, removed, or lied.
        Witness = 8, "witness";
        /// Something recorded was erased.
        Erase = 9, "erase";
        /// The service itself: started, stopped, recovered.
        System = 10, "system";
        /// A measurement of error rates.
        Evaluate = 11, "evaluate";
        /// An authorisation opened, confirmed, refused, expired.
        Case = 12, "case";
        /// Vectors, pictures or models left the machine.
        Export = 13, "export";
    }
}

closed_vocabulary! {
    /// What is counted; stands in the leaf, so codes never change their meaning.
    Unit {
        /// Pictures in which faces were looked for.
        Detect = 1, "detect";
        /// Faces enrolled.
        Index = 2, "index";
        /// Searches of one face.
        Search = 3, "search";
        /// Comparisons of one face with a picture.
        Compare = 4, "compare";
        /// Requests that manage or read.
        Manage = 5, "manage";
        /// Faces stored, times days.
        FacesStoredDay = 6, "faces-stored-day";
        /// Vectors that left the machine.
        EgressVectors = 7, "egress-vectors";
        /// Pictures that left the machine.
        EgressImages = 8, "egress-images";
        /// Minutes of video looked at.
        MinutesOfVideo = 9, "minutes-of-video";
        /// Requests that one aggregated entry stands for.
        Requests = 10, "requests";
    }
}

/// Amounts by unit; zero amounts are not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Units(BTreeMap<Unit, u64>);

impl Units {
    /// Nothing counted.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// One amount.
    #[must_use]
    pub fn of(unit: Unit, amount: u64) -> Self {
        Self::none().and(unit, amount)
    }

    /// Adds `amount`.
    #[must_use]
    pub fn and(mut self, unit: Unit, amount: u64) -> Self {
        if amount > 0 {
            let sum = self.0.entry(unit).or_default();
            *sum = sum.saturating_add(amount);
        }
        self
    }

    /// The amount of `unit`, 0 when there is none.
    #[must_use]
    pub fn amount(&self, unit: Unit) -> u64 {
        self.0.get(&unit).copied().unwrap_or(0)
    }

    /// By code of the unit.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Unit, u64)> + '_ {
        self.0.iter().map(|(unit, amount)| (*unit, *amount))
    }
}

impl FromIterator<(Unit, u64)> for Units {
    fn from_iter<I: IntoIterator<Item = (Unit, u64)>>(amounts: I) -> Self {
        amounts.into_iter().fold(Self::none(), |units, (unit, amount)| units.and(unit, amount))
    }
}

/// One request, or one act of the service itself.
///
/// `class`, `outcome`, `units`, `policy` and the minute go to the leaf, which anybody may see; of the tenant the leaf
/// has a salted commitment; everything else is in the body, encrypted and erasable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The service's clock, milliseconds since 1970. Negative ones count as 0.
    pub at_ms: i64,
    /// What kind of act.
    pub class: Class,
    /// How it ended.
    pub outcome: Outcome,
    /// The answer's request id.
    pub request_id: String,
    /// The operation's wire name, for example `SearchFacesByImage`.
    pub operation: String,
    /// The collection it touched.
    pub collection: Option<String>,
    /// Who asked: an access key's public half, or a role.
    pub principal: String,
    /// For whom: the legal person or household.
    pub tenant: String,
    /// Class of the actor, for example `police`.
    pub actor: String,
    /// Declared purpose.
    pub purpose: String,
    /// Reference of the authorisation.
    pub case: Option<String>,
    /// Name of the error it ended in, such as `collection-not-found`; one word, never a caller's text.
    pub error: Option<String>,
    /// Names of the rules that decided.
    pub rules: Vec<String>,
    /// Threshold asked for, hundredths of a percent.
    pub threshold_asked: Option<u32>,
    /// Threshold applied, hundredths of a percent.
    pub threshold_used: Option<u32>,
    /// Most faces to return, as applied.
    pub max_faces: Option<u32>,
    /// Faces, or users, that the probe was compared with.
    pub gallery_faces: Option<u64>,
    /// Id of the network.
    pub model: Option<String>,
    /// Faces found in the picture.
    pub faces: u32,
    /// Matches returned.
    pub matches: u32,
    /// Anything else worth keeping, in words.
    pub detail: Option<String>,
    /// What it counts for.
    pub units: Units,
    /// Hash of the rules in force.
    pub policy: [u8; 32],
}

impl Record {
    /// A record with nothing in it but what every one must say; fill in the rest with struct update.
    #[must_use]
    pub fn new(at_ms: i64, class: Class, operation: &str, tenant: &str) -> Self {
        Self {
            at_ms,
            class,
            outcome: Outcome::Done,
            request_id: String::new(),
            operation: operation.to_owned(),
            collection: None,
            principal: String::new(),
            tenant: tenant.to_owned(),
            actor: String::new(),
            purpose: String::new(),
            case: None,
            error: None,
            rules: Vec::new(),
            threshold_asked: None,
            threshold_used: None,
            max_faces: None,
            gallery_faces: None,
            model: None,
            faces: 0,
            matches: 0,
            detail: None,
            units: Units::none(),
            policy: [0; 32],
        }
    }
}
