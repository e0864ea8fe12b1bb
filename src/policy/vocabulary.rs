//! The closed vocabulary of questions and rules: purposes, actors, places, operations, roles. Each word has one name,
//! the same on the wire, in policy files and in Cedar.

use std::fmt;

/// A closed enum whose words have one name each.
macro_rules! words {
    (
        $(#[$meta:meta])* $name:ident, $what:literal;
        $( $(#[$doc:meta])* $variant:ident = $word:literal, )*
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[$doc])* $variant, )*
        }

        impl $name {
            /// Every word, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// The word of a name; names are exact.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// What a message says of a name that is none.
            #[must_use]
            pub fn expected() -> String {
                let names: Vec<&str> = Self::ALL.iter().map(|word| word.name()).collect();
                format!("{}, one of {}", $what, names.join(", "))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
words! {
    /// How much is asked before an answer; from the least to the most.
    Profile, "a profile";
    /// One person or household: nothing asked, nothing refused.
    Personal = "personal",
    /// One organisation: a purpose by key or collection.
    Organisation = "organisation",
    /// Duties of a law: a purpose with each request, floors, delayed loosening.
    Regulated = "regulated",
    /// Serves third parties.
    Provider = "provider",
}

words! {
    /// What an answer is for.
    Purpose, "a purpose";
    /// Somebody's own pictures.
    PersonalPhotos = "personal-photos",
    /// Archive of a newsroom, museum or library.
    MediaArchive = "media-archive",
    /// Is this the holder of the account.
    Authentication = "authentication",
    /// Who may pass this door.
    AccessControl = "access-control",
    /// Is this the person of the document, for a contract.
    Kyc = "kyc",
    /// Finding somebody who is missed.
    FindMissingPerson = "find-missing-person",
    /// Finding somebody who is trafficked or exploited.
    IdentifyTraffickingVictim = "identify-trafficking-victim",
    /// Giving the dead their names.
    IdentifyDeceased = "identify-deceased",
    /// Finding somebody who is suspected of a crime.
    InvestigateSuspect = "investigate-suspect",
    /// Finding or holding people by their right to stay.
    ImmigrationEnforcement = "immigration-enforcement",
    /// Checks at a border.
    BorderControl = "border-control",
    /// Watching a gathering.
    EventSecurity = "event-security",
    /// Watching customers.
    Retail = "retail",
    /// Measuring the service itself.
    ResearchEvaluation = "research-evaluation",
    /// None of these; refused from `regulated` up.
    Other = "other",
}

/// The kind of comparison that a purpose or an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// One claimed person against one: 1:1.
    Verification,
    /// One probe against many: 1:N.
    Identification,
    /// As identification, while people pass by.
    Live,
    /// No faces are compared.
    Management,
}

impl Class {
    /// The class's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verification => "verification",
            Self::Identification => "identification",
            Self::Live => "live",
            Self::Management => "management",
        }
    }
}

impl Purpose {
    /// The class of comparisons it is made of.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::Authentication | Self::Kyc => Class::Verification,
            Self::BorderControl | Self::EventSecurity | Self::Retail => Class::Live,
            Self::ResearchEvaluation => Class::Management,
            _ => Class::Identification,
        }
    }

    /// The least threshold it is searched at above `personal`, in hundredths of a percent. Our choice: 99.00 where a
    /// wrong answer costs somebody freedom or entry, as the public-safety guidance of the API has it, 95.00 where
    /// money or a door hangs on it, 90.00 else.
    #[must_use]
    pub const fn floor(self) -> u32 {
        match self {
            Self::InvestigateSuspect | Self::ImmigrationEnforcement | Self::BorderControl | Self::EventSecurity => {
                99_00
            }
            Self::AccessControl | Self::Kyc | Self::Retail => 95_00,
            // Whoever measures the service must see what lies under the floor.
            Self::ResearchEvaluation => 0,
            _ => 90_00,
        }
    }

    /// Whether an authorisation (a case) is needed from `regulated` up.
    #[must_use]
    pub const fn needs_authorisation(self) -> bool {
        matches!(self, Self::InvestigateSuspect | Self::ImmigrationEnforcement | Self::EventSecurity)
    }

    /// The purposes of a list, separated by blanks or commas: how tags and headers name several.
    ///
    /// # Errors
    /// The first word that is no purpose.
    pub fn list(text: &str) -> Result<Vec<Self>, String> {
        let words = text.split([' ', ',', '\t']).filter(|word| !word.is_empty());
        words.map(|word| Self::parse(word).ok_or_else(|| word.to_owned())).collect()
    }
}

words! {
    /// Who asks, or whom the answer is for.
    Actor, "an actor class";
    /// A person or household.
    Person = "person",
    /// A company that is none of the others.
    PrivateCompany = "private-company",
    /// An association or charity.
    Ngo = "ngo",
    /// A newsroom or archive.
    Media = "media",
    /// A university or laboratory.
    Research = "research",
    /// A police department.
    Police = "police",
    /// Somebody who works for a police department.
    PoliceContractor = "police-contractor",
    /// An authority that decides who may stay.
    Immigration = "immigration",
    /// A border authority.
    Border = "border",
    /// An intelligence service.
    Intelligence = "intelligence",
    /// A prosecutor.
    Prosecutor = "prosecutor",
    /// Any other public authority.
    OtherGovernment = "other-government",
    /// Not known: every rule about actors catches it.
    Unknown = "unknown",
}

words! {
    /// Where the faces of a collection come from.
    Source, "a source";
    /// People who agreed.
    Consent = "consent",
    /// Records of the operator's own work.
    Operational = "operational",
    /// An archive of the operator's own.
    OwnArchive = "own-archive",
    /// Gathered from public web pages.
    PublicWeb = "public-web",
    /// Doorbells of private homes.
    Doorbell = "doorbell",
    /// Fixed cameras.
    Cctv = "cctv",
    /// Cameras on uniforms.
    BodyCamera = "body-camera",
    /// Pictures taken at arrest.
    BookingPhoto = "booking-photo",
    /// Not known.
    Unknown = "unknown",
}

words! {
    /// What a principal may do at most.
    Role, "a role";
    /// Everything.
    Admin = "admin",
    /// Everything that the API has.
    User = "user",
    /// Reads everything, changes nothing, compares nothing.
    Auditor = "auditor",
    /// Measures the service, for the purpose `research-evaluation` only.
    Tester = "tester",
    /// Looks at withheld candidates; asks nothing of its own.
    Reviewer = "reviewer",
}

/// What an operation does to faces and records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Reads records.
    Read,
    /// Changes records, no faces are looked at.
    Change,
    /// Looks at a picture, compares nothing.
    Detect,
    /// Puts faces into a collection.
    Enrol,
    /// Compares one face with the faces of one picture.
    Compare,
    /// Searches a collection.
    Search,
    /// Searches a collection while people pass by.
    Live,
}

words! {
    /// An operation, by its wire name.
    Operation, "an operation";
    /// As on the wire.
    CreateCollection = "CreateCollection",
    /// As on the wire.
    DescribeCollection = "DescribeCollection",
    /// As on the wire.
    ListCollections = "ListCollections",
    /// As on the wire.
    DeleteCollection = "DeleteCollection",
    /// As on the wire.
    IndexFaces = "IndexFaces",
    /// As on the wire.
    ListFaces = "ListFaces",
    /// As on the wire.
    DeleteFaces = "DeleteFaces",
    /// As on the wire.
    SearchFaces = "SearchFaces",
    /// As on the wire.
    SearchFacesByImage = "SearchFacesByImage",
    /// As on the wire.
    DetectFaces = "DetectFaces",
    /// As on the wire.
    CompareFaces = "CompareFaces",
    /// As on the wire.
    CreateUser = "CreateUser",
    /// As on the wire.
    DeleteUser = "DeleteUser",
    /// As on the wire.
    ListUsers = "ListUsers",
    /// As on the wire.
    AssociateFaces = "AssociateFaces",
    /// As on the wire.
    DisassociateFaces = "DisassociateFaces",
    /// As on the wire.
    SearchUsers = "SearchUsers",
    /// As on the wire.
    SearchUsersByImage = "SearchUsersByImage",
    /// As on the wire.
    TagResource = "TagResource",
    /// As on the wire.
    UntagResource = "UntagResource",
    /// As on the wire.
    ListTagsForResource = "ListTagsForResource",
    /// Of the person at this machine: enrols what another program embedded.
    ImportEmbeddings = "ImportEmbeddings",
    /// Of the person at this machine: re-embeds a collection.
    MigrateCollection = "MigrateCollection",
    /// Of the person at this machine: every face of a collection against every other.
    SearchFacesPairwise = "SearchFacesPairwise",
    /// Of STS: a session, which can only narrow what its key may do.
    AssumeRole = "AssumeRole",
    /// Of Trombi's own: keys.
    ListAccessKeys = "ListAccessKeys",
    /// Of Trombi's own: keys.
    CreateAccessKey = "CreateAccessKey",
    /// Of Trombi's own: keys.
    RevokeAccessKey = "RevokeAccessKey",
    /// Of Trombi's own: what similarities stand for.
    GetExpectations = "GetExpectations",
    /// Of Trombi's own: the record.
    GetLedger = "GetLedger",
    /// Of Trombi's own: the record.
    ListEntries = "ListEntries",
    /// Of Trombi's own: the record.
    GetUsage = "GetUsage",
    /// Of the API, not served yet.
    StartFaceSearch = "StartFaceSearch",
    /// Of the API, not served yet.
    GetFaceSearch = "GetFaceSearch",
    /// Of the API, not served yet.
    StartFaceDetection = "StartFaceDetection",
    /// Of the API, not served yet.
    GetFaceDetection = "GetFaceDetection",
    /// Of the API, not served yet.
    CreateStreamProcessor = "CreateStreamProcessor",
    /// Of the API, not served yet.
    StartStreamProcessor = "StartStreamProcessor",
    /// Of the API, not served yet.
    StopStreamProcessor = "StopStreamProcessor",
    /// Of the API, not served yet.
    DeleteStreamProcessor = "DeleteStreamProcessor",
    /// Of the API, not served yet.
    ListStreamProcessors = "ListStreamProcessors",
    /// None of the above: every rule about actions catches it.
    Unknown = "unknown",
}

impl Operation {
    /// The operation of a wire name, or [`Operation::Unknown`].
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self::parse(name).unwrap_or(Self::Unknown)
    }

    /// What it does; of an unknown one, the most.
    #[must_use]
    pub const fn effect(self) -> Effect {
        match self {
            Self::DescribeCollection
            | Self::ListCollections
            | Self::ListFaces
            | Self::ListUsers
            | Self::ListTagsForResource
            | Self::AssumeRole
            | Self::ListAccessKeys
            | Self::GetExpectations
            | Self::GetLedger
            | Self::ListEntries
            | Self::GetUsage
            | Self::ListStreamProcessors => Effect::Read,
            Self::CreateCollection
            | Self::DeleteCollection
            | Self::DeleteFaces
            | Self::CreateUser
            | Self::DeleteUser
            | Self::DisassociateFaces
            | Self::TagResource
            | Self::UntagResource
            | Self::CreateAccessKey
            | Self::RevokeAccessKey
            | Self::StopStreamProcessor
            | Self::DeleteStreamProcessor => Effect::Change,
            Self::DetectFaces | Self::StartFaceDetection | Self::GetFaceDetection => Effect::Detect,
            Self::IndexFaces | Self::AssociateFaces | Self::ImportEmbeddings | Self::MigrateCollection => Effect::Enrol,
            Self::CompareFaces => Effect::Compare,
            Self::SearchFaces
            | Self::SearchFacesByImage
            | Self::SearchUsers
            | Self::SearchUsersByImage
            | Self::SearchFacesPairwise
            | Self::StartFaceSearch
            | Self::GetFaceSearch => Effect::Search,
            Self::CreateStreamProcessor | Self::StartStreamProcessor | Self::Unknown => Effect::Live,
        }
    }

    /// Whether it is about who may sign.
    #[must_use]
    pub const fn manages_keys(self) -> bool {
        matches!(self, Self::ListAccessKeys | Self::CreateAccessKey | Self::RevokeAccessKey)
    }

    /// Whether it reads what others have asked.
    #[must_use]
    pub const fn reads_the_record(self) -> bool {
        matches!(self, Self::GetLedger | Self::ListEntries | Self::GetUsage)
    }

    /// Whether faces are looked at, so that a purpose is owed.
    #[must_use]
    pub const fn touches_faces(self) -> bool {
        !matches!(self.effect(), Effect::Read | Effect::Change)
    }

    /// Whether the answer holds or follows from similarities, so that a floor applies.
    #[must_use]
    pub const fn compares(self) -> bool {
        matches!(self.effect(), Effect::Compare | Effect::Search | Effect::Live) || matches!(self, Self::AssociateFaces)
    }

    /// The class of comparison for a purpose: comparing two pictures to verify a claim is 1:1, every search is 1:N.
    #[must_use]
    pub const fn class(self, purpose: Option<Purpose>) -> Class {
        match (self.effect(), purpose) {
            (Effect::Compare, Some(purpose)) if matches!(purpose.class(), Class::Verification) => Class::Verification,
            (Effect::Compare | Effect::Search, _) => Class::Identification,
            (Effect::Live, _) => Class::Live,
            (Effect::Read | Effect::Change | Effect::Detect | Effect::Enrol, _) => Class::Management,
        }
    }
}

/// A country, or a part of one: `US`, `US-CA`. ISO 3166-1 alpha-2 and ISO 3166-2 in form; not checked against the
/// lists, which change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(String);

impl Place {
    /// Reads `US` or `US-CA`. `EU` is none: which member state is meant decides which law holds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (country, part) = text.split_once('-').map_or((text, None), |(country, part)| (country, Some(part)));
        let letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase());
        let digits_too = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        let good_country = country.len() == 2 && letters(country) && country != "EU";
        let good_part = part.is_none_or(|part| (1..=3).contains(&part.len()) && digits_too(part));
        (good_country && good_part).then(|| Self(text.to_owned()))
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The country's two letters.
    #[must_use]
    pub fn country(&self) -> &str {
        self.0.get(..2).unwrap_or_default()
    }

    /// Whether only the country is known.
    #[must_use]
    pub fn is_country(&self) -> bool {
        self.0.len() == 2
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The member states of the European Union since 1 February 2020; `EU` in a rule stands for them.
pub const EU: &[&str] = &[
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
    "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
];
