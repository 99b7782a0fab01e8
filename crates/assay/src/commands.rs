//! What each subcommand does.

pub(crate) mod account;
pub(crate) mod bench;
pub(crate) mod chain;
pub(crate) mod claims;
pub(crate) mod connect;
pub(crate) mod index;
pub(crate) mod init;
pub(crate) mod job;
pub(crate) mod market;
pub(crate) mod order;
pub(crate) mod price;
pub(crate) mod quickstart;
pub(crate) mod risk;
pub(crate) mod roles;
pub(crate) mod sim;
pub(crate) mod snapshot;
pub(crate) mod top;
pub(crate) mod up;
