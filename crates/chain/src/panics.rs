//! Panics that are awaited: storage that finds damage panics, and parts of a node that is stopped may, when what they
//! ask has left before them. Who awaits one tells what it means; the program need not show its trace.

use std::sync::atomic::{AtomicUsize, Ordering};

static AWAITED: AtomicUsize = AtomicUsize::new(0);

/// Whether somebody in this process takes panics for answers just now.
pub fn awaited() -> bool {
    AWAITED.load(Ordering::Relaxed) > 0
}

/// While it lives, panics are awaited.
pub(crate) struct Awaited(());

impl Awaited {
    pub(crate) fn begin() -> Self {
        AWAITED.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        AWAITED.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a panic said.
pub(crate) fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_else(|| "a panic".into())
}
