//! The clock of the wall-clock guard: a thread that advances the engine's epoch while guests run, and
//! sleeps when none does.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a running guest is asked whether it should stop.
const PERIOD: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
struct State {
    running: usize,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The counter stays right even if a holder panicked: every change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(crate) fn start(engine: wasmtime::Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let thread = std::thread::Builder::new().name("exec-ticker".into()).spawn(move || tick(&theirs, &engine))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Keeps the epoch advancing until the guard is dropped.
    pub(crate) fn watch(&self) -> Watch {
        self.shared.lock().running += 1;
        self.shared.changed.notify_all();
        Watch(self.shared.clone())
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that guards running guests panicked");
        }
    }
}

/// Held while a guest runs.
pub(crate) struct Watch(Arc<Shared>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
    }
}

fn tick(shared: &Shared, engine: &wasmtime::Engine) {
    let mut state = shared.lock();
    while !state.closed {
        state = if state.running == 0 {
            shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
        } else {
            engine.increment_epoch();
            // Woken early by a new guest, the epoch advances early: guests read the time themselves.
            shared.changed.wait_timeout(state, PERIOD).unwrap_or_else(PoisonError::into_inner).0
        };
    }
}
