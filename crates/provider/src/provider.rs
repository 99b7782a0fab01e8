//! A provider, whole: store, blob node, registration, agent.
//!
//! ```text
//! DATA_DIR/blobs/         sealed programs, inputs and outputs
//! DATA_DIR/journal.redb   what must not be forgotten
//! DATA_DIR/node.key       identity of the blob node
//! DATA_DIR/sealing.key    opens job keys sealed to this provider
//! ```

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{Address, B256};
use assay_client::{Chain, ChainError, Host, SenderConfig, TxError, TxSender, Wallet};
use assay_store::{
    BlobNode, BlobStore, Blobs, NodeConfig, SealingKeypair, StoreConfig, StoreError,
    transfer::{ExpectedBlobs, NodeError},
};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::{
    config::{ConfigError, ProviderConfig},
    cost::{Pricing, PricingError},
    drive::{Agent, AgentError, AgentParts, AgentStatus},
    engine::Execute,
    journal::{Journal, JournalError},
    plan::Capacity,
    register::{self, RegisterError, Registration},
};

/// Why a provider could not start or ended.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The settings are bad.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory cannot be used.
    #[error("could not {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A key file has not 32 bytes.
    #[error("{} is not a key of this program: it should have 32 bytes", .0.display())]
    BadKey(PathBuf),
    /// The blob store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blob node could not start.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The chain failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Its ask could not be made.
    #[error(transparent)]
    Pricing(#[from] PricingError),
    /// It could not register.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The agent failed.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The task that drives the agent died.
    #[error("the agent's task ended unexpectedly")]
    Died(#[source] tokio::task::JoinError),
}

/// A provider at work.
pub struct RunningProvider {
    agent: Arc<Agent>,
    node: BlobNode,
    sender: TxSender,
    registration: Arc<Mutex<Registration>>,
    task: JoinHandle<Result<(), AgentError>>,
    follower: Option<JoinHandle<()>>,
}

/// Starts a provider: opens its data directory, serves blobs, registers, works.
pub async fn start(
    config: ProviderConfig,
    chain: Arc<dyn Chain>,
    host: Arc<dyn Host>,
    wallet: Wallet,
    engine: Arc<dyn Execute>,
) -> Result<RunningProvider, ProviderError> {
    config.validate()?;
    let machine = Machine::open(&config.data_dir, config.quota_mib << 20).await?;
    let expected = Arc::new(ExpectedBlobs::default());
    let mut listen = NodeConfig::new(machine.node_key, config.listen);
    listen.advertise.clone_from(&config.advertise);
    let node = BlobNode::spawn(listen, machine.store, expected.clone()).await?;

    let chain_id = chain.status().await?.chain_id;
    let sealing = SealingKeypair::from_secret(machine.sealing_key);
    let price_per_gigafuel = match &config.pricing {
        Some(pricing) => pricing.now(config.cores).await?.ask,
        None => config.price_per_gigafuel,
    };
    let registration = Registration {
        operator: config.operator.unwrap_or(wallet.address()),
        sealing_key: B256::from(sealing.public()),
        endpoint: node.source().to_bytes().into(),
        runtime_id: engine.runtime_id(),
        class: config.class,
        capacity: config.capacity(),
        price_per_gigafuel,
        max_lots: config.max_lots,
        max_fuel_per_task: config.max_fuel_per_task,
        max_memory_mib: config.memory_mib,
        open: true,
        collateral: config.collateral,
    };
    let sender = TxSender::new(chain.clone(), host.clone(), wallet, chain_id, SenderConfig::default());
    let agent = Arc::new(Agent::new(AgentParts {
        chain: chain.clone(),
        host,
        blobs: Arc::new(node.clone()),
        engine,
        sender: sender.clone(),
        journal: Arc::new(machine.journal),
        sealing: Some(sealing),
        expected: Some(expected),
        capacity: Capacity { cores: config.cores, margin: config.margin, retain: config.retain, ..Capacity::default() },
        misbehaviour: config.misbehaviour,
    })?);
    // Once registered it can be drawn, so everything it needs stands before.
    register::ensure(&*chain, &sender, &registration).await?;
    let task = tokio::spawn({
        let agent = agent.clone();
        async move { agent.run().await }
    });
    let registration = Arc::new(Mutex::new(registration));
    let follower =
        config.pricing.map(|pricing| tokio::spawn(follow(pricing, config.cores, sender.clone(), registration.clone())));
    Ok(RunningProvider { agent, node, sender, registration, task, follower })
}

/// Keeps the ask on chain at what a gigafuel costs here. Where that cannot be told the last ask stands.
async fn follow(pricing: Pricing, cores: usize, sender: TxSender, registration: Arc<Mutex<Registration>>) {
    loop {
        tokio::time::sleep(Duration::from_secs(pricing.refresh_s)).await;
        let wanted = match pricing.now(cores).await {
            Ok(reckoning) => reckoning.ask,
            Err(error) => {
                tracing::warn!(%error, "the last ask stands");
                continue;
            }
        };
        let current = registration.lock().clone();
        if !pricing.is_worth_sending(current.price_per_gigafuel, wanted) {
            continue;
        }
        let changed = Registration { price_per_gigafuel: wanted, ..current };
        match register::update(&sender, &changed).await {
            Ok(_) => {
                tracing::info!(grains = wanted, "asks a new price");
                registration.lock().price_per_gigafuel = wanted;
            }
            Err(error) => tracing::warn!(%error, "the last ask stands"),
        }
    }
}

impl RunningProvider {
    /// Its account.
    pub fn address(&self) -> Address {
        self.agent.address()
    }

    /// Where it stands.
    pub fn status(&self) -> AgentStatus {
        self.agent.status()
    }

    /// Its blob node.
    pub fn node(&self) -> &BlobNode {
        &self.node
    }

    /// Whether the agent still works; when not, [`Self::shutdown`] says why.
    pub fn is_running(&self) -> bool {
        !self.task.is_finished()
    }

    /// Takes no new work, finishes what it started, gives the rest back, and ends.
    pub async fn drain(self) -> Result<(), ProviderError> {
        self.stop_following();
        let closed = Registration { open: false, ..self.registration.lock().clone() };
        register::update(&self.sender, &closed).await.map_err(|error: TxError| RegisterError::Tx(error))?;
        self.agent.drain();
        self.finish().await
    }

    /// Ends now. The journal has what a later start needs; deadlines go on meanwhile.
    pub async fn shutdown(self) -> Result<(), ProviderError> {
        self.agent.stop();
        self.finish().await
    }

    fn stop_following(&self) {
        if let Some(follower) = &self.follower {
            follower.abort();
        }
    }

    async fn finish(self) -> Result<(), ProviderError> {
        self.stop_following();
        let ended = self.task.await;
        self.node.shutdown().await;
        ended.map_err(ProviderError::Died)??;
        Ok(())
    }
}

/// What an agent has on disk.
pub(crate) struct Machine {
    pub(crate) store: BlobStore,
    pub(crate) journal: Journal,
    pub(crate) node_key: [u8; 32],
    pub(crate) sealing_key: [u8; 32],
}

impl Machine {
    /// Opens the data directory. An earlier life that was just stopped may still be letting go of it:
    /// connections of the blob node end in their own time.
    pub(crate) async fn open(dir: &Path, quota_bytes: u64) -> Result<Self, ProviderError> {
        for _ in 0..100 {
            match Self::try_open(dir, quota_bytes) {
                Err(
                    ProviderError::Store(StoreError::InUse { .. }) | ProviderError::Journal(JournalError::InUse { .. }),
                ) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                opened => return opened,
            }
        }
        Self::try_open(dir, quota_bytes)
    }

    fn try_open(dir: &Path, quota_bytes: u64) -> Result<Self, ProviderError> {
        fs::create_dir_all(dir).map_err(|source| ProviderError::Io {
            action: "create",
            path: dir.to_owned(),
            source,
        })?;
        Ok(Self {
            store: BlobStore::open(&dir.join("blobs"), StoreConfig { quota_bytes })?,
            journal: Journal::open(&dir.join("journal.redb"))?,
            node_key: key_file(&dir.join("node.key"))?,
            sealing_key: key_file(&dir.join("sealing.key"))?,
        })
    }
}

/// The 32 secret bytes in a file, made at the first start.
fn key_file(path: &Path) -> Result<[u8; 32], ProviderError> {
    let io = |action, source| ProviderError::Io { action, path: path.to_owned(), source };
    match fs::read(path) {
        Ok(bytes) => bytes.try_into().map_err(|_| ProviderError::BadKey(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key: [u8; 32] = rand::random();
            let aside = path.with_extension("new");
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            {
                use std::os::unix::fs::OpenOptionsExt;
                options.mode(0o600);
            }
            let mut file = options.open(&aside).map_err(|source| io("create", source))?;
            file.write_all(&key).and_then(|()| file.sync_all()).map_err(|source| io("write", source))?;
            fs::rename(&aside, path).map_err(|source| io("rename", source))?;
            Ok(key)
        }
        Err(source) => Err(io("read", source)),
    }
}
