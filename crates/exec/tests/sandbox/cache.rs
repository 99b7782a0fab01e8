//! Compiled code in memory and on disk.

use std::fs;
use std::path::{Path, PathBuf};

use assay_exec::{Abi, CacheStats, Engine, EngineConfig, Outcome, ProgramError, runtime_id};

use crate::guests::{command, component, echo, limits};

fn engine_at(dir: &Path) -> Engine {
    Engine::new(EngineConfig { cache_dir: Some(dir.to_owned()), ..EngineConfig::default() }).unwrap()
}

/// The one file of compiled code.
fn cached_file(dir: &Path) -> PathBuf {
    let runtime = dir.join(hex::encode(runtime_id()));
    let files: Vec<_> = fs::read_dir(runtime).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.into_iter().next().unwrap()
}

fn load_and_run(engine: &Engine) -> CacheStats {
    let program = engine.load(&echo(), Abi::Component).unwrap();
    assert_eq!(program.run(b"abc", &limits()).unwrap().outcome, Outcome::Ok(b"abc".to_vec()));
    engine.cache_stats()
}

const COMPILED: CacheStats = CacheStats { memory_hits: 0, disk_hits: 0, compiled: 1 };
const FROM_DISK: CacheStats = CacheStats { memory_hits: 0, disk_hits: 1, compiled: 0 };

#[test]
fn a_second_load_is_from_memory_and_the_next_start_from_disk() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine_at(dir.path());
    assert_eq!(load_and_run(&engine), COMPILED);
    assert_eq!(load_and_run(&engine), CacheStats { memory_hits: 1, ..COMPILED });
    assert_eq!(load_and_run(&engine_at(dir.path())), FROM_DISK);
}

#[test]
fn fuel_and_output_of_cached_code_are_those_of_fresh_code() {
    let dir = tempfile::tempdir().unwrap();
    let guest = command(
        "",
        "(call $check (call $random_get (i32.const 64) (i32.const 16))) (call $print (i32.const 1) (i32.const 64) (i32.const 16))",
    );
    let input = assay_exec::bundle::Input::default().encode().unwrap();
    let run = |engine: Engine| engine.load(&guest, Abi::WasiCommand).unwrap().run(&input, &limits()).unwrap();
    let fresh = run(engine_at(dir.path()));
    let again = engine_at(dir.path());
    assert_eq!(run(again.clone()), fresh);
    assert_eq!(again.cache_stats(), FROM_DISK);
}

#[test]
fn a_damaged_file_is_compiled_again_and_replaced() {
    let damages: [fn(&mut Vec<u8>); 5] = [
        |file| file.truncate(file.len() / 2),
        |file| file.truncate(20),
        |file| file.clear(),
        |file| *file.last_mut().unwrap() ^= 1,
        |file| file.push(0),
    ];
    for damage in damages {
        let dir = tempfile::tempdir().unwrap();
        load_and_run(&engine_at(dir.path()));
        let path = cached_file(dir.path());
        let whole = fs::read(&path).unwrap();
        let mut file = whole.clone();
        damage(&mut file);
        fs::write(&path, file).unwrap();
        assert_eq!(load_and_run(&engine_at(dir.path())), COMPILED);
        assert_eq!(load_and_run(&engine_at(dir.path())), FROM_DISK);
        assert_eq!(cached_file(dir.path()), path);
    }
}

#[test]
fn code_of_another_program_under_this_name_is_not_run() {
    let dir = tempfile::tempdir().unwrap();
    load_and_run(&engine_at(dir.path()));
    let ours = cached_file(dir.path());

    let elsewhere = tempfile::tempdir().unwrap();
    engine_at(elsewhere.path()).load(&component("", "(unreachable)"), Abi::Component).unwrap();
    fs::copy(cached_file(elsewhere.path()), &ours).unwrap();
    assert_eq!(load_and_run(&engine_at(dir.path())), COMPILED);
}

#[test]
fn code_of_another_runtime_is_not_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    load_and_run(&engine_at(dir.path()));
    let ours = cached_file(dir.path());
    // In the directory of another runtime it is not found; in ours its header gives it away.
    let other = dir.path().join("00".repeat(32));
    fs::rename(ours.parent().unwrap(), &other).unwrap();
    assert_eq!(load_and_run(&engine_at(dir.path())), COMPILED);
    let mut foreign = fs::read(other.join(ours.file_name().unwrap())).unwrap();
    foreign[8..40].fill(0);
    fs::write(&ours, foreign).unwrap();
    assert_eq!(load_and_run(&engine_at(dir.path())), COMPILED);
}

#[test]
fn many_threads_that_want_one_program_compile_it_once() {
    let engine = Engine::new(EngineConfig::default()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| load_and_run(&engine));
        }
    });
    assert_eq!(engine.cache_stats(), CacheStats { memory_hits: 7, disk_hits: 0, compiled: 1 });
}

#[test]
fn the_least_recently_used_program_leaves_memory_first() {
    let engine = Engine::new(EngineConfig { programs_in_memory: 2, ..EngineConfig::default() }).unwrap();
    let guests: Vec<_> = (0..3).map(|n| component("", &format!("(drop (i32.const {n})) (unreachable)"))).collect();
    for guest in [0, 1, 0, 2, 0] {
        engine.load(&guests[guest], Abi::Component).unwrap();
    }
    assert_eq!(engine.cache_stats(), CacheStats { memory_hits: 2, disk_hits: 0, compiled: 3 });
    engine.load(&guests[1], Abi::Component).unwrap();
    assert_eq!(engine.cache_stats().compiled, 4);
}

#[test]
fn a_refused_program_is_refused_from_memory_the_second_time() {
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let guest = wat::parse_str("(component)").unwrap();
    for _ in 0..2 {
        assert_eq!(engine.load(&guest, Abi::Component).unwrap_err(), ProgramError::MissingExport("run"));
    }
    assert_eq!(engine.cache_stats().memory_hits, 1);
}

#[test]
fn a_cache_directory_that_cannot_be_made_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("occupied");
    fs::write(&file, b"").unwrap();
    let error = Engine::new(EngineConfig { cache_dir: Some(file), ..EngineConfig::default() }).unwrap_err();
    assert!(error.to_string().contains("occupied"), "{error}");
}

#[test]
fn a_cache_that_can_be_neither_read_nor_written_costs_only_a_compilation() {
    let dir = tempfile::tempdir().unwrap();
    load_and_run(&engine_at(dir.path()));
    let path = cached_file(dir.path());
    fs::remove_file(&path).unwrap();
    fs::create_dir_all(path.join("in the way")).unwrap();
    assert_eq!(load_and_run(&engine_at(dir.path())), COMPILED);
    assert_eq!(cached_file(dir.path()), path, "no temporary file is left behind");
}
