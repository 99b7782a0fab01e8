//! An adjudicator, whole: the agent of a validator that re-executes disputed tasks, shows that it is there, and
//! reports who voted twice.
//!
//! The same agent as a provider's, with the validator's account, no sealing key and a store nobody
//! else writes to: a disputed job's key is public by then.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use alloy_primitives::Address;
use assay_client::{Chain, Host, SenderConfig, TxSender, Wallet};
use assay_store::{BlobNode, NodeConfig, transfer::RefusePuts};
use tokio::task::JoinHandle;

use crate::{
    drive::{Agent, AgentError, AgentParts, AgentStatus},
    engine::Execute,
    plan::Capacity,
    provider::{Machine, ProviderError},
    watch,
};

/// Settings of an adjudicator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdjudicatorConfig {
    /// Where blobs and journal are kept.
    pub data_dir: PathBuf,
    /// Address its blob endpoint is bound to; port 0 takes any.
    pub listen: SocketAddr,
    /// Tasks re-executed at the same time.
    pub cores: usize,
    /// MiB of blobs kept.
    pub quota_mib: u64,
}

impl AdjudicatorConfig {
    /// One core, 256 MiB, any local port.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { data_dir: data_dir.into(), listen, cores: 1, quota_mib: 256 }
    }
}

/// An adjudicator at work.
pub struct RunningAdjudicator {
    agent: Arc<Agent>,
    node: BlobNode,
    task: JoinHandle<Result<(), AgentError>>,
    watch: JoinHandle<()>,
}

/// Starts the adjudicator of the validator with `wallet`.
pub async fn start(
    config: AdjudicatorConfig,
    chain: Arc<dyn Chain>,
    host: Arc<dyn Host>,
    wallet: Wallet,
    engine: Arc<dyn Execute>,
) -> Result<RunningAdjudicator, ProviderError> {
    let machine = Machine::open(&config.data_dir, config.quota_mib << 20).await?;
    let listen = NodeConfig::new(machine.node_key, config.listen);
    let node = BlobNode::spawn(listen, machine.store, Arc::new(RefusePuts)).await?;
    let chain_id = chain.status().await?.chain_id;
    let sender = TxSender::new(chain.clone(), host.clone(), wallet, chain_id, SenderConfig::default());
    let watch = tokio::spawn(watch::watch(chain.clone(), host.clone(), sender.clone()));
    let agent = Arc::new(Agent::new(AgentParts {
        chain,
        host,
        blobs: Arc::new(node.clone()),
        engine,
        sender,
        journal: Arc::new(machine.journal),
        sealing: None,
        expected: None,
        capacity: Capacity { cores: config.cores, retain: 0, ..Capacity::default() },
        misbehaviour: None,
    })?);
    let task = tokio::spawn({
        let agent = agent.clone();
        async move { agent.run().await }
    });
    Ok(RunningAdjudicator { agent, node, task, watch })
}

impl RunningAdjudicator {
    /// The validator's account.
    pub fn address(&self) -> Address {
        self.agent.address()
    }

    /// Where it stands.
    pub fn status(&self) -> AgentStatus {
        self.agent.status()
    }

    /// Ends now; the journal has what a later start needs.
    pub async fn shutdown(self) -> Result<(), ProviderError> {
        self.watch.abort();
        self.agent.stop();
        let ended = self.task.await;
        self.node.shutdown().await;
        ended.map_err(ProviderError::Died)??;
        Ok(())
    }
}
