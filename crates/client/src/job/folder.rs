//! A job on the renter's disk: its key, what was sent, what came back.
//!
//! ```text
//! DIR/job.json          state, readable by its owner only: it holds the job key
//! DIR/blobs/HASH        sealed program and inputs
//! DIR/outputs/TASK      sealed outputs, each checked against its leaf before it got here
//! ```
//!
//! Files appear whole or not at all (written aside, synced, renamed), so a client killed at any
//! moment resumes from here.

use std::{
    collections::BTreeSet,
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use assay_store::{BlobId, JobKey};
use assay_types::{Grains, JobId, JobSpec, abi::IJobs, amount};
use serde::{Deserialize, Serialize};

use super::{SealedJob, open_output, submit_input};

const VERSION: u32 = 1;

/// A sealed bid on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// Hides the specification in the commitment.
    pub salt: B256,
    /// Nonce of the sealing, noted before it left.
    pub nonce: Option<u64>,
}

/// What is known of the job. Has no `Debug`: the key must not end up in a log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobState {
    /// Format of this file.
    pub version: u32,
    /// Chain it is for.
    pub chain_id: u64,
    /// Network it is for.
    pub genesis_hash: B256,
    /// Who pays.
    pub renter: Address,
    /// The job key. Whoever has it reads everything of this job.
    pub key: B256,
    /// Calldata of the submission, which holds the specification.
    pub submission: Bytes,
    /// Grains sent along.
    #[serde(with = "amount::as_string")]
    pub escrow: Grains,
    /// Nonce of the submission, noted before it left.
    pub nonce: Option<u64>,
    /// What hides the bid until it is opened, if it is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<Seal>,
    /// ERC-1155 id of the claims that are redeemed for it, if it is paid so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<U256>,
    /// The job's id, once its submission is final.
    pub job: Option<JobId>,
    /// Lots and providers whose blobs were pushed.
    pub pushed: BTreeSet<(u32, Address)>,
    /// Lots and attempts whose output was demanded.
    pub demanded: BTreeSet<(u32, u32)>,
}

/// The opened output of a task: an execution as its runtime encodes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskOutput {
    /// Index in the job.
    pub task: u32,
    /// Encoded execution.
    pub execution: Vec<u8>,
}

/// Why a job's folder failed.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The file system failed.
    #[error("could not {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Not a job's state, or of another version.
    #[error("{} is not a job of this version: {detail}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// There is a job in it already.
    #[error("{} holds a job already", .0.display())]
    Occupied(PathBuf),
    /// A file's bytes are not what its name or leaf says.
    #[error("{} is damaged: remove it and fetch it again", .0.display())]
    Damaged(PathBuf),
}

/// A job's folder.
pub struct JobFolder {
    dir: PathBuf,
    state: JobState,
}

impl std::fmt::Debug for JobFolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JobFolder({})", self.dir.display())
    }
}

impl JobState {
    /// Names the job before it has an id.
    pub fn submission_digest(&self) -> [u8; 32] {
        alloy_primitives::keccak256([self.key.as_slice(), self.submission.as_ref()].concat()).0
    }
}

impl JobFolder {
    /// Starts a folder for a sealed job.
    pub fn create(
        dir: impl Into<PathBuf>,
        sealed: &SealedJob,
        chain_id: u64,
        genesis_hash: B256,
        renter: Address,
    ) -> Result<Self, FolderError> {
        let dir = dir.into();
        if dir.join("job.json").exists() {
            return Err(FolderError::Occupied(dir));
        }
        for sub in ["blobs", "outputs"] {
            let path = dir.join(sub);
            fs::create_dir_all(&path).map_err(|source| FolderError::Io { action: "create", path, source })?;
        }
        for blob in &sealed.blobs {
            write(&dir.join("blobs").join(BlobId::of(blob).to_string()), blob)?;
        }
        let state = JobState {
            version: VERSION,
            chain_id,
            genesis_hash,
            renter,
            key: B256::from(*sealed.key.as_bytes()),
            submission: submit_input(&sealed.spec),
            escrow: sealed.escrow,
            nonce: None,
            seal: None,
            claim: None,
            job: None,
            pushed: BTreeSet::new(),
            demanded: BTreeSet::new(),
        };
        let folder = Self { dir, state };
        folder.save()?;
        Ok(folder)
    }

    /// Opens a job's folder.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, FolderError> {
        let dir = dir.into();
        let path = dir.join("job.json");
        let text = fs::read(&path).map_err(io_error("read", &path))?;
        let malformed = |detail: String| FolderError::Malformed { path: path.clone(), detail };
        let state: JobState = serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
        if state.version != VERSION {
            return Err(malformed(format!("version {}", state.version)));
        }
        let folder = Self { dir, state };
        folder.spec()?;
        Ok(folder)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What is known.
    pub fn state(&self) -> &JobState {
        &self.state
    }

    /// Changes what is known, durably.
    pub fn update(&mut self, change: impl FnOnce(&mut JobState)) -> Result<(), FolderError> {
        change(&mut self.state);
        self.save()
    }

    /// The job key.
    pub fn key(&self) -> JobKey {
        JobKey::from_bytes(self.state.key.0)
    }

    /// The specification as submitted.
    pub fn spec(&self) -> Result<JobSpec, FolderError> {
        match IJobs::submitCall::abi_decode(&self.state.submission) {
            Ok(call) => Ok(call.spec),
            Err(error) => Err(FolderError::Malformed { path: self.dir.join("job.json"), detail: error.to_string() }),
        }
    }

    /// A stored program or input, checked.
    pub fn blob(&self, id: &B256) -> Result<Bytes, FolderError> {
        let path = self.dir.join("blobs").join(BlobId(id.0).to_string());
        let bytes = fs::read(&path).map_err(io_error("read", &path))?;
        if BlobId::of(&bytes).0 != id.0 {
            return Err(FolderError::Damaged(path));
        }
        Ok(bytes.into())
    }

    /// Keeps the sealed output of a task.
    pub fn put_output(&self, task: u32, sealed: &[u8]) -> Result<(), FolderError> {
        write(&self.dir.join("outputs").join(task.to_string()), sealed)
    }

    /// Tasks whose output is here.
    pub fn outputs(&self) -> Result<BTreeSet<u32>, FolderError> {
        let path = self.dir.join("outputs");
        let names = fs::read_dir(&path).map_err(io_error("list", &path))?;
        let tasks = names.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        Ok(tasks.collect())
    }

    /// The sealed output of a task, if it is here.
    pub fn sealed_output(&self, task: u32) -> Result<Option<Bytes>, FolderError> {
        let path = self.dir.join("outputs").join(task.to_string());
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("read", &path)(error)),
        }
    }

    /// Lets go of an output that turned out to belong to a result no longer accepted.
    pub fn drop_output(&self, task: u32) -> Result<(), FolderError> {
        let path = self.dir.join("outputs").join(task.to_string());
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", &path)(error)),
            _ => Ok(()),
        }
    }

    /// The opened output of a task, if it is here.
    pub fn output(&self, task: u32) -> Result<Option<TaskOutput>, FolderError> {
        let (Some(job), Some(sealed)) = (self.state.job, self.sealed_output(task)?) else { return Ok(None) };
        match open_output(&self.key(), &job, task, &sealed) {
            Ok(execution) => Ok(Some(TaskOutput { task, execution })),
            Err(_) => Err(FolderError::Damaged(self.dir.join("outputs").join(task.to_string()))),
        }
    }

    fn save(&self) -> Result<(), FolderError> {
        let text = serde_json::to_vec_pretty(&self.state).unwrap_or_default();
        write(&self.dir.join("job.json"), &text)
    }
}

pub(crate) fn io_error<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> FolderError + 'a {
    move |source| FolderError::Io { action, path: path.to_owned(), source }
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let aside = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(&aside).map_err(io_error("create", &aside))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io_error("write", &aside))?;
    fs::rename(&aside, path).map_err(io_error("rename", &aside))
}
