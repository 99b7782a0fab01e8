//! When a leader proposes: not before the minimum interval, and, when there is nothing to do, not
//! before something comes or the idle interval is over.
//!
//! The wait is here and not in the application: the glue crate handles no finalized block while the
//! application builds one, so a leader that waited there would hear of finality a second late.

use std::sync::Arc;

use commonware_consensus::{Automaton, CertifiableAutomaton, Handoff, types::Round};
use commonware_cryptography::sha256::Digest;
use commonware_runtime::{Clock, Spawner};
use commonware_utils::channel::oneshot;
use futures::{FutureExt as _, pin_mut, select_biased};

use super::{
    app::{now_ms, sleep_until},
    core::{Core, MAX_STEP_MS, Version},
};
use crate::block::RoundContext;

/// An automaton that is asked for a block only when one is due.
pub(crate) struct Paced<A, E> {
    inner: A,
    core: Arc<Core>,
    runtime: Arc<E>,
}

impl<A, E> Paced<A, E> {
    pub(crate) fn new(inner: A, core: Arc<Core>, runtime: E) -> Self {
        Self { inner, core, runtime: Arc::new(runtime) }
    }
}

impl<A: Clone, E> Clone for Paced<A, E> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), core: Arc::clone(&self.core), runtime: Arc::clone(&self.runtime) }
    }
}

impl<A, E> Automaton for Paced<A, E>
where
    A: CertifiableAutomaton<Context = RoundContext, Digest = Digest> + Sync,
    E: Spawner + Clock,
{
    type Context = RoundContext;
    type Digest = Digest;

    async fn propose(&mut self, context: RoundContext) -> oneshot::Receiver<Digest> {
        let (mut answer, receiver) = oneshot::channel();
        let (mut inner, core) = (self.inner.clone(), Arc::clone(&self.core));
        let task = self.runtime.child("turn").with_attribute("round", context.round);
        task.spawn(move |runtime| async move {
            let proposal = async {
                // Unknown after a restart only; the application then knows what to do.
                if let Some(parent) = core.version(&context.parent.1) {
                    wait_for_turn(&core, &runtime, &parent).await;
                }
                inner.propose(context).await.await
            }
            .fuse();
            pin_mut!(proposal);
            let proposed = {
                let abandoned = answer.closed().fuse();
                pin_mut!(abandoned);
                select_biased! {
                    () = abandoned => return,
                    proposed = proposal => proposed,
                }
            };
            if let Ok(digest) = proposed {
                // Consensus may have left the view meanwhile.
                answer.send(digest).ok();
            }
        });
        receiver
    }

    async fn verify(&mut self, context: RoundContext, payload: Digest) -> oneshot::Receiver<bool> {
        self.inner.verify(context, payload).await
    }
}

impl<A, E> CertifiableAutomaton for Paced<A, E>
where
    A: CertifiableAutomaton<Context = RoundContext, Digest = Digest> + Sync,
    E: Spawner + Clock,
{
    async fn prepare(&mut self, context: RoundContext) -> oneshot::Receiver<Handoff<Digest>> {
        self.inner.prepare(context).await
    }

    async fn certify(&mut self, round: Round, payload: Digest) -> oneshot::Receiver<bool> {
        self.inner.certify(round, payload).await
    }
}

/// Waits until a block on `parent` is due.
async fn wait_for_turn(core: &Core, runtime: &impl Clock, parent: &Version) {
    let params = core.params(parent);
    sleep_until(runtime, parent.timestamp_ms.saturating_add(params.min_block_interval_ms)).await;
    let idle_until = parent.timestamp_ms.saturating_add(params.idle_block_interval_ms);
    let mut arrivals = core.mempool.arrivals();
    loop {
        arrivals.borrow_and_update();
        // A clock that lags behind real time, as after a halt, is brought up at full pace.
        let lags = now_ms(runtime) > parent.timestamp_ms.saturating_add(MAX_STEP_MS);
        // The last block of an epoch is proposed again until it is final, and nothing is built on it before.
        if lags || core.ends_epoch(parent.height) || now_ms(runtime) >= idle_until || core.has_work(parent) {
            return;
        }
        let timer = sleep_until(runtime, idle_until).fuse();
        let arrival = arrivals.changed().fuse();
        pin_mut!(timer, arrival);
        select_biased! {
            _ = arrival => {}
            () = timer => return,
        }
    }
}
