//! When a process that runs for long is to end: Ctrl-C, a polite kill, or the end of the process that
//! started it.

use std::io::Read as _;

use tokio::sync::watch;

use crate::commands::up::interrupted;

/// Waits for requests to end.
pub(crate) struct Stop {
    // True once standard input has ended; none where nobody watches it.
    parent: Option<watch::Receiver<bool>>,
}

impl Stop {
    /// Also ends when standard input does, if `with_parent`: who started this process holds the other end,
    /// and lets go of it to stop this one in order, or by dying.
    pub(crate) fn new(with_parent: bool) -> Self {
        let parent = with_parent.then(|| {
            let (gone, parent) = watch::channel(false);
            // A thread of its own: a read that waits must not hold the runtime's end up.
            std::thread::spawn(move || {
                let mut bytes = [0; 64];
                while matches!(std::io::stdin().read(&mut bytes), Ok(1..)) {}
                gone.send_replace(true);
            });
            parent
        });
        Self { parent }
    }

    /// The next request to end.
    pub(crate) async fn asked(&mut self) {
        let parent = async {
            match self.parent.as_mut() {
                // An error means that the thread has ended, which it does after the word.
                Some(parent) => parent.wait_for(|gone| *gone).await.map(drop).unwrap_or_default(),
                None => std::future::pending().await,
            }
        };
        let parent_gone = tokio::select! {
            () = interrupted() => false,
            () = parent => true,
        };
        if parent_gone {
            // Told once: a second request is a signal.
            self.parent = None;
        }
    }
}
