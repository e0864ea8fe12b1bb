//! Many vectors of one length in memory, and the exact search over them.
//!
//! INVARIANT (searches see whole chunks): a search takes the list of chunks once and locks a chunk for as long as it
//! looks at it, some ten microseconds a probe. Whoever writes locks one chunk for one row, or for the coding of a block
//! of rows. So a search sees every vector that was written before it began and is not written since, and neither waits
//! for the other longer than for one chunk.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::best::{Best, Scored};
use super::chunk::{CHUNK_ROWS, Chunk, Codes};
use super::codec::Codec;
use super::scan::{BestOfEach, Findings, Pair, Scan, Wanted};
use super::{Footprint, Means};

/// Full chunks from which on there are codes; below, comparing everything takes less than half a millisecond.
const CODED_FROM_CHUNKS: usize = 4;
/// Full chunks at which directions are looked for once more, on more vectors, for the chunks that follow.
const TRAINED_AGAIN_AT_CHUNKS: usize = 64;
/// A thread is worth its start for so many rows.
const ROWS_PER_THREAD: usize = 1 << 18;

/// Where a vector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gallery) struct Row {
    chunk: u32,
    at: u32,
}

type Shared<Id> = Arc<RwLock<Chunk<Id>>>;

/// Vectors with their owners. One writes at a time; searches go on meanwhile.
pub(in crate::gallery) struct Rows<Id> {
    dimensions: usize,
    means: Means,
    /// Rows in use.
    used: AtomicUsize,
    /// By number, which stays; `None` for one that was merged away.
    chunks: RwLock<Arc<Vec<Option<Shared<Id>>>>>,
    writing: Mutex<Writing>,
}

/// What only the one who writes needs to know.
#[derive(Default)]
struct Writing {
    codec: Option<Arc<Codec>>,
    /// Free rows by chunk.
    free: BTreeMap<u32, Vec<u32>>,
    /// A sparse chunk that waits for another one to be merged with.
    sparse: Option<u32>,
}

/// Where a vector has gone.
pub(in crate::gallery) struct Moved<Id> {
    pub(in crate::gallery) owner: Id,
    pub(in crate::gallery) row: Row,
}

impl Writing {
    fn take_free(&mut self) -> Option<Row> {
        let mut entry = self.free.first_entry()?;
        let chunk = *entry.key();
        let at = entry.get_mut().pop();
        if entry.get().is_empty() {
            entry.remove();
        }
        at.map(|at| Row { chunk, at })
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl<Id: Ord + Clone + Send + Sync> Rows<Id> {
    /// No rows.
    pub(in crate::gallery) fn new(dimensions: usize, means: Means) -> Self {
        Self {
            dimensions: dimensions.max(1),
            means,
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
            all.rows += chunk.rows();
            all.vector_bytes += size_of_val(chunk.vectors_from(0));
            all.code_bytes += chunk.codes().map_or(0, Codes::bytes);
            all.scanned_bytes += chunk.codes().map_or(size_of_val(chunk.vectors_from(0)), Codes::scanned_bytes);
        }
        all
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&self) -> Arc<Vec<Option<Shared<Id>>>> {
        Arc::clone(&read(&self.chunks))
    }

    fn chunk(&self, row: Row) -> Shared<Id> {
        // A row's number is given out with the chunk and taken back before the chunk goes.
        let chunk = read(&self.chunks)[row.chunk as usize].clone();
        chunk.unwrap_or_else(|| unreachable!("row {row:?} of a chunk that was merged away"))
    }

    pub(in crate::gallery) fn insert(&self, owner: Id, vector: &[f32]) -> Row {
        let mut writing = self.writing();
        self.used.fetch_add(1, Ordering::Relaxed);
        if let Some(row) = writing.take_free() {
            write(&self.chunk(row)).write(row.at as usize, owner, vector);
            return row;
        }
        let (number, chunk) = self.open_chunk();
        let (at, waits) = {
            let mut chunk = write(&chunk);
            (chunk.push(owner, vector), chunk.has_uncoded_block())
        };
        if waits {
            self.code(&mut writing, &chunk);
        }
        Row { chunk: number, at: small(at) }
    }

    /// Puts another vector into a row; a search sees the old one or the new one.
    pub(in crate::gallery) fn replace(&self, row: Row, vector: &[f32]) {
        let _writing = self.writing();
        let chunk = self.chunk(row);
        let mut chunk = write(&chunk);
        if let Some(owner) = chunk.owner(row.at as usize).cloned() {
            chunk.write(row.at as usize, owner, vector);
        }
    }

    /// Frees a row and overwrites its vector. Merges two chunks where both have become sparse, so that a search takes
    /// as long as its rows in use; says which rows are elsewhere now.
    #[must_use]
    pub(in crate::gallery) fn remove(&self, row: Row) -> Vec<Moved<Id>> {
        let mut writing = self.writing();
        write(&self.chunk(row)).clear(row.at as usize);
        writing.free.entry(row.chunk).or_default().push(row.at);
        self.used.fetch_sub(1, Ordering::Relaxed);
        let list = self.list();
        let is_sparse = |number: u32| list[number as usize].as_ref().is_some_and(|chunk| read(chunk).is_sparse());
        if !is_sparse(row.chunk) {
            return Vec::new();
        }
        match writing.sparse.filter(|&other| other != row.chunk && is_sparse(other)) {
            Some(other) => {
                writing.sparse = None;
                self.merge(&mut writing, &list, row.chunk, other)
            }
            None => {
                writing.sparse = Some(row.chunk);
                Vec::new()
            }
        }
    }

    /// Puts the rows of two chunks into a new one under the first one's number. Searches that run keep the old ones,
    /// which are overwritten when the last of them ends.
    fn merge(&self, writing: &mut Writing, list: &[Option<Shared<Id>>], into: u32, from: u32) -> Vec<Moved<Id>> {
        let mut merged = Chunk::new(self.dimensions);
        let mut moved = Vec::new();
        for chunk in [into, from].iter().filter_map(|&number| list[number as usize].as_ref()) {
            let chunk = read(chunk);
            for (at, owner) in chunk.owners() {
                let row = Row { chunk: into, at: small(merged.push(owner.clone(), chunk.vector(at))) };
                moved.push(Moved { owner: owner.clone(), row });
            }
        }
        let free = (small(merged.rows())..small(CHUNK_ROWS)).rev().collect();
        merged.close();
        let merged = Arc::new(RwLock::new(merged));
        if let Some(codec) = &writing.codec {
            code_blocks(&merged, codec);
        }
        writing.free.remove(&from);
        writing.free.insert(into, free);
        let mut shorter = list.to_vec();
        shorter[into as usize] = Some(merged);
        shorter[from as usize] = None;
        *write(&self.chunks) = Arc::new(shorter);
        moved
    }

    pub(in crate::gallery) fn vector(&self, row: Row) -> Vec<f32> {
        read(&self.chunk(row)).vector(row.at as usize).to_vec()
    }

    /// Chunks that were merged into others.
    #[cfg(test)]
    pub(in crate::gallery) fn merged_away(&self) -> usize {
        self.list().iter().filter(|chunk| chunk.is_none()).count()
    }

    /// The last chunk, or a new one when it is full.
    fn open_chunk(&self) -> (u32, Shared<Id>) {
        let list = self.list();
        if let Some(Some(last)) = list.last()
            && !read(last).is_full()
        {
            return (small(list.len() - 1), Arc::clone(last));
        }
        let chunk = Arc::new(RwLock::new(Chunk::new(self.dimensions)));
        let mut longer = list.to_vec();
        longer.push(Some(Arc::clone(&chunk)));
        *write(&self.chunks) = Arc::new(longer);
        (small(list.len()), chunk)
    }

    /// Codes what waits for it in `chunk`; at first, once there are enough full chunks to learn from, in all.
    fn code(&self, writing: &mut Writing, chunk: &Shared<Id>) {
        if !self.means.codes {
            return;
        }
        if read(chunk).is_full() {
            self.learn(writing);
        }
        if let Some(codec) = &writing.codec {
            code_blocks(chunk, codec);
        }
    }

    fn learn(&self, writing: &mut Writing) {
        let list = self.list();
        let full: Vec<&Shared<Id>> = list.iter().flatten().filter(|chunk| read(chunk).is_full()).collect();
        if full.len() == CODED_FROM_CHUNKS || full.len() == TRAINED_AGAIN_AT_CHUNKS {
            let vectors: Vec<f32> = full.iter().flat_map(|chunk| read(chunk).vectors_from(0).to_vec()).collect();
            let codec = writing.codec.insert(Arc::new(Codec::train(&vectors, self.dimensions)));
            full.iter().for_each(|chunk| code_blocks(chunk, codec));
        }
    }

    fn threads_for(&self, rows: usize) -> usize {
        (rows / ROWS_PER_THREAD).clamp(1, self.means.threads_max.max(1))
    }

    /// The best rows of each probe, ties by owner. Probes have this length of vectors, and unit length.
    pub(in crate::gallery) fn search(&self, probes: &[&[f32]], wanted: &Wanted<'_, Id>) -> Vec<Vec<Scored<Id>>> {
        let list = self.list();
        let chunks: Vec<&Shared<Id>> = list.iter().flatten().collect();
        let start = || BestOfEach {
            best: probes.iter().map(|_| Best::new(wanted.cosine_min, wanted.limit)).collect(),
            keep: wanted.keep,
        };
        if wanted.limit == 0 {
            return probes.iter().map(|_| Vec::new()).collect();
        }
        let share = |chunks: &[&Shared<Id>]| {
            let (mut scan, mut findings) = (Scan::new(self.means.path, probes), start());
            chunks.iter().for_each(|chunk| scan.look(&read(chunk), &mut findings));
            findings.best
        };
        let threads = self.threads_for(chunks.len() * CHUNK_ROWS);
        let merged = if threads == 1 {
            share(&chunks)
        } else {
            let shares: Vec<_> = chunks.chunks(chunks.len().div_ceil(threads)).collect();
            in_parallel(&shares, |chunks| share(chunks))
                .into_iter()
                .reduce(|all, more| all.into_iter().zip(more).map(|(a, b)| a.merge(b)).collect())
                .unwrap_or_default()
        };
        merged.into_iter().map(Best::into_sorted).collect()
    }

    /// Every pair of rows at or above `cosine_min`, each once: best first, then by the owners.
    pub(in crate::gallery) fn pairs(&self, cosine_min: f32) -> Vec<Pair<Id>> {
        let list = self.list();
        let chunks: Vec<&Shared<Id>> = list.iter().flatten().collect();
        let next = AtomicUsize::new(0);
        let work = |_: &()| {
            let mut found = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(chunk) = chunks.get(at) else { return found };
                found.append(&mut self.pairs_of(chunk, &chunks[at..], cosine_min));
            }
        };
        let threads = self.threads_for(chunks.len() * chunks.len() * CHUNK_ROWS);
        let mut pairs: Vec<Pair<Id>> = in_parallel(&vec![(); threads], work).concat();
        pairs.sort_unstable_by(|a, b| {
            b.cosine.total_cmp(&a.cosine).then_with(|| (&a.first, &a.second).cmp(&(&b.first, &b.second)))
        });
        pairs
    }

    /// Pairs of a row of `own` with a later row of it or any row of the chunks after it, `own` being the first of
    /// `chunks`.
    fn pairs_of(&self, own: &Shared<Id>, chunks: &[&Shared<Id>], cosine_min: f32) -> Vec<Pair<Id>> {
        let rows: Vec<ProbeRow<Id>> = {
            let own = read(own);
            let probe =
                |(at, owner): (usize, &Id)| ProbeRow { at, owner: owner.clone(), vector: own.vector(at).to_vec() };
            own.owners().map(probe).collect()
        };
        let probes: Vec<&[f32]> = rows.iter().map(|row| row.vector.as_slice()).collect();
        let mut scan = Scan::new(self.means.path, &probes);
        let mut findings = Pairs { cosine_min, probes: &rows, same_chunk: true, found: Vec::new() };
        for chunk in chunks {
            scan.look(&read(chunk), &mut findings);
            findings.same_chunk = false;
        }
        findings.found
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
    cosine_min: f32,
    probes: &'a [ProbeRow<Id>],
    /// In the probes' own chunk only later rows count, so that each pair comes once.
    same_chunk: bool,
    found: Vec<Pair<Id>>,
}

impl<Id: Ord + Clone> Findings<Id> for Pairs<'_, Id> {
    fn cosine_min(&self, _: usize) -> f32 {
        self.cosine_min
    }

    fn offer(&mut self, probe: usize, row: usize, owner: &Id, cosine: f32) {
        let probe = &self.probes[probe];
        if self.same_chunk && row <= probe.at {
            return;
        }
        let (first, second) = if probe.owner <= *owner { (&probe.owner, owner) } else { (owner, &probe.owner) };
        self.found.push(Pair { first: first.clone(), second: second.clone(), cosine });
    }
}

/// Locks the chunk for a block at a time, so that searches wait for less than a millisecond.
fn code_blocks<Id>(chunk: &Shared<Id>, codec: &Arc<Codec>) {
    while read(chunk).has_uncoded_block() {
        write(chunk).code_block(codec);
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
