//! Labelled pictures to vectors, on all cores, through the code the service uses.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use indicatif::ProgressBar;
use sha2::{Digest as _, Sha256};

use super::cache::{Cache, Hash, Seen};
use super::data_set::Labelled;
use crate::cli::house;
use crate::models::Installed;
use crate::vision::{DecodeLimits, Face, Scene, Vision, VisionError};

/// Which face of a picture is the labelled person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Chosen {
    /// The largest, as searches take it.
    Largest,
    /// The one nearest to the middle, for pictures that were cut around their person.
    Central,
}

impl Chosen {
    fn of(self, scene: &Scene) -> Option<&Face> {
        match self {
            Self::Largest => scene.faces.first(),
            Self::Central => central_face(scene),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Largest => "largest",
            Self::Central => "central",
        }
    }
}

/// The face nearest to the middle: LFW's pictures are cut around the person they name, and in 53 of them somebody
/// else's face is larger.
fn central_face(scene: &Scene) -> Option<&Face> {
    #[expect(clippy::cast_precision_loss, reason = "pixels of a picture")]
    let (x, y) = (scene.width_px as f32 / 2.0, scene.height_px as f32 / 2.0);
    let distance = |face: &Face| {
        let b = &face.detection.box_px;
        (b.left + b.width / 2.0 - x).hypot(b.top + b.height / 2.0 - y)
    };
    scene.faces.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

/// One picture as seen.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// SHA-256 of the file; `None` where it cannot be read.
    pub(super) hash: Option<Hash>,
    pub(super) seen: Result<Seen, String>,
}

/// The hash that vectors depend on beside the picture: both networks' files, the choice of face, and the revision of
/// our own code between pixels and vector.
pub(super) fn networks_hash(installed: &Installed, chosen: Chosen) -> anyhow::Result<Hash> {
    /// Raised whenever a picture's vector changes by more than rounding.
    const REVISION: u8 = 1;
    let mut hash = Sha256::new();
    let embedder = &installed.embedder;
    let detector = &installed.detector;
    let files = [Some(&detector.file), detector.weights.as_ref(), Some(&embedder.file), embedder.weights.as_ref()];
    for file in files.into_iter().flatten() {
        hash.update(Sha256::digest(std::fs::read(file).with_context(|| format!("`{}`", file.display()))?));
    }
    // In words, so that a member added later counts too.
    hash.update(format!("{:?} {:?}", installed.detector_family, installed.embedder_contract));
    hash.update([REVISION, chosen as u8]);
    Ok(hash.finalize().into())
}

/// Everything that embedding stands on.
pub(super) struct Embedding<'a> {
    pub(super) vision: &'a Vision,
    pub(super) chosen: Chosen,
    pub(super) threads: usize,
    pub(super) progress: &'a ProgressBar,
    pub(super) stop: &'a AtomicBool,
}

impl Embedding<'_> {
    /// Sees every picture; `None` when interrupted. What was seen until then is in the cache.
    ///
    /// # Errors
    /// The networks fail, or the cache cannot be written. Pictures that cannot be read are samples that say so.
    pub(super) fn all(&self, pictures: &[Labelled], cache: Cache) -> anyhow::Result<Option<Vec<Sample>>> {
        let next = AtomicUsize::new(0);
        let cache = Mutex::new(cache);
        let done: Mutex<Vec<(usize, Sample)>> = Mutex::new(Vec::with_capacity(pictures.len()));
        let work = || -> anyhow::Result<()> {
            while !self.stop.load(Ordering::Relaxed) {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(picture) = pictures.get(index) else { break };
                let sample = self
                    .sample(&picture.file, &cache)
                    .inspect_err(|_| next.store(pictures.len(), Ordering::Relaxed))?;
                done.lock().unwrap_or_else(PoisonError::into_inner).push((index, sample));
                self.progress.inc(1);
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.threads.max(1)).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|_| anyhow::bail!("a worker panicked")))
        })?;
        self.progress.finish_and_clear();
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        if done.len() < pictures.len() {
            return Ok(None);
        }
        done.sort_by_key(|(index, _)| *index);
        Ok(Some(done.into_iter().map(|(_, sample)| sample).collect()))
    }

    fn sample(&self, file: &Path, cache: &Mutex<Cache>) -> anyhow::Result<Sample> {
        let bytes = match house::read_bounded(file, DecodeLimits::default().bytes_max) {
            Ok(bytes) => bytes,
            Err(why) => return Ok(Sample { hash: None, seen: Err(why) }),
        };
        let hash: Hash = Sha256::digest(&bytes).into();
        let known = cache.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned();
        let seen = match known {
            Some(seen) => seen,
            None => {
                let seen = self.see(&bytes)?;
                let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
                cache.put(hash, seen.clone()).context("the cache cannot be written")?;
                seen
            }
        };
        let seen = match seen {
            Seen::NoPicture => Err(house::complaint(&bytes).unwrap_or_else(|| "is no picture that is read".to_owned())),
            seen => Ok(seen),
        };
        Ok(Sample { hash: Some(hash), seen })
    }

    fn see(&self, bytes: &[u8]) -> anyhow::Result<Seen> {
        let scene = match self.vision.look(bytes) {
            Ok(scene) => scene,
            Err(VisionError::Decode(_)) => return Ok(Seen::NoPicture),
            Err(error) => return Err(error.into()),
        };
        let Some(face) = self.chosen.of(&scene) else { return Ok(Seen::NoFace) };
        let Some(aligned) = &face.aligned else { return Ok(Seen::NoFace) };
        let Some(embedding) = self.vision.embed(&[aligned])?.pop() else { return Ok(Seen::NoFace) };
        let detection = &face.detection;
        let measures =
            [face.quality.sharpness, face.quality.brightness, 100.0 * detection.confidence, detection.box_px.width];
        Ok(Seen::Face { vector: embedding.vector().to_vec(), measures })
    }
}
