//! `assay job`: submit, follow, fetch, prove, verify.
//!
//! A job's folder in the jobs directory holds its key, inputs and outputs; commands that need them
//! find it by the job's id or its first digits. Results and logs in it outlive job and providers.

mod submit;
mod verify;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use assay_client::{JobFolder, Progress as JobProgress, Until, receipt::Disclose};
use assay_exec::{Outcome as TaskOutcome, bundle};
use assay_types::{
    Abi, JobId,
    view::{JobView, LotPhase},
};
use serde_json::json;

use super::connect;
use crate::{
    cli::{ClientArgs, JobCommand, WhichJob},
    failure::{Code, Failure, Outcome},
    network::write_file,
    renter::{self, Renter, address_towards, ended_well, output},
    terminal::{Grid, Terminal, Tone},
    words::{basis_points, count, gigafuel, krt, short_address, thousands},
};

/// Runs it.
pub(crate) async fn run(command: JobCommand, terminal: &Terminal) -> Outcome<()> {
    match command {
        JobCommand::Submit(args) => submit::run(*args, terminal).await,
        JobCommand::Resume { dir, client } => resume(&dir, &client, terminal).await,
        JobCommand::Status(which) => status(&which, terminal).await,
        JobCommand::Watch(which) => watch(&which, terminal).await,
        JobCommand::Logs { job, task } => logs(&job, task, terminal).await,
        JobCommand::Result { job, to } => result(&job, to.as_deref(), terminal).await,
        JobCommand::Receipt { job, to } => receipt(&job, to.as_deref(), terminal).await,
        JobCommand::Verify { file, genesis, rerun } => verify::run(&file, genesis.as_deref(), rerun, terminal),
        JobCommand::Cancel(which) => cancel(&which, terminal).await,
        JobCommand::List { all, limit, client } => list(all, limit, &client, terminal).await,
    }
}

/// The folder of a job, by its id or the first digits of it.
fn folder(which: &WhichJob) -> Outcome<JobFolder> {
    let wanted = which.job.trim().trim_start_matches("0x").to_ascii_lowercase();
    let dir = &which.client.jobs_dir;
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries.flatten().map(|e| e.path()).collect(),
        Err(_) => Vec::new(),
    };
    let known = |path: &PathBuf| path.join("job.json").exists();
    let mut found = Vec::new();
    for path in entries.into_iter().filter(known) {
        let folder = JobFolder::open(&path)?;
        if folder.state().job.is_some_and(|id| hex::encode(id).starts_with(&wanted)) {
            found.push(folder);
        }
    }
    let missing = |what: String| Failure::new(Code::NotFound, what).next("`assay job list` shows your jobs");
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(missing(format!("no job {} in {}", which.job, dir.display()))
            .why("its key and results are where it was submitted from")),
        n => Err(missing(format!("{n} jobs in {} begin with {}", dir.display(), which.job))),
    }
}

fn id_of(folder: &JobFolder) -> Outcome<JobId> {
    folder.state().job.ok_or_else(|| Failure::new(Code::NotFound, "the job was never submitted"))
}

/// The id a job is named by: whole, or through its folder.
pub(super) fn id(which: &WhichJob) -> Outcome<JobId> {
    match which.job.trim().parse::<JobId>() {
        Ok(id) => Ok(id),
        Err(_) => id_of(&folder(which)?),
    }
}

pub(super) async fn view(which: &WhichJob) -> Outcome<JobView> {
    let id = id(which)?;
    let found = connect::chain(&which.client)?.job(id).await?;
    found.ok_or_else(|| {
        Failure::new(Code::NotFound, format!("the chain knows no job {id}"))
            .next("check --rpc: the job may be on another network")
    })
}

/// A renter's tools for commands that act.
async fn renter(client: &ClientArgs) -> Outcome<Renter> {
    let (chain, ip) = (connect::chain(client)?, address_towards(&client.rpc));
    Renter::start(chain, connect::wallet(client)?, &client.jobs_dir.join(".blobs"), ip).await
}

fn phase(lot: LotPhase) -> &'static str {
    match lot {
        LotPhase::Running => "running",
        LotPhase::Drawing => "waits for the draw",
        LotPhase::Auditing => "audited",
        LotPhase::Revealing => "revealing",
        LotPhase::Agreed => "agreed",
        LotPhase::Disclosing => "disputed: key is due",
        LotPhase::Judging => "disputed: re-executed",
        LotPhase::Deciding => "disputed: verdicts",
        LotPhase::Settled => "settled",
        LotPhase::Refunded => "refunded",
    }
}

fn outcome(view: &JobView) -> String {
    match view.outcome {
        None => "open".to_owned(),
        Some(outcome) => json!(outcome).as_str().unwrap_or_default().to_owned(),
    }
}

fn show(view: &JobView, terminal: &Terminal) {
    terminal.document(&json!(view));
    let line = |name: &str, value: String| terminal.line(format!("{name:<12} {value}"));
    line("job", view.id.to_string());
    line("renter", view.renter.to_string());
    line("outcome", outcome(view));
    if view.outcome.is_some() && view.result_root.is_none() {
        line("why", view.cause.explain().to_owned());
    }
    line("tasks", format!("{} on {} each", view.spec.inputs.len(), count(view.spec.replicas.into(), "provider")));
    if view.spec.audit_bps > 0 {
        let auditors = count(view.spec.auditors.into(), "auditor");
        let chance = f64::from(view.spec.audit_bps) / 100.0;
        line("audits", format!("{chance} % of the lots, {} draws, {auditors}", view.spec.audit_draws));
    }
    if view.spec.min_reputation > 0 {
        line("reputation", format!("{} at least", basis_points(view.spec.min_reputation)));
    }
    line("fuel", gigafuel(view.fuel));
    line("paid", format!("{} KRT", krt(view.paid)));
    line("in escrow", format!("{} KRT", krt(view.escrow)));
    line("returned", format!("{} KRT", krt(view.refunded)));
    if view.compensated > 0 {
        line("compensation", format!("{} KRT", krt(view.compensated)));
    }
    if let Some(root) = view.result_root {
        line("result root", root.to_string());
    }
    let mut grid = Grid::new(["lot", "tasks", "stands", "providers", "times anew", "due at block"]).text(&[2, 3]);
    for lot in &view.lots {
        let tone = match lot.phase {
            LotPhase::Settled => Tone::Good,
            LotPhase::Refunded => Tone::Bad,
            LotPhase::Disclosing | LotPhase::Judging | LotPhase::Deciding => Tone::Warn,
            _ => Tone::Plain,
        };
        let due = lot.settles_at.or_else(|| lot.replicas.iter().map(|r| r.due).min());
        grid.toned([
            (lot.index.to_string(), Tone::Plain),
            (format!("{}–{}", lot.first_task, lot.first_task + lot.tasks.saturating_sub(1)), Tone::Plain),
            (phase(lot.phase).to_owned(), tone),
            (lot.replicas.iter().map(|r| short_address(&r.provider)).collect::<Vec<_>>().join(" "), Tone::Dim),
            (lot.attempts.to_string(), Tone::Plain),
            (due.filter(|_| view.outcome.is_none()).map_or_else(String::new, thousands), Tone::Plain),
        ]);
    }
    terminal.table(&grid);
}

async fn status(which: &WhichJob, terminal: &Terminal) -> Outcome<()> {
    show(&view(which).await?, terminal);
    Ok(())
}

/// Follows one's own job as its renter, so that keys and outputs get where they must; somebody else's
/// by looking at it.
async fn watch(which: &WhichJob, terminal: &Terminal) -> Outcome<()> {
    let view = match folder(which) {
        Ok(folder) => fetched(which, folder, terminal).await?,
        Err(_) => {
            let bar = terminal.spinner("job");
            loop {
                let view = view(which).await?;
                if view.outcome.is_some() {
                    break view;
                }
                bar.say(line_of(&view));
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
    };
    show(&view, terminal);
    ended_well(&view)
}

/// Submits a job that is kept in `dir`, unless that was done, and sees it through. A sealed bid that was locked and
/// not opened would forfeit a part.
async fn resume(dir: &Path, client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let folder = JobFolder::open(dir)?;
    let renter = renter(client).await?;
    let bar = terminal.spinner("job");
    bar.say("submitting");
    let followed = async {
        let custodian = renter.custodian(folder).await?;
        custodian.serve().await?;
        let id = custodian.submit().await?;
        terminal.note(format!("job {id}"));
        let say = |progress: &JobProgress| bar.say(line_of(&progress.job));
        Ok::<_, Failure>(custodian.run(Until::Fetched, say).await?.job)
    }
    .await;
    drop(bar);
    renter.stop().await;
    let view = followed?;
    show(&view, terminal);
    ended_well(&view)
}

fn line_of(view: &JobView) -> String {
    let settled = view.lots.iter().filter(|l| l.phase == LotPhase::Settled).count();
    let now: Vec<&str> = view.lots.iter().map(|l| phase(l.phase)).collect();
    let first = now.iter().find(|p| **p != "settled").copied().unwrap_or("settled");
    format!("{settled} of {} lots settled, {first}", view.lots.len())
}

/// Sees a job through until its outputs are here.
async fn fetched(which: &WhichJob, folder: JobFolder, terminal: &Terminal) -> Outcome<JobView> {
    let renter = renter(&which.client).await?;
    let bar = terminal.spinner("job");
    let custodian = renter.custodian(folder).await?;
    let say = |progress: &JobProgress| bar.say(line_of(&progress.job));
    let progress = custodian.run(Until::Fetched, say).await;
    renter.stop().await;
    Ok(progress?.job)
}

/// A job's folder with all outputs in it, fetched now if they are not here yet.
async fn folder_with_outputs(which: &WhichJob, terminal: &Terminal) -> Outcome<JobFolder> {
    let found = folder(which)?;
    let tasks = found.spec()?.inputs.len();
    if found.outputs()?.len() >= tasks {
        return Ok(found);
    }
    fetched(which, found, terminal).await?;
    folder(which)
}

async fn logs(which: &WhichJob, task: Option<u32>, terminal: &Terminal) -> Outcome<()> {
    let folder = folder_with_outputs(which, terminal).await?;
    let mut rows = Vec::new();
    let tasks: Vec<u32> = folder.outputs()?.into_iter().filter(|t| task.is_none_or(|wanted| wanted == *t)).collect();
    if let Some(task) = task.filter(|_| tasks.is_empty()) {
        return Err(Failure::new(Code::NotFound, format!("there is no log of task {task}")));
    }
    for task in tasks {
        let (outcome, log) = output(&folder, task)?;
        let log = String::from_utf8_lossy(&log).into_owned();
        terminal.line(terminal.paint(Tone::Dim, &format!("--- task {task}: {outcome}")));
        if !log.is_empty() {
            terminal.line(log.trim_end_matches('\n'));
        }
        rows.push(json!({ "task": task, "outcome": outcome.to_string(), "log": log }));
    }
    terminal.document(&json!({ "tasks": rows }));
    Ok(())
}

async fn result(which: &WhichJob, to: Option<&Path>, terminal: &Terminal) -> Outcome<()> {
    let folder = folder_with_outputs(which, terminal).await?;
    let dir = to.map_or_else(|| folder.dir().join("results"), Path::to_owned);
    let files = save(&folder, &dir)?;
    terminal.document(&json!({ "job_id": id_of(&folder)?, "files": files }));
    for file in &files {
        terminal.line(file.display().to_string());
    }
    Ok(())
}

/// Saves what the tasks returned in clear: a component's bytes as one file, a command's standard output
/// and files under their own names.
fn save(folder: &JobFolder, dir: &Path) -> Outcome<Vec<PathBuf>> {
    let spec = folder.spec()?;
    let command = Abi::try_from(spec.abi) == Ok(Abi::WasiCommand);
    let mut files = Vec::new();
    for task in folder.outputs()? {
        let (outcome, _) = output(folder, task)?;
        let bytes = match outcome {
            TaskOutcome::Ok(bytes) => bytes,
            TaskOutcome::Exited { output, .. } => output,
            other => other.to_string().into_bytes(),
        };
        let bundled = if command { bundle::Output::decode(&bytes).ok() } else { None };
        let mut put = |path: PathBuf, bytes: &[u8]| {
            write_file(&path, bytes, 0o644)?;
            files.push(path);
            Ok::<_, Failure>(())
        };
        match bundled {
            Some(found) => {
                put(dir.join(format!("{task}.stdout")), &found.stdout)?;
                // Paths of a bundle are relative and checked when it was decoded.
                for (name, content) in &found.files {
                    put(dir.join(format!("{task}.files")).join(name), content)?;
                }
            }
            None => put(dir.join(format!("{task}.bin")), &bytes)?,
        }
    }
    Ok(files)
}

async fn receipt(which: &WhichJob, to: Option<&Path>, terminal: &Terminal) -> Outcome<()> {
    let folder = folder_with_outputs(which, terminal).await?;
    let path = to.map_or_else(|| folder.dir().join("receipt.json"), Path::to_owned);
    let view = view(which).await?;
    let text = renter::receipt_of(&*connect::chain(&which.client)?, &folder, &view, Disclose::Everything).await?;
    write_file(&path, text.as_bytes(), 0o600)?;
    terminal.document(&json!({ "receipt": path, "job_id": view.id }));
    terminal.line(format!(
        "{}\nit holds the job key, inputs and outputs: whoever has it can check the result, and read it",
        path.display()
    ));
    Ok(())
}

async fn cancel(which: &WhichJob, terminal: &Terminal) -> Outcome<()> {
    let folder = folder(which)?;
    let id = id_of(&folder)?;
    let renter = renter(&which.client).await?;
    let done = renter.custodian(folder).await?.cancel().await;
    renter.stop().await;
    done?;
    terminal.document(&json!({ "job_id": id, "cancelled": true }));
    terminal.line(format!("{id} is cancelled, its escrow is returned"));
    Ok(())
}

async fn list(all: bool, limit: u32, client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let renter = if all { None } else { Some(connect::account(client)?) };
    let jobs = connect::chain(client)?.jobs(renter, limit).await?;
    terminal.document(&json!({ "jobs": jobs }));
    let mut grid = Grid::new(["job", "renter", "at block", "tasks", "lots settled", "outcome"]).text(&[1, 5]);
    for job in &jobs {
        let outcome =
            job.outcome.map_or_else(|| "open".to_owned(), |o| json!(o).as_str().unwrap_or_default().to_owned());
        grid.row([
            job.id.to_string(),
            short_address(&job.renter),
            thousands(job.submitted_at),
            job.tasks.to_string(),
            format!("{} of {}", job.lots_settled, job.lots),
            outcome,
        ]);
    }
    if jobs.is_empty() {
        terminal.line("no jobs yet");
    } else {
        terminal.table(&grid);
    }
    Ok(())
}
