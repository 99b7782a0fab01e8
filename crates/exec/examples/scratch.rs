//! scratch
use assay_exec::*;
use std::time::*;
fn main() {
    let a: Vec<String> = std::env::args().skip(1).collect();
    let engine = Engine::new(EngineConfig { cache_dir: None, ..EngineConfig::default() }).unwrap();
    let p = engine.load(&std::fs::read(&a[0]).unwrap(), Abi::Component).unwrap();
    let limits = Limits { fuel: 1 << 50, memory_bytes: 1 << 30, output_bytes: 1 << 28, log_bytes: 0, wall_clock: Duration::from_secs(100) };
    if a[1] == "all" { let mut h = blake3::Hasher::new(); let mut fuel = 0; let t = Instant::now(); for f in &a[2..] { let e = p.run(&std::fs::read(f).unwrap(), &limits).unwrap(); fuel += e.fuel_used; h.update(e.outcome.ok().unwrap()); } println!("{} fuel {fuel} {:?}", h.finalize().to_hex(), t.elapsed()); return; }
    for f in &a[1..] {
        let input = std::fs::read(f).unwrap();
        let mut best = f64::MAX; let mut v = vec![];
        let mut fuel = 0; let mut h = String::new();
        for _ in 0..7 { let t = Instant::now(); let e = p.run(&input, &limits).unwrap(); let s = t.elapsed().as_secs_f64(); best = best.min(s); v.push(s); fuel = e.fuel_used;
            h = match e.outcome.ok() { Some(b) => blake3::hash(b).to_hex()[..16].to_string(), None => format!("{:?}", e.outcome) } }
        v.sort_by(f64::total_cmp);
        println!("{f} best {best:.4} median {:.4} fuel {fuel} hash {h}", v[3]);
    }
}
