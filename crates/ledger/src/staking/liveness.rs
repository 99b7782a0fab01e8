//! Downtime: a seat that gave no sign of life in a whole window of block time.
//!
//! A sign is a led block, a verdict, or a heartbeat: a certificate may leave out an honest slow seat, so votes are not
//! counted. No window is judged in which the chain itself stood still, for more than a minute at once or with fewer
//! than four blocks a seat: then a seat may have had no turn. Nor is a seat that did not sit all of it.

use alloy_primitives::Address;

use super::{Validator, slashing};
use crate::{
    codec::record,
    keys::{self, ALIVE, STAKING},
    reject::{Done, Failure},
    step::Step,
};

/// A longer time between two blocks is a halt, milliseconds.
const HALT_MS: u64 = 60_000;
/// Blocks a seat that a window must have.
const TURNS: usize = 4;

record! {
    /// The window under way.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Window {
        began_ms: u64,
        /// Its first height, which names it.
        first: u64,
        halted: bool,
    }
}

fn window_key() -> Vec<u8> {
    vec![STAKING, 2]
}

/// Begins a window with the next block.
pub(crate) fn begin(step: &mut Step<'_>) {
    let window = Window { began_ms: step.env.ctx.timestamp_ms, first: step.env.after(1), halted: false };
    step.write(window_key(), &window);
}

/// A seat gave a sign of life.
pub(crate) fn seen(step: &mut Step<'_>, account: &Address) -> Done {
    if !step.env.is_validator(account) {
        return Ok(());
    }
    let window: Window = step.must(&window_key())?;
    let key = keys::of_address(ALIVE, account);
    if step.read(&key)? != Some(window.first) {
        step.write(key, &window.first);
    }
    Ok(())
}

/// A seat says that it is there.
pub(crate) fn heartbeat(step: &mut Step<'_>, account: Address) -> Done {
    if !step.env.is_validator(&account) {
        return Err(Failure::NotSeated.into());
    }
    seen(step, &account)
}

/// Counts the leader as there, and judges a window that is over.
pub(crate) fn end_block(step: &mut Step<'_>) -> Done {
    let leader = step.env.ctx.proposer;
    seen(step, &leader)?;
    let mut window: Window = step.must(&window_key())?;
    let now = step.env.ctx.timestamp_ms;
    let halted = now.saturating_sub(step.env.tip.timestamp_ms) > HALT_MS;
    if halted && !window.halted {
        window.halted = true;
        step.write(window_key(), &window);
    }
    if now.saturating_sub(window.began_ms) >= step.env.params.downtime_window_ms {
        judge(step, &window)?;
        begin(step);
    }
    Ok(())
}

fn judge(step: &mut Step<'_>, window: &Window) -> Done {
    let blocks = step.env.after(1).saturating_sub(window.first);
    let turns = u64::try_from(step.env.seats.len().saturating_mul(TURNS)).unwrap_or(u64::MAX);
    if window.halted || blocks < turns {
        return Ok(());
    }
    for account in step.env.seats.clone() {
        let validator = Validator::must(&step.state, &account)?;
        let whole = validator.seated_since.is_some_and(|since| since <= window.first);
        let silent = step.read::<u64>(&keys::of_address(ALIVE, &account))? != Some(window.first);
        if whole && silent && !validator.is_jailed() && !validator.tombstoned {
            slashing::down(step, &account, window.first)?;
        }
    }
    Ok(())
}
