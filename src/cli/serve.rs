//! `trombi serve`: the API over HTTP, and the lines that point an SDK at it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::failure::{Ending, Failure, Outcome};
use super::s3::S3Options;
use super::{Global, house, interrupt, keys, output, reload, setup};
use crate::ledger::Ledger;
use crate::ledger::witness::known_witnesses;
use crate::models::Thoroughness;
use crate::operations::Service;
use crate::policy::vocabulary::Profile;
use crate::protocol::server::{Auth, Server, ServerOptions};
use crate::protocol::witness::ask;
use crate::store::buckets::{BucketSource, Buckets};
use crate::store::{AccessKey, KeyBinding, Store};

/// Callers that may wait for a seat before the server answers that it is busy.
const QUEUE_MAX: usize = 256;
/// How often witnesses are shown the ledger's checkpoint.
const WITNESS_INTERVAL: Duration = Duration::from_secs(10);

/// Options of `serve`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Answer unsigned requests; loopback addresses only
    #[arg(long)]
    no_auth: bool,
    /// Certificate chain for HTTPS, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Folder of buckets for `Image.S3Object`: DIR/BUCKET/KEY [default: `buckets` in the data directory]
    #[arg(long, value_name = "DIR", conflicts_with = "s3_endpoint")]
    buckets: Option<PathBuf>,
    #[command(flatten)]
    s3: S3Options,
    /// Region in the ARNs of collections, and of --s3-endpoint; clients may sign for any
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    region: String,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    check(arguments)?;
    let data_dir = house::data_dir(global)?;
    // The lock first: a directory in use is told at once.
    let store = Store::open(&data_dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("cannot start: {error}")))?;
    // The port before networks and keys: one that is taken costs nothing.
    let server = runtime.block_on(Server::bind(&options(global, arguments)))?;
    // Rules that do not read, or that want what is not there, are told before networks are fetched.
    let oversight = house::oversight_of_requests(&data_dir)?;
    let installed = house::install_aloud(global, Thoroughness::Quick)?;
    let vision = house::open_vision(global, &installed, QUEUE_MAX)?;
    let key = first_key(&store)?;
    let buckets = Buckets::open(bucket_source(arguments, data_dir.join("buckets")))
        .map_err(|error| Failure::other(error.to_string()))?;
    let service = house::service(Arc::clone(&vision), store, buckets, &installed, Some(&arguments.region), oversight)?;
    output::lines(&setup::summary(&installed))?;
    output::lines(&greeting(arguments, server.address(), &key, &oversight_line(&service)))?;
    if arguments.no_auth {
        output::warning("WARNING: --no-auth: whoever reaches this port may read, enrol and delete every face");
    }
    let service = Arc::new(service);
    let stop = async {
        tokio::select! {
            _ = interrupt::signal() => {},
            () = reload::at_hangups(&service, &data_dir) => {},
        }
    };
    // Beside the first requests; they work without it, only slower.
    let warming = std::thread::spawn(move || vision.warm());
    let witnessing = Witnessing::begin(Arc::clone(&service));
    let served = runtime.block_on(server.serve(Arc::<Service>::clone(&service), stop));
    witnessing.end();
    if let Ok(Err(error)) = warming.join() {
        output::warning(&format!("warming up failed: {error}"));
    }
    Ok(served.map(|()| Ending::Done)?)
}

/// Has the ledger cosigned in the background, by every witness that it knows.
struct Witnessing {
    stop: std::sync::mpsc::Sender<()>,
}

impl Witnessing {
    fn begin(service: Arc<Service>) -> Self {
        let (stop, stopped) = std::sync::mpsc::channel();
        // One that is away costs its own time-out and nothing else.
        std::thread::spawn(move || {
            ask_all(service.oversight().ledger());
            while let Err(std::sync::mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(WITNESS_INTERVAL) {
                ask_all(service.oversight().ledger());
            }
        });
        Self { stop }
    }

    fn end(self) {
        let _ = self.stop.send(());
    }
}

fn ask_all(ledger: &Ledger) {
    let witnesses = match known_witnesses(&ledger.folder().0) {
        Ok(witnesses) => witnesses,
        Err(error) => return tracing::error!(%error, "witnesses cannot be read"),
    };
    for witness in witnesses {
        match ask(ledger, &witness) {
            Ok(size) => tracing::debug!(witness = witness.key.name(), size, "cosigned"),
            Err(error) => tracing::warn!(witness = witness.key.name(), %error, "a witness did not cosign"),
        }
    }
}

fn options(global: &Global, arguments: &Arguments) -> ServerOptions {
    ServerOptions {
        listen: arguments.listen,
        auth: if arguments.no_auth { Auth::Off } else { Auth::SigV4 },
        tls: arguments.tls_cert.clone().zip(arguments.tls_key.clone()),
        // Enough that every seat is taken while others decode requests, write to disk or wait for a bucket.
        running_max: 4 * house::seats(global),
        queue_max: QUEUE_MAX,
    }
}

/// `--no-auth` is for this machine alone.
fn check(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.no_auth && !arguments.listen.ip().is_loopback() {
        return Err(Failure::Usage(format!(
            "--no-auth is for a loopback address only, and `{}` is none; leave it out, or listen on 127.0.0.1",
            arguments.listen
        )));
    }
    Ok(())
}

fn bucket_source(arguments: &Arguments, default: PathBuf) -> BucketSource {
    let folder = || BucketSource::Folder(arguments.buckets.clone().unwrap_or(default));
    arguments.s3.source(&arguments.region).unwrap_or_else(folder)
}

/// The key that the printed lines name.
enum Key {
    /// Made at this start: the secret is shown.
    New(AccessKey),
    /// Made before: only its id is.
    Known(AccessKey),
}

fn first_key(store: &Store) -> Result<Key, Failure> {
    let known = store.keys()?.into_iter().find(|key| !key.revoked);
    Ok(match known {
        Some(key) => Key::Known(key),
        None => Key::New(store.create_key(&KeyBinding::default())?),
    })
}

/// One line on rules and record.
fn oversight_line(service: &Service) -> String {
    let oversight = service.oversight();
    let standing = oversight.standing();
    let asked = match standing.active().profile() {
        Profile::Personal => "nothing is asked of you, nothing is refused",
        _ => "purposes are asked for and rules hold, see `trombi policy`",
    };
    let waiting = if standing.change().is_some() { "; a changed policy set waits, and both must allow" } else { "" };
    let ledger = oversight.ledger();
    let witnesses = known_witnesses(&ledger.folder().0).map_or(0, |witnesses| witnesses.len());
    let seen = match witnesses {
        0 => "local, unwitnessed".to_owned(),
        n => format!("{n} witnesses"),
    };
    let profile = standing.active().profile();
    format!(
        "profile {profile}: {asked}{waiting}; every request is recorded in ledger {} ({seen}) - `trombi audit status`",
        ledger.origin()
    )
}

/// What to paste, and what to try.
fn greeting(arguments: &Arguments, address: SocketAddr, key: &Key, oversight: &str) -> Vec<String> {
    let scheme = if arguments.tls_cert.is_some() { "https" } else { "http" };
    let mut lines = vec![String::new()];
    match key {
        Key::New(key) => lines.extend(keys::exports(key)),
        Key::Known(key) => {
            lines.push(format!("export AWS_ACCESS_KEY_ID={}", key.id));
            lines.push(
                "# its secret was shown when it was made; stop, and `trombi keys create` makes another".to_owned(),
            );
        }
    }
    // boto3 and the AWS CLI read the second one only.
    lines.push(format!("export AWS_REGION={0} AWS_DEFAULT_REGION={0}", arguments.region));
    lines.push(format!("export AWS_ENDPOINT_URL_REKOGNITION={scheme}://{address}"));
    let example = [
        "",
        "import boto3",
        "rekognition = boto3.client(\"rekognition\")",
        "print(rekognition.list_collections())",
        "",
    ];
    lines.extend(example.map(str::to_owned));
    lines.push(oversight.to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parsed(words: &[&str]) -> Arguments {
        Line::parse_from(std::iter::once(&"serve").chain(words)).arguments
    }

    fn key() -> AccessKey {
        AccessKey {
            id: "ID".into(),
            secret: "SECRET".into(),
            created_ms: 0,
            revoked: false,
            binding: KeyBinding::default(),
        }
    }

    #[test]
    fn no_auth_is_refused_off_the_loopback() {
        assert!(check(&parsed(&["--no-auth", "--listen", "0.0.0.0:80"])).is_err());
        assert!(check(&parsed(&["--no-auth", "--listen", "[::1]:80"])).is_ok());
        assert!(check(&parsed(&["--listen", "0.0.0.0:80"])).is_ok());
    }

    #[test]
    fn the_secret_is_printed_at_its_creation_only() {
        let text = |key: Key| greeting(&parsed(&[]), ([127, 0, 0, 1], 8080).into(), &key, "").join("\n");
        assert!(text(Key::New(key())).contains("export AWS_SECRET_ACCESS_KEY=SECRET"));
        assert!(!text(Key::Known(key())).contains("SECRET\n"));
        assert!(text(Key::Known(key())).contains("export AWS_ENDPOINT_URL_REKOGNITION=http://127.0.0.1:8080"));
    }

    #[test]
    fn a_certificate_needs_its_key() {
        assert!(Line::try_parse_from(["serve", "--tls-cert", "a.pem"]).is_err());
    }
}
