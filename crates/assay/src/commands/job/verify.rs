//! `assay job verify`: offline, trusting a genesis file and nothing else.

use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use assay_client::{
    Receipt, Verified,
    job::{PROGRAM_CONTEXT, input_context},
};
use assay_exec::{Engine, EngineConfig};
use assay_provider::{Execute, Task};
use assay_store::{JobKey, open_blob};
use assay_types::{Abi, B256, Bytes};
use serde_json::json;

use crate::{
    failure::{Code, Failure, Outcome},
    network::read_genesis,
    renter::check,
    terminal::{Terminal, Tone},
    words::{gigafuel, krt, thousands},
};

/// Checks a receipt file.
pub(super) fn run(file: &Path, genesis: Option<&Path>, rerun: bool, terminal: &Terminal) -> Outcome<()> {
    let text =
        std::fs::read_to_string(file).map_err(|e| Failure::io(format!("could not read {}", file.display()), &e))?;
    let receipt = Receipt::from_json(&text)?;
    let beside = file.parent().unwrap_or(Path::new(".")).join("genesis.json");
    let genesis = read_genesis(genesis.unwrap_or(&beside))?;
    let verified = check(&genesis, &receipt)?;
    let rerun = if rerun { Some(execute(&receipt, &verified, terminal)?) } else { None };
    let (result, header) = (&verified.result, &verified.header);
    terminal.document(&json!({
        "verified": true,
        "job_id": verified.job,
        "chain_id": genesis.chain_id,
        "genesis_hash": genesis.hash(),
        "height": header.height,
        "block": header.hash,
        "state_root": header.state_root,
        "outcome": result.outcome,
        "result_root": result.result_root,
        "fuel_total": result.fuel,
        "cost_grains": result.paid.to_string(),
        "tasks": result.tasks,
        "outputs_checked": verified.outputs.len(),
        "tasks_rerun": rerun,
    }));
    terminal.line(terminal.paint(Tone::Good, "The receipt holds."));
    let line = |name: &str, value: String| terminal.line(format!("  {name:<12} {value}"));
    line("network", format!("chain id {}, genesis {}", genesis.chain_id, genesis.hash()));
    line(
        "certificate",
        format!("the validators finalized block {} at height {}", header.hash, thousands(header.height)),
    );
    line("state", format!("root {}", header.state_root));
    line("job", verified.job.to_string());
    line("outcome", json!(result.outcome).as_str().unwrap_or_default().to_owned());
    line("result", format!("{} tasks, {}, {} KRT paid", result.tasks, gigafuel(result.fuel), krt(result.paid)));
    line(
        "outputs",
        match verified.outputs.len() {
            0 => "not in the receipt".to_owned(),
            n => format!("{n} in the receipt, each the one the chain accepted"),
        },
    );
    if let Some(n) = rerun {
        line("re-executed", format!("{n} tasks here: same outputs, same fuel"));
    }
    Ok(())
}

/// Executes every task here and compares output and fuel with the proven leaves.
fn execute(receipt: &Receipt, verified: &Verified, terminal: &Terminal) -> Outcome<usize> {
    let tasks = open(receipt, verified)?;
    let engine = Engine::new(EngineConfig::default())
        .map_err(|e| Failure::new(Code::Io, "this machine cannot run the jobs' runtime").because(&e))?;
    if verified.spec.runtimeId != B256::from(assay_exec::runtime_id()) {
        return Err(Failure::new(Code::VerificationFailed, "the job ran under another runtime than this program's")
            .why(format!("job {}, here {}", verified.spec.runtimeId, B256::from(assay_exec::runtime_id())))
            .next("re-execute with the version of assay that the network ran"));
    }
    let bar = terminal.bar("re-executing", tasks.len() as u64);
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(tasks.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(task) = tasks.get(at) else { return };
                    bar.at(at as u64);
                    if let Err(failure) = compare(&engine, task, at, verified) {
                        next.store(tasks.len(), Ordering::Relaxed);
                        failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(failure);
                    }
                }
            });
        }
    });
    match failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        Some(failure) => Err(failure),
        None => Ok(tasks.len()),
    }
}

/// Program and inputs in clear, from the receipt.
fn open(receipt: &Receipt, verified: &Verified) -> Outcome<Vec<Task>> {
    let missing = || {
        Failure::new(Code::BadInput, "the receipt does not hold program and inputs, so nothing can be re-executed")
            .next("ask the renter for a receipt made with `assay job receipt`")
    };
    let contents = receipt.contents.as_ref().ok_or_else(missing)?;
    let key = JobKey::from_bytes(contents.key.0);
    let spec = &verified.spec;
    let blob = |id: &B256| contents.blobs.get(id).ok_or_else(missing);
    let sealed = |error: &dyn std::error::Error| {
        Failure::new(Code::VerificationFailed, "the job key does not open the job's blobs").because(error)
    };
    let program: Bytes = match spec.programSealed {
        true => open_blob(&key, PROGRAM_CONTEXT, blob(&spec.program)?).map_err(|e| sealed(&e))?.into(),
        false => blob(&spec.program)?.clone(),
    };
    let abi = Abi::try_from(spec.abi).map_err(|n| Failure::new(Code::BadInput, format!("ABI {n} is unknown")))?;
    let task = |(index, input): (u32, &B256)| {
        let input = open_blob(&key, &input_context(index), blob(input)?).map_err(|e| sealed(&e))?;
        Ok(Task {
            program: program.0.clone(),
            abi,
            input,
            fuel: spec.fuelPerTask,
            memory_mib: spec.memoryMib,
            output_bytes: spec.outputBytes,
        })
    };
    (0u32..).zip(&spec.inputs).map(task).collect()
}

fn compare(engine: &Engine, task: &Task, at: usize, verified: &Verified) -> Outcome<()> {
    let result = engine
        .execute(task, &assay_exec::Cancel::new())
        .map_err(|e| Failure::new(Code::Io, format!("task {at} cannot be executed on this machine")).because(&e))?;
    let index = u32::try_from(at).unwrap_or(u32::MAX);
    let accepted = verified.outputs.get(&index);
    let fuel = verified.leaves.get(at).map(|leaf| leaf.fuel);
    if accepted.is_none_or(|output| *output == result.execution) && fuel == Some(result.fuel) {
        return Ok(());
    }
    Err(Failure::new(Code::VerificationFailed, format!("task {at} gives something else here than the chain accepted"))
        .why(format!("fuel {} here, {} accepted", result.fuel, fuel.unwrap_or_default()))
        .next("do not rely on this result: its replicas may have colluded"))
}
