//! The sandbox from outside: what guests may do, how they end, what is refused, and the code cache.

#[path = "sandbox/cache.rs"]
mod cache;
#[path = "sandbox/commands.rs"]
mod commands;
#[path = "sandbox/components.rs"]
mod components;
#[path = "support/guests.rs"]
mod guests;
#[path = "sandbox/host.rs"]
mod host;
#[path = "sandbox/host_calls.rs"]
mod host_calls;
#[path = "sandbox/refused.rs"]
mod refused;
