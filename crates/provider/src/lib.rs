//! Providers and adjudicators: accounts that run guests for money or for justice.
//!
//! ```text
//!  finalized height --> chain.work(me) --> plan() --> actions --> Agent drives them
//!                                            ^                      |  fetch, run, send
//!                                            +---- Memory <---------+
//!                                                    |
//!                                                 Journal (survives kill -9)
//! ```
//!
//! [`plan`](plan()) decides and is pure; [`Agent`] does, through the `Chain`, `Blobs`, `Execute` and
//! `Host` traits, so that the same agent runs on tokio and in a deterministic simulation.
//! [`provider::start`] and [`adjudicator::start`] put a whole one together.
//!
//! What is deliberately absent: nothing here matches work to providers (the ledger does) or knows
//! consensus.

pub mod adjudicator;
pub mod config;
pub mod cost;
pub mod drive;
pub mod engine;
pub mod http;
pub mod journal;
pub mod misbehaviour;
pub mod plan;
pub mod provider;
pub mod register;
pub mod watch;

pub use adjudicator::{AdjudicatorConfig, RunningAdjudicator};
pub use config::{ConfigError, ProviderConfig};
pub use cost::{Power, PriceSource, Pricing, PricingError, Reckoning};
pub use drive::{Agent, AgentError, AgentParts, AgentStatus};
pub use engine::{Execute, Task, TaskResult};
pub use journal::{Journal, JournalError};
pub use misbehaviour::{DEV_CHAIN_IDS, Misbehaviour};
pub use plan::{Action, Capacity, Memory, Situation, plan};
pub use provider::{ProviderError, RunningProvider};
