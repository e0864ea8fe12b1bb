//! What may be installed: networks, packs and the runtime, each with its contract, checksums, addresses and licence.
//!
//! The data lie in `models/` of the source tree and inside the program. They are read strictly: an unknown key,
//! a doubtful name or a contract that `vision` cannot keep is an error, and nothing is guessed from a network's
//! tensors.

use std::collections::HashSet;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::SetupError;
use crate::vision::{ChannelOrder, EmbedderContract, ModelId, PointPx};

const SCHEMA: u32 = 1;
const FILE_BYTES_MAX: u64 = 1 << 30;
const INPUT_SIDE_PX_MAX: u32 = 1024;
const DIMENSIONS_MAX: usize = 4096;
/// The name of the pack that runs when nothing else is asked for.
pub const DEFAULT_PACK: &str = "default";

const NETWORKS: [&str; 2] =
    [include_str!("../../models/yunet/manifest.toml"), include_str!("../../models/retail-0095/manifest.toml")];
const PACKS: &str = include_str!("../../models/packs.toml");
const RUNTIME: &str = include_str!("../../models/runtime/manifest.toml");

/// Everything that may be installed.
#[derive(Debug, Clone)]
pub struct Catalogue {
    networks: Vec<Network>,
    packs: Vec<PackEntry>,
    runtime: Runtime,
}

/// A detector with an embedder.
#[derive(Debug, Clone, Copy)]
pub struct Pack<'a> {
    /// Finds faces.
    pub detector: &'a Network,
    /// Turns aligned faces into vectors.
    pub embedder: &'a Network,
    /// The embedder's part of its manifest.
    pub embedding: &'a EmbedderEntry,
}

/// One network: `models/<name>/manifest.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    schema: u32,
    /// Short name, also the name of its folders: lower-case letters, digits, `-`.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// What it is for.
    pub task: Task,
    /// Where it comes from.
    pub source: Source,
    /// Its licence.
    pub licence: Licence,
    /// One ONNX file, or an OpenVINO IR pair.
    pub files: Vec<CatalogueFile>,
    /// What it is fed with.
    pub input: Input,
    /// Present exactly when `task` is `detect`.
    pub detector: Option<DetectorEntry>,
    /// Present exactly when `task` is `embed`.
    pub embedder: Option<EmbedderEntry>,
}

/// What a network is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Finds faces in a picture.
    Detect,
    /// Turns an aligned face into a vector.
    Embed,
}

/// Where a network comes from, for people.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Page of the publisher.
    pub page: String,
    /// Release or commit that the checksums were taken from.
    pub release: String,
}

/// A licence and what it means for use in business.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Licence {
    /// SPDX expression.
    pub spdx: String,
    /// May it be used commercially.
    pub commercial_use: CommercialUse,
}

/// May it be used commercially.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommercialUse {
    /// The licence permits it.
    Yes,
    /// The licence forbids it.
    No,
    /// The licence of the weights, or of what they were trained on, leaves it open.
    Unclear,
}

/// One file with its checksum.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueFile {
    /// What the file is to the network.
    pub role: Role,
    /// Plain file name.
    pub name: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Where it may be fetched, tried in this order.
    pub addresses: Vec<String>,
}

/// What a file is to its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// ONNX file or OpenVINO IR `.xml`.
    Network,
    /// OpenVINO IR `.bin`.
    Weights,
}

/// What a network is fed with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    channels: Channels,
    range: [f32; 2],
    side_px: Option<u32>,
    multiple_of_px: Option<u32>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Channels {
    Rgb,
    Bgr,
}

/// How a detector's outputs are read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorEntry {
    /// Which decoding of the outputs.
    pub decoder: DecoderFamily,
    strides_px: Vec<u32>,
    landmarks: Vec<Landmark>,
}

/// How a detector's outputs become boxes and landmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecoderFamily {
    /// YuNet: class, object, box and point outputs at strides 8, 16 and 32.
    Yunet,
}

/// What an embedder promises.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedderEntry {
    /// Travels with every embedding.
    pub model_id: String,
    /// The wire's `FaceModelVersion`.
    pub model_version: String,
    dimensions: usize,
    landmarks: Vec<Landmark>,
    reference_px: Vec<[f32; 2]>,
}

/// Sides are the subject's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Landmark {
    RightEye,
    LeftEye,
    Nose,
    MouthRight,
    MouthLeft,
}

/// The order of `vision::Landmarks` and of `EmbedderContract::reference_px`.
const LANDMARK_ORDER: [Landmark; 5] =
    [Landmark::RightEye, Landmark::LeftEye, Landmark::Nose, Landmark::MouthRight, Landmark::MouthLeft];

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PackEntry {
    name: String,
    detector: String,
    embedder: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packs {
    schema: u32,
    packs: Vec<PackEntry>,
}

/// The inference runtime: one wheel for each platform.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    schema: u32,
    /// Name of the package.
    pub name: String,
    /// Version of the package.
    pub version: String,
    /// Where a person downloads a wheel by hand.
    pub page: String,
    /// Its licence.
    pub licence: Licence,
    /// One for each supported target.
    pub platforms: Vec<Platform>,
}

/// One platform's wheel and what is taken from it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// `<system>-<processor>` in Rust's words.
    pub target: String,
    /// File name of the wheel.
    pub wheel: String,
    /// Size of the wheel.
    pub bytes: u64,
    /// SHA-256 of the wheel.
    pub sha256: String,
    /// What pip calls the platform.
    pub pip_platform: String,
    /// File name of the C library.
    pub library: String,
    /// What is taken from the wheel, nothing else.
    pub files: Vec<WheelFile>,
}

/// One file inside a wheel.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WheelFile {
    /// Path inside the wheel.
    pub path: String,
    /// Size when unpacked.
    pub bytes: u64,
    /// SHA-256 when unpacked.
    pub sha256: String,
}

impl Catalogue {
    /// The catalogue inside this program.
    ///
    /// # Errors
    /// `Catalogue` if the program was built with a bad one; a test prevents that.
    pub fn embedded() -> Result<Self, SetupError> {
        Self::parse(&NETWORKS, PACKS, RUNTIME)
    }

    /// Reads and checks a catalogue: one manifest for each network, the packs, the runtime; all TOML.
    ///
    /// # Errors
    /// `Catalogue` with the manifest's name and what is wrong in it.
    pub fn parse(networks: &[&str], packs: &str, runtime: &str) -> Result<Self, SetupError> {
        let networks = networks.iter().map(|text| network_from_toml(text)).collect::<Result<Vec<_>, _>>()?;
        let packs: Packs = from_toml("packs", packs)?;
        let runtime: Runtime = from_toml("runtime", runtime)?;
        require("packs", packs.schema == SCHEMA, || unknown_schema(packs.schema))?;
        runtime.check().map_err(|why| bad("runtime", &why))?;
        let catalogue = Self { networks, packs: packs.packs, runtime };
        catalogue.check_names()?;
        Ok(catalogue)
    }

    /// All networks.
    #[must_use]
    pub fn networks(&self) -> &[Network] {
        &self.networks
    }

    /// The inference runtime.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The names of the packs.
    pub fn pack_names(&self) -> impl Iterator<Item = &str> {
        self.packs.iter().map(|pack| pack.name.as_str())
    }

    /// The pack called `name`.
    ///
    /// # Errors
    /// `Catalogue` if there is none.
    pub fn pack(&self, name: &str) -> Result<Pack<'_>, SetupError> {
        let entry = self.packs.iter().find(|pack| pack.name == name);
        let entry = entry.ok_or_else(|| bad("packs", &format!("there is no pack `{name}`")))?;
        let detector = self.network(&entry.detector, Task::Detect)?;
        let embedder = self.network(&entry.embedder, Task::Embed)?;
        let embedding = embedder.embedder.as_ref();
        let embedding = embedding.ok_or_else(|| bad(&embedder.name, "the table `embedder` is missing"))?;
        Ok(Pack { detector, embedder, embedding })
    }

    fn network(&self, name: &str, task: Task) -> Result<&Network, SetupError> {
        let found = self.networks.iter().find(|network| network.name == name && network.task == task);
        found.ok_or_else(|| bad("packs", &format!("there is no network `{name}` for the task {task:?}")))
    }

    fn check_names(&self) -> Result<(), SetupError> {
        let mut names = HashSet::new();
        let mut versions = HashSet::new();
        for network in &self.networks {
            require(&network.name, names.insert(&network.name), || "the name is taken".to_owned())?;
            if let Some(embedder) = &network.embedder {
                // Embeddings of two networks must never pass for one another on the wire.
                let fresh = versions.insert(&embedder.model_version) && versions.insert(&embedder.model_id);
                require(&network.name, fresh, || "`model_id` or `model_version` is taken".to_owned())?;
            }
        }
        self.packs.iter().try_for_each(|pack| self.pack(&pack.name).map(|_| ()))
    }
}

impl Network {
    /// The file with this role.
    #[must_use]
    pub fn file(&self, role: Role) -> Option<&CatalogueFile> {
        self.files.iter().find(|file| file.role == role)
    }

    fn check(&self) -> Result<(), String> {
        ensure(self.schema == SCHEMA, || unknown_schema(self.schema))?;
        ensure(is_short_name(&self.name), || format!("`{}` is no short name", self.name))?;
        self.check_files()?;
        // `vision` feeds bytes as they are; a network that wants another range needs work there first.
        ensure(self.input.range == [0.0, 255.0], || "`input.range` must be [0, 255]".to_owned())?;
        match (self.task, &self.detector, &self.embedder) {
            (Task::Detect, Some(detector), None) => detector.check(&self.input),
            (Task::Embed, None, Some(embedder)) => embedder.check(&self.input),
            _ => Err("the task needs exactly its own table, `detector` or `embedder`".to_owned()),
        }
    }

    fn check_files(&self) -> Result<(), String> {
        let roles: Vec<Role> = self.files.iter().map(|file| file.role).collect();
        let is_ir = self.file(Role::Network).is_some_and(|file| file.name.ends_with(".xml"));
        let expected: &[Role] = if is_ir { &[Role::Network, Role::Weights] } else { &[Role::Network] };
        ensure(roles == expected, || format!("`files` must have the roles {expected:?} in this order"))?;
        self.files.iter().try_for_each(CatalogueFile::check)
    }
}

impl CatalogueFile {
    fn check(&self) -> Result<(), String> {
        check_pin(&self.name, self.bytes, &self.sha256)?;
        ensure(!self.addresses.is_empty(), || format!("`{}` has no address", self.name))?;
        let bad_address = self.addresses.iter().find(|address| !is_allowed_address(address));
        bad_address.map_or(Ok(()), |address| Err(format!("`{address}` is no https address")))
    }
}

impl DetectorEntry {
    fn check(&self, input: &Input) -> Result<(), String> {
        ensure(matches!(input.channels, Channels::Bgr), || "YuNet wants `bgr`".to_owned())?;
        ensure(input.multiple_of_px == Some(32), || "YuNet wants `multiple_of_px = 32`".to_owned())?;
        ensure(input.side_px.is_none(), || "YuNet has no `side_px`".to_owned())?;
        ensure(self.strides_px == [8, 16, 32], || "YuNet has the strides 8, 16, 32".to_owned())?;
        ensure(self.landmarks == LANDMARK_ORDER, || format!("YuNet has the landmarks {LANDMARK_ORDER:?}"))
    }
}

impl EmbedderEntry {
    fn check(&self, input: &Input) -> Result<(), String> {
        ensure(is_short_name(&self.model_id), || format!("`{}` is no model id", self.model_id))?;
        ensure(is_wire_version(&self.model_version), || {
            format!("`{}` is no version such as `95.1`", self.model_version)
        })?;
        ensure((1..=DIMENSIONS_MAX).contains(&self.dimensions), || "`dimensions` is out of range".to_owned())?;
        ensure(input.multiple_of_px.is_none(), || "an embedder has no `multiple_of_px`".to_owned())?;
        self.contract(input).map(|_| ())
    }

    /// The contract for `vision`.
    fn contract(&self, input: &Input) -> Result<EmbedderContract, String> {
        let side_px = input.side_px.filter(|side| (1..=INPUT_SIDE_PX_MAX).contains(side));
        let input_px = side_px.ok_or("`input.side_px` is missing or out of range")?;
        ensure(self.landmarks.len() == 5 && self.reference_px.len() == 5, || {
            "`landmarks` and `reference_px` must have five entries".to_owned()
        })?;
        let mut reference_px = [PointPx { x: 0.0, y: 0.0 }; 5];
        for (point, wanted) in reference_px.iter_mut().zip(LANDMARK_ORDER) {
            let index = self.landmarks.iter().position(|landmark| *landmark == wanted);
            let [x, y] = index.map(|index| self.reference_px[index]).ok_or(format!("{wanted:?} is missing"))?;
            ensure(is_inside(x, input_px) && is_inside(y, input_px), || format!("({x}, {y}) is outside the input"))?;
            *point = PointPx { x, y };
        }
        let channels = match input.channels {
            Channels::Rgb => ChannelOrder::Rgb,
            Channels::Bgr => ChannelOrder::Bgr,
        };
        let model_id = ModelId::new(&self.model_id);
        Ok(EmbedderContract { model_id, input_px, channels, reference_px, dimensions: self.dimensions })
    }
}

impl Pack<'_> {
    /// What `vision` must know of the embedder.
    ///
    /// # Errors
    /// `Catalogue`; not after [`Catalogue::parse`] has accepted the manifest.
    pub fn contract(&self) -> Result<EmbedderContract, SetupError> {
        self.embedding.contract(&self.embedder.input).map_err(|why| bad(&self.embedder.name, &why))
    }
}

impl Runtime {
    /// This machine's platform, `None` when there is no wheel for it.
    #[must_use]
    pub fn platform(&self, target: &str) -> Option<&Platform> {
        self.platforms.iter().find(|platform| platform.target == target)
    }

    fn check(&self) -> Result<(), String> {
        ensure(self.schema == SCHEMA, || unknown_schema(self.schema))?;
        ensure(is_short_name(&self.name), || format!("`{}` is no short name", self.name))?;
        ensure(is_wire_version(&self.version), || format!("`{}` is no version", self.version))?;
        self.platforms.iter().try_for_each(Platform::check)
    }
}

impl Platform {
    fn check(&self) -> Result<(), String> {
        check_pin(&self.wheel, self.bytes, &self.sha256)?;
        ensure(is_plain_file_name(&self.pip_platform), || format!("`{}` is no platform", self.pip_platform))?;
        for file in &self.files {
            ensure(file.destination().is_some(), || format!("`{}` has no place to go", file.path))?;
            check_pin("a file of the wheel", file.bytes, &file.sha256)
                .map_err(|why| format!("{}: {why}", file.path))?;
        }
        let has_library = self.files.iter().any(|file| file.destination() == Some(PathBuf::from(&self.library)));
        ensure(has_library, || format!("`{}` is not among the files", self.library))
    }
}

impl WheelFile {
    /// Where the file goes, relative to the runtime's folder: libraries side by side, because they look for each
    /// other there, and the licence texts under `licenses`.
    #[must_use]
    pub fn destination(&self) -> Option<PathBuf> {
        let mut parts = self.path.split('/').skip_while(|part| !matches!(*part, "libs" | "licenses"));
        let folder = parts.next()?;
        let rest: Vec<&str> = parts.collect();
        let is_plain = !rest.is_empty() && rest.iter().all(|part| is_plain_file_name(part));
        match folder {
            "libs" if is_plain && rest.len() == 1 => Some(PathBuf::from(rest[0])),
            "licenses" if is_plain => Some(rest.iter().fold(PathBuf::from("licenses"), |path, part| path.join(part))),
            _ => None,
        }
    }
}

fn network_from_toml(text: &str) -> Result<Network, SetupError> {
    let network: Network = from_toml("network", text)?;
    network.check().map_err(|why| bad(&network.name, &why))?;
    Ok(network)
}

fn from_toml<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, SetupError> {
    toml::from_str(text).map_err(|error| bad(what, error.to_string().trim()))
}

pub(super) fn bad(manifest: &str, why: &str) -> SetupError {
    SetupError::Catalogue { manifest: manifest.to_owned(), why: why.to_owned() }
}

fn require(manifest: &str, holds: bool, why: impl FnOnce() -> String) -> Result<(), SetupError> {
    ensure(holds, why).map_err(|why| bad(manifest, &why))
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

fn unknown_schema(schema: u32) -> String {
    format!("schema {schema} is unknown, this program reads {SCHEMA}")
}

fn check_pin(name: &str, bytes: u64, sha256: &str) -> Result<(), String> {
    ensure(is_plain_file_name(name) || name.contains(' '), || format!("`{name}` is no plain file name"))?;
    ensure((1..=FILE_BYTES_MAX).contains(&bytes), || format!("{bytes} bytes is out of range"))?;
    let is_hex = sha256.len() == 64 && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    ensure(is_hex, || format!("`{sha256}` is no SHA-256 in lower-case hexadecimal"))
}

fn is_inside(coordinate: f32, side_px: u32) -> bool {
    u16::try_from(side_px).is_ok_and(|side| (0.0..f32::from(side)).contains(&coordinate))
}

fn is_short_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('-')
}

fn is_plain_file_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=128).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('.') && !name.ends_with('.')
}

/// `FaceModelVersion` is `[0-9.]+` on the wire; ours begins and ends with a digit.
fn is_wire_version(version: &str) -> bool {
    version.len() <= 16 && version.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

/// https, or plain http to this very machine.
fn is_allowed_address(address: &str) -> bool {
    reqwest::Url::parse(address).is_ok_and(|url| match url.scheme() {
        "https" => url.has_host(),
        "http" => url.host_str() == Some("127.0.0.1"),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_with(edit: impl Fn(String) -> String) -> Result<Catalogue, SetupError> {
        let networks: Vec<String> = NETWORKS.iter().map(|text| edit((*text).to_owned())).collect();
        let networks: Vec<&str> = networks.iter().map(String::as_str).collect();
        Catalogue::parse(&networks, &edit(PACKS.to_owned()), &edit(RUNTIME.to_owned()))
    }

    #[test]
    fn embedded_catalogue_is_sound() {
        let catalogue = Catalogue::embedded().unwrap();
        let pack = catalogue.pack(DEFAULT_PACK).unwrap();
        let contract = pack.contract().unwrap();
        assert_eq!(contract.input_px, 128);
        assert_eq!(contract.dimensions, 256);
        assert_eq!(contract.channels, ChannelOrder::Bgr);
        assert_eq!(contract.reference_px[0], PointPx { x: 40.3928, y: 59.0815 });
        assert!(is_wire_version(&pack.embedding.model_version));
        assert_eq!(catalogue.runtime().platforms.len(), 4);
    }

    #[test]
    fn every_network_has_a_card_with_its_licence_and_checksums() {
        for network in Catalogue::embedded().unwrap().networks() {
            let card = format!("{}/models/{}/card.md", env!("CARGO_MANIFEST_DIR"), network.name);
            let card = std::fs::read_to_string(&card).unwrap();
            assert!(card.contains(&network.licence.spdx), "{}", network.name);
            assert!(card.contains("Commercial use:"), "{}", network.name);
            assert!(network.files.iter().all(|file| card.contains(&file.name)), "{}", network.name);
        }
    }

    #[test]
    fn doubtful_manifests_are_refused() {
        struct Case {
            from: &'static str,
            to: &'static str,
            why: &'static str,
        }
        let cases = [
            Case { from: "task = \"embed\"", to: "task = \"embed\"\nmystery = 1", why: "unknown field `mystery`" },
            Case { from: "schema = 1", to: "schema = 2", why: "schema 2 is unknown" },
            Case { from: "name = \"yunet\"", to: "name = \"../yunet\"", why: "no short name" },
            Case { from: "bytes = 2213628", to: "bytes = 0", why: "out of range" },
            Case { from: "bytes = 2213628", to: "bytes = -5", why: "invalid value" },
            Case { from: "241229ca", to: "241229CA", why: "no SHA-256" },
            Case { from: "\"95.1\"", to: "\"95.\"", why: "no version" },
            Case { from: "\"95.1\"", to: "\"v95\"", why: "no version" },
            Case { from: "https://storage", to: "ftp://storage", why: "no https address" },
            Case { from: "https://storage", to: "http://storage", why: "no https address" },
            Case { from: "range = [0.0, 255.0]", to: "range = [0.0, 1.0]", why: "`input.range`" },
            Case { from: "[40.3928, 59.0815]", to: "[40.3928, 159.0]", why: "outside the input" },
            Case { from: "[40.3928, 59.0815]", to: "[nan, 59.0]", why: "outside the input" },
            Case { from: "\"nose\"", to: "\"left_eye\"", why: "Nose" },
            Case { from: "role = \"weights\"", to: "role = \"network\"", why: "roles" },
            Case { from: "embedder = \"retail-0095\"", to: "embedder = \"yunet\"", why: "no network `yunet`" },
            Case { from: "side_px = 128", to: "side_px = 0", why: "side_px" },
            Case { from: "openvino/libs/libtbb.so.12", to: "openvino/libs/../x", why: "no place to go" },
            Case { from: "library = \"libopenvino_c.so.2641\"", to: "library = \"x.so\"", why: "not among the files" },
        ];
        for Case { from, to, why } in cases {
            let error = parse_with(|text| text.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(why), "{from} -> {to}: {error}");
        }
    }

    #[test]
    fn reference_points_follow_their_names() {
        let swapped = parse_with(|text| {
            text.replace(
                "landmarks = [\"right_eye\", \"left_eye\", \"nose\", \"mouth_right\", \"mouth_left\"]\nreference",
                "landmarks = [\"left_eye\", \"right_eye\", \"nose\", \"mouth_right\", \"mouth_left\"]\nreference",
            )
        });
        let contract = swapped.unwrap().pack(DEFAULT_PACK).unwrap().contract().unwrap();
        assert_eq!(contract.reference_px[1], PointPx { x: 40.3928, y: 59.0815 });
    }
}
