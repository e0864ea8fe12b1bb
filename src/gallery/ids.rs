//! The names of things, checked where they are made.

use std::fmt;
use uuid::Uuid;

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $max:expr, $extra:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Most characters.
            pub const LENGTH_MAX: usize = $max;

            /// Checks length (1 to [`Self::LENGTH_MAX`]) and characters; `None` when they do not fit.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let fits = !text.is_empty()
                    && text.len() <= $max
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || $extra.contains(&b));
                fits.then(|| Self(text.to_owned()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_name!(
    /// A collection's name: 1 to 255 of `[a-zA-Z0-9_.\-]`, case-sensitive.
    CollectionId, 255, b"_.-"
);
checked_name!(
    /// A user's name inside a collection: 1 to 128 of `[a-zA-Z0-9_.\-:]`.
    UserId, 128, b"_.-:"
);
checked_name!(
    /// The caller's name for a picture: 1 to 255 of `[a-zA-Z0-9_.\-:]`.
    ExternalImageId, 255, b"_.-:"
);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Reads the lower-case hyphenated form only.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let uuid = Uuid::try_parse(text).ok()?;
                (uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text).then_some(Self(uuid))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

uuid_id!(
    /// One enrolled face. UUIDv5 of model, picture and face, so that indexing again gives the same id.
    FaceId
);
uuid_id!(
    /// One picture's bytes. UUIDv5 of their SHA-256.
    ImageId
);
