//! Running tasks: the one thing agents need of the runtime.

use std::time::Duration;

use alloy_primitives::B256;
use assay_exec::{Cancel, Engine, Execution, HostFault, Limits, ProgramError};
use assay_types::{Abi, view::JobSpecView};
use bytes::Bytes;

use assay_client::job::LOG_BYTES;

/// A task, opened.
#[derive(Debug, Clone)]
pub struct Task {
    /// The program.
    pub program: Bytes,
    /// How it is called.
    pub abi: Abi,
    /// Its input.
    pub input: Vec<u8>,
    /// Fuel cap.
    pub fuel: u64,
    /// Memory cap, MiB.
    pub memory_mib: u32,
    /// Output cap, bytes.
    pub output_bytes: u32,
}

impl Task {
    /// A task of a job; `None` if the ABI is unknown.
    pub fn of(spec: &JobSpecView, program: Bytes, input: Vec<u8>) -> Option<Self> {
        Some(Self {
            program,
            abi: Abi::try_from(spec.abi).ok()?,
            input,
            fuel: spec.fuel_per_task,
            memory_mib: spec.memory_mib,
            output_bytes: spec.output_bytes,
        })
    }

    fn limits(&self) -> Limits {
        Limits {
            fuel: self.fuel,
            memory_bytes: u64::from(self.memory_mib) << 20,
            output_bytes: self.output_bytes,
            log_bytes: LOG_BYTES,
            // Slower than a tenth of what the slowest sensible host does is a fault of the host.
            wall_clock: Duration::from_secs(60) + Duration::from_millis(self.fuel / 20_000),
        }
    }
}

/// What a task gave: the same bytes and fuel on every honest machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskResult {
    /// Outcome and log, encoded by the runtime.
    pub execution: Vec<u8>,
    /// Fuel burned.
    pub fuel: u64,
}

/// Runs tasks.
pub trait Execute: Send + Sync {
    /// The runtime whose results these are.
    fn runtime_id(&self) -> B256;
    /// Runs one task. Blocks; stops soon after `cancel` is raised.
    fn execute(&self, task: &Task, cancel: &Cancel) -> Result<TaskResult, HostFault>;
}

impl Execute for Engine {
    fn runtime_id(&self) -> B256 {
        assay_exec::runtime_id().into()
    }

    fn execute(&self, task: &Task, cancel: &Cancel) -> Result<TaskResult, HostFault> {
        let limits = task.limits();
        let execution: Execution = match self.load(&task.program, task.abi) {
            Ok(program) => program.run_cancellable(&task.input, &limits, cancel)?,
            Err(ProgramError::Host(fault)) => return Err(fault),
            Err(error) => match error.execution(task.program.len(), &limits) {
                Some(execution) => execution,
                None => return Err(HostFault::Run(error.to_string())),
            },
        };
        Ok(TaskResult { execution: execution.encode(), fuel: execution.fuel_used })
    }
}
