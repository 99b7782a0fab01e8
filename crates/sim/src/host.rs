//! The machine agents run on in the simulation: simulated time, seeded randomness, no threads.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use alloy_primitives::keccak256;
use assay_client::Host;
use async_trait::async_trait;
use commonware_runtime::{Clock as _, deterministic};

/// A machine of one agent.
pub struct SimHost {
    context: deterministic::Context,
    seed: [u8; 32],
    drawn: AtomicU64,
}

impl SimHost {
    /// A machine whose randomness follows from the run's seed and its name.
    pub fn new(context: deterministic::Context, seed: u64, name: &str) -> Self {
        let seed = keccak256([seed.to_be_bytes().as_slice(), name.as_bytes()].concat()).0;
        Self { context, seed, drawn: AtomicU64::new(0) }
    }
}

#[async_trait]
impl Host for SimHost {
    async fn sleep(&self, duration: Duration) {
        self.context.sleep(duration).await;
    }

    async fn blocking(&self, work: Box<dyn FnOnce() + Send + 'static>) {
        // Work takes no simulated time but yields, so that others get their turn between tasks.
        self.context.sleep(Duration::from_millis(1)).await;
        work();
    }

    fn random(&self) -> [u8; 32] {
        let draw = self.drawn.fetch_add(1, Ordering::Relaxed);
        keccak256([self.seed.as_slice(), &draw.to_be_bytes()].concat()).0
    }
}
