//! A validator's record, its keys, and its place among the others.

use std::net::{IpAddr, SocketAddr};

use alloy_primitives::{Address, B256, Bytes, U256};
use assay_types::Grains;

use super::{bonded_key, delegations, tokens_of};
use crate::{
    codec::record,
    keys::{self, KEY_OWNER, RANKED, VALIDATOR},
    reject::{BrokenInvariant, Done, Failure, sane},
    state::StateRead,
    step::{Step, keys_under, read},
};

/// Bytes of a vote key, and of the proof that its secret is held.
const VOTE_KEY: usize = 48;
const POSSESSION: usize = 96;
/// Most characters of a peer-to-peer address.
const PEER: usize = 64;

/// May sit in the next committee.
const ELIGIBLE: u8 = 0;
/// Jailed, or its own stake is too low.
const WAITING: u8 = 1;
/// Never sits again; no place in the index.
const OUT: u8 = 2;

record! {
    /// A validator.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Validator {
        /// With which it sits from the next committee on.
        pub(crate) network_key: B256,
        pub(crate) vote_key: Bytes,
        pub(crate) address: String,
        pub(crate) commission_bps: u32,
        pub(crate) commission_changed_ms: u64,
        /// Shares of its bonded tokens that there are.
        pub(crate) shares: u128,
        /// Rewards a share since genesis, times 2^96.
        pub(crate) reward_per_share: U256,
        /// 0: it is not jailed.
        pub(crate) jailed_until_ms: u64,
        pub(crate) tombstoned: bool,
        /// First height of the epochs in a row in which it sits.
        pub(crate) seated_since: Option<u64>,
        /// Slashes that stake on its way answers for as well.
        pub(crate) slashes: u32,
        /// Standing and tokens under which the index has it.
        pub(crate) ranked_as: u8,
        pub(crate) ranked_at: Grains,
    }
}

fn key(account: &Address) -> Vec<u8> {
    keys::of_address(VALIDATOR, account)
}

fn rank_key(standing: u8, tokens: Grains, account: &Address) -> Vec<u8> {
    keys::key(RANKED, &[&[standing], &(!tokens).to_be_bytes(), account.as_slice()])
}

impl Validator {
    pub(crate) fn new(network_key: B256, vote_key: Bytes, address: String) -> Self {
        Self {
            network_key,
            vote_key,
            address,
            commission_bps: 0,
            commission_changed_ms: 0,
            shares: 0,
            reward_per_share: U256::ZERO,
            jailed_until_ms: 0,
            tombstoned: false,
            seated_since: None,
            slashes: 0,
            ranked_as: OUT,
            ranked_at: 0,
        }
    }

    pub(crate) fn load(view: &dyn StateRead, account: &Address) -> Result<Option<Self>, BrokenInvariant> {
        read(view, &key(account))
    }

    /// A validator that records name.
    pub(crate) fn must(view: &dyn StateRead, account: &Address) -> Result<Self, BrokenInvariant> {
        Self::load(view, account)?.ok_or(BrokenInvariant::Missing(VALIDATOR))
    }

    /// A validator that a call names.
    pub(crate) fn named(view: &dyn StateRead, account: &Address) -> Done<Self> {
        Ok(Self::load(view, account)?.ok_or(Failure::UnknownValidator)?)
    }

    pub(crate) fn is_jailed(&self) -> bool {
        self.jailed_until_ms != 0
    }

    /// Stores the record, its place in the index and the sum of all that is bonded. Tokens and its own delegation are
    /// stored before.
    pub(crate) fn store(mut self, step: &mut Step<'_>, account: &Address) -> Done {
        let tokens = tokens_of(&step.state, account)?;
        let standing = match self.tombstoned {
            true => OUT,
            false if self.is_jailed() || !has_own_stake(step, account, &self, tokens)? => WAITING,
            false => ELIGIBLE,
        };
        if (standing, tokens) != (self.ranked_as, self.ranked_at) {
            let total: Grains = step.read(&bonded_key())?.unwrap_or_default();
            let total = sane(total.checked_sub(self.ranked_at).and_then(|rest| rest.checked_add(tokens)))?;
            step.write(bonded_key(), &total);
            if self.ranked_as != OUT {
                step.state.delete(rank_key(self.ranked_as, self.ranked_at, account));
            }
            if standing != OUT {
                step.mark(rank_key(standing, tokens, account));
            }
            (self.ranked_as, self.ranked_at) = (standing, tokens);
        }
        step.write(key(account), &self);
        Ok(())
    }
}

fn has_own_stake(step: &Step<'_>, account: &Address, validator: &Validator, tokens: Grains) -> Done<bool> {
    let own = delegations::own_stake(&step.state, account, validator, tokens)?;
    Ok(own >= step.env.params.min_self_stake)
}

/// Validators that may sit, the most staked first, ties by account; `most` of them at most.
pub(crate) fn eligible(step: &Step<'_>, most: usize) -> Result<Vec<Address>, BrokenInvariant> {
    let mut chosen = Vec::new();
    // The least own stake may have risen since the index was written, so that some of these no longer qualify: as many
    // more as there may be candidates are looked at.
    let looked_at = most.saturating_add(usize::try_from(step.env.params.max_candidates).unwrap_or(usize::MAX));
    for account in ranked(&step.state, ELIGIBLE).take(looked_at) {
        let validator = Validator::must(&step.state, &account)?;
        let own = delegations::own_stake(&step.state, &account, &validator, tokens_of(&step.state, &account)?)?;
        if own >= step.env.params.min_self_stake {
            chosen.push(account);
        }
        if chosen.len() >= most {
            break;
        }
    }
    Ok(chosen)
}

fn ranked(view: &dyn StateRead, standing: u8) -> impl Iterator<Item = Address> + '_ {
    keys_under(view, &[RANKED, standing]).filter_map(|key| keys::address_at_end(&key))
}

/// Validators that are not tombstoned, the most staked first; `most` at most.
pub(crate) fn standing(view: &dyn StateRead, most: usize) -> Result<Vec<Address>, BrokenInvariant> {
    let candidates = ranked(view, ELIGIBLE).take(most).chain(ranked(view, WAITING).take(most));
    let mut staked = Vec::new();
    for account in candidates {
        staked.push((tokens_of(view, &account)?, account));
    }
    staked.sort_by(|(one, at), (other, to)| other.cmp(one).then(at.cmp(to)));
    staked.truncate(most);
    Ok(staked.into_iter().map(|(_, account)| account).collect())
}

/// Checks keys that a validator wants to sit with: their lengths, that nobody else has or had them, and that the vote
/// key's secret is held.
pub(crate) fn check_keys(
    step: &Step<'_>,
    account: &Address,
    network_key: &B256,
    vote_key: &Bytes,
    proof: &Bytes,
) -> Done {
    if network_key.is_zero() || vote_key.len() != VOTE_KEY || proof.len() != POSSESSION {
        return Err(Failure::KeyLength.into());
    }
    for key in [owner_key(0, network_key.as_slice()), owner_key(1, vote_key)] {
        if step.read::<Address>(&key)?.is_some_and(|owner| owner != *account) {
            return Err(Failure::KeyTaken.into());
        }
    }
    if !step.env.ctx.crypto.possesses(vote_key, proof) {
        return Err(Failure::NoPossession.into());
    }
    Ok(())
}

fn owner_key(kind: u8, bytes: &[u8]) -> Vec<u8> {
    keys::key(KEY_OWNER, &[&[kind], bytes])
}

/// Keys belong to an account for good: nobody else sits with them, and what they sign stays its.
pub(crate) fn own_keys(step: &mut Step<'_>, account: &Address, network_key: &B256, vote_key: &Bytes) -> Done {
    step.write(owner_key(0, network_key.as_slice()), account);
    step.write(owner_key(1, vote_key), account);
    Ok(())
}

/// Checks a peer-to-peer address: `ip:port` as it is usually written, of a machine that others can dial.
pub(crate) fn check_address(text: &str) -> Done {
    let good = |parsed: SocketAddr| {
        let reachable = match parsed.ip() {
            IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
            IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast(),
        };
        reachable && parsed.port() != 0 && parsed.to_string() == text
    };
    match text.len() <= PEER && text.parse().is_ok_and(good) {
        true => Ok(()),
        false => Err(Failure::PeerAddress.into()),
    }
}
