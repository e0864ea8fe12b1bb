//! A file of codes: what a gallery keeps beside a segment's vectors, so that it opens without reading them. It can be
//! lost: the vectors are the truth.
//!
//! INVARIANT (codes are their faces'): the code in a slot in use is that of the face whose vector is there, or it is
//! all zeros, or its checksum is wrong. A code is written after the commit that gives the slot to its face, by the only
//! one who changes the collection then, and it is overwritten, durably, before the slot is given to another.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::segments::{SegmentId, SegmentShape};
use super::{StoreError, files};

const MAGIC: [u8; 8] = *b"TROMBCOD";
const VERSION: u32 = 3;
const HEADER_BYTES: usize = 64;
const HEADER_CHECKED: usize = HEADER_BYTES - 4;
const CRC_BYTES: usize = 4;
/// Longest codec: a matrix of 32-bit floats, and some numbers, for the longest vectors.
const CODEC_BYTES_MAX: u64 = (1 << 30) + (1 << 20);
const CODE_BYTES_MAX: usize = 1 << 20;
/// Codes are read in pieces of about this many bytes.
const PIECE_BYTES: usize = 1 << 20;
const SUFFIX: &str = ".codes";

/// An open file of codes with a verified header.
pub(super) struct CodeFile {
    file: File,
    path: PathBuf,
    /// Drawn anew with every codec; every code's checksum covers it, so none is taken for another codec's.
    epoch: [u8; 16],
    codec_bytes: u64,
    code_bytes: usize,
}

/// One slot's code as it lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code<'a> {
    /// Never written, or overwritten.
    Missing,
    /// The checksum is wrong.
    Damaged,
    Whole(&'a [u8]),
}

pub(super) fn path(directory: &Path, id: SegmentId) -> PathBuf {
    files::vectors(directory).join(format!("{}{SUFFIX}", id.0.simple()))
}

/// Reads a file name back; `None` for files that are not ours.
pub(super) fn id_from_file_name(name: &str) -> Option<SegmentId> {
    let id = SegmentId(Uuid::try_parse(name.strip_suffix(SUFFIX)?).ok()?);
    (format!("{}{SUFFIX}", id.0.simple()) == name).then_some(id)
}

/// Overwrites the whole file with zeros and removes it, durably; nothing happens without one.
pub(super) fn destroy(directory: &Path, id: SegmentId) -> Result<(), StoreError> {
    let path = path(directory, id);
    let fails = |error: io::Error| files::disk_error(&path, &error);
    let mut file = match files::private().open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(fails)?,
    };
    overwrite(&mut file).map_err(fails)?;
    fs::remove_file(&path).map_err(fails)?;
    files::sync_directory(&files::vectors(directory))
}

fn overwrite(file: &mut File) -> io::Result<()> {
    let bytes = file.metadata()?.len();
    io::copy(&mut io::repeat(0).take(bytes), file)?;
    file.sync_data()
}

impl CodeFile {
    /// Begins anew, over what was there, for codes of `code_bytes` each.
    pub(super) fn create(
        directory: &Path,
        shape: &SegmentShape,
        codec: &[u8],
        code_bytes: usize,
    ) -> Result<Self, StoreError> {
        let path = path(directory, shape.id);
        let fails = |error: io::Error| files::disk_error(&path, &error);
        let mut file = files::private().create(true).truncate(false).open(&path).map_err(fails)?;
        // First, so that no block that is given back holds a code.
        overwrite(&mut file).map_err(fails)?;
        file.set_len(0).map_err(fails)?;
        let codes = Self {
            file,
            path: path.clone(),
            epoch: *Uuid::new_v4().as_bytes(),
            codec_bytes: codec.len() as u64,
            code_bytes,
        };
        let head = [&codes.header(shape)?[..], codec, &crc32fast::hash(codec).to_le_bytes()].concat();
        files::write_at(&codes.file, &head, 0).map_err(fails)?;
        Ok(codes)
    }

    /// Opens one; `None` when there is none.
    ///
    /// # Errors
    /// `Damaged` when it is not whole or another collection's: it is worth nothing then.
    pub(super) fn open(directory: &Path, shape: &SegmentShape) -> Result<Option<Self>, StoreError> {
        let path = path(directory, shape.id);
        let mut file = match files::private().open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| files::disk_error(&path, &error))?,
        };
        let mut header = [0u8; HEADER_BYTES];
        file.read_exact(&mut header).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => damaged(&path, "the header is cut off"),
            _ => files::disk_error(&path, &error),
        })?;
        let (epoch, codec_bytes, code_bytes) = read_header(&header, shape).map_err(|what| damaged(&path, what))?;
        Ok(Some(Self { file, path, epoch, codec_bytes, code_bytes }))
    }

    /// Magic, version, length of a code, segment, epoch, length of the codec, zeros, checksum.
    fn header(&self, shape: &SegmentShape) -> Result<[u8; HEADER_BYTES], StoreError> {
        let code_bytes = u32::try_from(self.code_bytes).ok().filter(|_| self.code_bytes <= CODE_BYTES_MAX);
        let code_bytes = code_bytes.filter(|_| self.codec_bytes <= CODEC_BYTES_MAX);
        let code_bytes = code_bytes.ok_or_else(|| StoreError::Io("codes of that length are not kept".to_owned()))?;
        let mut header = [0u8; HEADER_BYTES];
        header[..8].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&VERSION.to_le_bytes());
        header[12..16].copy_from_slice(&code_bytes.to_le_bytes());
        header[16..32].copy_from_slice(shape.id.0.as_bytes());
        header[32..48].copy_from_slice(&self.epoch);
        header[48..56].copy_from_slice(&self.codec_bytes.to_le_bytes());
        let crc = crc32fast::hash(&header[..HEADER_CHECKED]);
        header[HEADER_CHECKED..].copy_from_slice(&crc.to_le_bytes());
        Ok(header)
    }

    /// The codec that the codes are of.
    ///
    /// # Errors
    /// `Damaged` when it is not whole.
    pub(super) fn codec(&self) -> Result<Vec<u8>, StoreError> {
        let length = usize::try_from(self.codec_bytes).unwrap_or(usize::MAX);
        // No more than the file has, whatever its header says.
        let there = self.file.metadata().map_err(|error| files::disk_error(&self.path, &error))?.len();
        if there < HEADER_BYTES as u64 + self.codec_bytes + CRC_BYTES as u64 {
            return Err(damaged(&self.path, "the codec is cut off"));
        }
        let mut codec = vec![0; length + CRC_BYTES];
        files::read_at(&self.file, &mut codec, HEADER_BYTES as u64).map_err(|e| files::disk_error(&self.path, &e))?;
        let crc = codec.split_off(length);
        if crc32fast::hash(&codec).to_le_bytes() != crc[..] {
            return Err(damaged(&self.path, "the codec's checksum is wrong"));
        }
        Ok(codec)
    }

    fn record_bytes(&self) -> usize {
        self.code_bytes + CRC_BYTES
    }

    fn offset(&self, slot: u64) -> u64 {
        let before = HEADER_BYTES as u64 + self.codec_bytes + CRC_BYTES as u64;
        before.saturating_add(slot.saturating_mul(self.record_bytes() as u64))
    }

    fn crc(&self, slot: u64, code: &[u8]) -> [u8; CRC_BYTES] {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.epoch);
        hasher.update(&slot.to_le_bytes());
        hasher.update(code);
        hasher.finalize().to_le_bytes()
    }

    /// Writes codes into slots, not yet durably.
    pub(super) fn write(&self, slots: &[u32], codes: &[u8]) -> Result<(), StoreError> {
        let codes = codes.chunks_exact(self.code_bytes.max(1));
        if codes.len() != slots.len() {
            return Err(StoreError::Io(format!("{} codes for {} slots", codes.len(), slots.len())));
        }
        // Neighbouring slots in one piece.
        let mut piece = Vec::new();
        for (n, (&slot, code)) in slots.iter().zip(codes).enumerate() {
            piece.extend_from_slice(code);
            piece.extend_from_slice(&self.crc(slot.into(), code));
            if slots.get(n + 1).copied() != slot.checked_add(1) {
                let first = u64::from(slot) + 1 - (piece.len() / self.record_bytes()) as u64;
                self.write_at(first, &piece)?;
                piece.clear();
            }
        }
        Ok(())
    }

    /// Overwrites those codes with zeros that are not, durably.
    pub(super) fn wipe(&self, slots: &[u64]) -> Result<(), StoreError> {
        let zeros = vec![0; self.record_bytes()];
        let mut record = zeros.clone();
        let mut changed = false;
        for &slot in slots {
            self.read_records(slot, &mut record)?;
            if record != zeros {
                self.write_at(slot, &zeros)?;
                changed = true;
            }
        }
        if changed { self.file.sync_data().map_err(|error| files::disk_error(&self.path, &error)) } else { Ok(()) }
    }

    /// Reads the codes of the first `slots` slots in their order.
    pub(super) fn each(
        &self,
        slots: u64,
        each: &mut dyn FnMut(u64, Code<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let record_bytes = self.record_bytes();
        let piece_slots = (PIECE_BYTES / record_bytes).max(1) as u64;
        let mut piece = Vec::new();
        let mut first = 0;
        while first < slots {
            let end = (first + piece_slots).min(slots);
            piece.resize(usize::try_from(end - first).unwrap_or(0) * record_bytes, 0);
            self.read_records(first, &mut piece)?;
            for (slot, record) in (first..end).zip(piece.chunks_exact(record_bytes)) {
                each(slot, self.code(slot, record))?;
            }
            first = end;
        }
        Ok(())
    }

    fn code<'a>(&self, slot: u64, record: &'a [u8]) -> Code<'a> {
        let (code, crc) = record.split_at(self.code_bytes);
        if *crc == self.crc(slot, code) {
            Code::Whole(code)
        } else if record.iter().all(|&byte| byte == 0) {
            Code::Missing
        } else {
            Code::Damaged
        }
    }

    /// Records from a slot on; beyond the file's end they are zeros.
    fn read_records(&self, slot: u64, bytes: &mut [u8]) -> Result<(), StoreError> {
        let read = files::read_at(&self.file, bytes, self.offset(slot));
        let read = read.map_err(|error| files::disk_error(&self.path, &error))?;
        bytes[read..].fill(0);
        Ok(())
    }

    fn write_at(&self, slot: u64, bytes: &[u8]) -> Result<(), StoreError> {
        files::write_at(&self.file, bytes, self.offset(slot)).map_err(|error| files::disk_error(&self.path, &error))
    }
}

type Header = ([u8; 16], u64, usize);

fn read_header(header: &[u8; HEADER_BYTES], shape: &SegmentShape) -> Result<Header, &'static str> {
    if header[..8] != MAGIC {
        return Err("it is no file of codes");
    }
    if crc32fast::hash(&header[..HEADER_CHECKED]).to_le_bytes() != header[HEADER_CHECKED..] {
        return Err("the header's checksum is wrong");
    }
    let [_, _, _, _, _, _, _, _, v0, v1, v2, v3, n0, n1, n2, n3, ..] = *header;
    if u32::from_le_bytes([v0, v1, v2, v3]) != VERSION {
        return Err("its version is not known");
    }
    if header[16..32] != *shape.id.0.as_bytes() {
        return Err("the header is another collection's");
    }
    let (mut epoch, mut codec_bytes) = ([0; 16], [0; 8]);
    epoch.copy_from_slice(&header[32..48]);
    codec_bytes.copy_from_slice(&header[48..56]);
    let code_bytes = u32::from_le_bytes([n0, n1, n2, n3]) as usize;
    let codec_bytes = u64::from_le_bytes(codec_bytes);
    if code_bytes > CODE_BYTES_MAX || codec_bytes > CODEC_BYTES_MAX {
        return Err("its codes are too long");
    }
    Ok((epoch, codec_bytes, code_bytes))
}

fn damaged(path: &Path, what: &str) -> StoreError {
    let name = path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    StoreError::Damaged(format!("vectors/{name}: {what}"))
}
