//! What a peer can make a node spend, at most.

use std::time::Duration;

/// Bounds on peers. The defaults suit a node with 1 GiB of memory to spare.
///
/// Memory peers can pin: `max_connections` times the connection windows (4 MiB each way), plus
/// `max_transfers` times one read buffer, plus what local callers fetch, each at most the size they
/// asked for.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections served at once.
    pub max_connections: usize,
    /// Connections served at once from one peer.
    pub max_connections_per_peer: usize,
    /// Requests in progress on one connection.
    pub max_streams_per_connection: u32,
    /// Transfers served at once over all connections; more wait.
    pub max_transfers: usize,
    /// How long they wait before they are told to come back.
    pub queue_timeout: Duration,
    /// Largest blob taken from a peer.
    pub max_blob_bytes: u64,
    /// Sources asked for one blob, whatever the caller lists.
    pub max_sources: usize,
    /// Time to connect and be authenticated.
    pub connect_timeout: Duration,
    /// Time for a request or the head of an answer to arrive, and for a single pause after it.
    pub stall_timeout: Duration,
    /// As `stall_timeout` for the head of an answer over a connection kept from before, which may
    /// have died unnoticed; after it the peer is dialled anew.
    pub probe_timeout: Duration,
    /// A transfer may take `stall_timeout` plus its size at this pace, so that dripping peers end.
    pub min_bytes_per_s: u64,
    /// When a source has sent nothing for so long, the next one is asked beside it.
    pub hedge_after: Duration,
    /// A connection without requests is closed after this time.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 128,
            max_connections_per_peer: 8,
            max_streams_per_connection: 16,
            max_transfers: 64,
            queue_timeout: Duration::from_secs(1),
            max_blob_bytes: 1 << 30,
            max_sources: 16,
            connect_timeout: Duration::from_secs(4),
            stall_timeout: Duration::from_secs(8),
            probe_timeout: Duration::from_secs(2),
            min_bytes_per_s: 64 << 10,
            hedge_after: Duration::from_millis(750),
            idle_timeout: Duration::from_secs(60),
        }
    }
}

impl Limits {
    /// How long a transfer of so many bytes may take.
    pub(super) fn transfer_timeout(&self, size_bytes: u64) -> Duration {
        self.stall_timeout + Duration::from_secs(size_bytes / self.min_bytes_per_s.max(1))
    }
}
