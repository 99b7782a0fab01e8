//! Export.

use std::{
    fs,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use assay_types::{B256, Bytes, Genesis};
use commonware_codec::{Encode as _, EncodeSize as _};
use commonware_cryptography::{Hasher as _, Sha256};
use commonware_storage::{
    mmr,
    qmdb::sync::{Request, Response},
};

use super::{MAGIC, SnapshotError, SnapshotInfo, VERSION, kind};
use crate::{
    block::to_b256,
    sync::{
        join::FETCH,
        source::check,
        trust::{Known, block_of},
    },
    upstream::Pool,
};

/// Compression: the quick end, since proofs and hashes hardly shrink.
const LEVEL: i32 = 3;

struct File {
    path: PathBuf,
    out: BufWriter<fs::File>,
    hash: Sha256,
    bytes: u64,
}

impl File {
    fn create(path: &Path) -> Result<Self, SnapshotError> {
        let failed = |source| SnapshotError::File { path: path.to_owned(), source };
        let file = fs::File::create(path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), out: BufWriter::new(file), hash: Sha256::default(), bytes: 0 })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.hash.update(bytes);
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.out.write_all(bytes).map_err(|source| SnapshotError::File { path: self.path.clone(), source })
    }

    fn frame(&mut self, kind: u8, payload: &[u8]) -> Result<(), SnapshotError> {
        let packed = zstd::bulk::compress(payload, LEVEL)
            .map_err(|source| SnapshotError::File { path: self.path.clone(), source })?;
        self.put(&[kind])?;
        self.put(&(packed.len() as u32).to_be_bytes())?;
        self.put(&packed)
    }

    fn end(mut self) -> Result<u64, SnapshotError> {
        self.put(&[kind::END])?;
        let path = self.path;
        let failed = |source| SnapshotError::File { path: path.clone(), source };
        let (_, digest) = self.hash.finalize();
        self.out.write_all(digest.as_ref()).map_err(failed)?;
        self.out.flush().and_then(|()| self.out.get_ref().sync_all()).map_err(failed)?;
        Ok(self.bytes.saturating_add(digest.as_ref().len() as u64))
    }
}

/// Writes the newest certified state of `pool` to `path`. Every answer is checked as it comes; the file
/// is there only once it is whole.
pub async fn export(pool: &Pool, genesis: &Genesis, path: &Path) -> Result<SnapshotInfo, SnapshotError> {
    let known = Known::of_genesis(genesis).map_err(|error| SnapshotError::Import(error.into()))?;
    let known = known.follow(pool).await.map_err(SnapshotError::Export)?;
    let unfinished = path.with_extension("unfinished");
    let done = write(pool, &known, genesis.hash(), &unfinished).await;
    match done {
        Ok(info) => {
            let failed = |source| SnapshotError::File { path: path.to_owned(), source };
            fs::rename(&unfinished, path).map_err(failed)?;
            Ok(info)
        }
        Err(error) => {
            // Half a snapshot is of no use; the error says why there is none.
            fs::remove_file(&unfinished).ok();
            Err(error)
        }
    }
}

async fn write(pool: &Pool, known: &Known, genesis: B256, path: &Path) -> Result<SnapshotInfo, SnapshotError> {
    let tips = pool.ask_all(|upstream| upstream.tip(0), |certificate| known.tip(&certificate));
    let tips = tips.await.map_err(SnapshotError::Export)?;
    let newest = tips.into_iter().max_by_key(|tip| tip.header.height);
    let Some(tip) = newest else { return Err(SnapshotError::Export(pool.nobody())) };
    let header = &tip.header;
    let digest = header.digest();
    let block = pool.ask(|upstream| upstream.block(to_b256(&digest)), |record| block_of(&record, &digest));
    let block = block.await.map_err(SnapshotError::Export)?;

    let mut file = File::create(path)?;
    file.put(MAGIC)?;
    file.put(&VERSION.to_be_bytes())?;
    file.put(genesis.as_slice())?;
    let mut bytes = (header.encode_size() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(&header.encode());
    bytes.extend_from_slice(&tip.finalization.encode());
    file.frame(kind::TIP, &bytes)?;
    file.frame(kind::BLOCK, &block.encode())?;
    let epoch = usize::try_from(header.context.round.epoch().get()).unwrap_or(usize::MAX);
    let handovers: Vec<_> = known.handovers.iter().take(epoch).collect();
    let handovers = serde_json::to_vec(&handovers).expect("handovers are plain data");
    file.frame(kind::HANDOVERS, &handovers)?;

    let (first, size) = (header.ops_range.start(), header.ops_range.end());
    let mut at = *first;
    if at > 0 {
        let request = Request::Boundary { size, start: first };
        let answer = fetch(pool, request, &header.ops_root).await?;
        file.frame(kind::BOUNDARY, &answer.encode())?;
        // The boundary brings the first operation with it.
        at += 1;
    }
    let (mut step_end, begun) = (at.saturating_add(FETCH.get()), *first);
    while at < *size {
        let Some(max_ops) = std::num::NonZeroU64::new(step_end.min(*size).saturating_sub(at)) else {
            step_end = step_end.saturating_add(FETCH.get());
            continue;
        };
        let request = Request::Operations { size, start: mmr::Location::new(at), max_ops };
        let answer = fetch(pool, request, &header.ops_root).await?;
        let mut bytes = at.to_be_bytes().to_vec();
        bytes.extend_from_slice(&answer.encode());
        file.frame(kind::OPERATIONS, &bytes)?;
        if let Response::Operations { operations, .. } = &answer {
            at = at.saturating_add(operations.len() as u64);
        }
    }
    Ok(SnapshotInfo {
        genesis,
        height: header.height,
        hash: to_b256(&digest),
        state_root: to_b256(&header.state_root),
        timestamp_ms: header.timestamp_ms,
        operations: (*size).saturating_sub(begun),
        bytes: file.end()?,
    })
}

type Answer = Response<mmr::Family, crate::sync::source::Op, commonware_cryptography::sha256::Digest>;

async fn fetch(
    pool: &Pool,
    request: Request<mmr::Family>,
    root: &commonware_cryptography::sha256::Digest,
) -> Result<Answer, SnapshotError> {
    let bytes: Bytes = request.encode().to_vec().into();
    let asked = pool.ask(|upstream| upstream.state_ops(bytes.clone()), |answer| check(&request, root, &answer));
    asked.await.map_err(SnapshotError::Export)
}
