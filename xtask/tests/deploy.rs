//! What is in `deploy/` fits the binary: units parse, start a role that exists, and do not restart what
//! restarting does not mend.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// The settings of a unit, each with its section. Lines are not continued in ours.
fn settings(text: &str) -> Vec<(String, String, String)> {
    let mut section = String::new();
    let mut settings = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(name) => section = name.to_owned(),
            None => {
                let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("no setting: {line}"));
                settings.push((section.clone(), name.to_owned(), value.to_owned()));
            }
        }
    }
    settings
}

#[test]
fn each_unit_starts_its_role_without_rights_and_leaves_alone_what_a_restart_does_not_mend() {
    let codes = fs::read_to_string(deploy().join("../crates/assay/src/failure.rs")).expect("the exit codes");
    for role in ["node", "provider", "gateway"] {
        let name = format!("assay-{role}.service");
        let text = fs::read_to_string(deploy().join(&name)).expect("a unit");
        let settings = settings(&text);
        let get = |wanted: &str| {
            let found = settings.iter().find(|(_, name, _)| name == wanted);
            found.unwrap_or_else(|| panic!("{name} has no {wanted}")).2.clone()
        };
        let home = format!("/var/lib/assay/{role}");
        assert_eq!(get("ExecStart"), format!("/usr/local/bin/assay {role} --config {home}/{role}.toml"));
        assert_eq!(get("WorkingDirectory"), home);
        assert_eq!(
            (get("User"), get("NoNewPrivileges"), get("ProtectSystem")),
            ("assay".into(), "yes".into(), "strict".into())
        );
        assert!(get("LimitNOFILE").parse::<u32>().expect("a number") >= 4_096);
        assert_eq!(get("Restart"), "on-failure");
        for code in get("RestartPreventExitStatus").split(' ') {
            assert!(codes.contains(&format!("\n  {code:<4} ")), "{name}: {code} is no exit code of assay");
        }
        let sections: Vec<&str> = settings.iter().map(|(section, ..)| section.as_str()).collect();
        assert!(sections.iter().all(|section| ["Unit", "Service", "Install"].contains(section)), "{name}");
    }
}

#[test]
fn systemd_finds_nothing_to_complain_about() {
    let dir = std::env::temp_dir().join(format!("assay-units-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory");
    let mut units = Vec::new();
    for role in ["node", "provider", "gateway"] {
        let name = format!("assay-{role}.service");
        let text = fs::read_to_string(deploy().join(&name)).expect("a unit");
        // The binary is not installed here.
        fs::write(dir.join(&name), text.replace("/usr/local/bin/assay", "/bin/true")).expect("writes");
        units.push(dir.join(&name));
    }
    let verified = Command::new("systemd-analyze").arg("verify").args(&units).output();
    fs::remove_dir_all(&dir).expect("removes");
    match verified {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let ours: Vec<&str> = said.lines().filter(|line| line.contains("assay-")).collect();
            assert!(ours.is_empty(), "{ours:?}");
        }
        Err(error) => eprintln!("SKIPPED, NOTHING PROVEN: no systemd-analyze: {error}"),
    }
}

#[test]
fn the_image_is_built_in_stages_and_runs_without_root() {
    let text = fs::read_to_string(deploy().join("Containerfile")).expect("a Containerfile");
    let line = |start: &str| text.lines().filter(|line| line.starts_with(start)).collect::<Vec<_>>();
    let from = line("FROM ");
    assert_eq!(from.len(), 2);
    let toolchain = fs::read_to_string(deploy().join("../rust-toolchain.toml")).expect("the toolchain");
    let version = from[0].split([':', '-']).nth(1).expect("a version");
    assert!(toolchain.contains(&format!("\"{version}")), "the image has Rust {version}, the project another");
    let user = line("USER ");
    assert!(user.len() == 1 && !user[0].contains("root") && user[0] != "USER 0", "{user:?}");
    assert_eq!(line("HEALTHCHECK ").len(), 1);
}
