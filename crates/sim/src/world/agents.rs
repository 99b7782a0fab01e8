//! The agents: providers and the validators' adjudicators, with their real parts over simulated machines.

use std::{sync::Arc, time::Duration};

use assay_client::{SenderConfig, TxSender};
use assay_provider::{Agent, AgentParts, Capacity, Journal, Misbehaviour, register};
use assay_store::{
    Blobs as _,
    transfer::{ExpectedBlobs, RefusePuts},
};
use commonware_runtime::{Handle, Spawner as _, Supervisor as _};

use super::{CHAIN_ID, World};
use crate::{
    blobs::SimBlobs,
    chain::SimChain,
    host::SimHost,
    names::{address, provider_name, sealing, wallet},
    scenario::VALIDATORS,
    traders::terms,
};

/// An agent's parts that outlive it.
pub(super) struct Running {
    pub(super) agent: Arc<Agent>,
    pub(super) blobs: Arc<SimBlobs>,
    task: Handle<()>,
    pub(super) sender: TxSender,
}

impl World {
    pub(super) fn chain(&self, preferred: usize) -> Arc<SimChain> {
        let (handles, history, blocks) = (self.handles.clone(), self.history.clone(), self.blocks.clone());
        Arc::new(SimChain::new(self.genesis.clone(), handles, history, blocks, preferred))
    }

    pub(super) fn host(&self, name: &str) -> Arc<SimHost> {
        Arc::new(SimHost::new(self.context.child("host"), self.scenario.seed, name))
    }

    pub(super) fn sender(&self, name: &str, preferred: usize) -> TxSender {
        let config = SenderConfig { poll: Duration::from_millis(50), ..SenderConfig::default() };
        TxSender::new(self.chain(preferred), self.host(&format!("{name}/sender")), wallet(name), CHAIN_ID, config)
    }

    pub(super) fn start_agent(
        &self,
        name: &str,
        misbehaviour: Option<Misbehaviour>,
        provides: bool,
        preferred: usize,
    ) -> Running {
        let expected = Arc::new(ExpectedBlobs::default());
        let blobs = match provides {
            true => self.plane.node(name, expected.clone()),
            false => self.plane.node(name, Arc::new(RefusePuts)),
        };
        let journal = Journal::open(&self.dir.join(format!("{name}.redb"))).expect("a journal opens");
        let sender = self.sender(name, preferred);
        let agent = Agent::new(AgentParts {
            chain: self.chain(preferred),
            host: self.host(name),
            blobs: blobs.clone(),
            engine: self.engine.clone(),
            sender: sender.clone(),
            journal: Arc::new(journal),
            sealing: provides.then(|| sealing(name)),
            expected: provides.then_some(expected),
            capacity: Capacity { cores: 2, share_after: 6, ..Capacity::default() },
            misbehaviour,
        });
        let agent = Arc::new(agent.expect("an agent starts"));
        let driven = agent.clone();
        let task = self.context.child("agent").spawn(move |_| async move {
            if let Err(error) = driven.run().await {
                tracing::warn!(%error, "an agent ended");
            }
        });
        Running { agent, blobs, task, sender }
    }

    /// Registers a provider, trying again until it is.
    pub(super) fn register(&self, at: usize) {
        let name = provider_name(at);
        let running = &self.providers[&at];
        let (chain, sender, host) = (self.chain(at % VALIDATORS), running.sender.clone(), self.host("register"));
        let endpoint = running.blobs.source().to_bytes().into();
        let wanted = terms(address(&name), sealing(&name).public().into(), endpoint);
        self.context.child("register").spawn(move |_| async move {
            while let Err(error) = register::ensure(&*chain, &sender, &wanted).await {
                tracing::debug!(%error, "registers later");
                assay_client::Host::sleep(&*host, Duration::from_millis(300)).await;
            }
        });
    }

    pub(super) fn kill(&mut self, at: usize) {
        if let Some(provider) = self.providers.remove(&at) {
            provider.task.abort();
            self.plane.cut_off(&provider.blobs.source());
        }
    }
}
