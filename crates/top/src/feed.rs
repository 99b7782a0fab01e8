//! Reads a node again and again, and goes on when it is gone.
//!
//! Waits longer after each failure, up to ten seconds, and asks at once when another class is chosen.

use std::time::Duration;

use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

use crate::{
    figures::clean,
    model::{Trouble, Update},
    node::Node,
};

/// First wait after a failure; doubled with each.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// Longest wait after a failure.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Tells what the node says every `poll` until nobody listens. `chosen` is the class to read.
pub async fn follow(
    mut node: Node,
    poll: Duration,
    mut chosen: watch::Receiver<Option<u32>>,
    updates: mpsc::Sender<Update>,
) {
    let mut wait = FIRST_WAIT;
    loop {
        let class = *chosen.borrow_and_update();
        let (update, pause) = match node.snapshot(class).await {
            Ok(snapshot) => {
                wait = FIRST_WAIT;
                (Update::Fresh(Box::new(snapshot)), poll)
            }
            Err(error) => {
                let pause = wait;
                wait = wait.saturating_mul(2).min(LONGEST_WAIT);
                (Update::Trouble(Trouble { error: clean(&error.to_string()), retry_in: pause }), pause)
            }
        };
        if updates.send(update).await.is_err() {
            return;
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = updates.closed() => return,
            changed = chosen.changed() => if changed.is_err() { return },
        }
    }
}
