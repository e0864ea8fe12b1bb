//! Opens what a command stands on: set-up, networks, data directory, service.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::failure::Failure;
use super::rules::{Sets, Stands};
use super::{Global, output};
use crate::ledger::{Class, Unit, Units};
use crate::models::{self, Catalogue, Event, Installed, SetupOptions, Thoroughness};
use crate::operations::types::ImageSource;
use crate::operations::{OperationError, Oversight, Request, Response, Service, Settings};
use crate::policy::Principal;
use crate::policy::vocabulary::Profile;
use crate::store::Store;
use crate::store::buckets::{BucketSource, Buckets};
use crate::vision::{DecodeLimits, OVERVIEW_PX, Picture, Vision};

/// `--data`, `TROMBI_DATA`, or the platform's place for a user's data.
pub(super) fn data_dir(global: &Global) -> Result<PathBuf, Failure> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let chosen = global.data.clone().filter(|dir| !dir.as_os_str().is_empty());
    chosen
        .or_else(|| platform_dir(&variable))
        .ok_or_else(|| Failure::Usage("there is no home directory; name a data directory with --data DIR".to_owned()))
}

fn platform_dir(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let home = || variable("HOME");
    let base = if cfg!(windows) {
        variable("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Application Support"))
    } else {
        // The XDG specification has relative paths ignored.
        variable("XDG_DATA_HOME")
            .filter(|dir| dir.is_absolute())
            .or_else(|| home().map(|home| home.join(".local/share")))
    };
    base.map(|base| base.join("trombi"))
}

pub(super) fn setup_options(global: &Global) -> Result<SetupOptions, Failure> {
    Ok(SetupOptions {
        models_dir: global.models.clone(),
        data_dir: data_dir(global)?,
        shared_dir: models::shared_dir(),
        offline: global.offline,
        pack: global.pack.clone(),
        accepted_licences: global.accept_licence.clone(),
    })
}

/// The program's catalogue with the networks of the user's own.
pub(super) fn catalogue(global: &Global) -> Result<Catalogue, Failure> {
    Ok(Catalogue::of(&data_dir(global)?)?)
}

pub(super) fn install(global: &Global) -> Result<Installed, Failure> {
    Ok(models::install(&setup_options(global)?)?)
}

/// As [`install`], with a line on stderr for every file: what, from where, which checksum.
pub(super) fn install_aloud(global: &Global, thoroughness: Thoroughness) -> Result<Installed, Failure> {
    let tell = |event: &Event| output::note(global, &event.to_string());
    Ok(models::install_from(&catalogue(global)?, &setup_options(global)?, thoroughness, &tell)?)
}

/// Makes `pack` what later starts use.
pub(super) fn choose_aloud(global: &Global, pack: &str) -> Result<Installed, Failure> {
    let tell = |event: &Event| output::note(global, &event.to_string());
    Ok(models::choose(&catalogue(global)?, &setup_options(global)?, pack, &tell)?)
}

/// The service over opened parts; `region` is that of its ARNs.
pub(super) fn service(
    vision: Arc<Vision>,
    store: Store,
    buckets: Buckets,
    installed: &Installed,
    region: Option<&str>,
    oversight: Oversight,
) -> Result<Service, Failure> {
    let mut settings = Settings {
        model_version: installed.model_version.clone(),
        model_licence: format!("pack {}: {}", installed.pack, installed.licence),
        calibrations: installed.calibrations.clone(),
        ..Settings::default()
    };
    if let Some(region) = region {
        region.clone_into(&mut settings.region);
    }
    Ok(Service::new(Box::new(vision), store, buckets, settings, oversight)?)
}

/// Rules and ledger of a data directory, for what the person at this machine does beside the operations. Its store is
/// open already, so nobody else has it.
fn oversight(data_dir: &Path) -> Result<Oversight, Failure> {
    oversight_over(Sets::of(data_dir).standing(now_ms())?, &data_dir.join("ledger"))
}

/// As [`oversight`], for a process that answers requests.
pub(super) fn oversight_of_requests(data_dir: &Path) -> Result<Oversight, Failure> {
    oversight_over(Sets::of(data_dir).standing_witnessed(now_ms())?, &data_dir.join("ledger"))
}

fn oversight_over(stands: Stands, ledger: &Path) -> Result<Oversight, Failure> {
    let oversight = Oversight::over(stands.standing, ledger)?;
    stands.news.iter().try_for_each(|news| oversight.record_rules(news, false))?;
    Ok(oversight)
}

/// Rules and ledger for a command that touches no collection: those of the data directory, unless another process has
/// its ledger. Then a household's command goes on with a ledger of its own, which is gone at its end; anybody else must
/// ask the server, whose record would miss it.
fn oversight_of_the_moment(data_dir: &Path, scratch: &Path) -> Result<Oversight, Failure> {
    // Where nothing was ever recorded and no rules are, nothing is begun for the sake of a glance at a picture.
    if !data_dir.join("ledger").exists() && !data_dir.join("policy").exists() {
        return oversight(scratch);
    }
    let stands = Sets::of(data_dir).standing_witnessed(now_ms())?;
    let standing = stands.standing.clone();
    match oversight_over(stands, &data_dir.join("ledger")) {
        Err(Failure::Locked(_)) if standing.active().profile() > Profile::Personal => {
            let text = "another trombi has this data directory, and its rules want every request recorded: ask the \
                        server, or stop it first";
            Err(Failure::other(text))
        }
        Err(Failure::Locked(_)) => Ok(Oversight::over(standing, &scratch.join("ledger"))?),
        other => other,
    }
}

/// Leaves an entry for what the person at this machine did beside the operations.
pub(super) fn record(data_dir: &Path, operation: &'static str, detail: &str) -> Result<(), Failure> {
    let oversight = oversight(data_dir)?;
    let mut entry = oversight.entry_of_this_machine(Class::Manage, operation, detail);
    entry.units = Units::of(Unit::Manage, 1);
    oversight.ledger().record(&entry).map_err(|error| Failure::other(error.to_string()))?;
    Ok(())
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Pictures worked on at once.
pub(super) fn seats(global: &Global) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    global.threads.map_or_else(cores, usize::from)
}

/// Loads the networks; `queue_max` callers may wait for a seat.
pub(super) fn open_vision(global: &Global, installed: &Installed, queue_max: usize) -> Result<Arc<Vision>, Failure> {
    Ok(Arc::new(Vision::open(&installed.vision_options(seats(global), queue_max))?))
}

/// Buckets of local commands, which name files and never objects: an empty corner of the data directory.
fn local_buckets(data_dir: &Path) -> Result<Buckets, Failure> {
    let folder = data_dir.join("buckets");
    Buckets::open(BucketSource::Folder(folder)).map_err(|error| Failure::other(error.to_string()))
}

/// The service on the data directory, for one command.
pub(super) fn open_service(global: &Global) -> Result<Service, Failure> {
    let data_dir = data_dir(global)?;
    // The lock first: a directory in use is told at once, before networks are loaded.
    let store = Store::open(&data_dir)?;
    let installed = install(global)?;
    let vision = open_vision(global, &installed, 4 * seats(global))?;
    service(vision, store, local_buckets(&data_dir)?, &installed, None, oversight_of_requests(&data_dir)?)
}

/// A service on an empty store of its own, removed at the end: for commands that touch no collection and
/// must work beside a running server.
pub(super) struct ScratchService {
    // Dropped before `_dir`: fields drop in order, and the store must be closed when its folder goes.
    service: Service,
    _dir: ScratchDir,
}

impl ScratchService {
    pub(super) fn open(global: &Global) -> Result<Self, Failure> {
        let installed = install(global)?;
        let dir = ScratchDir::create()?;
        let vision = open_vision(global, &installed, 4 * seats(global))?;
        let store = Store::open(&dir.0)?;
        let oversight = oversight_of_the_moment(&data_dir(global)?, &dir.0)?;
        let service = service(vision, store, local_buckets(&dir.0)?, &installed, None, oversight)?;
        Ok(Self { service, _dir: dir })
    }

    pub(super) fn service(&self) -> &Service {
        &self.service
    }
}

/// A new folder for temporary files, of this user only.
struct ScratchDir(PathBuf);

impl ScratchDir {
    fn create() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("trombi-{}", uuid::Uuid::new_v4().simple()));
        create_private(&path)
            .map_err(|error| Failure::other(format!("cannot create `{}`: {error}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(unix)]
fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().mode(0o700).create(path)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> std::io::Result<()> {
    fs::create_dir(path)
}

/// Asks the service as the person at this machine.
pub(super) fn ask(service: &Service, request: Request) -> Result<Response, OperationError> {
    service.execute(&Principal::Local, request)
}

/// Takes the output out of the response to a request of the same name.
macro_rules! expect_response {
    ($response:expr, $operation:ident) => {
        match $response {
            $crate::operations::Response::$operation(output) => Ok(output),
            _ => Err($crate::cli::failure::Failure::other(concat!(
                "internal error: not an answer to ",
                stringify!($operation)
            ))),
        }
    };
}
pub(super) use expect_response;

/// Reads a picture file, refusing at once what no limit of decoding would let through.
pub(super) fn read_picture(path: &Path) -> Result<Vec<u8>, Failure> {
    read_bounded(path, DecodeLimits::default().bytes_max)
        .map_err(|why| Failure::other(format!("`{}`: {why}", path.display())))
}

/// As [`read_picture`]; the text leaves the path out.
pub(super) fn read_bounded(path: &Path, bytes_max: usize) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("not a file".to_owned());
    }
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    // One byte more than allowed tells a file that grows, or lies about its size, from one that fits.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > bytes_max {
        return Err(format!("larger than {}, the most that is read", output::bytes(bytes_max)));
    }
    Ok(bytes)
}

/// What is wrong with a picture that an operation refused, in words for the person at this machine: the API's
/// own texts are few and do not say. `None` when nothing is.
pub(super) fn complaint(bytes: &[u8]) -> Option<String> {
    let read = Picture::open(bytes, &DecodeLimits::default()).and_then(|mut picture| picture.overview(OVERVIEW_PX));
    read.err().map(|error| error.to_string())
}

/// The failure of an operation on one picture.
pub(super) fn about_picture(path: &Path, bytes: &[u8], error: OperationError) -> Failure {
    let name = path.display();
    if !is_about_the_picture(&error) {
        return error.into();
    }
    match complaint(bytes) {
        Some(why) => Failure::other(format!("`{name}`: {why}")),
        None if error == OperationError::NoFace => Failure::NoFace(format!("`{name}`: {error}")),
        None => Failure::other(format!("`{name}`: {error}")),
    }
}

/// Whether an error is one picture's, so that the next one may fare better.
pub(super) fn is_about_the_picture(error: &OperationError) -> bool {
    matches!(
        error,
        OperationError::NoFace
            | OperationError::InvalidImageFormat(_)
            | OperationError::ImageTooLarge(_)
            | OperationError::InvalidParameter(_)
    )
}

pub(super) fn picture(bytes: &[u8]) -> ImageSource {
    ImageSource::Bytes(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_over_the_limit_is_refused_and_one_at_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.jpg");
        fs::write(&file, [0; 10]).unwrap();
        assert_eq!(read_bounded(&file, 10).unwrap().len(), 10);
        assert!(read_bounded(&file, 9).unwrap_err().contains("larger than 9 bytes"));
    }

    #[test]
    fn a_folder_is_no_picture() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_bounded(dir.path(), 10).unwrap_err(), "not a file");
    }

    #[cfg(all(unix, not(target_os = "macos")))]
    #[test]
    fn relative_xdg_data_home_is_ignored() {
        let with = |xdg: &'static str| {
            platform_dir(&move |name| match name {
                "XDG_DATA_HOME" => Some(PathBuf::from(xdg)),
                "HOME" => Some(PathBuf::from("/home/a")),
                _ => None,
            })
        };
        assert_eq!(with("data"), Some(PathBuf::from("/home/a/.local/share/trombi")));
        assert_eq!(with("/data"), Some(PathBuf::from("/data/trombi")));
    }

    #[test]
    fn scratch_folder_is_gone_afterwards() {
        let dir = ScratchDir::create().unwrap();
        let path = dir.0.clone();
        assert!(path.is_dir());
        drop(dir);
        assert!(!path.exists());
    }
}
