//! Answering other nodes: GET, HAS and PUT, each within bounds.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use iroh::{
    endpoint::{Connection, RecvStream, SendStream, VarInt},
    protocol::{AcceptError, ProtocolHandler},
};
use parking_lot::Mutex;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    AcceptPut, Limits, PutDecision, PutOffer,
    wire::{Answer, REQUEST_BYTES, Request, Status},
};
use crate::{BlobId, BlobStore, StoreError, disk::BlobReader, source::NodeId};

/// Codes with which streams are reset and connections closed; never reused.
pub(super) mod code {
    pub(in crate::transfer) const DONE: u32 = 0;
    pub(in crate::transfer) const BUSY: u32 = 1;
    pub(in crate::transfer) const PROTOCOL: u32 = 2;
    pub(in crate::transfer) const INTERNAL: u32 = 3;
}

/// Bytes read from disk or network at a time: large enough for BLAKE3 and the disk to run at speed.
pub(super) const PIECE_BYTES: usize = 1 << 20;

/// The serving side of a node.
pub(super) struct Server {
    requests: Arc<Requests>,
    guests: Arc<Guests>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

impl Server {
    pub(super) fn new(store: BlobStore, policy: Arc<dyn AcceptPut>, limits: Limits) -> Self {
        let guests = Arc::new(Guests {
            seats: Mutex::default(),
            most: limits.max_connections,
            most_per_peer: limits.max_connections_per_peer,
        });
        let transfers = Semaphore::new(limits.max_transfers);
        Self { requests: Arc::new(Requests { store, policy, limits, transfers }), guests }
    }

    /// Counts connections, to refuse some before their handshake costs anything.
    pub(super) fn guests(&self) -> Arc<Guests> {
        self.guests.clone()
    }
}

impl ProtocolHandler for Server {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        let peer = NodeId(*connection.remote_id().as_bytes());
        let Some(_seat) = self.guests.clone().seat(peer) else {
            connection.close(code::BUSY.into(), b"too many connections");
            return Ok(());
        };
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                stream = connection.accept_bi() => {
                    let Ok((send, recv)) = stream else { return Ok(()) };
                    let requests = self.requests.clone();
                    running.spawn(async move { requests.serve(peer, send, recv).await });
                }
                Some(done) = running.join_next() => {
                    if let Err(error) = done {
                        tracing::error!(%peer, %error, "serving a blob request failed");
                    }
                }
                () = sleep(self.requests.limits.idle_timeout), if running.is_empty() => {
                    connection.close(code::DONE.into(), b"idle");
                    return Ok(());
                }
            }
        }
    }
}

/// Connections being served, by peer.
pub(super) struct Guests {
    seats: Mutex<HashMap<NodeId, usize>>,
    most: usize,
    most_per_peer: usize,
}

impl Guests {
    pub(super) fn full(&self) -> bool {
        self.seats.lock().values().sum::<usize>() >= self.most
    }

    fn seat(self: Arc<Self>, peer: NodeId) -> Option<Seat> {
        let mut seats = self.seats.lock();
        let taken: usize = seats.values().sum();
        let own = seats.get(&peer).copied().unwrap_or(0);
        if taken >= self.most || own >= self.most_per_peer {
            return None;
        }
        seats.insert(peer, own + 1);
        drop(seats);
        Some(Seat { guests: self, peer })
    }
}

struct Seat {
    guests: Arc<Guests>,
    peer: NodeId,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.guests.seats.lock();
        match seats.get_mut(&self.peer) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(seats.remove(&self.peer)),
        }
    }
}

/// Ends a request without an answer: the stream is reset with this code.
struct Reset(u32);

struct Requests {
    store: BlobStore,
    policy: Arc<dyn AcceptPut>,
    limits: Limits,
    transfers: Semaphore,
}

impl Requests {
    async fn serve(&self, peer: NodeId, mut send: SendStream, mut recv: RecvStream) {
        match self.answer(peer, &mut send, &mut recv).await {
            Ok(()) => {
                // The peer may be gone, and then nobody minds.
                let _closed = send.finish();
            }
            Err(Reset(code)) => {
                let _closed = send.reset(code.into());
                let _closed = recv.stop(code.into());
            }
        }
    }

    async fn answer(&self, peer: NodeId, send: &mut SendStream, recv: &mut RecvStream) -> Result<(), Reset> {
        let mut frame = [0; REQUEST_BYTES];
        within(self.limits.stall_timeout, recv.read_exact(&mut frame)).await?;
        let request = Request::decode(&frame).map_err(|_| Reset(code::PROTOCOL))?;
        if let Request::Has { id } = request {
            let answer = self.store.size_bytes(&id).map_or(Answer::of(Status::NotFound), Answer::ok);
            return self.say(send, answer).await;
        }
        let Ok(_permit) = timeout(self.limits.queue_timeout, self.transfers.acquire()).await else {
            return self.say(send, Answer::of(Status::Busy)).await;
        };
        match request {
            Request::Has { .. } => Ok(()),
            Request::Get { id, offset, max_bytes } => self.get(id, offset, max_bytes, send).await,
            Request::Put { id, size_bytes } => {
                let offer = PutOffer { peer, id, size_bytes };
                let answer = self.put(offer, send, recv).await?;
                self.say(send, answer).await
            }
        }
    }

    async fn say(&self, send: &mut SendStream, answer: Answer) -> Result<(), Reset> {
        within(self.limits.stall_timeout, send.write_all(&answer.encode())).await
    }

    async fn get(&self, id: BlobId, offset: u64, max_bytes: u64, send: &mut SendStream) -> Result<(), Reset> {
        let store = self.store.clone();
        let opened = blocking(move || {
            let Some(reader) = store.reader(&id)? else { return Ok(None) };
            if offset > 0 || max_bytes < reader.size_bytes {
                // A part cannot be checked against the name, so the whole is, once.
                store.check(&id)?;
            }
            Ok(Some(reader))
        });
        let reader = match opened.await {
            Ok(Some(reader)) => reader,
            Ok(None) | Err(StoreError::Corrupt { .. }) => return self.say(send, Answer::of(Status::NotFound)).await,
            Err(error) => {
                tracing::error!(blob = %id, %error, "could not read a blob to serve");
                return self.say(send, Answer::of(Status::Internal)).await;
            }
        };
        if offset > reader.size_bytes {
            return Err(Reset(code::PROTOCOL));
        }
        self.say(send, Answer::ok(reader.size_bytes)).await?;
        let end = offset + max_bytes.min(reader.size_bytes - offset);
        let deadline = self.limits.transfer_timeout(end - offset);
        timeout(deadline, self.send_range(id, reader, offset, end, send)).await.unwrap_or(Err(Reset(code::BUSY)))
    }

    async fn send_range(
        &self,
        id: BlobId,
        mut reader: BlobReader,
        offset: u64,
        end: u64,
        send: &mut SendStream,
    ) -> Result<(), Reset> {
        let whole = offset == 0 && end == reader.size_bytes;
        let mut hasher = blake3::Hasher::new();
        let mut at = offset;
        while at < end {
            let len = (end - at).min(PIECE_BYTES as u64);
            let read = blocking(move || {
                let piece = reader.read_at(at, len)?;
                if whole {
                    hasher.update(&piece);
                }
                Ok((reader, hasher, piece))
            });
            let piece;
            (reader, hasher, piece) = read.await.map_err(|error| {
                tracing::error!(blob = %id, %error, "could not read a blob to serve");
                Reset(code::INTERNAL)
            })?;
            at += len;
            // The last piece stays here unless the whole is right: we never finish sending bad bytes.
            if whole && at == end && hasher.finalize().as_bytes() != id.as_bytes() {
                self.store.discard(&id);
                return Err(Reset(code::INTERNAL));
            }
            within(self.limits.stall_timeout, send.write_chunk(piece)).await?;
        }
        Ok(())
    }

    async fn put(&self, offer: PutOffer, send: &mut SendStream, recv: &mut RecvStream) -> Result<Answer, Reset> {
        let PutOffer { id, size_bytes, .. } = offer;
        match self.policy.decide(&offer) {
            PutDecision::Refuse => return Ok(Answer::of(Status::Refused)),
            PutDecision::TooLarge => return Ok(Answer::of(Status::TooLarge)),
            PutDecision::Accept if size_bytes > self.limits.max_blob_bytes => {
                return Ok(Answer::of(Status::TooLarge));
            }
            PutDecision::Accept => {}
        }
        if let Some(size_bytes) = self.store.size_bytes(&id) {
            return Ok(Answer::ok(size_bytes));
        }
        let store = self.store.clone();
        let mut writer = match blocking(move || store.writer(size_bytes)).await {
            Ok(writer) => writer,
            Err(error) => return Ok(refusal(id, &error)),
        };
        self.say(send, Answer::of(Status::Continue)).await?;

        let receive = async {
            let mut left = size_bytes;
            while left > 0 {
                let mut piece = vec![0; left.min(PIECE_BYTES as u64) as usize];
                within(self.limits.stall_timeout, recv.read_exact(&mut piece)).await?;
                left -= piece.len() as u64;
                let written = blocking(move || writer.write(&piece).map(|()| writer)).await;
                writer = match written {
                    Ok(writer) => writer,
                    Err(error) => return Ok(refusal(id, &error)),
                };
            }
            match blocking(move || writer.finish(id)).await {
                Ok(()) => Ok(Answer::ok(size_bytes)),
                Err(error) => Ok(refusal(id, &error)),
            }
        };
        timeout(self.limits.transfer_timeout(size_bytes), receive).await.unwrap_or(Err(Reset(code::BUSY)))
    }
}

fn refusal(id: BlobId, error: &StoreError) -> Answer {
    Answer::of(match error {
        StoreError::OverQuota { .. } => Status::NoRoom,
        StoreError::HashMismatch { .. } => Status::HashMismatch,
        error => {
            tracing::error!(blob = %id, %error, "could not store a blob that was sent");
            if matches!(error, StoreError::DiskFull { .. }) { Status::NoRoom } else { Status::Internal }
        }
    })
}

/// Runs disk work off the network's threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(StoreError::ShuttingDown),
        },
    }
}

async fn within<T, E>(limit: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T, Reset> {
    match timeout(limit, work).await {
        Ok(Ok(value)) => Ok(value),
        // Either way the peer left us waiting for what it promised.
        Ok(Err(_)) | Err(_) => Err(Reset(code::PROTOCOL)),
    }
}

/// A code as QUIC writes it.
pub(super) fn is(sent: VarInt, code: u32) -> bool {
    sent == VarInt::from_u32(code)
}
