//! Pictures named by bucket and key: a local folder of buckets, or an S3-compatible endpoint.

/// Why an object could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BucketError {
    /// Missing, not allowed, or no such bucket: the wire does not tell them apart. The text is for the log.
    #[error("object not available: {0}")]
    Unavailable(String),
    /// Longer than the limit.
    #[error("object has {bytes} bytes, at most {bytes_max} are read")]
    TooLarge {
        /// Its length.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
}

/// Where buckets are.
#[derive(Debug, Clone)]
pub enum BucketSource {
    /// `ROOT/BUCKET/KEY` in the file system.
    Folder(std::path::PathBuf),
    /// An S3-compatible service; credentials from the program's own settings.
    S3 {
        /// For example `http://127.0.0.1:9000`; `None` for AWS.
        endpoint: Option<String>,
        /// Region.
        region: String,
        /// Access key id.
        access_key_id: String,
        /// Secret.
        secret_access_key: String,
    },
}

/// Opened buckets; blocking calls, made from worker threads.
pub struct Buckets {}

#[expect(unused_variables, reason = "skeleton")]
impl Buckets {
    /// Keeps the settings; nothing is contacted.
    ///
    /// # Errors
    /// `Unavailable` when the settings make no sense.
    pub fn open(source: BucketSource) -> Result<Self, BucketError> {
        unimplemented!()
    }

    /// Reads one object of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// Both [`BucketError`]s.
    pub fn get(&self, bucket: &str, key: &str, version: Option<&str>, bytes_max: u64) -> Result<Vec<u8>, BucketError> {
        unimplemented!()
    }
}
