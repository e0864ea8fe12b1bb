//! `trombi index`: enrols the faces of pictures and folders; safe to interrupt, resumes.
//!
//! Files are listed first, those that the journal knows are left out, and the rest goes through a short
//! queue to as many workers as there are seats. A worker journals a picture after the service answered for
//! it, so that an interruption at any moment costs at most the pictures in flight.

mod external_id;
pub(super) mod journal;
mod tally;
pub(super) mod walk;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use clap::Args;
use indicatif::ProgressBar;

use super::collections::{collection_id, description};
use super::failure::{Ending, Failure, Outcome};
use super::house::{ask, complaint, is_about_the_picture, read_bounded};
use super::{Global, house, interrupt, output};
use crate::gallery::{CollectionId, ExternalImageId};
use crate::operations::types::{ImageSource, QualityFilter};
use crate::operations::{Request, Response, Service, index_faces};
use crate::vision::DecodeLimits;
use external_id::ExternalIdFrom;
use journal::{Journal, PictureKey};
use tally::Tally;

/// Options of `index`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Collection to enrol in
    #[arg(value_parser = collection_id)]
    collection: CollectionId,
    /// Pictures, and folders of them (.jpg .jpeg .png .webp; hidden files are left out)
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// What becomes each face's ExternalImageId; characters it may not have become `_`
    #[arg(long, value_name = "FROM", default_value = "file")]
    external_id: ExternalIdFrom,
    /// At most this many faces of each picture, largest first [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    max_faces: Option<u16>,
    /// How good a face must be to be enrolled
    #[arg(long, value_name = "BAR", default_value = "auto")]
    quality_filter: QualityBar,
    /// Look at pictures again that were indexed before
    #[arg(long)]
    again: bool,
}

/// `QualityFilter` on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum QualityBar {
    None,
    Auto,
    Low,
    Medium,
    High,
}

impl From<QualityBar> for QualityFilter {
    fn from(bar: QualityBar) -> Self {
        match bar {
            QualityBar::None => Self::None,
            QualityBar::Auto => Self::Auto,
            QualityBar::Low => Self::Low,
            QualityBar::Medium => Self::Medium,
            QualityBar::High => Self::High,
        }
    }
}

/// One picture to index.
struct Job {
    path: PathBuf,
    key: Option<PictureKey>,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Outcome {
    let found = walk::pictures(&arguments.paths)?;
    let service = house::open_service(global)?;
    let created_ms = description(&service, &arguments.collection)?.created_ms;
    let journal = Journal::open(&house::data_dir(global)?, &arguments.collection, created_ms)?;

    let listed = found.pictures.len();
    let jobs = pending(found.pictures, &journal, arguments);
    let mut tally = Tally { indexed_before: listed - jobs.len(), ..Tally::default() };
    for (folder, why) in &found.unreadable {
        tally.refuse(&format!("folder cannot be read: {why}"), folder);
    }
    let stop = interrupt::flag()?;
    let run = Run {
        global,
        arguments,
        service: &service,
        stop: &stop,
        progress: output::progress(global, jobs.len(), "pictures"),
        shared: Mutex::new(Shared { tally, journal, fatal: None }),
    };
    run.all(jobs)?;
    run.finish()
}

/// The pictures that the journal does not know.
fn pending(pictures: Vec<PathBuf>, journal: &Journal, arguments: &Arguments) -> Vec<Job> {
    // Other settings give other faces: they are part of the key.
    let settings = format!("{:?} {:?} {:?}", arguments.external_id, arguments.max_faces, arguments.quality_filter);
    let jobs = pictures.into_iter().map(|path| Job { key: PictureKey::of(&path, &settings), path });
    jobs.filter(|job| arguments.again || job.key.is_none_or(|key| !journal.contains(key))).collect()
}

/// What all workers stand on.
struct Run<'a> {
    global: &'a Global,
    arguments: &'a Arguments,
    service: &'a Service,
    stop: &'a AtomicBool,
    progress: ProgressBar,
    shared: Mutex<Shared>,
}

struct Shared {
    tally: Tally,
    journal: Journal,
    /// The first failure that is not one picture's; ends the run.
    fatal: Option<Failure>,
}

/// How one picture ended.
enum PictureEnd {
    Indexed { response: Response, name_changed: bool },
    Refused(String),
    Fatal(Failure),
}

impl Run<'_> {
    /// Feeds the workers until all is done or `stop` is set; returns when every worker has ended.
    fn all(&self, jobs: Vec<Job>) -> Result<(), Failure> {
        let workers = house::seats(self.global);
        let (queue, waiting) = mpsc::sync_channel::<Job>(workers);
        let waiting = Mutex::new(waiting);
        thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| self.work(&waiting));
            }
            for job in jobs {
                if self.stop.load(Ordering::Relaxed) || queue.send(job).is_err() {
                    break;
                }
            }
            drop(queue);
        });
        self.progress.finish_and_clear();
        self.shared().fatal.take().map_or(Ok(()), Err)
    }

    fn work(&self, waiting: &Mutex<mpsc::Receiver<Job>>) {
        loop {
            let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return };
            // Jobs that only wait when the user interrupts are left for the next run.
            if !self.stop.load(Ordering::Relaxed) {
                let end = self.index(&job.path);
                self.record(&job, end);
            }
        }
    }

    fn index(&self, path: &Path) -> PictureEnd {
        let bytes = match read_bounded(path, DecodeLimits::default().bytes_max) {
            Ok(bytes) => bytes,
            Err(why) => return PictureEnd::Refused(format!("file cannot be read: {why}")),
        };
        let (external_image_id, name_changed) = self.arguments.external_id.of(path);
        match ask(self.service, Request::IndexFaces(self.input(bytes, external_image_id))) {
            Ok(response) => PictureEnd::Indexed { response, name_changed },
            // The service has the bytes; what is wrong with them is worth a second reading.
            Err(error) if is_about_the_picture(&error) => {
                let again = read_bounded(path, DecodeLimits::default().bytes_max);
                PictureEnd::Refused(again.ok().and_then(|bytes| complaint(&bytes)).unwrap_or_else(|| error.to_string()))
            }
            Err(error) => PictureEnd::Fatal(error.into()),
        }
    }

    fn input(&self, bytes: Vec<u8>, external_image_id: Option<ExternalImageId>) -> index_faces::Input {
        index_faces::Input {
            collection_id: self.arguments.collection.clone(),
            image: ImageSource::Bytes(bytes),
            external_image_id,
            faces_max: self.arguments.max_faces.map(usize::from),
            quality_filter: self.arguments.quality_filter.into(),
        }
    }

    fn record(&self, job: &Job, end: PictureEnd) {
        let mut shared = self.shared();
        let recorded = match end {
            PictureEnd::Indexed { response, name_changed } => {
                self.record_indexed(&mut shared, job, &response, name_changed)
            }
            PictureEnd::Refused(why) => {
                shared.tally.refuse(&why, &job.path);
                Ok(())
            }
            PictureEnd::Fatal(failure) => Err(failure),
        };
        if let Err(failure) = recorded {
            shared.fatal.get_or_insert(failure);
            self.stop.store(true, Ordering::Relaxed);
        }
        self.progress.set_message(format!("{} faces", shared.tally.faces));
        self.progress.inc(1);
    }

    fn record_indexed(
        &self,
        shared: &mut Shared,
        job: &Job,
        response: &Response,
        name_changed: bool,
    ) -> Result<(), Failure> {
        if let Response::IndexFaces(output) = response {
            shared.tally.indexed(&job.path, output, name_changed);
        }
        if let Some(key) = job.key {
            shared.journal.add(key)?;
        }
        if self.global.json {
            self.progress.suspend(|| output::json_of_picture(&job.path.to_string_lossy(), response))?;
        }
        Ok(())
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints the summary and says how the run ended.
    fn finish(self) -> Outcome {
        let tally = self.shared.into_inner().unwrap_or_else(PoisonError::into_inner).tally;
        if self.global.json {
            tally.summary().iter().for_each(|line| output::note(self.global, line));
        } else {
            output::lines(&tally.summary())?;
        }
        if self.stop.load(Ordering::Relaxed) {
            output::warning("interrupted; run the same command again to go on where it stopped");
            return Ok(Ending::Interrupted);
        }
        Ok(if tally.pictures_refused == 0 { Ending::Done } else { Ending::SomeRefused })
    }
}
