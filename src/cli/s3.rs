//! An S3-compatible service as commands name it: options, and addresses of what lies there.

use std::path::Path;

use crate::store::buckets::BucketSource;

/// Where the service is, and who asks it.
#[derive(Debug, clap::Args)]
pub(super) struct S3Options {
    /// S3-compatible service with the pictures
    #[arg(long, value_name = "URL", requires = "s3_access_key_id", requires = "s3_secret_access_key")]
    s3_endpoint: Option<String>,
    /// Access key id for --s3-endpoint
    #[arg(long, value_name = "ID", env = "TROMBI_S3_ACCESS_KEY_ID")]
    s3_access_key_id: Option<String>,
    /// Secret for --s3-endpoint; better given in the environment
    #[arg(long, value_name = "SECRET", env = "TROMBI_S3_SECRET_ACCESS_KEY", hide_env_values = true)]
    s3_secret_access_key: Option<String>,
}

impl S3Options {
    /// The service in a region, if one is named.
    pub(super) fn source(&self, region: &str) -> Option<BucketSource> {
        Some(BucketSource::S3 {
            endpoint: Some(self.s3_endpoint.clone()?),
            region: region.to_owned(),
            access_key_id: self.s3_access_key_id.clone()?,
            secret_access_key: self.s3_secret_access_key.clone()?,
        })
    }
}

/// What `s3://BUCKET/PREFIX` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct S3Address {
    pub(super) bucket: String,
    /// Without a slash at either end; empty for the whole bucket.
    pub(super) prefix: String,
}

impl S3Address {
    /// `None` for everything else, which is a path.
    pub(super) fn parse(path: &Path) -> Option<Self> {
        let rest = path.to_str()?.strip_prefix("s3://")?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        Some(Self { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_paths() {
        let read = |text: &str| S3Address::parse(Path::new(text)).map(|address| (address.bucket, address.prefix));
        let named = |bucket: &str, prefix: &str| Some((bucket.to_owned(), prefix.to_owned()));
        assert_eq!(read("s3://pictures"), named("pictures", ""));
        assert_eq!(read("s3://pictures/"), named("pictures", ""));
        assert_eq!(read("s3://pictures/of/crew/"), named("pictures", "of/crew"));
        for path in ["pictures", "s3:/pictures", "./s3://pictures", ""] {
            assert_eq!(read(path), None);
        }
    }
}
