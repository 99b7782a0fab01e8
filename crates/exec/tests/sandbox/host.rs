//! Faults of the host: never a result.

use std::time::{Duration, Instant};

use assay_exec::{Abi, Cancel, Engine, EngineConfig, HostFault, Limits, Outcome};

use crate::guests::{command, component, echo, engine, limits};

fn endless() -> Vec<u8> {
    component("", "(loop $again (br $again)) (unreachable)")
}

#[test]
fn a_guest_that_outlasts_the_wall_clock_is_a_fault_of_the_host() {
    let program = engine().load(&endless(), Abi::Component).unwrap();
    let limits = Limits { fuel: u64::MAX / 2, wall_clock: Duration::from_millis(60), ..limits() };
    let start = Instant::now();
    assert_eq!(program.run(b"", &limits), Err(HostFault::WallClock { limit: limits.wall_clock }));
    assert!(start.elapsed() >= limits.wall_clock);
}

#[test]
fn a_raised_flag_stops_a_running_guest_and_every_later_one() {
    let program = engine().load(&endless(), Abi::Component).unwrap();
    let limits = Limits { fuel: u64::MAX / 2, wall_clock: Duration::from_secs(600), ..limits() };
    let cancel = Cancel::new();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| program.run_cancellable(b"", &limits, &cancel));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!running.is_finished());
        cancel.cancel();
        assert_eq!(running.join().unwrap(), Err(HostFault::Cancelled));
    });
    assert_eq!(program.run_cancellable(b"", &limits, &cancel), Err(HostFault::Cancelled));
}

#[test]
fn memory_is_promised_before_a_guest_starts_and_given_back_after() {
    let config = EngineConfig { memory_budget_bytes: Some(limits().memory_bytes), ..EngineConfig::default() };
    let engine = Engine::new(config).unwrap();
    let echo = engine.load(&echo(), Abi::Component).unwrap();
    let endless = engine.load(&endless(), Abi::Component).unwrap();

    let fault = HostFault::OutOfMemory { wanted_bytes: limits().memory_bytes + 1 };
    let more = Limits { memory_bytes: limits().memory_bytes + 1, ..limits() };
    assert_eq!(echo.run(b"x", &more), Err(fault));
    assert_eq!(echo.run(b"x", &limits()).unwrap().outcome, Outcome::Ok(b"x".to_vec()));

    let cancel = Cancel::new();
    std::thread::scope(|scope| {
        let long = Limits { fuel: u64::MAX / 2, wall_clock: Duration::from_secs(600), ..limits() };
        // It may find the memory promised to an echo and then tries again.
        let running = scope.spawn({
            let (endless, cancel) = (&endless, &cancel);
            let refused = |end: &Result<_, _>| matches!(end, Err(HostFault::OutOfMemory { .. }));
            move || std::iter::repeat_with(|| endless.run_cancellable(b"", &long, cancel)).find(|end| !refused(end))
        });
        let refused = std::iter::repeat_with(|| echo.run(b"x", &limits())).find(Result::is_err);
        assert_eq!(refused, Some(Err(HostFault::OutOfMemory { wanted_bytes: limits().memory_bytes })));
        cancel.cancel();
        assert_eq!(running.join().unwrap(), Some(Err(HostFault::Cancelled)));
    });
    assert_eq!(echo.run(b"x", &limits()).unwrap().outcome, Outcome::Ok(b"x".to_vec()));
}

#[test]
fn a_guest_cannot_spin_in_host_calls_for_free() {
    let guest = command("", "(loop $again (drop (call $random_get (i32.const 1024) (i32.const 60000))) (br $again))");
    let program = engine().load(&guest, Abi::WasiCommand).unwrap();
    let input = assay_exec::bundle::Input::default().encode().unwrap();
    let limits = Limits { fuel: 6_050_000, ..limits() };
    let execution = program.run(&input, &limits).unwrap();
    assert_eq!((execution.outcome, execution.fuel_used), (Outcome::OutOfFuel, limits.fuel));
}
