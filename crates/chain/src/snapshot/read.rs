//! Import: the file as an upstream of state sync.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufReader, ErrorKind, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use assay_types::{
    B256, Bytes, Genesis,
    node::{Certificate, Checkpoint, Handover},
};
use commonware_codec::DecodeExt as _;
use commonware_cryptography::{Hasher as _, Sha256};
use commonware_runtime::{Runner as _, Supervisor as _, tokio as runtime};
use commonware_storage::{mmr, qmdb::sync::Request};
use futures::{FutureExt as _, future::BoxFuture};
use parking_lot::Mutex;

use super::{HEAD_BYTES, MAGIC, MAX_FRAME, SnapshotError, SnapshotInfo, VERSION, kind};
use crate::{
    block::{Header, to_b256},
    host::{self, STACK},
    sync::{join::has_state, state_sync},
    upstream::{BlockRecord, Pool, Upstream, UpstreamError},
};

/// Where a frame's payload lies in the file.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    length: u32,
}

/// A snapshot file, its frames found and its hash checked.
#[derive(Debug)]
pub struct SnapshotUpstream {
    path: PathBuf,
    file: Mutex<fs::File>,
    info: SnapshotInfo,
    tip: Certificate,
    block: Place,
    boundary: Option<Place>,
    handovers: Vec<Handover>,
    operations: BTreeMap<u64, Place>,
}

/// Reads a file and hashes what it read.
struct Hashed {
    path: PathBuf,
    input: BufReader<fs::File>,
    hash: Sha256,
    at: u64,
}

impl Hashed {
    fn take(&mut self, length: usize) -> Result<Vec<u8>, SnapshotError> {
        let mut bytes = vec![0; length];
        self.input.read_exact(&mut bytes).map_err(|source| match source.kind() {
            ErrorKind::UnexpectedEof => SnapshotError::Truncated { path: self.path.clone() },
            _ => SnapshotError::File { path: self.path.clone(), source },
        })?;
        self.hash.update(&bytes);
        self.at = self.at.saturating_add(length as u64);
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u32, SnapshotError> {
        let bytes = self.take(4)?;
        Ok(bytes.try_into().map_or(0, u32::from_be_bytes))
    }
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, String> {
    zstd::bulk::decompress(packed, MAX_FRAME).map_err(|error| format!("a frame does not unpack: {error}"))
}

impl SnapshotUpstream {
    /// Opens a snapshot and checks its hash, not yet what validators signed.
    pub fn open(path: &Path) -> Result<Self, SnapshotError> {
        let failed = |source| SnapshotError::File { path: path.to_owned(), source };
        let damaged = |reason: String| SnapshotError::Damaged { path: path.to_owned(), reason };
        let file = fs::File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let input = BufReader::new(file.try_clone().map_err(failed)?);
        let mut input = Hashed { path: path.to_owned(), input, hash: Sha256::default(), at: 0 };
        if bytes < HEAD_BYTES as u64 || input.take(8)? != MAGIC {
            return Err(SnapshotError::NotASnapshot { path: path.to_owned() });
        }
        let version = input.number()?;
        if version != VERSION {
            return Err(SnapshotError::Version { path: path.to_owned(), found: version });
        }
        let genesis = B256::from_slice(&input.take(32)?);
        let (mut tip, mut block, mut boundary, mut operations) = (None, None, None, BTreeMap::new());
        let mut handovers = Vec::new();
        loop {
            let kind = input.take(1)?;
            if kind == [kind::END] {
                break;
            }
            let length = input.number()?;
            if u64::from(length) > bytes.saturating_sub(input.at) {
                return Err(SnapshotError::Truncated { path: path.to_owned() });
            }
            let place = Place { offset: input.at, length };
            let packed = input.take(length as usize)?;
            match kind.as_slice() {
                [kind::TIP] => tip = Some(unpack(&packed).map_err(damaged)?),
                [kind::BLOCK] => block = Some(place),
                [kind::BOUNDARY] => boundary = Some(place),
                [kind::HANDOVERS] => {
                    let payload = unpack(&packed).map_err(damaged)?;
                    handovers = serde_json::from_slice(&payload).map_err(|e| damaged(e.to_string()))?;
                }
                [kind::OPERATIONS] => {
                    let payload = unpack(&packed).map_err(damaged)?;
                    let start = payload.first_chunk().ok_or_else(|| damaged("a frame is empty".into()))?;
                    operations.insert(u64::from_be_bytes(*start), place);
                }
                _ => return Err(damaged(format!("a frame is of unknown kind {kind:?}"))),
            }
        }
        let (_, found) = std::mem::take(&mut input.hash).finalize();
        if input.take(32)? != found.as_ref() {
            return Err(damaged("its hash does not match its bytes".into()));
        }
        if input.at != bytes {
            return Err(damaged("something follows its end".into()));
        }
        let missing = |what: &str| damaged(format!("it holds no {what}"));
        let (header, tip) = tip.as_deref().and_then(certificate_in).ok_or_else(|| missing("certified header"))?;
        let info = SnapshotInfo {
            genesis,
            height: header.height,
            hash: to_b256(&header.digest()),
            state_root: to_b256(&header.state_root),
            timestamp_ms: header.timestamp_ms,
            operations: (*header.ops_range.end()).saturating_sub(*header.ops_range.start()),
            bytes,
        };
        let block = block.ok_or_else(|| missing("block"))?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file), info, tip, block, boundary, handovers, operations })
    }

    /// What it says about itself.
    pub fn info(&self) -> &SnapshotInfo {
        &self.info
    }

    fn read(&self, place: Place) -> Result<Vec<u8>, UpstreamError> {
        let mut packed = vec![0; place.length as usize];
        let mut file = self.file.lock();
        let read = file.seek(SeekFrom::Start(place.offset)).and_then(|_| file.read_exact(&mut packed));
        read.map_err(|error| UpstreamError::Unreachable(error.to_string()))?;
        unpack(&packed).map_err(UpstreamError::Malformed)
    }

    fn answer(&self, request: &[u8]) -> Result<Bytes, UpstreamError> {
        let request = Request::<mmr::Family>::decode(request.to_vec())
            .map_err(|error| UpstreamError::Malformed(error.to_string()))?;
        let unknown = || {
            UpstreamError::Unknown(
                "the snapshot does not begin there: an import that was cut off begins again in an empty directory"
                    .into(),
            )
        };
        match request {
            Request::Boundary { .. } => self.read(self.boundary.ok_or_else(unknown)?).map(Into::into),
            Request::Operations { start, .. } => {
                let place = self.operations.get(&*start).ok_or_else(unknown)?;
                Ok(Bytes::from(self.read(*place)?).slice(8..))
            }
        }
    }
}

fn certificate_in(bytes: &[u8]) -> Option<(Header, Certificate)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (header, certificate) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    let read = Header::decode(header.to_vec()).ok()?;
    let certificate = Certificate {
        height: read.height,
        hash: to_b256(&read.digest()),
        header: header.to_vec().into(),
        certificate: certificate.to_vec().into(),
    };
    Some((read, certificate))
}

impl Upstream for SnapshotUpstream {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn tip(&self, _after: u64) -> BoxFuture<'_, Result<Certificate, UpstreamError>> {
        futures::future::ready(Ok(self.tip.clone())).boxed()
    }

    fn blocks(&self, _from: u64, _count: u64) -> BoxFuture<'_, Result<Vec<BlockRecord>, UpstreamError>> {
        futures::future::ready(Err(UpstreamError::Unknown("a snapshot holds one block only".into()))).boxed()
    }

    fn block(&self, hash: B256) -> BoxFuture<'_, Result<BlockRecord, UpstreamError>> {
        let block = if hash == self.info.hash {
            self.read(self.block).map(|block| BlockRecord { block: block.into(), certificate: None })
        } else {
            Err(UpstreamError::Unknown(format!("the snapshot is of block {}", self.info.hash)))
        };
        futures::future::ready(block).boxed()
    }

    fn state_ops(&self, request: Bytes) -> BoxFuture<'_, Result<Bytes, UpstreamError>> {
        futures::future::ready(self.answer(&request)).boxed()
    }

    fn handovers(&self, epoch: u64, count: u64) -> BoxFuture<'_, Result<Vec<Handover>, UpstreamError>> {
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let from = size(epoch.saturating_sub(1));
        let found = self.handovers.iter().skip(from).take(size(count)).cloned().collect();
        futures::future::ready(Ok(found)).boxed()
    }

    fn submit(&self, _raw: Bytes) -> BoxFuture<'_, Result<B256, UpstreamError>> {
        futures::future::ready(Err(UpstreamError::Unknown("a snapshot takes no transactions".into()))).boxed()
    }
}

/// Brings the snapshot at `path` into the empty state directory `dir`, for the node of `partition`
/// there. Nothing is believed that the validators of `genesis` did not sign, nor a history without the committee of the
/// checkpoint if one is trusted. Blocks the thread.
pub fn import(
    dir: &Path,
    genesis: &Genesis,
    partition: &str,
    path: &Path,
    trusted: Option<Checkpoint>,
) -> Result<SnapshotInfo, SnapshotError> {
    let snapshot = SnapshotUpstream::open(path)?;
    let info = snapshot.info().clone();
    if info.genesis != genesis.hash() {
        return Err(SnapshotError::OtherNetwork { found: info.genesis, expected: genesis.hash() });
    }
    host::claim(dir, genesis)?;
    let pool = Pool::trusting([Arc::new(snapshot) as Arc<dyn Upstream>], trusted);
    let (storage, genesis, partition) = (dir.join("chain"), genesis.clone(), partition.to_owned());
    let body = move || {
        let config = runtime::Config::new().with_worker_threads(2).with_storage_directory(storage);
        runtime::Runner::new(config).start(|context| async move {
            if let Some(height) = has_state(&context, &partition).await {
                return Err(SnapshotError::NotEmpty { height });
            }
            state_sync(context.child("import"), &genesis, &partition, &pool, 0).await?;
            Ok(())
        })
    };
    let failed = |source| SnapshotError::File { path: dir.to_owned(), source };
    let thread = std::thread::Builder::new().name("import".into()).stack_size(STACK).spawn(body).map_err(failed)?;
    match thread.join() {
        Ok(outcome) => outcome.map(|()| info),
        Err(_) => Err(failed(std::io::Error::other("the database failed while it was written"))),
    }
}
