//! Files of stored bodies: `bodies/<N>` beside `tile/entries/<N>`, one frame per entry.
//!
//! A frame is the length (16 bit, big-endian), the stored body, and the CRC-32 of both. The checksum lets those find
//! damage who have no keys; whoever has them finds more. An erased body is zeroes of the same length.

/// Bytes of a frame beside the body.
const LENGTH: usize = 2;
const CHECKSUM: usize = 4;

/// Appends a frame.
pub(super) fn push(file: &mut Vec<u8>, body: &[u8]) {
    let start = file.len();
    file.extend_from_slice(&u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes());
    file.extend_from_slice(body);
    let checksum = crc32fast::hash(&file[start..]);
    file.extend_from_slice(&checksum.to_be_bytes());
}

/// The stored body at the front of `bytes`, whether its checksum is right, and what follows.
pub(super) fn take(bytes: &[u8]) -> Option<(&[u8], bool, &[u8])> {
    let length = usize::from(u16::from_be_bytes(*bytes.first_chunk::<LENGTH>()?));
    let (frame, after) = bytes.split_at_checked(LENGTH + length + CHECKSUM)?;
    let (summed, checksum) = frame.split_at(LENGTH + length);
    Some((&summed[LENGTH..], crc32fast::hash(summed).to_be_bytes() == checksum, after))
}

/// Bytes of the first `count` frames.
pub(super) fn length_of(bytes: &[u8], count: usize) -> Option<usize> {
    let rest = (0..count).try_fold(bytes, |rest, _| take(rest).map(|(_, _, after)| after))?;
    Some(bytes.len() - rest.len())
}

/// Is this what erasing leaves?
pub(super) fn is_zeroed(body: &[u8]) -> bool {
    body.iter().all(|byte| *byte == 0)
}
