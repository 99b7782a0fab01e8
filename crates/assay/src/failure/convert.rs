//! From the errors of lower crates to what a user sees. The advice is given here, where it is known
//! what the user can do.

use assay_client::{
    ChainError, CustodianError, JobError, ReceiptError, SealedOrderError, TxError, WalletError, job::FolderError,
};
use assay_indexer::IndexError;
use assay_provider::ProviderError;

use super::{Code, Failure};

impl From<ChainError> for Failure {
    fn from(error: ChainError) -> Self {
        match &error {
            ChainError::Rejected { name, .. } => {
                Failure::new(Code::Refused, "the network refused the transaction").because(&error).advise(name)
            }
            ChainError::Unreachable(_) => Failure::new(Code::Unreachable, "the node does not answer")
                .because(&error)
                .next("start a network with `assay up`, or name another node with --rpc URL"),
            ChainError::Remote { .. } | ChainError::Malformed { .. } => {
                Failure::new(Code::Unreachable, "the node's answer cannot be used")
                    .because(&error)
                    .next("check that --rpc names a node of this version of assay")
            }
        }
    }
}

impl From<IndexError> for Failure {
    fn from(error: IndexError) -> Self {
        let code = match &error {
            IndexError::Url { .. } => Code::BadInput,
            _ if error.is_transient() => Code::Unreachable,
            _ => Code::Io,
        };
        Failure::new(code, "the price record cannot be kept").because(&error)
    }
}

impl From<TxError> for Failure {
    fn from(error: TxError) -> Self {
        match error {
            TxError::Chain(error) => error.into(),
            TxError::Wallet(error) => error.into(),
            TxError::Stuck { .. } => Failure::new(Code::Timeout, "the transaction did not become final")
                .because(&error)
                .next("check `assay chain status`: the network may have stopped"),
            TxError::Failed { .. } | TxError::Rejected { .. } => {
                let name = error.name().unwrap_or_default().to_owned();
                Failure::new(Code::Refused, "the network refused the transaction").because(&error).advise(&name)
            }
        }
    }
}

impl From<WalletError> for Failure {
    fn from(error: WalletError) -> Self {
        let failure = Failure::new(Code::NoKey, "the key cannot be used").because(&error);
        match error {
            WalletError::WrongPassword { .. } => failure.next("give the right password with --password-file FILE"),
            WalletError::NotFound { .. } => {
                failure.next("list keys with `assay account list`, or make one with `assay account new`")
            }
            WalletError::NotAKey => failure.next("write the key as 64 hexadecimal digits"),
            WalletError::Exists { .. } => failure.next("nothing is to be done: the key is kept already"),
            WalletError::Io { action, path, source } => {
                Failure::io(format!("could not {action} {}", path.display()), &source)
            }
            WalletError::NotAKeystore { .. } | WalletError::Sign(_) => failure,
        }
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        match &error {
            FolderError::Io { action, path, source } => {
                Failure::io(format!("could not {action} {}", path.display()), source)
            }
            FolderError::Occupied(_) => Failure::new(Code::BadInput, "the job's directory is taken")
                .because(&error)
                .next("choose another directory with --jobs-dir"),
            FolderError::Malformed { .. } | FolderError::Damaged(_) => {
                Failure::new(Code::BadInput, "the job's directory cannot be used").because(&error)
            }
        }
    }
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Self {
        Failure::new(Code::BadInput, "the job cannot be made").because(&error)
    }
}

impl From<CustodianError> for Failure {
    fn from(error: CustodianError) -> Self {
        match error {
            CustodianError::Chain(error) => error.into(),
            CustodianError::Tx(error) => error.into(),
            CustodianError::Folder(error) => error.into(),
            CustodianError::UnknownJob(_) => Failure::new(Code::NotFound, "the job is not known").because(&error),
            CustodianError::Foreign(_) => Failure::new(Code::BadInput, "this job is not for this network and account")
                .because(&error)
                .next("check --rpc and --account"),
            CustodianError::Nonsense(_) => Failure::new(Code::VerificationFailed, "a result cannot be read")
                .because(&error)
                .next("challenge the task, or run the job again with more replicas"),
            _ => Failure::new(Code::Unreachable, "the job cannot be looked after").because(&error),
        }
    }
}

impl From<SealedOrderError> for Failure {
    fn from(error: SealedOrderError) -> Self {
        match error {
            SealedOrderError::Tx(error) => error.into(),
            SealedOrderError::File(FolderError::Io { action, path, source }) => {
                Failure::io(format!("could not {action} {}", path.display()), &source)
            }
            SealedOrderError::File(_) | SealedOrderError::Malformed { .. } => {
                Failure::new(Code::BadInput, "the sealed order cannot be read").because(&error)
            }
            SealedOrderError::Foreign { .. } => {
                Failure::new(Code::BadInput, "this sealed order is not for this network and account")
                    .because(&error)
                    .next("check --rpc and --account")
            }
            SealedOrderError::Opened => {
                Failure::new(Code::NotFound, "nothing is left to open").because(&error).next("see `assay order list`")
            }
            SealedOrderError::NoNumber { .. } => Failure::new(Code::Internal, "the order cannot be named")
                .because(&error)
                .next("`assay order list` shows it"),
        }
    }
}

impl From<ReceiptError> for Failure {
    fn from(error: ReceiptError) -> Self {
        match error {
            ReceiptError::Folder(error) => error.into(),
            ReceiptError::Malformed(_) | ReceiptError::Version(_) => {
                Failure::new(Code::BadInput, "this is no receipt that can be checked").because(&error)
            }
            ReceiptError::WrongNetwork { .. } => {
                Failure::new(Code::VerificationFailed, "the receipt is of another network")
                    .because(&error)
                    .next("give the genesis file of its network with --genesis FILE")
            }
            _ => Failure::new(Code::VerificationFailed, "the receipt does not hold")
                .because(&error)
                .next("do not rely on this result: ask for a new receipt with `assay job receipt`"),
        }
    }
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        match &error {
            ProviderError::Config(_) => {
                Failure::new(Code::BadConfig, "the provider's settings are wrong").because(&error)
            }
            ProviderError::Io { action, path, source } => {
                Failure::io(format!("could not {action} {}", path.display()), source)
            }
            _ => Failure::new(Code::Io, "the provider cannot work").because(&error),
        }
    }
}

impl Failure {
    /// Says what to do about a refusal of the chain, by its stable name.
    fn advise(self, name: &str) -> Self {
        let next = match name {
            n if n.contains("Insufficient") || n.contains("Funds") => {
                "send KRT to the account first: `assay account balance` shows what it has"
            }
            n if n.contains("Nonce") => "another program uses this account: wait for it, then try again",
            n if n.contains("Phase") => "look where the job stands with `assay job status`",
            n if n.contains("Fee") || n.contains("Underpriced") => "try again: fees have risen meanwhile",
            n if n.contains("ChainId") => "the transaction is for another network: check --rpc",
            n if n.contains("Runtime") => "the network does not run this runtime: use the assay of its version",
            _ => "docs/protocol/rejects.md explains the code",
        };
        self.next(next)
    }
}
