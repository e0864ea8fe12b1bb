//! A segment file: the vectors of one collection in slots of one size, each with its checksum.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::{StoreError, codes, files};
use crate::gallery::FaceId;

/// Names a segment file; random, so that no later collection takes an older one's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SegmentId(pub(super) Uuid);

/// Longest vector.
pub(super) const DIMENSIONS_MAX: usize = 16_384;

const MAGIC: [u8; 8] = *b"TROMBSEG";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 512;
const HEADER_CHECKED: usize = HEADER_BYTES - 4;
const MODEL_ID_AT: usize = 34;
/// Face id and checksum before the vector.
const SLOT_HEAD_BYTES: usize = 20;
/// Slots are read and wiped in pieces of about this many bytes.
const PIECE_BYTES: usize = 1 << 20;

/// What the header says, and what the database expects it to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentShape {
    pub(super) id: SegmentId,
    pub(super) dimensions: usize,
    pub(super) model_id: String,
}

/// An open segment file with a verified header.
pub(super) struct Segment {
    file: File,
    path: PathBuf,
    shape: SegmentShape,
}

impl SegmentId {
    pub(super) fn random() -> Self {
        Self(Uuid::new_v4())
    }

    pub(super) fn path(self, directory: &Path) -> PathBuf {
        files::vectors(directory).join(self.file_name())
    }

    pub(super) fn file_name(self) -> String {
        format!("{}.seg", self.0.simple())
    }

    /// Reads a file name back; `None` for files that are not ours.
    pub(super) fn from_file_name(name: &str) -> Option<Self> {
        let id = Self(Uuid::try_parse(name.strip_suffix(".seg")?).ok()?);
        (id.file_name() == name).then_some(id)
    }
}

impl Segment {
    /// Makes an empty one, durably.
    pub(super) fn create(directory: &Path, shape: &SegmentShape) -> Result<(), StoreError> {
        let path = shape.id.path(directory);
        let fails = |error: io::Error| files::disk_error(&path, &error);
        let header = header_from_shape(shape)?;
        let mut file = files::private().create_new(true).open(&path).map_err(fails)?;
        let written = file.write_all(&header).and_then(|()| file.sync_all());
        if let Err(error) = written {
            let _ = fs::remove_file(&path); // it holds no vector; the first error is the one to tell
            return Err(fails(error));
        }
        files::sync_directory(&files::vectors(directory))
    }

    /// Opens one and compares its header with what the database says of it.
    pub(super) fn open(directory: &Path, shape: SegmentShape) -> Result<Self, StoreError> {
        let path = shape.id.path(directory);
        let mut file = files::private().open(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => damaged(&path, "the file is missing"),
            _ => files::disk_error(&path, &error),
        })?;
        let mut header = [0u8; HEADER_BYTES];
        file.read_exact(&mut header).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => damaged(&path, "the header is cut off"),
            _ => files::disk_error(&path, &error),
        })?;
        let found = shape_from_header(&header).map_err(|what| damaged(&path, what))?;
        if found != shape {
            return Err(damaged(&path, "the header is another collection's"));
        }
        Ok(Self { file, path, shape })
    }

    pub(super) fn shape(&self) -> &SegmentShape {
        &self.shape
    }

    /// Bytes of one slot.
    fn slot_bytes(&self) -> usize {
        SLOT_HEAD_BYTES + 4 * self.shape.dimensions
    }

    fn offset(&self, slot: u64) -> Result<u64, StoreError> {
        (self.slot_bytes() as u64)
            .checked_mul(slot)
            .and_then(|bytes| bytes.checked_add(HEADER_BYTES as u64))
            .ok_or_else(|| damaged(&self.path, &format!("slot `{slot}` cannot exist")))
    }

    /// Refuses a file that is too short for `slots`.
    pub(super) fn check_length(&self, slots: u64) -> Result<(), StoreError> {
        let bytes = self.file.metadata().map_err(|error| files::disk_error(&self.path, &error))?.len();
        if bytes < self.offset(slots)? {
            return Err(damaged(&self.path, &format!("it is cut off: {bytes} bytes for {slots} slots")));
        }
        Ok(())
    }

    /// Writes vectors into slots and makes them durable. Neighbouring slots go in one piece.
    pub(super) fn write(&mut self, slots: &[u64], vectors: &[(FaceId, &[f32])]) -> Result<(), StoreError> {
        let mut piece: Vec<u8> = Vec::new();
        let mut piece_slot = None;
        for (n, (&slot, (face_id, vector))) in slots.iter().zip(vectors).enumerate() {
            piece_slot.get_or_insert(slot);
            push_slot(&mut piece, *face_id, vector);
            let ends = slots.get(n + 1) != Some(&(slot + 1)) || piece.len() >= PIECE_BYTES;
            if let (true, Some(first)) = (ends, piece_slot) {
                self.write_at(first, &piece)?;
                piece.clear();
                piece_slot = None;
            }
        }
        self.sync()
    }

    /// Overwrites slots with zeros, durably.
    pub(super) fn wipe(&mut self, slots: &[u64]) -> Result<(), StoreError> {
        let zeros = vec![0u8; self.slot_bytes()];
        for &slot in slots {
            self.write_at(slot, &zeros)?;
        }
        self.sync()
    }

    /// Overwrites everything from `slots` on with zeros and cuts it off, durably.
    pub(super) fn cut(&mut self, slots: u64) -> Result<(), StoreError> {
        let (from, path) = (self.offset(slots)?, self.path.clone());
        let fails = |error: io::Error| files::disk_error(&path, &error);
        let end = self.file.metadata().map_err(fails)?.len();
        if end <= from {
            return Ok(());
        }
        self.file.seek(SeekFrom::Start(from)).map_err(fails)?;
        io::copy(&mut io::repeat(0).take(end - from), &mut self.file).map_err(fails)?;
        self.file.sync_data().map_err(fails)?;
        self.file.set_len(from).map_err(fails)?;
        self.file.sync_data().map_err(fails)
    }

    /// The face id of a slot that is not all zeros; the checksum is not looked at.
    pub(super) fn occupant(&mut self, slot: u64) -> Result<Option<FaceId>, StoreError> {
        let mut bytes = vec![0u8; self.slot_bytes()];
        self.read_at(slot, &mut bytes)?;
        if bytes.iter().all(|&b| b == 0) {
            return Ok(None);
        }
        let mut id = [0u8; 16];
        id.copy_from_slice(&bytes[..16]);
        Ok(Some(FaceId(Uuid::from_bytes(id))))
    }

    /// The face and the vector of a slot that is in use.
    pub(super) fn occupied(&mut self, slot: u64) -> Result<(FaceId, Vec<f32>), StoreError> {
        let mut bytes = vec![0u8; self.slot_bytes()];
        self.read_at(slot, &mut bytes)?;
        let mut id = [0u8; 16];
        id.copy_from_slice(&bytes[..16]);
        let face_id = FaceId(Uuid::from_bytes(id));
        let mut vector = vec![0.0; self.shape.dimensions];
        vector_from_slot(&bytes, face_id, &mut vector)
            .map_err(|what| damaged(&self.path, &format!("slot {slot}: {what}")))?;
        Ok((face_id, vector))
    }

    /// Reads a face's vector from a slot, verified; from any thread.
    pub(super) fn vector(&self, slot: u64, face_id: FaceId, vector: &mut [f32]) -> Result<(), StoreError> {
        let mut bytes = vec![0u8; self.slot_bytes()];
        let offset = self.offset(slot)?;
        let read = files::read_at(&self.file, &mut bytes, offset);
        if read.map_err(|error| files::disk_error(&self.path, &error))? < bytes.len() {
            return Err(damaged(&self.path, &format!("it is cut off at slot {slot}")));
        }
        vector_from_slot(&bytes, face_id, vector).map_err(|what| damaged(&self.path, &format!("slot {slot}: {what}")))
    }

    /// Reads the slots named (in rising order), verifies each, and hands them out with their place in the list.
    pub(super) fn read(
        &mut self,
        wanted: &[(u64, FaceId)],
        each: &mut dyn FnMut(usize, Vec<f32>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let slot_bytes = self.slot_bytes();
        let piece_slots = (PIECE_BYTES / slot_bytes).max(1) as u64;
        let mut piece = Vec::new();
        let mut at = 0;
        while at < wanted.len() {
            let first = wanted[at].0;
            let end = at + wanted[at..].partition_point(|(slot, _)| *slot < first.saturating_add(piece_slots));
            let slots = usize::try_from(wanted[end - 1].0 - first + 1).unwrap_or(usize::MAX);
            piece.resize(slots * slot_bytes, 0);
            self.read_at(first, &mut piece)?;
            for (n, (slot, face_id)) in wanted.iter().enumerate().take(end).skip(at) {
                let place = usize::try_from(slot - first).unwrap_or(usize::MAX) * slot_bytes;
                let mut vector = vec![0.0; self.shape.dimensions];
                vector_from_slot(&piece[place..place + slot_bytes], *face_id, &mut vector)
                    .map_err(|what| damaged(&self.path, &format!("slot {slot}: {what}")))?;
                each(n, vector)?;
            }
            at = end;
        }
        Ok(())
    }

    /// Overwrites the whole file with zeros and removes it, durably; its codes before.
    pub(super) fn destroy(directory: &Path, id: SegmentId) -> Result<(), StoreError> {
        codes::destroy(directory, id)?;
        let path = id.path(directory);
        let fails = |error: io::Error| files::disk_error(&path, &error);
        let mut file = match files::private().open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            other => other.map_err(fails)?,
        };
        let bytes = file.metadata().map_err(fails)?.len();
        io::copy(&mut io::repeat(0).take(bytes), &mut file).map_err(fails)?;
        file.sync_data().map_err(fails)?;
        fs::remove_file(&path).map_err(fails)?;
        files::sync_directory(&files::vectors(directory))
    }

    fn write_at(&mut self, slot: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let offset = self.offset(slot)?;
        self.file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.file.write_all(bytes))
            .map_err(|error| files::disk_error(&self.path, &error))
    }

    fn read_at(&mut self, slot: u64, bytes: &mut [u8]) -> Result<(), StoreError> {
        let offset = self.offset(slot)?;
        self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.read_exact(bytes)).map_err(|error| {
            match error.kind() {
                ErrorKind::UnexpectedEof => damaged(&self.path, &format!("it is cut off at slot {slot}")),
                _ => files::disk_error(&self.path, &error),
            }
        })
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(|error| files::disk_error(&self.path, &error))
    }
}

fn header_from_shape(shape: &SegmentShape) -> Result<[u8; HEADER_BYTES], StoreError> {
    let name = shape.model_id.as_bytes();
    let length = u16::try_from(name.len()).ok().filter(|&n| usize::from(n) <= HEADER_CHECKED - MODEL_ID_AT);
    let dimensions = u32::try_from(shape.dimensions).ok().filter(|_| (1..=DIMENSIONS_MAX).contains(&shape.dimensions));
    let (Some(length), Some(dimensions)) = (length, dimensions) else {
        return Err(StoreError::Io(format!("model id of {} bytes, {} dimensions", name.len(), shape.dimensions)));
    };
    let mut header = [0u8; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&dimensions.to_le_bytes());
    header[16..32].copy_from_slice(shape.id.0.as_bytes());
    header[32..34].copy_from_slice(&length.to_le_bytes());
    header[MODEL_ID_AT..MODEL_ID_AT + name.len()].copy_from_slice(name);
    let crc = crc32fast::hash(&header[..HEADER_CHECKED]);
    header[HEADER_CHECKED..].copy_from_slice(&crc.to_le_bytes());
    Ok(header)
}

fn shape_from_header(header: &[u8; HEADER_BYTES]) -> Result<SegmentShape, &'static str> {
    if header[..8] != MAGIC {
        return Err("it is no segment file");
    }
    if crc32fast::hash(&header[..HEADER_CHECKED]).to_le_bytes() != header[HEADER_CHECKED..] {
        return Err("the header's checksum is wrong");
    }
    if le_u32(&header[8..12]) != VERSION {
        return Err("its version is not known");
    }
    let length = usize::from(u16::from_le_bytes([header[32], header[33]]));
    let name = header.get(MODEL_ID_AT..MODEL_ID_AT + length).ok_or("the model id is too long")?;
    let mut id = [0u8; 16];
    id.copy_from_slice(&header[16..32]);
    Ok(SegmentShape {
        id: SegmentId(Uuid::from_bytes(id)),
        dimensions: le_u32(&header[12..16]) as usize,
        model_id: std::str::from_utf8(name).map_err(|_| "the model id is no text")?.to_owned(),
    })
}

fn push_slot(piece: &mut Vec<u8>, face_id: FaceId, vector: &[f32]) {
    let start = piece.len();
    piece.extend_from_slice(face_id.0.as_bytes());
    piece.extend_from_slice(&[0; 4]);
    piece.extend(vector.iter().flat_map(|x| x.to_le_bytes()));
    let crc = slot_crc(&piece[start..]);
    piece[start + 16..start + SLOT_HEAD_BYTES].copy_from_slice(&crc.to_le_bytes());
}

fn vector_from_slot(slot: &[u8], face_id: FaceId, vector: &mut [f32]) -> Result<(), &'static str> {
    if slot[..16] != *face_id.0.as_bytes() {
        return Err("it holds another face than its record says");
    }
    if le_u32(&slot[16..SLOT_HEAD_BYTES]) != slot_crc(slot) {
        return Err("its checksum is wrong");
    }
    let (components, _) = slot[SLOT_HEAD_BYTES..].as_chunks::<4>();
    vector.iter_mut().zip(components).for_each(|(x, bytes)| *x = f32::from_le_bytes(*bytes));
    Ok(())
}

/// CRC-32 of face id and vector.
fn slot_crc(slot: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&slot[..16]);
    hasher.update(&slot[SLOT_HEAD_BYTES..]);
    hasher.finalize()
}

fn le_u32(bytes: &[u8]) -> u32 {
    let mut four = [0u8; 4];
    four.copy_from_slice(bytes);
    u32::from_le_bytes(four)
}

fn damaged(path: &Path, what: &str) -> StoreError {
    let name = path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    StoreError::Damaged(format!("vectors/{name}: {what}"))
}
