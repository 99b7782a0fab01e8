//! The validators as machines: started, crashed, cut off, linked again.

use std::collections::BTreeSet;

use assay_chain::{Node, NodeConfig, committee::PublicKey, max_message, mempool::Limits, simulated, start};
use commonware_cryptography::Signer as _;
use commonware_p2p::simulated::SplitTarget;
use commonware_runtime::{Handle, Spawner as _, Supervisor as _};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::sync::oneshot;

use super::{
    Context, World,
    byzantine::Gate,
    garbage,
    genesis::REFUSED,
    scenario::{Kind, VALIDATORS},
};
use crate::names::address;

/// A validator that is up.
pub(super) struct Running {
    pub(super) node: Node,
    /// The other node with its keys, if it equivocates.
    pub(super) twin: Option<Node>,
    task: Handle<()>,
}

impl World {
    /// Starts a validator, again after a crash.
    pub(super) async fn start_validator(&mut self, at: usize) {
        let kind = self.scenario.kind(at);
        let others: Vec<PublicKey> = (0..VALIDATORS).filter(|o| *o != at).map(|o| self.names[o].clone()).collect();
        let gate = Gate::new(kind, self.some_of(at, kind), others.clone());
        let (oracle, seed) = (self.oracle.clone(), self.scenario.seed);
        let mut mempool = Limits::default();
        if kind == Some(Kind::Censor) {
            mempool.refused.insert(address(REFUSED));
        }
        let config = NodeConfig {
            genesis: self.genesis.clone(),
            keys: self.keys[at].clone(),
            partition: format!("v{at}"),
            mempool,
            retention: Default::default(),
            guard: None,
        };
        let (started, is_started) = oneshot::channel();
        let task = self.context.child("validator").spawn(move |context: Context| async move {
            let control = oracle.control(config.keys.network.public_key());
            let (mut first, mut second, mut receivers) = (Vec::new(), Vec::new(), Vec::new());
            for (channel, (sender, receiver)) in (0..).zip(simulated::register(&control).await) {
                let (one, other) = sender.split_with(gate.clone().on(channel));
                first.push(one);
                second.push(other);
                receivers.push(receiver);
            }
            let manager = || oracle.socket_manager();
            if !matches!(kind, Some(Kind::Equivocate { .. })) {
                let longest = max_message(&config.genesis) as usize;
                let channels = simulated::in_order(first.into_iter().zip(receivers).collect());
                let node = start(context.child("node"), config, channels, manager(), control).await;
                let (node, consensus) = node.expect("it starts");
                if kind == Some(Kind::Garbage) {
                    context
                        .child("garbage")
                        .spawn(move |context| garbage::speak(context, second, others, gate.samples, longest, seed));
                }
                started.send((node, None)).ok();
                // Ends when the task is aborted, as by a crash.
                consensus.await.ok();
                return;
            }
            let twin = NodeConfig { partition: format!("{}-twin", config.partition), ..config.clone() };
            let (mut ones, mut others) = (Vec::new(), Vec::new());
            for (channel, receiver) in receivers.into_iter().enumerate() {
                let hears = context.child("hears").with_attribute("channel", channel);
                let (one, other) = receiver.split_with(hears, |_| SplitTarget::Both);
                ones.push(one);
                others.push(other);
            }
            let one = simulated::in_order(first.into_iter().zip(ones).collect());
            let other = simulated::in_order(second.into_iter().zip(others).collect());
            let one = start(context.child("one"), config, one, manager(), control.clone()).await.expect("it starts");
            let other = start(context.child("other"), twin, other, manager(), control).await.expect("it starts");
            started.send((one.0, Some(other.0))).ok();
            futures::future::join(one.1, other.1).await.0.ok();
        });
        let (node, twin) = is_started.await.expect("it starts");
        self.validators[at] = Some(Running { node, twin, task });
    }

    /// Who hears the first half of an equivocator, or the blocks of one who withholds them.
    fn some_of(&self, at: usize, kind: Option<Kind>) -> BTreeSet<PublicKey> {
        let mut rng = StdRng::seed_from_u64(self.scenario.seed ^ at as u64);
        let others = (0..VALIDATORS).filter(|other| *other != at).map(|other| self.names[other].clone());
        match kind {
            Some(Kind::WithholdBlocks { heard }) => others.take(heard).collect(),
            _ => others.filter(|_| rng.random_bool(0.5)).collect(),
        }
    }

    /// A crash: memory is lost, disks are not.
    pub(super) fn crash(&mut self, at: usize) {
        if let Some(running) = self.validators[at].take() {
            running.task.abort();
        }
    }

    /// Links all validators.
    pub(super) async fn link_all(&self) {
        for one in 0..VALIDATORS {
            for other in 0..one {
                let link = self.scenario.link(one, other);
                simulated::link(&self.oracle, &self.names[one], &self.names[other], link).await;
            }
        }
    }

    /// Cuts these off from all others.
    pub(super) async fn cut(&self, side: &[usize]) {
        for (one, other) in across(side) {
            simulated::unlink(&self.oracle, &self.names[one], &self.names[other]).await;
        }
    }

    /// Links them again.
    pub(super) async fn heal(&self, side: &[usize]) {
        for (one, other) in across(side) {
            let link = self.scenario.link(one, other);
            simulated::link(&self.oracle, &self.names[one], &self.names[other], link).await;
        }
    }

    /// The honest that are up.
    pub(super) fn honest(&self) -> impl Iterator<Item = (usize, &Node)> {
        let up = self.validators.iter().enumerate().filter_map(|(at, running)| Some((at, &running.as_ref()?.node)));
        up.filter(|(at, _)| self.scenario.kind(*at).is_none())
    }

    /// Of the honest that are up the one furthest ahead.
    pub(super) fn best(&self) -> Option<Node> {
        let height = |node: &Node| node.tip().map_or(0, |tip| tip.height);
        self.honest().max_by_key(|(_, node)| height(node)).map(|(_, node)| node.clone())
    }
}

fn across(side: &[usize]) -> Vec<(usize, usize)> {
    let rest = |one: usize| (0..VALIDATORS).filter(|other| !side.contains(other)).map(move |other| (one, other));
    side.iter().flat_map(|one| rest(*one)).collect()
}
