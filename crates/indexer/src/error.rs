//! What can go wrong, and what to do then.

use assay_types::B256;

use crate::node::NodeError;

/// Why the index cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// Not the address of a database.
    #[error("'{url}' is not a database: {reason}; write sqlite:PATH or postgres://USER@HOST/NAME")]
    Url {
        /// As given, a password left out.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The database does not open.
    #[error("cannot open the database {url}: {source}")]
    Open {
        /// Which, a password left out.
        url: String,
        /// Why.
        source: sqlx::Error,
    },
    /// The database failed.
    #[error("the database failed while {doing}: {source}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// Why.
        source: sqlx::Error,
    },
    /// Written by a newer version.
    #[error("the database has layout {found}, this program knows {known}: update assay, or give it another database")]
    Schema {
        /// In the database.
        found: u64,
        /// The newest known here.
        known: u64,
    },
    /// A stored value cannot be read.
    #[error("the database holds '{value}' in {column}, which is not a number in range: rebuild the index")]
    Corrupt {
        /// Where.
        column: &'static str,
        /// What is there.
        value: String,
    },
    /// The node is of another network.
    #[error(
        "the database holds network {stored}, the node is of {given}: name a node of that network, or give this one a database of its own"
    )]
    WrongGenesis {
        /// Hash of the genesis the database was filled from.
        stored: B256,
        /// The node's.
        given: B256,
    },
    /// The node has another block at a height that is stored.
    #[error(
        "block {height} is {stored} here and {given} at the node: finalized blocks never change, so one of the two is wrong; ask another node, and if it agrees rebuild the index"
    )]
    OtherBlock {
        /// Height.
        height: u64,
        /// Hash stored.
        stored: B256,
        /// Hash the node gives.
        given: B256,
    },
    /// A block does not follow the one before it.
    #[error("block {height} names {given} as its parent, but block {} is {parent}: the node's blocks do not fit together; ask another node, and if it agrees rebuild the index", .height.saturating_sub(1))]
    BrokenChain {
        /// Height of the block.
        height: u64,
        /// Hash of the block before it.
        parent: B256,
        /// What it names as its parent.
        given: B256,
    },
    /// The node is on the network but has not kept a block.
    #[error("the node does not have block {height}: name one that keeps all blocks")]
    MissingBlock {
        /// Height.
        height: u64,
    },
    /// An event that is not as its interface declares it.
    #[error(
        "log {log_index} of block {height} is not a {event} as this program knows it ({reason}): update assay if the network was upgraded, else ask another node"
    )]
    MalformedLog {
        /// Block.
        height: u64,
        /// Position of the log in it.
        log_index: u64,
        /// Event it should be.
        event: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The node.
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl IndexError {
    /// Whether trying again later may help without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Node(error) => error.is_transient(),
            Self::Database { source, .. } => match source {
                sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
                // Connection lost, shut down by an administrator, starting up; SQLite: busy.
                sqlx::Error::Database(error) => error.code().is_some_and(|code| {
                    code.starts_with("08") || code.starts_with("57P") || code == "5" || code == "517"
                }),
                _ => false,
            },
            _ => false,
        }
    }
}

/// Names what was being done when the database failed.
pub(crate) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, IndexError>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, doing: &'static str) -> Result<T, IndexError> {
        self.map_err(|source| IndexError::Database { doing, source })
    }
}
