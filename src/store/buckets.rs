//! Pictures named by bucket and key: a local folder of buckets, or an S3-compatible endpoint.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path as ObjectPath;
use object_store::{ClientOptions, GetOptions, ObjectStore, RetryConfig};
use tokio::runtime::Runtime;

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

/// How long an endpoint may take.
#[derive(Debug, Clone, Copy)]
struct Timeouts {
    connect: Duration,
    /// To begin its answer, retries included.
    answer: Duration,
    /// For the whole object.
    object: Duration,
}

/// A caller waits for the object, so the whole of it is bounded: 15 MB need 1 MB/s.
const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(3), answer: Duration::from_secs(10), object: Duration::from_secs(15) };
/// Stores of this many buckets are kept open.
const OPEN_MAX: usize = 64;
/// Objects of a bucket are listed up to here.
const LISTED_MAX: usize = 1_000_000;

/// Opened buckets; blocking calls, made from worker threads.
pub struct Buckets {
    source: BucketSource,
    timeouts: Timeouts,
    /// Of S3 buckets used before: each keeps its connections.
    open: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
    /// `None` only while dropping.
    runtime: Option<Runtime>,
}

impl Buckets {
    /// Keeps the settings; nothing is contacted.
    ///
    /// # Errors
    /// `Unavailable` when the settings make no sense.
    pub fn open(source: BucketSource) -> Result<Self, BucketError> {
        Self::open_with(source, TIMEOUTS)
    }

    fn open_with(source: BucketSource, timeouts: Timeouts) -> Result<Self, BucketError> {
        if let BucketSource::S3 { endpoint, .. } = &source {
            // The HTTP client asks for the process's provider; a second installation is refused and changes nothing.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let known = |url: &String| url.starts_with("http://") || url.starts_with("https://");
            if endpoint.as_ref().is_some_and(|url| !known(url)) {
                return Err(unavailable("the endpoint must begin with http:// or https://"));
            }
        }
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("buckets").enable_all().build();
        let runtime = Some(runtime.map_err(unavailable)?);
        let buckets = Self { source, timeouts, open: Mutex::new(HashMap::new()), runtime };
        if let BucketSource::S3 { .. } = &buckets.source {
            buckets.store_of("settings-check")?;
        }
        Ok(buckets)
    }

    /// Keys of an S3 bucket's objects below a prefix, whole parts between slashes; sorted.
    ///
    /// # Errors
    /// `Unavailable`, also for more than a million objects, and where buckets are folders.
    pub fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, BucketError> {
        check_name(bucket)?;
        let below = ObjectPath::parse(prefix).map_err(unavailable)?;
        let store = self.store_of(bucket)?;
        let Some(runtime) = &self.runtime else { return Err(unavailable("closing")) };
        runtime.block_on(async {
            let (mut objects, mut keys) = (store.list(Some(&below)), Vec::new());
            loop {
                let next = tokio::time::timeout(self.timeouts.answer, objects.next()).await;
                let Some(object) = next.map_err(|_| unavailable("no answer in time"))? else { break };
                if keys.len() == LISTED_MAX {
                    return Err(unavailable("more than a million objects; name a longer prefix"));
                }
                keys.push(object.map_err(unavailable)?.location.to_string());
            }
            keys.sort_unstable();
            Ok(keys)
        })
    }

    /// Reads one object of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// Both [`BucketError`]s.
    pub fn get(&self, bucket: &str, key: &str, version: Option<&str>, bytes_max: u64) -> Result<Vec<u8>, BucketError> {
        check_name(bucket)?;
        if let BucketSource::Folder(root) = &self.source {
            if version.is_some() {
                return Err(unavailable("a folder keeps no versions"));
            }
            return read_file(root, bucket, key, bytes_max);
        }
        let location = ObjectPath::parse(key).map_err(unavailable)?;
        let store = self.store_of(bucket)?;
        let options = GetOptions { version: version.map(str::to_owned), ..GetOptions::default() };
        let Some(runtime) = &self.runtime else { return Err(unavailable("closing")) };
        let Timeouts { answer, object, .. } = self.timeouts;
        runtime.block_on(async {
            tokio::time::timeout(object, download(store.as_ref(), &location, options, answer, bytes_max))
                .await
                .unwrap_or_else(|_| Err(unavailable("the object took too long")))
        })
    }

    /// The opened bucket of an S3 service.
    fn store_of(&self, bucket: &str) -> Result<Arc<dyn ObjectStore>, BucketError> {
        let BucketSource::S3 { endpoint, region, access_key_id, secret_access_key } = &self.source else {
            return Err(unavailable("the source is no S3 service"));
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = open.get(bucket) {
            return Ok(Arc::clone(store));
        }
        let plain = endpoint.as_ref().is_some_and(|url| url.starts_with("http://"));
        let client = ClientOptions::new()
            .with_connect_timeout(self.timeouts.connect)
            .with_timeout(self.timeouts.object)
            .with_allow_http(plain);
        let retry = RetryConfig { max_retries: 2, retry_timeout: self.timeouts.answer / 2, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new()
            .with_client_options(client)
            .with_retry(retry)
            .with_bucket_name(bucket)
            .with_region(region)
            .with_access_key_id(access_key_id)
            .with_secret_access_key(secret_access_key)
            .with_virtual_hosted_style_request(false);
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let store: Arc<dyn ObjectStore> = Arc::new(builder.build().map_err(unavailable)?);
        if open.len() >= OPEN_MAX {
            open.clear();
        }
        open.insert(bucket.to_owned(), Arc::clone(&store));
        Ok(store)
    }
}

impl Drop for Buckets {
    fn drop(&mut self) {
        // Waiting for it, as its own drop does, is forbidden on an async thread.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn check_name(bucket: &str) -> Result<(), BucketError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let is_name = (3..=255).contains(&bucket.len()) && bucket.bytes().all(fits) && !bucket.bytes().all(|b| b == b'.');
    if is_name { Ok(()) } else { Err(unavailable("the bucket's name is not valid")) }
}

/// Reads an ordinary file inside the bucket's folder; symbolic links that lead out of it are refused.
fn read_file(root: &Path, bucket: &str, key: &str, bytes_max: u64) -> Result<Vec<u8>, BucketError> {
    // A key is a name, taken letter by letter: no `..`, no absolute path, no percent-encoding.
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\0', '\\']);
    if !key.split('/').all(plain) {
        return Err(unavailable("the key is not valid"));
    }
    let root = root.canonicalize().map_err(unavailable)?;
    let folder = root.join(bucket).canonicalize().map_err(unavailable)?;
    let path = folder.join(key).canonicalize().map_err(unavailable)?;
    if !folder.starts_with(&root) || !path.starts_with(&folder) {
        return Err(unavailable("the key leads out of the folder"));
    }
    let metadata = path.metadata().map_err(unavailable)?;
    if !metadata.is_file() {
        return Err(unavailable("the key is no file"));
    }
    check_length(metadata.len(), bytes_max)?;
    let mut bytes = Vec::new();
    // It may grow meanwhile.
    let file = File::open(path).map_err(unavailable)?;
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(unavailable)?;
    check_length(bytes.len() as u64, bytes_max)?;
    Ok(bytes)
}

async fn download(
    store: &dyn ObjectStore,
    location: &ObjectPath,
    options: GetOptions,
    answer_timeout: Duration,
    bytes_max: u64,
) -> Result<Vec<u8>, BucketError> {
    let answer = tokio::time::timeout(answer_timeout, store.get_opts(location, options)).await;
    let answer = answer.map_err(|_| unavailable("no answer in time"))?.map_err(unavailable)?;
    check_length(answer.meta.size, bytes_max)?;
    let mut pieces = answer.into_stream();
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(unavailable)?;
        // What was announced need not be what comes.
        check_length((bytes.len() + piece.len()) as u64, bytes_max)?;
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn check_length(bytes: u64, bytes_max: u64) -> Result<(), BucketError> {
    if bytes > bytes_max { Err(BucketError::TooLarge { bytes, bytes_max }) } else { Ok(()) }
}

fn unavailable(why: impl ToString) -> BucketError {
    BucketError::Unavailable(why.to_string())
}

#[cfg(test)]
mod tests;
