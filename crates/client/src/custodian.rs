//! The renter's side of a running job: hands out the key, hands over the blobs, brings the results
//! home, and defends the renter where it must be done in time.
//!
//! [`plan`](plan()) is pure and level-triggered: from the job as it stands and what is on disk to
//! actions. [`Custodian`] carries them out. It can be killed and started again at any time; a renter
//! who vanishes for good loses nothing that was paid for but the time to demand a withheld output.

mod drive;
mod plan;

pub use drive::{Custodian, CustodianError, CustodianPolicy, Progress, Recheck, RecheckTask, Until};
pub use plan::{Action, Memory, Policy, plan};
