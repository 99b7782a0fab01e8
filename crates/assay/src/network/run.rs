//! Starting and stopping an embedded network.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

use assay_chain::{
    Node, NodeConfig, StartError, UpgradeNeeded,
    host::{DISK_RESERVE_BYTES, Ended, Host, HostedNode},
    index::IndexOptions,
    mempool::Limits,
};
use assay_client::{Chain, RpcChain, RpcConfig, TokioHost};
use assay_exec::{Engine, EngineConfig};
use assay_ledger::PROTOCOL_VERSION;
use assay_provider::{
    AdjudicatorConfig, Misbehaviour, ProviderConfig, RunningAdjudicator, RunningProvider, adjudicator, provider,
};
use assay_types::{Address, Genesis};
use tokio::sync::watch;

use super::{
    edge::Edge,
    layout::StateDir,
    params::{self, ParamsFile},
    roster::{COLLATERAL, Roster, ask},
};
use crate::failure::{Code, Failure, Outcome};

/// What to start.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Start over even if the directory has a network.
    pub(crate) fresh: bool,
    /// Validators of a new network.
    pub(crate) validators: u32,
    /// Providers of a new network.
    pub(crate) providers: u32,
    /// Port of the first validator's JSON-RPC server; 0 takes a free one.
    pub(crate) rpc_port: u16,
    /// Misbehaviour of a provider, by index.
    pub(crate) liar: Option<(usize, Misbehaviour)>,
    /// Parameters that replace the defaults of a new network.
    pub(crate) params: Option<ParamsFile>,
    /// Gigafuel each provider has in progress at most; what it settles for by itself if not given.
    pub(crate) capacity_gigafuel: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fresh: true,
            validators: 4,
            providers: 3,
            rpc_port: 0,
            liar: None,
            params: None,
            capacity_gigafuel: None,
        }
    }
}

/// A running network.
pub(crate) struct Network {
    dir: StateDir,
    genesis: Genesis,
    roster: Roster,
    host: Option<Host>,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    adjudicators: Vec<RunningAdjudicator>,
    providers: Vec<RunningProvider>,
    engine: Arc<Engine>,
    resumed: bool,
}

impl Network {
    /// Starts the network in `dir`, a new one if there is none; `say` hears what is being done.
    pub(crate) async fn start(dir: &Path, options: Options, say: impl Fn(&str)) -> Outcome<Self> {
        // Before anything is thrown away.
        let params = params::of_new(options.params.as_ref(), options.providers)?;
        let dir = StateDir::open(dir, options.fresh)?;
        let (genesis, roster, resumed) = match dir.genesis()? {
            Some(genesis) => {
                params::match_existing(options.params.as_ref(), &genesis, dir.path())?;
                (genesis, Roster::load(&dir)?, true)
            }
            None => {
                let roster = Roster::generate(options.validators, options.providers);
                roster.save(&dir)?;
                let genesis = roster.genesis(params)?;
                dir.adopt(&genesis)?;
                (genesis, roster, false)
            }
        };
        say("starting validators");
        let host = start_nodes(&dir, &genesis, &roster).await?;
        let nodes = host.nodes().to_vec();
        let cache = EngineConfig { cache_dir: Some(dir.join("compiled")), ..EngineConfig::default() };
        let engine = Engine::new(cache)
            .map_err(|e| Failure::new(Code::Io, "this machine cannot run the jobs' runtime").because(&e))?;
        let mut network = Self {
            dir,
            genesis,
            roster,
            host: Some(host),
            nodes,
            edges: Vec::new(),
            adjudicators: Vec::new(),
            providers: Vec::new(),
            engine: Arc::new(engine),
            resumed,
        };
        // Agents wait for the chain: where it ends meanwhile, that is what there is to say.
        let mut ended = network.ended();
        let ends = async {
            match &mut ended {
                Some(ended) => ended_by_itself(ended).await,
                None => std::future::pending().await,
            }
        };
        let started = tokio::select! {
            started = network.start_agents(&options, say) => started,
            failure = ends => Err(failure),
        };
        // What did start must stop in order, or the next start finds a torn directory.
        match started {
            Ok(()) => Ok(network),
            Err(failure) => {
                network.stop().await;
                Err(failure)
            }
        }
    }

    async fn start_agents(&mut self, options: &Options, say: impl Fn(&str)) -> Outcome<()> {
        for (index, node) in self.nodes.iter().enumerate() {
            let port = if index == 0 { options.rpc_port } else { 0 };
            let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let dir = self.dir.join(format!("validators/{}", index + 1));
            let edge = Edge::start(node.clone(), &dir, IndexOptions::default(), listen).await?;
            self.edges.push(edge);
        }
        for (index, seat) in self.roster.validators()?.into_iter().enumerate() {
            let config = AdjudicatorConfig::new(self.dir.join(format!("validators/{}/adjudicator", index + 1)));
            let (chain, host, engine) = (self.chain_of(index)?, Arc::new(TokioHost), self.engine.clone());
            self.adjudicators.push(adjudicator::start(config, chain, host, seat.wallet, engine).await?);
        }
        let wallets = self.roster.providers()?;
        say(&format!("registering {} providers", wallets.len()));
        let starts = wallets.into_iter().enumerate().map(|(index, wallet)| {
            let mut config =
                ProviderConfig::new(self.dir.join(format!("providers/{}", index + 1)), ask(index), COLLATERAL);
            config.cores = cores_each();
            config.capacity_gigafuel = options.capacity_gigafuel;
            config.misbehaviour = options.liar.filter(|(liar, _)| *liar == index).map(|(_, how)| how);
            let chain = self.chain_of(index);
            let engine = self.engine.clone();
            async move { Ok::<_, Failure>(provider::start(config, chain?, Arc::new(TokioHost), wallet, engine).await?) }
        });
        self.providers = futures::future::try_join_all(starts).await?;
        Ok(())
    }

    /// The chain as seen through the JSON-RPC of validator number `index`, round robin.
    pub(crate) fn chain_of(&self, index: usize) -> Outcome<Arc<dyn Chain>> {
        Ok(Arc::new(RpcChain::new(RpcConfig::new(self.rpc_url_of(index)))?))
    }

    /// The public JSON-RPC address.
    pub(crate) fn rpc_url(&self) -> String {
        self.rpc_url_of(0)
    }

    /// The JSON-RPC address of validator number `index`, round robin.
    pub(crate) fn rpc_url_of(&self, index: usize) -> String {
        let edge = &self.edges[index % self.edges.len()];
        format!("http://{}", edge.address())
    }

    /// The validators' nodes.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Its genesis.
    pub(crate) fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Its keys.
    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Its directory.
    pub(crate) fn dir(&self) -> &StateDir {
        &self.dir
    }

    /// Whether it goes on from an earlier run.
    pub(crate) fn resumed(&self) -> bool {
        self.resumed
    }

    /// Accounts of the providers, in order.
    pub(crate) fn providers(&self) -> Vec<Address> {
        self.providers.iter().map(RunningProvider::address).collect()
    }

    /// Says why once the validators have ended.
    pub(crate) fn ended(&self) -> Option<watch::Receiver<Option<Ended>>> {
        self.host.as_ref().map(Host::ended)
    }

    /// Stops everything in order: agents, then validators, then what serves their past.
    pub(crate) async fn stop(mut self) {
        let providers = self.providers.drain(..).map(RunningProvider::shutdown);
        let adjudicators = self.adjudicators.drain(..).map(RunningAdjudicator::shutdown);
        let ended = futures::future::join_all(providers).await.into_iter();
        for result in ended.chain(futures::future::join_all(adjudicators).await) {
            if let Err(error) = result {
                tracing::warn!(%error, "an agent did not end cleanly");
            }
        }
        if let Some(host) = self.host.take() {
            let stopped = tokio::task::spawn_blocking(move || host.stop()).await;
            if stopped.is_err() {
                tracing::warn!("the validators did not end cleanly");
            }
        }
        for edge in self.edges.drain(..) {
            edge.stop().await;
        }
    }
}

/// Each provider computes on its share of the machine.
fn cores_each() -> usize {
    (std::thread::available_parallelism().map_or(1, usize::from) / 3).max(1)
}

async fn start_nodes(dir: &StateDir, genesis: &Genesis, roster: &Roster) -> Outcome<Host> {
    let seats = roster.validators()?;
    let mut hosted = Vec::new();
    for (index, (seat, listed)) in seats.into_iter().zip(&genesis.validators).enumerate() {
        let listen: SocketAddr = listed.address.parse().map_err(|_| {
            Failure::new(Code::ForeignDirectory, format!("{} is no address of a validator", listed.address))
        })?;
        let config = NodeConfig {
            genesis: genesis.clone(),
            keys: seat.keys,
            partition: format!("validator-{}", index + 1),
            mempool: Limits::default(),
            retention: Default::default(),
            guard: None,
        };
        hosted.push(HostedNode { config, listen });
    }
    let path = dir.join("validators");
    let started = tokio::task::spawn_blocking(move || Host::start(path, hosted, 2)).await;
    match started {
        Ok(Ok(host)) => Ok(host),
        Ok(Err(error)) => Err(start_failure(&error)),
        Err(error) => Err(Failure::new(Code::Internal, "the validators could not start").because(&error)),
    }
}

/// Waits until validators end without having been asked to, and says what that means to their user.
pub(crate) async fn ended_by_itself(ended: &mut watch::Receiver<Option<Ended>>) -> Failure {
    // A sender that is gone without a word is a fault too.
    let why = ended.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
    match why {
        Some(Ended::DiskFull { path, free_bytes }) => disk_full(&path, free_bytes),
        Some(Ended::UpgradeNeeded(needed)) => {
            let UpgradeNeeded { height, version, name } = needed;
            Failure::new(
                Code::UpgradeNeeded,
                format!("the network runs protocol version {version} from block {height} on"),
            )
            .why(format!("upgrade \"{name}\" was voted for, and this program knows versions up to {PROTOCOL_VERSION}"))
            .next("install the release that brings it and start again with the same directory: nothing is lost")
        }
        Some(Ended::Corrupt { path, what }) => corrupt(&path, &what),
        why => Failure::new(Code::Internal, "the validators stopped by themselves")
            .why(why.map_or_else(|| "a fault of this program".to_owned(), |why| why.to_string()))
            .next("start them again with --log info; nothing final is lost"),
    }
}

fn disk_full(path: &Path, free_bytes: u64) -> Failure {
    let (left, needed) = (free_bytes >> 20, DISK_RESERVE_BYTES >> 20);
    Failure::new(Code::DiskFull, format!("the disk under {} is full", path.display()))
        .why(format!("{left} MiB are left and {needed} MiB needed, so the validators do not run"))
        .next("free some space and start again: nothing already final is lost")
}

/// A database that cannot be read is never guessed at: what peers have is whole.
fn corrupt(path: &Path, what: &str) -> Failure {
    Failure::new(Code::Corrupt, format!("the state in {} is damaged", path.display()))
        .why(what)
        .why("a disk that fails, a copy that was cut short, or another program wrote there")
        .next("`assay node reset --config FILE --keep-keys` deletes it, keys stay, and the node reads all blocks from its peers")
}

/// What a node's refusal to start means to its user.
pub(crate) fn start_failure(error: &StartError) -> Failure {
    match error {
        StartError::PortInUse { address, .. } => {
            Failure::new(Code::PortInUse, format!("port {} is taken", address.port()))
                .because(error)
                .next("stop the program that listens there; `assay up --fresh` starts over on other ports")
        }
        StartError::ForeignState { .. } | StartError::StateVersion { .. } => {
            Failure::new(Code::ForeignDirectory, "the state directory cannot be used").because(error)
        }
        StartError::DiskFull { path, free_bytes } => disk_full(path, *free_bytes),
        StartError::Corrupt { path, what } => corrupt(path, what),
        StartError::Directory { path, source } => {
            Failure::io(format!("the validators cannot use {}", path.display()), source)
        }
        StartError::Join(_) => Failure::new(Code::Unreachable, "the state could not be brought from the upstreams")
            .because(error)
            .next("name another node in `upstream`; several may be given")
            .next("if all of them are right, check that the genesis file is this network's"),
        StartError::Retention { .. } => {
            Failure::new(Code::BadConfig, "the node would keep too little").because(error).next("raise `keep_blocks`")
        }
        StartError::Committee(_) | StartError::Genesis(_) => {
            Failure::new(Code::BadInput, "the genesis cannot be used").because(error)
        }
    }
}
