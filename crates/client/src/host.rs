//! What agents need of the machine they run on: time to pass, threads for slow work, randomness.
//!
//! Agents spawn nothing and read no clock, so the same code runs on tokio and inside a deterministic
//! simulation, which brings its own [`Host`].

use std::{future::Future, time::Duration};

use async_trait::async_trait;
use futures::{
    FutureExt,
    future::{Either, select},
    pin_mut,
};

/// The machine an agent runs on.
#[async_trait]
pub trait Host: Send + Sync {
    /// Returns after `duration`.
    async fn sleep(&self, duration: Duration);
    /// Runs `work` where it may block, and returns when it is done. If `work` panics, so does this.
    async fn blocking(&self, work: Box<dyn FnOnce() + Send + 'static>);
    /// 32 bytes nobody can guess.
    fn random(&self) -> [u8; 32];
}

/// A machine with a tokio runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioHost;

#[async_trait]
impl Host for TokioHost {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn blocking(&self, work: Box<dyn FnOnce() + Send + 'static>) {
        if let Err(error) = tokio::task::spawn_blocking(work).await
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }

    fn random(&self) -> [u8; 32] {
        rand::random()
    }
}

/// Runs `work` where it may block and returns its result; `None` if the machine stopped first.
pub async fn blocking<T: Send + 'static>(host: &dyn Host, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = futures::channel::oneshot::channel();
    host.blocking(Box::new(move || {
        // Nobody waits any more when the agent was stopped meanwhile.
        drop(sender.send(work()));
    }))
    .await;
    receiver.now_or_never().and_then(Result::ok)
}

/// The result of `work`, or `None` if it takes longer than `limit`.
pub async fn within<T>(host: &dyn Host, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let timer = host.sleep(limit);
    pin_mut!(work, timer);
    match select(work, timer).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(_) => None,
    }
}
