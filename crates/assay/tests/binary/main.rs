//! The binary `assay` as its users run it: every test spawns it.

mod claims;
mod devnet;
mod doctor;
mod gateway;
mod genesis;
mod gov;
mod kit;
mod light;
mod market;
mod orders;
mod processes;
mod quickstart;
mod refusals;
mod risk;
mod up;
