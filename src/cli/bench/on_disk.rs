//! The same through the store: built on disk, closed, opened again, and searched with vectors read from there.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;
use uuid::Uuid;

use super::{Global, STRANGERS, SearchArguments, Source, batch_ms, found, one_probe_ms, one_thread, output, scattered};
use crate::gallery::{Collection, CollectionId, FaceId, ImageId, Means, Search};
use crate::operations::open_gallery;
use crate::store::{BoxRatio, CollectionRecord, FaceRecord, Store};
use crate::vision::{Embedding, ModelId};

/// Faces written in one commit.
const COMMIT: usize = 100_000;
/// Faces deleted and enrolled one at a time, and in one call.
const SINGLES: usize = 100;
const TOGETHER: usize = 4000;

/// What one gallery size gave.
struct Row {
    faces: usize,
    search: Search,
    found: f64,
    built_s: f64,
    file_bytes: u64,
    opened_s: f64,
    /// Resident before and after opening.
    resident: Option<(u64, u64)>,
    one_ms: f64,
    batch_ms: f64,
    cores_ms: f64,
    code_bytes: f64,
    other_bytes: f64,
    change_ms: [f64; 3],
}

pub(super) fn search(
    global: &Global,
    arguments: &SearchArguments,
    folder: &Path,
    source: &mut Source,
    probes: &[Embedding],
    sizes: &[usize],
) -> anyhow::Result<()> {
    ensure!(!folder.exists(), "`{}` exists already; name a new folder", folder.display());
    let name = CollectionId::parse("bench").context("a name")?;
    let model = probes.first().context("no probes")?.model_id().clone();
    let record = CollectionRecord {
        id: name,
        model_id: model.clone(),
        model_version: "1".to_owned(),
        dimensions: arguments.dim as usize,
        created_ms: 0,
        face_count: 0,
        user_count: 0,
    };
    Store::open(folder)?.create_collection(&record, &[].into())?;
    let (mut strangers, mut built, mut rows) = (Vec::new(), Duration::ZERO, Vec::new());
    let mut cosine_min = arguments.cosine_min;
    for &size in sizes {
        built += build(folder, &record, size, source, &model, &mut strangers)?;
        let cosine_min = match cosine_min {
            Some(cosine) => cosine,
            None => *cosine_min.insert(super::threshold(&strangers, probes)),
        };
        let row = measure(folder, &record, probes, Search { cosine_min, limit: arguments.limit }, built)?;
        if global.json {
            rows.push(row.to_json());
        } else {
            row.lines().iter().try_for_each(|line| output::line(line))?;
        }
    }
    if global.json {
        output::line(&format!("{:#}", json!({ "Dimensions": arguments.dim, "OnDisk": rows })))?;
    }
    Ok(())
}

/// Ids in rising order: millions without one would have the database's index written over and over, and that is not
/// what is measured here. Their lower halves have none, for the table in memory.
fn face_id(n: usize) -> FaceId {
    FaceId(Uuid::from_u128(((n as u128 + 1) << 96) | (scattered(n) >> 32)))
}

fn face_record(n: usize) -> FaceRecord {
    FaceRecord {
        face_id: face_id(n),
        image_id: ImageId(Uuid::from_u128(n as u128)),
        external_image_id: None,
        box_ratio: BoxRatio { left: 0.1, top: 0.1, width: 0.5, height: 0.5 },
        confidence: 99.0,
        model_version: "1".to_owned(),
        user_id: None,
    }
}

/// Enrols up to `size` faces as the service does, store first; the time without that of making vectors.
fn build(
    folder: &Path,
    record: &CollectionRecord,
    size: usize,
    source: &mut Source,
    model: &ModelId,
    strangers: &mut Vec<Embedding>,
) -> anyhow::Result<Duration> {
    let store = Store::open(folder)?;
    let gallery = open_gallery(&store, &store.collection(&record.id)?, Means::default())?;
    let mut spent = Duration::ZERO;
    while gallery.face_count() < size {
        let first = gallery.face_count();
        let mut faces = Vec::with_capacity(COMMIT);
        for n in first..(first + COMMIT).min(size) {
            faces.push((face_record(n), source.next(model, record.dimensions)?));
        }
        let missing = STRANGERS.saturating_sub(strangers.len());
        strangers.extend(faces.iter().take(missing).map(|(_, embedding)| embedding.clone()));
        let start = Instant::now();
        enrol(&store, &gallery, record, &faces)?;
        spent += start.elapsed();
        tracing::info!(faces = gallery.face_count(), seconds = spent.as_secs_f64(), "enrolled");
    }
    Ok(spent)
}

fn enrol(
    store: &Store,
    gallery: &Collection,
    record: &CollectionRecord,
    faces: &[(FaceRecord, Embedding)],
) -> anyhow::Result<()> {
    let placed = store.put_faces(&record.id, faces)?;
    for ((face_id, slot), (_, embedding)) in placed.iter().zip(faces) {
        gallery.insert_at(*slot, *face_id, embedding, None).context("another model's embedding")?;
    }
    Ok(())
}

fn measure(
    folder: &Path,
    record: &CollectionRecord,
    probes: &[Embedding],
    search: Search,
    built: Duration,
) -> anyhow::Result<Row> {
    let before = resident_bytes();
    let start = Instant::now();
    let store = Store::open(folder)?;
    let record = store.collection(&record.id)?;
    let gallery = open_gallery(&store, &record, one_thread())?;
    let opened_s = start.elapsed().as_secs_f64();
    let resident = before.zip(resident_bytes());
    let footprint = gallery.footprint();
    let (one_ms, batch_ms) = (one_probe_ms(&gallery, probes, search)?, batch_ms(&gallery, probes, search)?);
    let found = found(&gallery, probes, search)?;
    drop(gallery);
    let gallery = open_gallery(&store, &record, Means::default())?;
    let cores_ms = one_probe_ms(&gallery, probes, search)?;
    let change_ms = changes(&store, &gallery, &record)?;
    let rows = footprint.rows.max(1) as f64;
    Ok(Row {
        faces: gallery.face_count(),
        search,
        found,
        built_s: built.as_secs_f64(),
        file_bytes: bytes_in(folder)?,
        opened_s,
        resident,
        one_ms,
        batch_ms,
        cores_ms,
        code_bytes: footprint.code_bytes as f64 / rows,
        other_bytes: (footprint.record_bytes + footprint.vector_bytes) as f64 / rows,
        change_ms,
    })
}

/// Milliseconds a face of deleting one at a time, of enrolling it again, and of deleting many in one call; all are
/// there again after it.
fn changes(store: &Store, gallery: &Collection, record: &CollectionRecord) -> anyhow::Result<[f64; 3]> {
    let faces = |count: usize| -> anyhow::Result<Vec<(FaceRecord, Embedding)>> {
        let step = gallery.face_count() / count + 1;
        let some = (0..gallery.face_count()).step_by(step);
        some.map(|n| Ok((face_record(n), gallery.embedding(face_id(n))?.context("an enrolled face")?))).collect()
    };
    let delete = |faces: &[(FaceRecord, Embedding)]| -> anyhow::Result<()> {
        let ids: Vec<_> = faces.iter().map(|(record, _)| record.face_id).collect();
        for face in store.delete_faces(&record.id, &ids)? {
            gallery.remove(face);
        }
        Ok(())
    };
    let per_face = |start: Instant, count: usize| start.elapsed().as_secs_f64() * 1e3 / count.max(1) as f64;
    let some = faces(SINGLES)?;
    let start = Instant::now();
    some.chunks(1).try_for_each(delete)?;
    let deleted = per_face(start, some.len());
    let start = Instant::now();
    some.chunks(1).try_for_each(|face| enrol(store, gallery, record, face))?;
    let enrolled = per_face(start, some.len());
    let some = faces(TOGETHER)?;
    let start = Instant::now();
    delete(&some)?;
    let together = per_face(start, some.len());
    enrol(store, gallery, record, &some)?;
    Ok([deleted, enrolled, together])
}

/// This process's resident memory, on Linux.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn bytes_in(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        bytes += if is_folder { bytes_in(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

impl Row {
    fn lines(&self) -> Vec<String> {
        let resident = self.resident.map_or("unknown".to_owned(), |(before, after)| {
            let more = after.saturating_sub(before) as f64;
            format!("{:.0} MB resident, {:.0} bytes a face", after as f64 / 1e6, more / self.faces as f64)
        });
        let [deleted, enrolled, together] = self.change_ms;
        vec![
            format!(
                "{} faces on disk: enrolled in {:.1} s, {:.2} GB; cosine {:.4}, {:.1} found a probe",
                self.faces,
                self.built_s,
                self.file_bytes as f64 / 1e9,
                self.search.cosine_min,
                self.found
            ),
            format!(
                "  opened in                  {:9.3} s   {resident} ({:.0} of codes, {:.0} beside)",
                self.opened_s, self.code_bytes, self.other_bytes
            ),
            format!("  one probe, one thread      {:9.3} ms", self.one_ms),
            format!("  one probe, all cores       {:9.3} ms", self.cores_ms),
            format!("  16 probes, one thread      {:9.3} ms a probe", self.batch_ms),
            format!(
                "  deleted {deleted:.2} ms a face, enrolled {enrolled:.2}; {TOGETHER} deleted at once {together:.3}"
            ),
        ]
    }

    fn to_json(&self) -> serde_json::Value {
        json!({
            "Faces": self.faces,
            "CosineMin": self.search.cosine_min,
            "Limit": self.search.limit,
            "FoundPerProbe": self.found,
            "EnrolledSeconds": self.built_s,
            "FileBytes": self.file_bytes,
            "OpenedSeconds": self.opened_s,
            "ResidentBytes": self.resident.map(|(_, after)| after),
            "CodeBytesPerFace": self.code_bytes,
            "OtherBytesPerFace": self.other_bytes,
            "OneProbeMs": self.one_ms,
            "OneProbeAllCoresMs": self.cores_ms,
            "BatchPerProbeMs": self.batch_ms,
            "DeleteMs": self.change_ms[0],
            "EnrolMs": self.change_ms[1],
        })
    }
}
