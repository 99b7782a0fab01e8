//! Reading and writing a guest's memory: every pointer is the guest's word and is checked.

use super::abi::Errno;

/// Entries that one scatter or gather list may have (`IOV_MAX` of Linux).
const MAX_VECTORS: u32 = 1_024;

/// A scatter or gather list, as (pointer, length) pairs within memory.
pub(super) type Vectors = Vec<(u32, u32)>;

pub(super) fn slice(memory: &[u8], at: u32, len: u32) -> Result<&[u8], Errno> {
    memory.get(at as usize..).and_then(|rest| rest.get(..len as usize)).ok_or(Errno::Fault)
}

pub(super) fn slice_mut(memory: &mut [u8], at: u32, len: u32) -> Result<&mut [u8], Errno> {
    memory.get_mut(at as usize..).and_then(|rest| rest.get_mut(..len as usize)).ok_or(Errno::Fault)
}

pub(super) fn put(memory: &mut [u8], at: u32, bytes: &[u8]) -> Result<(), Errno> {
    let len = u32::try_from(bytes.len()).map_err(|_| Errno::Fault)?;
    slice_mut(memory, at, len)?.copy_from_slice(bytes);
    Ok(())
}

pub(super) fn put_u32(memory: &mut [u8], at: u32, value: u32) -> Result<(), Errno> {
    put(memory, at, &value.to_le_bytes())
}

pub(super) fn put_u64(memory: &mut [u8], at: u32, value: u64) -> Result<(), Errno> {
    put(memory, at, &value.to_le_bytes())
}

pub(super) fn get<const N: usize>(memory: &[u8], at: u32) -> Result<[u8; N], Errno> {
    memory.get(at as usize..).and_then(|rest| rest.first_chunk()).copied().ok_or(Errno::Fault)
}

/// An address some bytes after another.
pub(super) fn offset(at: u32, by: u32) -> Result<u32, Errno> {
    at.checked_add(by).ok_or(Errno::Fault)
}

/// A path or other text. Bytes that are no UTF-8 name nothing here.
pub(super) fn text(memory: &[u8], at: u32, len: u32) -> Result<&str, Errno> {
    std::str::from_utf8(slice(memory, at, len)?).map_err(|_| Errno::Invalid)
}

/// Reads the vectors of a scatter or gather call and checks that each lies in memory; also returns the
/// sum of their lengths.
pub(super) fn vectors(memory: &[u8], at: u32, count: u32) -> Result<(Vectors, u64), Errno> {
    if count > MAX_VECTORS {
        return Err(Errno::Invalid);
    }
    let table = slice(memory, at, count * 8)?;
    let mut total = 0u64;
    let mut vectors = Vec::with_capacity(count as usize);
    for entry in table.chunks_exact(8) {
        let (pointer, len) = (get::<4>(entry, 0)?, get::<4>(entry, 4)?);
        let (pointer, len) = (u32::from_le_bytes(pointer), u32::from_le_bytes(len));
        slice(memory, pointer, len)?;
        total += u64::from(len);
        vectors.push((pointer, len));
    }
    Ok((vectors, total))
}
