//! Protocol versions: which one is in force, and from which height on another is.
//!
//! A program that knows lower versions only must not execute a block under a higher one: it would compute another
//! state than those that do. [`check`] says so before anything of the block is executed.

use alloy_primitives::Bytes;
use assay_types::{
    abi::IGovernance,
    system,
    view::{ProtocolView, UpgradeView},
};

use super::action::text;
use crate::{
    codec::record,
    keys::PROTOCOL,
    reject::{BrokenInvariant, Done, Failure},
    state::StateRead,
    step::{Step, read},
};

/// The highest protocol version this program executes.
pub const PROTOCOL_VERSION: u32 = 1;

const MAX_NAME_BYTES: usize = 32;

/// Name of an upgrade, at most 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpgradeName([u8; MAX_NAME_BYTES]);

impl UpgradeName {
    fn of(name: &Bytes) -> Self {
        let mut bytes = [0; MAX_NAME_BYTES];
        bytes.iter_mut().zip(name.iter()).for_each(|(place, byte)| *place = *byte);
        Self(bytes)
    }
}

impl std::fmt::Display for UpgradeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(String::from_utf8_lossy(&self.0).trim_end_matches('\0'))
    }
}

record! {
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Upgrade {
        name: Bytes,
        /// First height under it.
        height: u64,
        version: u32,
    }
}

record! {
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Protocol {
        version: u32,
        /// Of the upgrade that brought it.
        name: Bytes,
        next: Option<Upgrade>,
    }
}

impl Protocol {
    fn load(view: &dyn StateRead) -> Result<Self, BrokenInvariant> {
        Ok(read(view, &[PROTOCOL])?.unwrap_or(Self { version: 1, name: Bytes::new(), next: None }))
    }

    /// As it is at `height`.
    fn at(self, height: u64) -> Self {
        match self.next {
            Some(next) if height >= next.height => Self { version: next.version, name: next.name, next: None },
            _ => self,
        }
    }
}

/// Refuses to execute block `height` with a program that knows no version above `known`.
pub(crate) fn check(view: &dyn StateRead, height: u64, known: u32) -> Result<(), BrokenInvariant> {
    let protocol = Protocol::load(view)?.at(height);
    if protocol.version <= known {
        return Ok(());
    }
    Err(BrokenInvariant::UpgradeNeeded { height, version: protocol.version, name: UpgradeName::of(&protocol.name) })
}

pub(crate) fn may_schedule(step: &Step<'_>, name: &Bytes, height: u64, version: u32) -> Done {
    let protocol = Protocol::load(&step.state)?;
    if height == 0 {
        return if protocol.next.is_some() { Ok(()) } else { Err(Failure::UpgradeNone.into()) };
    }
    let good = std::str::from_utf8(name).is_ok_and(|name| !name.chars().any(char::is_control));
    if !good || name.is_empty() || name.len() > MAX_NAME_BYTES || version <= protocol.version {
        return Err(Failure::UpgradeInvalid.into());
    }
    if height <= step.env.height() { Err(Failure::UpgradePast.into()) } else { Ok(()) }
}

/// Schedules an upgrade in place of the one that was, or cancels that.
pub(crate) fn schedule(step: &mut Step<'_>, id: u64, name: &Bytes, height: u64, version: u32) -> Done {
    let mut protocol = Protocol::load(&step.state)?;
    protocol.next = (height > 0).then(|| Upgrade { name: name.clone(), height, version });
    step.write(vec![PROTOCOL], &protocol);
    match height {
        0 => step.emit(system::GOVERNANCE, &IGovernance::UpgradeCancelled { id }),
        _ => {
            let event = IGovernance::UpgradeScheduled { id, name: text(name), height, protocolVersion: version };
            step.emit(system::GOVERNANCE, &event);
        }
    }
    Ok(())
}

/// Notes the version of this block, if it is the first under it.
pub(crate) fn run(step: &mut Step<'_>) -> Done {
    let protocol = Protocol::load(&step.state)?;
    let now = protocol.clone().at(step.env.height());
    if now != protocol {
        step.write(vec![PROTOCOL], &now);
        let event = IGovernance::Upgraded { name: text(&now.name), protocolVersion: now.version };
        step.emit(system::GOVERNANCE, &event);
    }
    Ok(())
}

/// The version in force, and the next.
pub(crate) fn view(view: &dyn StateRead) -> Result<ProtocolView, BrokenInvariant> {
    let protocol = Protocol::load(view)?;
    let upgrade = protocol.next.map(|next| UpgradeView {
        name: text(&next.name),
        height: next.height,
        protocol_version: next.version,
    });
    Ok(ProtocolView { version: protocol.version, upgrade })
}
