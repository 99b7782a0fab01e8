//! A sealed order on its owner's disk, from its sealing until it is open.
//!
//! ```text
//!  create -> FILE -> seal (value locked) -> open (readable, takes part when its window is over)
//! ```
//!
//! Whoever loses the file forfeits part of what was locked, so it is there before anything leaves this machine
//! and says what was sent: a client killed at any moment goes on from it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::{SolCall, SolEvent};
use assay_types::{Grains, abi::IMarket, amount, job::order_seal_commitment, system};
use serde::{Deserialize, Serialize};

use crate::{
    job::folder::{FolderError, io_error, write},
    sender::{TxError, TxRequest, TxSender},
};

const VERSION: u32 = 1;

/// What is known of a sealed order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedOrderState {
    /// Format of this file.
    pub version: u32,
    /// Chain it is for.
    pub chain_id: u64,
    /// Whose it is.
    pub owner: Address,
    /// Grains locked behind the seal.
    #[serde(with = "amount::as_string")]
    pub value: Grains,
    /// Calldata of the opening: salt and terms.
    pub opening: Bytes,
    /// Nonce of the sealing, noted before it left.
    pub seal_nonce: Option<u64>,
    /// Nonce of the opening, noted before it left.
    pub open_nonce: Option<u64>,
}

/// Why a sealed order did not get on.
#[derive(Debug, thiserror::Error)]
pub enum SealedOrderError {
    /// Its file failed.
    #[error(transparent)]
    File(#[from] FolderError),
    /// The file is none of a sealed order.
    #[error("{} is no sealed order of this version: {detail}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// It is another account's, or for another network.
    #[error("this sealed order is of account {owner} on chain {chain_id}")]
    Foreign {
        /// Whose it is.
        owner: Address,
        /// Chain it is for.
        chain_id: u64,
    },
    /// A transaction failed.
    #[error(transparent)]
    Tx(#[from] TxError),
    /// It was opened, by this client before it was killed.
    #[error("this order was opened before")]
    Opened,
    /// The receipt lacks the event of what it did.
    #[error("the order is open, but its number is not in the receipt of block {height}")]
    NoNumber {
        /// Block of the opening.
        height: u64,
    },
}

/// A sealed order and its file.
#[derive(Debug)]
pub struct SealedOrder {
    path: PathBuf,
    state: SealedOrderState,
}

impl SealedOrder {
    /// Writes the file of an order that is to be sealed: `NAME.json` in `dir`, named by its commitment.
    pub fn create(
        dir: &Path,
        chain_id: u64,
        owner: Address,
        value: Grains,
        opening: &IMarket::openSealedCall,
    ) -> Result<Self, SealedOrderError> {
        fs::create_dir_all(dir).map_err(io_error("create", dir))?;
        let path = dir.join(format!("{:x}.json", order_seal_commitment(chain_id, owner, opening)));
        let opening = opening.abi_encode().into();
        let state =
            SealedOrderState { version: VERSION, chain_id, owner, value, opening, seal_nonce: None, open_nonce: None };
        let order = Self { path, state };
        order.save()?;
        Ok(order)
    }

    /// Reads the file of a sealed order.
    pub fn load(path: &Path) -> Result<Self, SealedOrderError> {
        let text = fs::read(path).map_err(io_error("read", path))?;
        let malformed = |detail: String| SealedOrderError::Malformed { path: path.to_owned(), detail };
        let state: SealedOrderState = serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
        if state.version != VERSION {
            return Err(malformed(format!("version {}", state.version)));
        }
        let order = Self { path: path.to_owned(), state };
        order.opening()?;
        Ok(order)
    }

    /// Where its file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is known.
    pub fn state(&self) -> &SealedOrderState {
        &self.state
    }

    /// The call that opens it.
    pub fn opening(&self) -> Result<IMarket::openSealedCall, SealedOrderError> {
        IMarket::openSealedCall::abi_decode(&self.state.opening)
            .map_err(|error| SealedOrderError::Malformed { path: self.path.clone(), detail: error.to_string() })
    }

    /// What was sealed.
    pub fn commitment(&self) -> Result<B256, SealedOrderError> {
        Ok(order_seal_commitment(self.state.chain_id, self.state.owner, &self.opening()?))
    }

    /// Locks the value, unless that was done; the height it was done at, if it was done now.
    pub async fn seal(&mut self, sender: &TxSender) -> Result<Option<u64>, SealedOrderError> {
        self.own(sender)?;
        let call = IMarket::sealCall { commitment: self.commitment()? };
        let request = TxRequest::call(system::MARKET, &call).with_value(self.state.value);
        let noted = self.state.seal_nonce;
        let note = |nonce| {
            self.state.seal_nonce = nonce;
            self.save().map_err(SealedOrderError::from)
        };
        let sent = sender.send_once(request, noted, note).await?;
        Ok(sent.map(|receipt| receipt.height))
    }

    /// Opens it, after which nothing is left to be lost and its file goes: the order's number, and the height.
    pub async fn open(mut self, sender: &TxSender) -> Result<(u64, u64), SealedOrderError> {
        self.own(sender)?;
        let request = TxRequest { to: system::MARKET, value: 0, input: self.state.opening.clone() };
        let noted = self.state.open_nonce;
        let note = |nonce| {
            self.state.open_nonce = nonce;
            self.save().map_err(SealedOrderError::from)
        };
        let sent = sender.send_once(request, noted, note).await?;
        fs::remove_file(&self.path).map_err(io_error("remove", &self.path))?;
        let receipt = sent.ok_or(SealedOrderError::Opened)?;
        let numbers =
            receipt.receipt.logs.iter().filter_map(|log| IMarket::OrderUnsealed::decode_log_data(&log.data).ok());
        let id = numbers.map(|event| event.id).next();
        Ok((id.ok_or(SealedOrderError::NoNumber { height: receipt.height })?, receipt.height))
    }

    fn own(&self, sender: &TxSender) -> Result<(), SealedOrderError> {
        let SealedOrderState { owner, chain_id, .. } = self.state;
        if (sender.address(), sender.chain_id()) == (owner, chain_id) {
            return Ok(());
        }
        Err(SealedOrderError::Foreign { owner, chain_id })
    }

    fn save(&self) -> Result<(), FolderError> {
        write(&self.path, &serde_json::to_vec_pretty(&self.state).unwrap_or_default())
    }
}
