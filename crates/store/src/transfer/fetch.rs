//! Asking other nodes: one peer at a time, and several for one blob.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use iroh::{
    Endpoint,
    endpoint::{Connection, ConnectionError, ReadError, ReadExactError, RecvStream, SendStream, WriteError},
};
use parking_lot::Mutex;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    FetchError, Limits, PeerError, PeerFailure,
    serve::{PIECE_BYTES, code, is},
    wire::{ALPN, ANSWER_BYTES, Answer, Request, Status},
};
use crate::{BlobId, Source, source::NodeId};

// A connection that breaks again and again is not worth more than this.
const MOST_RESUMES: usize = 3;
const MOST_POOLED: usize = 256;
// A busy peer is asked again after 1, 2, ... of these.
const BUSY_WAIT: Duration = Duration::from_millis(200);
const MOST_BUSY_WAITS: u32 = 4;

/// A failure, and whether it says that the connection is no good.
struct Failed {
    failure: PeerFailure,
    broken: bool,
}

impl From<PeerFailure> for Failed {
    fn from(failure: PeerFailure) -> Self {
        Self { failure, broken: false }
    }
}

/// What we hold of a peer.
#[derive(Debug)]
struct Peer {
    connection: tokio::sync::Mutex<Option<Connection>>,
    /// Requests in flight: as many as the peer takes, so that waiting for our own other requests is
    /// not mistaken for the peer's being slow.
    requests: Semaphore,
}

/// The asking side of a node, with the connections it keeps open.
#[derive(Debug)]
pub(super) struct Peers {
    endpoint: Endpoint,
    limits: Limits,
    pool: Mutex<HashMap<NodeId, Arc<Peer>>>,
}

impl Peers {
    pub(super) fn new(endpoint: Endpoint, limits: Limits) -> Self {
        Self { endpoint, limits, pool: Mutex::default() }
    }

    /// Asks the sources for the blob; the first that delivers wins. The next is asked when one
    /// fails, and beside it when nothing has begun to flow for a moment.
    pub(super) async fn fetch(&self, id: BlobId, max_bytes: u64, sources: &[Source]) -> Result<Bytes, FetchError> {
        let own = NodeId(*self.endpoint.id().as_bytes());
        let mut waiting = sources.iter().filter(|source| source.node() != own).take(self.limits.max_sources);
        let mut attempts = Vec::new();
        let flowing = AtomicUsize::new(0);
        let mut running = FuturesUnordered::new();
        let start = |source| {
            let flowing = &flowing;
            async move { (source, self.get(source, id, max_bytes, flowing).await) }
        };
        match waiting.next() {
            Some(first) => running.push(start(first)),
            None => return Err(FetchError::NoSources { id }),
        }
        loop {
            let hedge = sleep(self.limits.hedge_after);
            tokio::select! {
                done = running.next() => match done {
                    Some((_, Ok(bytes))) => return Ok(bytes),
                    Some((source, Err(failure))) => {
                        tracing::debug!(blob = %id, node = %source.node(), %failure, "a source failed");
                        attempts.push(PeerError { node: source.node(), failure });
                        if let Some(next) = waiting.next() {
                            running.push(start(next));
                        } else if running.is_empty() {
                            return Err(FetchError::AllFailed { id, attempts });
                        }
                    }
                    None => return Err(FetchError::AllFailed { id, attempts }),
                },
                () = hedge => {
                    if flowing.load(Ordering::Relaxed) == 0 && let Some(next) = waiting.next() {
                        running.push(start(next));
                    }
                }
            }
        }
    }

    /// The blob from one source, resumed when the connection breaks on the way.
    async fn get(
        &self,
        source: &Source,
        id: BlobId,
        max_bytes: u64,
        flowing: &AtomicUsize,
    ) -> Result<Bytes, PeerFailure> {
        let mut partial = Partial::new();
        let (mut resumes, mut waits) = (0, 0);
        loop {
            let had = partial.bytes.len();
            let Err(failed) = self.receive(source, id, max_bytes, &mut partial, flowing).await else { break };
            if failed.failure == PeerFailure::Busy && waits < MOST_BUSY_WAITS {
                waits += 1;
                sleep(BUSY_WAIT * waits).await;
                continue;
            }
            // A cut connection deserves another try; a peer that keeps us waiting does not.
            let cut = matches!(failed.failure, PeerFailure::Unreachable(_));
            if !cut || partial.bytes.len() == had || resumes == MOST_RESUMES {
                return Err(failed.failure);
            }
            resumes += 1;
        }
        let (bytes, actual) = partial.finish();
        if actual == id { Ok(bytes) } else { Err(PeerFailure::HashMismatch) }
    }

    async fn receive(
        &self,
        source: &Source,
        id: BlobId,
        max_bytes: u64,
        partial: &mut Partial,
        flowing: &AtomicUsize,
    ) -> Result<(), Failed> {
        let peer = self.peer(source.node());
        let _turn = peer.requests.acquire().await;
        let offset = partial.bytes.len() as u64;
        let request = Request::Get { id, offset, max_bytes: u64::MAX };
        let (_send, mut recv, answer) = self.ask(source, &request).await?;
        let size_bytes = match answer.status {
            Status::Ok => answer.size_bytes,
            status => return Err(failure(status).into()),
        };
        if size_bytes > max_bytes.min(self.limits.max_blob_bytes) {
            return Err(PeerFailure::TooLarge.into());
        }
        if size_bytes < offset {
            return Err(PeerFailure::Protocol.into());
        }
        let _flow = Flow::start(flowing);
        let deadline = Instant::now() + self.limits.transfer_timeout(size_bytes - offset);
        partial.receive(&mut recv, size_bytes, deadline, &self.limits).await
    }

    /// Whether the peer says it has the blob.
    pub(super) async fn has(&self, target: &Source, id: BlobId) -> Result<bool, PeerFailure> {
        let peer = self.peer(target.node());
        let _turn = peer.requests.acquire().await;
        let (_, _, answer) = self.ask(target, &Request::Has { id }).await.map_err(|failed| failed.failure)?;
        match answer.status {
            Status::Ok => Ok(true),
            Status::NotFound => Ok(false),
            status => Err(failure(status)),
        }
    }

    /// Offers the bytes, named `id`, to the peer.
    pub(super) async fn push(&self, target: &Source, id: BlobId, bytes: Bytes) -> Result<(), PeerFailure> {
        let peer = self.peer(target.node());
        let _turn = peer.requests.acquire().await;
        let size_bytes = bytes.len() as u64;
        let request = Request::Put { id, size_bytes };
        let (mut send, mut recv, answer) = self.ask(target, &request).await.map_err(|failed| failed.failure)?;
        match answer.status {
            Status::Ok => return Ok(()),
            Status::Continue => {}
            status => return Err(failure(status)),
        }
        let transfer = async {
            // A receiver that gives up stops the stream first and then says why: listen in any case.
            let written = send.write_chunk(bytes).await;
            let _closed = send.finish();
            match read_answer(&mut recv).await {
                Ok(answer) if answer.status == Status::Ok => Ok(()),
                Ok(answer) => Err(failure(answer.status)),
                Err(failed) => Err(written.err().map_or(failed, write_failed).failure),
            }
        };
        let limit = self.limits.transfer_timeout(size_bytes) + self.limits.stall_timeout;
        timeout(limit, transfer).await.unwrap_or(Err(PeerFailure::Timeout))
    }

    /// Sends a request and reads the head of the answer, over a kept connection if there is one.
    async fn ask(&self, source: &Source, request: &Request) -> Result<(SendStream, RecvStream, Answer), Failed> {
        let mut again = false;
        loop {
            let (connection, kept) = self.connect(source).await?;
            // A kept connection may have died unnoticed, as when the peer was killed and is back:
            // that says nothing about the peer.
            let probe = kept && !again;
            let patience = if probe { self.limits.probe_timeout } else { self.limits.stall_timeout };
            match self.ask_over(&connection, request, patience).await {
                Err(failed) if failed.broken => {
                    self.retire(source, &connection).await;
                    if !probe {
                        return Err(failed);
                    }
                    again = true;
                }
                result => return result,
            }
        }
    }

    async fn ask_over(
        &self,
        connection: &Connection,
        request: &Request,
        patience: Duration,
    ) -> Result<(SendStream, RecvStream, Answer), Failed> {
        let work = async {
            let (mut send, mut recv) = connection.open_bi().await.map_err(|error| lost(&error))?;
            send.write_all(&request.encode()).await.map_err(write_failed)?;
            if !matches!(request, Request::Put { .. }) {
                let _closed = send.finish();
            }
            let answer = read_answer(&mut recv).await?;
            Ok((send, recv, answer))
        };
        timeout(patience, work).await.unwrap_or(Err(Failed { failure: PeerFailure::Timeout, broken: true }))
    }

    /// A connection to the source, and whether it was kept from before.
    async fn connect(&self, source: &Source) -> Result<(Connection, bool), Failed> {
        let peer = self.peer(source.node());
        // Held while dialling, so that a burst of requests to one peer dials once.
        let mut kept = peer.connection.lock().await;
        if let Some(connection) = kept.as_ref().filter(|connection| connection.close_reason().is_none()) {
            return Ok((connection.clone(), true));
        }
        let address = source.endpoint().ok_or_else(|| PeerFailure::Unreachable("not a valid node".to_owned()))?;
        match timeout(self.limits.connect_timeout, self.endpoint.connect(address, ALPN)).await {
            Ok(Ok(connection)) => {
                *kept = Some(connection.clone());
                Ok((connection, false))
            }
            Ok(Err(error)) => Err(PeerFailure::Unreachable(error.to_string()).into()),
            Err(_) => Err(PeerFailure::Unreachable("no answer in time".to_owned()).into()),
        }
    }

    fn peer(&self, node: NodeId) -> Arc<Peer> {
        let mut pool = self.pool.lock();
        if pool.len() >= MOST_POOLED && !pool.contains_key(&node) {
            // Connections in use live on in their users; the rest is cheap to dial again.
            pool.clear();
        }
        let new = || {
            let requests = Semaphore::new(self.limits.max_streams_per_connection as usize);
            Arc::new(Peer { connection: tokio::sync::Mutex::default(), requests })
        };
        pool.entry(node).or_insert_with(new).clone()
    }

    async fn retire(&self, source: &Source, connection: &Connection) {
        let peer = self.peer(source.node());
        let mut kept = peer.connection.lock().await;
        if kept.as_ref().is_some_and(|other| other.stable_id() == connection.stable_id()) {
            *kept = None;
        }
    }

    /// Lets go of every kept connection.
    pub(super) fn close(&self) {
        self.pool.lock().clear();
    }
}

/// A blob on its way, hashed as it arrives.
struct Partial {
    bytes: Vec<u8>,
    hashed: usize,
    hasher: blake3::Hasher,
}

impl Partial {
    fn new() -> Self {
        Self { bytes: Vec::new(), hashed: 0, hasher: blake3::Hasher::new() }
    }

    /// Reads until there are `size_bytes` in all.
    async fn receive(
        &mut self,
        recv: &mut RecvStream,
        size_bytes: u64,
        deadline: Instant,
        limits: &Limits,
    ) -> Result<(), Failed> {
        let mut filled = self.bytes.len();
        let size = usize::try_from(size_bytes).map_err(|_| PeerFailure::TooLarge)?;
        let result = loop {
            if filled == size {
                break Ok(());
            }
            if filled == self.bytes.len() {
                if filled == PIECE_BYTES {
                    // The peer is in earnest: stop copying at every doubling. Failing here is no
                    // harm, the vector grows by itself.
                    let _unreserved = self.bytes.try_reserve_exact(size - filled);
                }
                self.bytes.resize(size.min(filled + PIECE_BYTES), 0);
            }
            let until = deadline.min(Instant::now() + limits.stall_timeout);
            match timeout_at(until, recv.read(&mut self.bytes[filled..])).await {
                Ok(Ok(Some(read))) => filled += read,
                Ok(Ok(None)) => break Err(PeerFailure::Protocol.into()),
                Ok(Err(error)) => break Err(read_failed(error)),
                Err(_) => break Err(PeerFailure::Timeout.into()),
            }
            if filled - self.hashed >= PIECE_BYTES / 4 {
                self.hasher.update(&self.bytes[self.hashed..filled]);
                self.hashed = filled;
            }
        };
        self.bytes.truncate(filled);
        result
    }

    fn finish(mut self) -> (Bytes, BlobId) {
        self.hasher.update(&self.bytes[self.hashed..]);
        (self.bytes.into(), BlobId(*self.hasher.finalize().as_bytes()))
    }
}

/// Counts a transfer that has begun to flow, while it does.
struct Flow<'a>(&'a AtomicUsize);

impl<'a> Flow<'a> {
    fn start(flowing: &'a AtomicUsize) -> Self {
        flowing.fetch_add(1, Ordering::Relaxed);
        Self(flowing)
    }
}

impl Drop for Flow<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn read_answer(recv: &mut RecvStream) -> Result<Answer, Failed> {
    let mut frame = [0; ANSWER_BYTES];
    match recv.read_exact(&mut frame).await {
        Ok(()) => Answer::decode(&frame).map_err(|_| PeerFailure::Protocol.into()),
        Err(ReadExactError::FinishedEarly(_)) => Err(PeerFailure::Protocol.into()),
        Err(ReadExactError::ReadError(error)) => Err(read_failed(error)),
    }
}

fn failure(status: Status) -> PeerFailure {
    match status {
        // Neither is an answer where this is asked.
        Status::Ok | Status::Continue => PeerFailure::Protocol,
        Status::NotFound => PeerFailure::NotFound,
        Status::Busy => PeerFailure::Busy,
        Status::Refused => PeerFailure::Refused,
        Status::TooLarge => PeerFailure::TooLarge,
        Status::HashMismatch => PeerFailure::HashMismatch,
        Status::NoRoom => PeerFailure::NoRoom,
        Status::Internal => PeerFailure::Internal,
    }
}

fn lost(error: &ConnectionError) -> Failed {
    match error {
        ConnectionError::ApplicationClosed(close) if is(close.error_code, code::BUSY) => PeerFailure::Busy.into(),
        error => Failed { failure: PeerFailure::Unreachable(error.to_string()), broken: true },
    }
}

fn read_failed(error: ReadError) -> Failed {
    match error {
        ReadError::ConnectionLost(error) => lost(&error),
        ReadError::Reset(sent) if is(sent, code::INTERNAL) => PeerFailure::Internal.into(),
        ReadError::Reset(sent) if is(sent, code::BUSY) => PeerFailure::Timeout.into(),
        _ => PeerFailure::Protocol.into(),
    }
}

fn write_failed(error: WriteError) -> Failed {
    match error {
        WriteError::ConnectionLost(error) => lost(&error),
        _ => PeerFailure::Protocol.into(),
    }
}
