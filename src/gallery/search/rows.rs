//! Many vectors of one length, and the exact search over them.
//!
//! INVARIANT (searches see whole chunks): a search takes the list of chunks once and locks a chunk for as long as it
//! looks at it, some ten microseconds a probe. Whoever writes locks one chunk for one row, or for the coding of a block
//! of rows. So a search sees every vector that was written before it began and is not written since, and neither waits
//! for the other longer than for one chunk.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::best::{Best, Scored};
use super::chunk::{CHUNK_ROWS, Chunk, Codes, Residence};
use super::codec::Codec;
use super::scan::{BestOfEach, Findings, Scan, Wanted, chunks_together, read_vector};
use super::slots::{Owner, Slots, Unreadable};
use super::{Footprint, Means};
use crate::gallery::FaceId;

/// Full chunks from which on there are codes; below, comparing everything takes less than half a millisecond.
const CODED_FROM_CHUNKS: usize = 4;
/// Full chunks at which directions are looked for once more, on more vectors; everything is coded anew by them.
const TRAINED_AGAIN_AT_CHUNKS: usize = 64;
/// In place of the size at which directions were looked for: codes of the ones there are still to come.
const NOT_NOW: usize = usize::MAX;
/// Vectors read for that, at most.
const TRAINING_ROWS_MAX: usize = 8192;
/// A thread is worth its start for so many rows.
const ROWS_PER_THREAD: usize = 1 << 18;

/// Where a vector is: the number of its chunk and its place there, in 4 bytes, as every face has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gallery) struct Row(u32);

impl Row {
    fn new(chunk: u32, at: usize) -> Self {
        Self(chunk * small(CHUNK_ROWS) + small(at))
    }

    fn chunk(self) -> u32 {
        self.0 / small(CHUNK_ROWS)
    }

    fn at(self) -> usize {
        self.0 as usize % CHUNK_ROWS
    }
}

type Shared<Id> = Arc<RwLock<Chunk<Id>>>;

/// Vectors with their owners. One writes at a time; searches go on meanwhile.
pub(in crate::gallery) struct Rows<Id> {
    dimensions: usize,
    means: Means,
    /// Where the vectors are that are not in memory.
    outside: Option<Arc<dyn Slots>>,
    /// Rows in use.
    used: AtomicUsize,
    /// By number; `None` for one that was merged away.
    chunks: RwLock<Arc<Vec<Option<Shared<Id>>>>>,
    writing: Mutex<Writing>,
}

/// What only the one who writes needs to know.
#[derive(Default)]
struct Writing {
    codec: Option<Arc<Codec>>,
    /// The chunk that is not full yet.
    open: Option<u32>,
    /// Free rows by chunk.
    free: BTreeMap<u32, Vec<u32>>,
    /// A sparse chunk that waits for another one to be merged with.
    sparse: Option<u32>,
    /// Numbers of chunks that were merged away.
    vacant: Vec<u32>,
    full_chunks: usize,
    /// Full chunks when directions were looked for.
    learnt_at: usize,
    #[cfg(test)]
    merged_away: usize,
}

/// Where a vector has gone.
pub(in crate::gallery) struct Moved<Id> {
    pub(in crate::gallery) owner: Id,
    pub(in crate::gallery) from: Row,
    pub(in crate::gallery) row: Row,
}

/// A vector on its way into a row.
#[derive(Debug, Clone, Copy)]
pub(in crate::gallery) struct Incoming<'a> {
    pub(in crate::gallery) vector: &'a [f32],
    /// Where it lies outside; of no meaning where there is no outside.
    pub(in crate::gallery) slot: u32,
}

impl Writing {
    fn take_free(&mut self) -> Option<Row> {
        let mut entry = self.free.first_entry()?;
        let chunk = *entry.key();
        let at = entry.get_mut().pop();
        if entry.get().is_empty() {
            entry.remove();
        }
        at.map(|at| Row::new(chunk, at as usize))
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl<Id: Owner> Rows<Id> {
    /// No rows; with an outside, vectors leave memory as soon as they have codes.
    pub(in crate::gallery) fn new(dimensions: usize, means: Means, outside: Option<Arc<dyn Slots>>) -> Self {
        Self {
            dimensions: dimensions.max(1),
            means,
            outside,
            chunks: RwLock::default(),
            used: AtomicUsize::new(0),
            writing: Mutex::default(),
        }
    }

    pub(in crate::gallery) fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Rows in use.
    pub(in crate::gallery) fn len(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// What the rows take and what a search reads of them.
    pub(in crate::gallery) fn footprint(&self) -> Footprint {
        let mut all = Footprint::default();
        for chunk in self.list().iter().flatten() {
            let chunk = read(chunk);
            let codes = chunk.codes();
            all.rows += chunk.rows();
            all.vector_bytes += chunk.held_bytes();
            all.code_bytes += codes.map_or(0, Codes::bytes);
            all.scanned_bytes += codes.map_or(chunk.held_bytes(), Codes::scanned_bytes);
            all.record_bytes += chunk.record_bytes();
        }
        all
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&self) -> Arc<Vec<Option<Shared<Id>>>> {
        Arc::clone(&read(&self.chunks))
    }

    fn residence(&self) -> Residence {
        if self.outside.is_some() && self.means.codes { Residence::Slots } else { Residence::Memory }
    }

    fn chunk(&self, row: Row) -> Shared<Id> {
        // A row's number is given out with the chunk and taken back before the chunk goes.
        let chunk = read(&self.chunks)[row.chunk() as usize].clone();
        chunk.unwrap_or_else(|| unreachable!("row {row:?} of a chunk that was merged away"))
    }

    pub(in crate::gallery) fn insert(&self, owner: Id, incoming: Incoming<'_>) -> Row {
        let mut writing = self.writing();
        if let Some(row) = writing.take_free() {
            self.used.fetch_add(1, Ordering::Relaxed);
            let chunk = self.chunk(row);
            write(&chunk).write(row.at(), owner, incoming.slot, incoming.vector);
            if row.at() < read(&chunk).coded_rows() {
                self.keep_codes(&chunk, row.at()..row.at() + 1);
            }
            return row;
        }
        self.insert_at_end(&mut writing, owner, incoming)
    }

    fn insert_at_end(&self, writing: &mut Writing, owner: Id, incoming: Incoming<'_>) -> Row {
        let (number, chunk) = self.open_chunk(writing);
        self.used.fetch_add(1, Ordering::Relaxed);
        let at = write(&chunk).push(owner, incoming.slot, incoming.vector);
        self.settle(writing, &chunk);
        Row::new(number, at)
    }

    /// Puts another vector into a row; a search sees the old one or the new one.
    pub(in crate::gallery) fn replace(&self, row: Row, vector: &[f32]) {
        let _writing = self.writing();
        let chunk = self.chunk(row);
        let mut chunk = write(&chunk);
        if let Some(owner) = chunk.owner(row.at()).cloned() {
            let slot = chunk.slot(row.at());
            chunk.write(row.at(), owner, slot, vector);
        }
    }

    pub(in crate::gallery) fn owner(&self, row: Row) -> Option<Id> {
        read(read(&self.chunks).get(row.chunk() as usize)?.as_ref()?).owner(row.at()).cloned()
    }

    /// Says something else of a row's owner, who stays in the same place of the order.
    pub(in crate::gallery) fn set_owner(&self, row: Row, owner: Id) {
        write(&self.chunk(row)).set_owner(row.at(), owner);
    }

    /// Frees a row and overwrites its vector. Merges two chunks where both have become sparse, so that a search takes
    /// as long as its rows in use; says which rows are elsewhere now.
    #[must_use]
    pub(in crate::gallery) fn remove(&self, row: Row) -> Vec<Moved<Id>> {
        let mut writing = self.writing();
        let number = row.chunk();
        write(&self.chunk(row)).clear(row.at());
        writing.free.entry(number).or_default().push(small(row.at()));
        self.used.fetch_sub(1, Ordering::Relaxed);
        let is_sparse = |number: u32| {
            let list = read(&self.chunks);
            list[number as usize].as_ref().is_some_and(|chunk| read(chunk).is_sparse())
        };
        if !is_sparse(number) {
            return Vec::new();
        }
        match writing.sparse.filter(|&other| other != number && is_sparse(other)) {
            Some(other) => {
                writing.sparse = None;
                self.merge(&mut writing, number, other)
            }
            None => {
                writing.sparse = Some(number);
                Vec::new()
            }
        }
    }

    /// Puts the rows of two full chunks into a new one under the first one's number. Searches that run keep the old
    /// ones, which are overwritten when the last of them ends.
    fn merge(&self, writing: &mut Writing, into: u32, from: u32) -> Vec<Moved<Id>> {
        let mut merged = Chunk::new(self.dimensions, self.residence(), writing.codec.is_some());
        let mut moved = Vec::new();
        for number in [into, from] {
            let chunk = read(&self.chunks)[number as usize].clone();
            for (owner, at, to) in chunk.iter().flat_map(|chunk| merged.append(&read(chunk))) {
                moved.push(Moved { owner, from: Row::new(number, at), row: Row::new(into, to) });
            }
        }
        let free = (small(merged.rows())..small(CHUNK_ROWS)).rev().collect();
        merged.close();
        writing.free.remove(&from);
        writing.free.insert(into, free);
        writing.vacant.push(from);
        writing.full_chunks -= 1;
        #[cfg(test)]
        {
            writing.merged_away += 1;
        }
        let mut chunks = write(&self.chunks);
        let list = Arc::make_mut(&mut chunks);
        list[into as usize] = Some(Arc::new(RwLock::new(merged)));
        list[from as usize] = None;
        moved
    }

    /// A row's vector; `None` when it is not enrolled any more.
    pub(in crate::gallery) fn vector(&self, row: Row) -> Result<Option<Vec<f32>>, Unreadable> {
        let chunk = self.chunk(row);
        let chunk = read(&chunk);
        let mut vector = vec![0.0; self.dimensions];
        Ok(read_vector(&chunk, row.at(), self.outside.as_deref(), &mut vector)?.then_some(vector))
    }

    /// What memory has in a row, whether somebody owns it or not.
    #[cfg(test)]
    pub(in crate::gallery) fn held_vector(&self, row: Row) -> Vec<f32> {
        read(&self.chunk(row)).held_vector(row.at()).unwrap_or_default().to_vec()
    }

    /// Chunks that were merged into others.
    #[cfg(test)]
    pub(in crate::gallery) fn merged_away(&self) -> usize {
        self.writing().merged_away
    }

    /// The chunk that is not full, or a new one.
    fn open_chunk(&self, writing: &mut Writing) -> (u32, Shared<Id>) {
        if let Some(number) = writing.open
            && let Some(Some(open)) = read(&self.chunks).get(number as usize)
        {
            return (number, Arc::clone(open));
        }
        let chunk = Arc::new(RwLock::new(Chunk::new(self.dimensions, self.residence(), writing.codec.is_some())));
        let number = self.publish(writing, Arc::clone(&chunk));
        writing.open = Some(number);
        (number, chunk)
    }

    /// Adds a chunk to those that are searched.
    fn publish(&self, writing: &mut Writing, chunk: Shared<Id>) -> u32 {
        let mut chunks = write(&self.chunks);
        // A copy only while searches hold the list.
        let list = Arc::make_mut(&mut chunks);
        if let Some(number) = writing.vacant.pop() {
            list[number as usize] = Some(chunk);
            return number;
        }
        list.push(Some(chunk));
        small(list.len() - 1)
    }

    /// Codes what waits for it in the open `chunk`; at first, once there are enough full chunks to learn from, in all.
    fn settle(&self, writing: &mut Writing, chunk: &Shared<Id>) {
        if read(chunk).is_full() {
            writing.open = None;
            writing.full_chunks += 1;
            if self.means.codes {
                self.learn(writing);
            }
        }
        if let Some(codec) = &writing.codec {
            self.code_blocks(chunk, codec);
        }
    }

    /// At certain sizes, finds directions and codes everything by them.
    fn learn(&self, writing: &mut Writing) {
        let due = |at: usize| writing.learnt_at < at && writing.full_chunks >= at;
        if !due(CODED_FROM_CHUNKS) && !due(TRAINED_AGAIN_AT_CHUNKS) {
            return;
        }
        // Without the vectors there is no better codec; the one there is goes on.
        let Ok(sample) = self.sample() else { return };
        let codec = Arc::new(Codec::train(&sample, self.dimensions));
        let list = self.list();
        let recoded: Result<Vec<_>, _> = list.iter().flatten().map(|chunk| self.recoded(chunk, &codec)).collect();
        let Ok(recoded) = recoded else { return };
        writing.learnt_at = writing.full_chunks;
        if let Some(outside) = &self.outside {
            outside.begin_codes(&codec.to_bytes(), size_of::<FaceId>() + codec.code_bytes());
        }
        for (chunk, codes) in list.iter().flatten().zip(recoded) {
            if let Some(codes) = codes {
                write(chunk).recode(codes);
                let coded = read(chunk).coded_rows();
                self.keep_codes(chunk, 0..coded);
            }
            self.code_blocks(chunk, &codec);
        }
        writing.codec = Some(codec);
    }

    /// Vectors to learn from, one after another: every n-th of all.
    fn sample(&self) -> Result<Vec<f32>, Unreadable> {
        let step = self.len().div_ceil(TRAINING_ROWS_MAX).max(1);
        let (mut sample, mut vector) = (Vec::new(), vec![0.0; self.dimensions]);
        for chunk in self.list().iter().flatten() {
            let chunk = read(chunk);
            for (row, _) in chunk.owners().step_by(step) {
                if read_vector(&chunk, row, self.outside.as_deref(), &mut vector)? {
                    sample.extend_from_slice(&vector);
                }
            }
        }
        Ok(sample)
    }

    /// A chunk's codes by another codec; `None` when it has none yet.
    fn recoded(&self, chunk: &Shared<Id>, codec: &Arc<Codec>) -> Result<Option<Codes>, Unreadable> {
        let chunk = read(chunk);
        let mut vectors = vec![0.0; chunk.coded_rows() * self.dimensions];
        for (row, vector) in vectors.chunks_exact_mut(self.dimensions).enumerate() {
            if !read_vector(&chunk, row, self.outside.as_deref(), vector)? {
                vector.fill(0.0);
            }
        }
        Ok((chunk.coded_rows() > 0).then(|| Codes::of(codec, &vectors)))
    }

    /// Locks the chunk for a block at a time, so that searches wait for less than a millisecond.
    fn code_blocks(&self, chunk: &Shared<Id>, codec: &Arc<Codec>) {
        while read(chunk).has_uncoded_block() {
            let rows = write(chunk).code_block(codec);
            self.keep_codes(chunk, rows);
        }
    }

    fn keep_codes(&self, chunk: &Shared<Id>, rows: std::ops::Range<usize>) {
        if let Some(outside) = &self.outside {
            let (slots, codes) = read(chunk).kept_codes(rows);
            outside.write_codes(&slots, &codes);
        }
    }

    fn threads_for(&self, rows: usize) -> usize {
        (rows / ROWS_PER_THREAD).clamp(1, self.means.threads_max.max(1))
    }

    /// The best rows of each probe, ties by owner. Probes have this length of vectors, and unit length.
    ///
    /// # Errors
    /// A vector outside of memory that may count cannot be read.
    pub(in crate::gallery) fn search(
        &self,
        probes: &[&[f32]],
        wanted: &Wanted<'_, Id>,
    ) -> Result<Vec<Vec<Scored<Id>>>, Unreadable> {
        if wanted.limit == 0 || probes.is_empty() {
            return Ok(probes.iter().map(|_| Vec::new()).collect());
        }
        let list = self.list();
        let chunks: Vec<&Shared<Id>> = list.iter().flatten().collect();
        let share = |chunks: &&[&Shared<Id>]| {
            let mut findings = BestOfEach {
                best: probes.iter().map(|_| Best::new(wanted.cosine_min, wanted.limit)).collect(),
                keep: wanted.keep,
            };
            self.look(probes, chunks, &mut findings).map(|()| findings.best)
        };
        let threads = self.threads_for(chunks.len() * CHUNK_ROWS);
        let shares: Vec<_> = chunks.chunks(chunks.len().div_ceil(threads).max(1)).collect();
        let mut best = Vec::new();
        for found in in_parallel(&shares, share) {
            let found = found?;
            best = if best.is_empty() {
                found
            } else {
                best.into_iter().zip(found).map(|(a, b): (Best<Id>, _)| a.merge(b)).collect()
            };
        }
        best.resize_with(probes.len(), || Best::new(wanted.cosine_min, wanted.limit));
        Ok(best.into_iter().map(Best::into_sorted).collect())
    }

    /// Shows every row that may count to `findings`.
    fn look(
        &self,
        probes: &[&[f32]],
        chunks: &[&Shared<Id>],
        findings: &mut impl Findings<Id>,
    ) -> Result<(), Unreadable> {
        let mut scan = Scan::new(self.means.path, probes, self.outside.as_deref());
        chunks.chunks(chunks_together(probes.len())).try_for_each(|some| {
            let locked: Vec<_> = some.iter().map(|chunk| read(chunk)).collect();
            scan.look(&locked, findings)
        })
    }

    /// The best `limit` pairs of rows at or above `cosine_min`, each once: best first, then by the owners. After each
    /// chunk, `progress` is told which share of all comparisons is done, 0 to 1.
    ///
    /// # Errors
    /// As [`Rows::search`].
    pub(in crate::gallery) fn pairs(
        &self,
        cosine_min: f32,
        limit: usize,
        progress: &(dyn Fn(f64) + Sync),
    ) -> Result<Vec<Scored<(Id, Id)>>, Unreadable> {
        let list = self.list();
        let chunks: Vec<&Shared<Id>> = list.iter().flatten().collect();
        let (next, left) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let all = chunks.len() * (chunks.len() + 1) / 2;
        let work = |_: &()| {
            let mut best = Best::new(cosine_min, limit);
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(chunk) = chunks.get(at) else { return Ok(best) };
                best = self.pairs_of(chunk, &chunks[at..], best)?;
                let done = chunks.len() - at + left.fetch_add(chunks.len() - at, Ordering::Relaxed);
                progress(done as f64 / all as f64);
            }
        };
        let threads = self.threads_for(chunks.len() * chunks.len() * CHUNK_ROWS);
        let found: Result<Vec<_>, _> = in_parallel(&vec![(); threads], work).into_iter().collect();
        Ok(found?.into_iter().reduce(Best::merge).map(Best::into_sorted).unwrap_or_default())
    }

    /// Pairs of a row of `own` with a later row of it or any row of the chunks after it, `own` being the first of
    /// `chunks`, beside those that were found before.
    fn pairs_of(
        &self,
        own: &Shared<Id>,
        chunks: &[&Shared<Id>],
        best: Best<(Id, Id)>,
    ) -> Result<Best<(Id, Id)>, Unreadable> {
        let mut rows = Vec::new();
        {
            let own = read(own);
            for (at, owner) in own.owners() {
                let mut vector = vec![0.0; self.dimensions];
                if read_vector(&own, at, self.outside.as_deref(), &mut vector)? {
                    rows.push(ProbeRow { at, owner: owner.clone(), vector });
                }
            }
        }
        let probes: Vec<&[f32]> = rows.iter().map(|row| row.vector.as_slice()).collect();
        let mut findings = Pairs { probes: &rows, same_chunk: true, best };
        let mut scan = Scan::new(self.means.path, &probes, self.outside.as_deref());
        for chunk in chunks {
            scan.look(&[read(chunk)], &mut findings)?;
            findings.same_chunk = false;
        }
        Ok(findings.best)
    }

    /// Fills rows from what was kept outside, while nobody else writes.
    pub(in crate::gallery) fn loading(&self) -> Loading<'_, Id> {
        Loading { rows: self, writing: self.writing() }
    }
}

/// The right to put rows in as they were kept.
pub(in crate::gallery) struct Loading<'a, Id> {
    rows: &'a Rows<Id>,
    writing: MutexGuard<'a, Writing>,
}

impl<Id> Drop for Loading<'_, Id> {
    fn drop(&mut self) {
        if self.writing.learnt_at == NOT_NOW {
            self.writing.learnt_at = self.writing.full_chunks.max(CODED_FROM_CHUNKS);
        }
    }
}

impl<Id: Owner> Loading<'_, Id> {
    /// Takes the codec that the codes to come are of; false when it is none for these vectors.
    pub(in crate::gallery) fn codec(&mut self, bytes: &[u8]) -> bool {
        self.writing.codec = Codec::from_bytes(bytes, self.rows.dimensions).map(Arc::new);
        if self.writing.codec.is_some() {
            self.writing.learnt_at = NOT_NOW;
        }
        self.writing.codec.is_some()
    }

    /// Adds a row by its code; `None` when it is none of the codec's.
    pub(in crate::gallery) fn code(&mut self, owner: Id, slot: u32, code: &[u8]) -> Option<Row> {
        let codec = Arc::clone(self.writing.codec.as_ref()?);
        let (number, chunk) = self.rows.open_chunk(&mut self.writing);
        while read(&chunk).coded_rows() < read(&chunk).rows() {
            let rows = write(&chunk).code_block(&codec);
            self.rows.keep_codes(&chunk, rows);
        }
        let mut locked = write(&chunk);
        if !locked.push_coded(owner, slot, code, &codec) {
            return None;
        }
        self.rows.used.fetch_add(1, Ordering::Relaxed);
        if locked.is_full() {
            self.writing.open = None;
            self.writing.full_chunks += 1;
        }
        Some(Row::new(number, locked.rows() - 1))
    }

    pub(in crate::gallery) fn set_owner(&self, row: Row, owner: Id) {
        self.rows.set_owner(row, owner);
    }

    /// Adds a row by its vector, which gets a code when there is a codec.
    pub(in crate::gallery) fn vector(&mut self, owner: Id, incoming: Incoming<'_>) -> Row {
        self.rows.insert_at_end(&mut self.writing, owner, incoming)
    }
}

/// A row as a probe.
struct ProbeRow<Id> {
    at: usize,
    owner: Id,
    vector: Vec<f32>,
}

/// Pairs of the probes' owners with those of the rows.
struct Pairs<'a, Id> {
    probes: &'a [ProbeRow<Id>],
    /// In the probes' own chunk only later rows count, so that each pair comes once.
    same_chunk: bool,
    best: Best<(Id, Id)>,
}

impl<Id: Owner> Findings<Id> for Pairs<'_, Id> {
    fn cosine_min(&self, _: usize) -> f32 {
        self.best.cosine_min()
    }

    fn wants(&self, probe: usize, row: usize, _: &Id) -> bool {
        !self.same_chunk || row > self.probes[probe].at
    }

    fn offer(&mut self, probe: usize, owner: &Id, cosine: f32) {
        let mut pair = (self.probes[probe].owner.clone(), owner.clone());
        if pair.1 < pair.0 {
            std::mem::swap(&mut pair.0, &mut pair.1);
        }
        self.best.offer(cosine, &pair);
    }
}

/// Results in the order of the tasks, a thread each; the first task runs on the calling one.
fn in_parallel<Task: Sync, Done: Send>(tasks: &[Task], work: impl Fn(&Task) -> Done + Sync) -> Vec<Done> {
    let Some((first, others)) = tasks.split_first() else { return Vec::new() };
    std::thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = others.iter().map(|task| scope.spawn(move || work(task))).collect();
        let mut done = vec![work(first)];
        for other in others {
            done.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    })
}

#[expect(clippy::cast_possible_truncation, reason = "2^32 chunks do not fit any memory")]
fn small(number: usize) -> u32 {
    number as u32
}
