//! Where things lie in the state: one table a tag byte, fields big-endian after it, so that a scan
//! of a prefix is in order.
//!
//! Money lies in the tables up to [`BURNED`] and nowhere else.

use alloy_primitives::Address;
use assay_types::JobId;

pub(crate) const META: u8 = 0x00;
pub(crate) const ACCOUNT: u8 = 0x01;
pub(crate) const ESCROW: u8 = 0x02;
pub(crate) const COLLATERAL: u8 = 0x03;
pub(crate) const STAKE: u8 = 0x04;
pub(crate) const BOND: u8 = 0x05;
pub(crate) const MINTED: u8 = 0x06;
pub(crate) const BURNED: u8 = 0x07;

pub(crate) const PROVIDER: u8 = 0x10;
/// Providers with an open ask: class, provider.
pub(crate) const OPEN_ASK: u8 = 0x11;
/// What providers did, with a half-life.
pub(crate) const REPUTATION: u8 = 0x12;
/// Capacity challenges under way.
pub(crate) const CHALLENGE: u8 = 0x13;

pub(crate) const JOB: u8 = 0x20;
pub(crate) const TERMS: u8 = 0x21;
/// Input hashes, one entry a lot.
pub(crate) const INPUTS: u8 = 0x22;
pub(crate) const LOT: u8 = 0x23;
pub(crate) const DISPUTE: u8 = 0x24;
pub(crate) const DELIVERY: u8 = 0x25;
/// Sealed job keys: job, provider, sender.
pub(crate) const SEALED_KEY: u8 = 0x26;
pub(crate) const RESULT: u8 = 0x27;
/// Audits of lots.
pub(crate) const AUDIT: u8 = 0x28;

/// Lots an account has a replica in.
pub(crate) const WORK_REPLICA: u8 = 0x30;
/// Lots an account witnesses.
pub(crate) const WORK_WITNESS: u8 = 0x31;
/// Lots under adjudication.
pub(crate) const WORK_JUDGE: u8 = 0x32;
/// Open jobs of a renter.
pub(crate) const RENTER_OPEN: u8 = 0x33;
/// All jobs of a renter, latest first.
pub(crate) const RENTER_JOBS: u8 = 0x34;
/// All jobs, latest first.
pub(crate) const JOBS_BY_AGE: u8 = 0x35;

/// Runtimes under quarantine, and until when.
pub(crate) const QUARANTINE: u8 = 0x29;

/// Slashes that may still be excused.
pub(crate) const APPEAL: u8 = 0x2a;

/// Lots an account audits.
pub(crate) const WORK_AUDIT: u8 = 0x36;

/// Deadlines of lots.
pub(crate) const DUE_LOT: u8 = 0x40;
/// Ends of jobs.
pub(crate) const DUE_END: u8 = 0x41;
/// Orders with a deadline.
pub(crate) const DUE_ORDER: u8 = 0x42;
/// Metered trades under delivery.
pub(crate) const DUE_ALLOTMENT: u8 = 0x44;
/// Sealed bids to be opened.
pub(crate) const DUE_SEAL: u8 = 0x45;
/// Issuances of claims.
pub(crate) const DUE_CLAIMS: u8 = 0x46;
/// Providers whose health is looked at.
pub(crate) const DUE_HEALTH: u8 = 0x47;
/// Slashes that are excused or done.
pub(crate) const DUE_APPEAL: u8 = 0x49;
/// Providers with more to hand over.
pub(crate) const DUE_HAND_OVER: u8 = 0x48;
/// Capacity challenges of a class still to be made.
pub(crate) const DUE_ROUND: u8 = 0x4a;
/// Deadlines of capacity challenges.
pub(crate) const DUE_CHALLENGE: u8 = 0x4b;
/// Stake on its way that a slash has not reached yet: height, validator, flight.
pub(crate) const DUE_SWEEP: u8 = 0x4c;
/// Proposals with a stage that ends: milliseconds, not a height; proposal.
pub(crate) const DUE_PROPOSAL: u8 = 0x4e;
/// Lots that lack providers: job, lot.
pub(crate) const WANTED: u8 = 0x43;

pub(crate) const ORDER: u8 = 0x50;
/// What rests in the books: class, window, side, rank, order.
pub(crate) const BOOK: u8 = 0x51;
/// Open orders by owner.
pub(crate) const OWNED: u8 = 0x52;
/// Number of them.
pub(crate) const OWNED_COUNT: u8 = 0x53;
/// How a book trades: class, window.
pub(crate) const TRADING: u8 = 0x54;
/// Units sold in the epoch under way: class, price, owner.
pub(crate) const SOLD: u8 = 0x55;
/// The latest clearings: class, window, slot.
pub(crate) const CLEARED: u8 = 0x56;
/// Past epochs, latest first: class, epoch.
pub(crate) const EPOCH: u8 = 0x57;
/// Orders whose place in the book is to be seen to at the end of the block.
pub(crate) const STALE: u8 = 0x58;
/// Jobs' orders that nobody could serve as they are: class, since when, order.
pub(crate) const PARKED: u8 = 0x59;
/// Blocks whose beacons are kept.
pub(crate) const BEACONS_KEPT: u64 = 256;

/// Sealed bids: owner, commitment.
pub(crate) const SEALED: u8 = 0x5a;
/// Metered trades under delivery.
pub(crate) const ALLOTMENT: u8 = 0x5b;

/// Issuances of claims: class, window, issuer.
pub(crate) const ISSUANCE: u8 = 0x60;
/// Who has how many claims: issuance, owner.
pub(crate) const HELD: u8 = 0x61;
/// The same by owner.
pub(crate) const HELD_BY: u8 = 0x62;
/// Who may move whose claims: owner, operator.
pub(crate) const APPROVED: u8 = 0x63;
/// Window books with orders on both sides: class, window.
pub(crate) const WINDOW_BOOK: u8 = 0x64;
/// Classes whose issuances are being marked, and from which key on.
pub(crate) const MARKING: u8 = 0x65;

pub(crate) const VALIDATOR: u8 = 0x70;
/// Shares: delegator, validator.
pub(crate) const DELEGATION: u8 = 0x71;
/// Validators by standing, then stake, the most first: standing, complement of the stake, account.
pub(crate) const RANKED: u8 = 0x72;
/// Stake on its way out or to another validator.
pub(crate) const FLIGHT: u8 = 0x73;
/// The same by whom it leaves: validator, flight.
pub(crate) const LEAVING: u8 = 0x74;
/// The same by whose it is: delegator, validator, kind, flight.
pub(crate) const FLIGHT_OF: u8 = 0x75;
/// The same by when it is over: milliseconds, flight.
pub(crate) const MATURES: u8 = 0x76;
/// What of a validator was slashed, for stake on its way: validator, number.
pub(crate) const SLASHED: u8 = 0x77;
/// Committees: epoch.
pub(crate) const COMMITTEE: u8 = 0x78;
/// Whose a key is or was: kind, key.
pub(crate) const KEY_OWNER: u8 = 0x79;
/// In which window a seat last showed that it is there.
pub(crate) const ALIVE: u8 = 0x7a;
/// Sums and counters of staking.
pub(crate) const STAKING: u8 = 0x7b;
/// What payments for work burned: provider, epoch, class.
pub(crate) const WORK_BURNED: u8 = 0x90;
/// Ended epochs whose emission may still be paid.
pub(crate) const EMISSION: u8 = 0x91;
/// Where inflation and emission stand.
pub(crate) const ISSUED: u8 = 0x92;
/// Proposals.
pub(crate) const PROPOSAL: u8 = 0x80;
/// Who deposited how much behind a proposal; the money itself is a bond.
pub(crate) const DEPOSIT: u8 = 0x81;
/// Votes: proposal, voter.
pub(crate) const VOTE: u8 = 0x82;
/// The same by stake: proposal, stake, voter.
pub(crate) const VOTE_RANK: u8 = 0x83;
/// How many proposals there are.
pub(crate) const GOV_COUNTS: u8 = 0x84;
/// The protocol version, and the next.
pub(crate) const PROTOCOL: u8 = 0x85;
/// Classes that are being retired.
pub(crate) const RETIRING: u8 = 0x86;

/// Beacons of the latest blocks, one entry a slot: a draw takes that of a fixed height, however late it is made.
pub(crate) fn beacon(height: u64) -> Vec<u8> {
    let slot = height.checked_rem(BEACONS_KEPT).unwrap_or_default();
    key(META, &[&[5], &slot.to_be_bytes()])
}

/// The latest block's own facts.
pub fn tip() -> Vec<u8> {
    vec![META, 0]
}

/// What never changes after genesis: chain id and genesis hash.
pub fn network() -> Vec<u8> {
    vec![META, 1]
}

/// The consensus parameters.
pub fn params() -> Vec<u8> {
    vec![META, 2]
}

/// An account's nonce and balance.
pub fn account(address: &Address) -> Vec<u8> {
    key(ACCOUNT, &[address.as_slice()])
}

/// The compact result of a closed job, which `job receipt` proves: see [`crate::JobResult`].
pub fn job_result(job: JobId) -> Vec<u8> {
    key(RESULT, &[job.as_slice()])
}

/// A key of table `tag` made of `parts`.
pub(crate) fn key(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(80);
    key.push(tag);
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

pub(crate) fn of_address(tag: u8, address: &Address) -> Vec<u8> {
    key(tag, &[address.as_slice()])
}

pub(crate) fn of_job(tag: u8, job: &JobId) -> Vec<u8> {
    key(tag, &[job.as_slice()])
}

pub(crate) fn of_lot(tag: u8, job: &JobId, lot: u32) -> Vec<u8> {
    key(tag, &[job.as_slice(), &lot.to_be_bytes()])
}

pub(crate) fn open_ask(class: u32, provider: &Address) -> Vec<u8> {
    key(OPEN_ASK, &[&class.to_be_bytes(), provider.as_slice()])
}

/// Number of the next order.
pub(crate) fn next_order() -> Vec<u8> {
    vec![META, 3]
}

/// There while a book changed at the end of the last block, so that the next one clears it.
pub(crate) fn fresh() -> Vec<u8> {
    vec![META, 4]
}

/// Number of the next appeal.
pub(crate) fn next_appeal() -> Vec<u8> {
    vec![META, 6]
}

pub(crate) fn of_order(tag: u8, order: u64) -> Vec<u8> {
    key(tag, &[&order.to_be_bytes()])
}

pub(crate) fn owned(owner: &Address, order: u64) -> Vec<u8> {
    key(OWNED, &[owner.as_slice(), &order.to_be_bytes()])
}

pub(crate) fn of_book(tag: u8, class: u32, window: u32) -> Vec<u8> {
    key(tag, &[&class.to_be_bytes(), &window.to_be_bytes()])
}

/// The class and window at the end of an index key.
pub(crate) fn book_at_end(key: &[u8]) -> Option<(u32, u32)> {
    let (rest, window) = key.split_last_chunk::<4>()?;
    let (_, class) = rest.split_last_chunk::<4>()?;
    Some((u32::from_be_bytes(*class), u32::from_be_bytes(*window)))
}

/// The order at the end of an index key.
pub(crate) fn order_at_end(key: &[u8]) -> Option<u64> {
    key.split_last_chunk::<8>().map(|(_, order)| u64::from_be_bytes(*order))
}

pub(crate) fn sealed_key(job: &JobId, provider: &Address, sender: &Address) -> Vec<u8> {
    key(SEALED_KEY, &[job.as_slice(), provider.as_slice(), sender.as_slice()])
}

pub(crate) fn sealed_keys(job: &JobId, provider: &Address) -> Vec<u8> {
    key(SEALED_KEY, &[job.as_slice(), provider.as_slice()])
}

pub(crate) fn work(tag: u8, account: &Address, job: &JobId, lot: u32) -> Vec<u8> {
    key(tag, &[account.as_slice(), job.as_slice(), &lot.to_be_bytes()])
}

pub(crate) fn renter_open(renter: &Address, job: &JobId) -> Vec<u8> {
    key(RENTER_OPEN, &[renter.as_slice(), job.as_slice()])
}

pub(crate) fn renter_job(renter: &Address, height: u64, job: &JobId) -> Vec<u8> {
    key(RENTER_JOBS, &[renter.as_slice(), &(!height).to_be_bytes(), job.as_slice()])
}

pub(crate) fn job_by_age(height: u64, job: &JobId) -> Vec<u8> {
    key(JOBS_BY_AGE, &[&(!height).to_be_bytes(), job.as_slice()])
}

/// First key after all keys that start with `prefix`; none when `prefix` is all ones.
pub(crate) fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

/// The job and lot at the end of an index key.
pub(crate) fn job_and_lot(key: &[u8]) -> Option<(JobId, u32)> {
    let (rest, lot) = key.split_last_chunk::<4>()?;
    let (_, job) = rest.split_last_chunk::<32>()?;
    Some((JobId::from(*job), u32::from_be_bytes(*lot)))
}

/// The job at the end of an index key.
pub(crate) fn job_at_end(key: &[u8]) -> Option<JobId> {
    key.split_last_chunk::<32>().map(|(_, job)| JobId::from(*job))
}

/// The address at the end of an index key.
pub(crate) fn address_at_end(key: &[u8]) -> Option<Address> {
    key.split_last_chunk::<20>().map(|(_, address)| Address::from(*address))
}
