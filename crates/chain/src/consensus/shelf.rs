//! Certificates and proofs for a node's handle.
//!
//! A task of the node owns the database; the handle only asks. So a handle that outlives its node (the
//! RPC of a node that crashed) gets no answer, and keeps no file open.

use std::sync::Arc;

use assay_types::{
    B256, Bytes,
    node::{Certificate, Handover, StateProof},
};
use commonware_codec::Encode as _;
use commonware_consensus::{
    marshal::{self, Identifier, standard::Standard},
    types::Height,
};
use commonware_cryptography::{Digestible as _, Hasher as _, Sha256};
use commonware_runtime::{Clock, Metrics, Spawner, Storage};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::{mpsc, oneshot};

use super::{
    app::Databases,
    core::{Core, decode_entry},
    handovers::Handovers,
    serve,
};
use crate::{
    block::{Block, Header, to_b256},
    committee::Scheme,
    node::Archive,
    upstream::{BlockRecord, UpstreamError},
};

/// Questions that may wait.
const WAITING: usize = 256;

enum Question {
    Certified(u64, oneshot::Sender<Option<Certificate>>),
    Proof(Vec<u8>, oneshot::Sender<Option<StateProof>>),
    Tip(u64, Reply<Certificate>),
    Blocks(u64, u64, Reply<Vec<BlockRecord>>),
    Block(B256, Reply<BlockRecord>),
    StateOps(Bytes, Reply<Bytes>),
    Handovers(u64, u64, Reply<Vec<Handover>>),
}

type Reply<T> = oneshot::Sender<Result<T, UpstreamError>>;

/// Where a handle asks.
pub(crate) struct Desk {
    questions: mpsc::Sender<Question>,
}

impl Desk {
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(oneshot::Sender<Option<T>>) -> Question + Send + 'static,
    ) -> BoxFuture<'static, Option<T>> {
        let questions = self.questions.clone();
        async move {
            let (reply, answer) = oneshot::channel();
            questions.send(question(reply)).await.ok()?;
            answer.await.ok().flatten()
        }
        .boxed()
    }
}

impl Desk {
    fn serve<T: Send + 'static>(
        &self,
        question: impl FnOnce(Reply<T>) -> Question + Send + 'static,
    ) -> BoxFuture<'static, Result<T, UpstreamError>> {
        let questions = self.questions.clone();
        async move {
            let stopped = || UpstreamError::Unreachable("the node has stopped".into());
            let (reply, answer) = oneshot::channel();
            questions.send(question(reply)).await.map_err(|_| stopped())?;
            answer.await.map_err(|_| stopped())?
        }
        .boxed()
    }
}

impl Archive for Desk {
    fn tip(&self, after: u64) -> BoxFuture<'static, Result<Certificate, UpstreamError>> {
        self.serve(move |reply| Question::Tip(after, reply))
    }

    fn blocks(&self, from: u64, count: u64) -> BoxFuture<'static, Result<Vec<BlockRecord>, UpstreamError>> {
        self.serve(move |reply| Question::Blocks(from, count, reply))
    }

    fn block(&self, hash: B256) -> BoxFuture<'static, Result<BlockRecord, UpstreamError>> {
        self.serve(move |reply| Question::Block(hash, reply))
    }

    fn handovers(&self, epoch: u64, count: u64) -> BoxFuture<'static, Result<Vec<Handover>, UpstreamError>> {
        self.serve(move |reply| Question::Handovers(epoch, count, reply))
    }

    fn state_ops(&self, request: Bytes) -> BoxFuture<'static, Result<Bytes, UpstreamError>> {
        self.serve(move |reply| Question::StateOps(request, reply))
    }

    fn certified(&self, height: u64) -> BoxFuture<'static, Option<Certificate>> {
        self.ask(move |reply| Question::Certified(height, reply))
    }

    fn state_proof(&self, key: Vec<u8>) -> BoxFuture<'static, Option<StateProof>> {
        self.ask(move |reply| Question::Proof(key, reply))
    }
}

/// Opens a desk; it closes with `context`'s task.
pub(crate) fn open<E>(context: &E, shelf: Shelf<E>) -> Desk
where
    E: Clock + Spawner + Storage + Metrics,
{
    let (questions, queue) = mpsc::channel(WAITING);
    context.child("shelf").spawn(move |context| shelf.serve(context, queue));
    Desk { questions }
}

/// Certificates from the archives, proofs from the database.
pub(crate) struct Shelf<E: Clock + Spawner + Storage + Metrics> {
    pub(crate) core: Arc<Core>,
    pub(crate) marshal: marshal::core::Mailbox<Scheme, Standard<Block>>,
    pub(crate) database: Databases<E>,
    pub(crate) handovers: Arc<dyn Handovers>,
}

pub(crate) async fn certified_at(
    marshal: &marshal::core::Mailbox<Scheme, Standard<Block>>,
    height: u64,
) -> Option<(Header, Certificate)> {
    let finalization = marshal.get_finalization(Height::new(height)).await?;
    let block = marshal.get_block(Identifier::Height(Height::new(height))).await?;
    let certified = Certificate {
        height,
        hash: to_b256(&block.digest()),
        header: block.inner().header.encode().to_vec().into(),
        certificate: finalization.encode().to_vec().into(),
    };
    Some((block.inner().header.clone(), certified))
}

impl<E: Clock + Spawner + Storage + Metrics> Shelf<E> {
    fn certified(&self, height: u64) -> BoxFuture<'static, Option<Certificate>> {
        let (marshal, core) = (self.marshal.clone(), Arc::clone(&self.core));
        async move {
            let tip = core.tip().map_or(0, |(tip, _)| tip.height);
            for height in height.max(1)..=tip {
                if let Some((_, certified)) = certified_at(&marshal, height).await {
                    return Some(certified);
                }
            }
            None
        }
        .boxed()
    }

    fn state_proof(&self, key: Vec<u8>) -> BoxFuture<'static, Option<StateProof>> {
        let (marshal, core, database) = (self.marshal.clone(), Arc::clone(&self.core), self.database.clone());
        async move {
            // The database is at the newest applied block; that block's certificate may come a little
            // later, or never if a descendant finalized it: then the next block serves.
            let mut blocks = core.blocks.subscribe();
            for _ in 0..64 {
                let (root, value, proof) = {
                    let guard = database.read().await;
                    let hashed = Sha256::hash(&[&key]);
                    match guard.get(&hashed).await.ok()? {
                        Some(entry) => {
                            let proof = guard.key_value_proof(hashed).await.ok()?;
                            let (_, value) = decode_entry(&entry)?;
                            (guard.root(), Some(value), proof.encode())
                        }
                        None => (guard.root(), None, guard.exclusion_proof(&hashed).await.ok()?.encode()),
                    }
                };
                let tip = core.tip().map_or(0, |(tip, _)| tip.height);
                for height in [tip, tip.saturating_add(1)] {
                    if let Some((header, certified)) = certified_at(&marshal, height).await
                        && header.state_root == root
                    {
                        return Some(StateProof {
                            height,
                            hash: certified.hash,
                            state_root: to_b256(&root),
                            header: certified.header,
                            certificate: certified.certificate,
                            key: key.into(),
                            value: value.map(Into::into),
                            proof: proof.to_vec().into(),
                            handovers: core.handovers(0, header.context.round.epoch().get()),
                        });
                    }
                }
                // Lagging is fine: any newer block is a reason to look again.
                if let Err(tokio::sync::broadcast::error::RecvError::Closed) = blocks.recv().await {
                    return None;
                }
            }
            None
        }
        .boxed()
    }

    async fn serve(self, context: E, mut queue: mpsc::Receiver<Question>) {
        let context = Arc::new(context);
        let mut answers = FuturesUnordered::new();
        loop {
            let mut next = std::pin::pin!(queue.recv().fuse());
            futures::select_biased! {
                () = answers.select_next_some() => {}
                question = next => match question {
                    // Who asked may have gone.
                    Some(Question::Certified(height, reply)) => {
                        answers.push(self.certified(height).map(|answer| drop(reply.send(answer))).boxed());
                    }
                    Some(Question::Proof(key, reply)) => {
                        answers.push(self.state_proof(key).map(|answer| drop(reply.send(answer))).boxed());
                    }
                    Some(Question::Tip(after, reply)) => {
                        let tip = serve::tip(Arc::clone(&context), Arc::clone(&self.core), self.marshal.clone(), after);
                        answers.push(tip.map(|answer| drop(reply.send(answer))).boxed());
                    }
                    Some(Question::Blocks(from, count, reply)) => {
                        let blocks = serve::blocks(Arc::clone(&self.core), self.marshal.clone(), from, count);
                        answers.push(blocks.map(|answer| drop(reply.send(answer))).boxed());
                    }
                    Some(Question::Block(hash, reply)) => {
                        let block = serve::block(Arc::clone(&self.core), self.marshal.clone(), hash);
                        answers.push(block.map(|answer| drop(reply.send(answer))).boxed());
                    }
                    Some(Question::StateOps(request, reply)) => {
                        let operations = serve::state_ops(self.database.clone(), request);
                        answers.push(operations.map(|answer| drop(reply.send(answer))).boxed());
                    }
                    Some(Question::Handovers(epoch, count, reply)) => {
                        let kept = Arc::clone(&self.handovers);
                        let found = async move { kept.get(epoch.max(1), count).await };
                        answers.push(found.map(|answer| drop(reply.send(Ok(answer)))).boxed());
                    }
                    None => return,
                }
            }
        }
    }
}
