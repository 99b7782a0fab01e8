//! Draws the plots of `docs/protocol/rewards.md` with the ledger's own functions:
//! `cargo run -p assay-ledger --example rewards_plots`.

mod plots;
mod svg;

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol/img");
    fs::create_dir_all(&folder)?;
    for (name, drawing) in plots::all() {
        fs::write(folder.join(name), drawing)?;
    }
    Ok(())
}
