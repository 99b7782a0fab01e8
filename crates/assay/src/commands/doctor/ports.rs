//! Who listens where.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
};

use super::Findings;

/// Whether an address can be listened on. `own` is the process that has the state directory, if one runs:
/// a port it holds is as it should be.
pub(super) fn look(findings: &mut Findings, field: &str, address: SocketAddr, own: Option<u32>) {
    let check = format!("port {field}");
    match TcpListener::bind(address) {
        Ok(_) => findings.pass(&check, format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => match holder(address.port()) {
            Some((pid, _)) if Some(pid) == own => {
                findings.pass(&check, format!("{address} is held by this very node, process {pid}"));
            }
            Some((pid, name)) => findings.fail(
                &check,
                format!("{address} is held by {name}, process {pid}"),
                format!("stop it, or choose another port for `{field}`"),
            ),
            None => findings.fail(
                &check,
                format!("{address} is held by a process of somebody else"),
                format!("find it with `ss -ltnp` as root, or choose another port for `{field}`"),
            ),
        },
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => findings.fail(
            &check,
            format!("{address} is no address of this machine"),
            format!("listen on one it has, or on 0.0.0.0:{}", address.port()),
        ),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            findings.fail(&check, format!("{address} may not be listened on"), "choose a port above 1023")
        }
        Err(error) => findings.fail(&check, format!("{address}: {error}"), "choose another address"),
    }
}

/// The process that listens on a port, and its name, where this user may see it. Linux only.
fn holder(port: u16) -> Option<(u32, String)> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .flat_map(|text| text.lines().filter_map(|line| listening(line, port)).collect::<Vec<_>>())
        .collect();
    let wanted: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let holds = |pid: u32| {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let mut links = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        links.any(|link| wanted.iter().any(|socket| link.as_os_str() == socket.as_str()))
    };
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let pid = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(|pid| holds(*pid))?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some((pid, name.trim().to_owned()))
}

/// The inode of a row of `/proc/net/tcp` that listens on `port`.
fn listening(row: &str, port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    let words: Vec<&str> = row.split_whitespace().collect();
    let (local, state, inode) = (words.get(1)?, words.get(3)?, words.get(9)?);
    let (_, hex) = local.rsplit_once(':')?;
    (*state == LISTEN && u16::from_str_radix(hex, 16) == Ok(port)).then(|| (*inode).to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_port_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let port = listener.local_addr().expect("has one").port();
        assert_eq!(holder(port).map(|(pid, _)| pid), Some(std::process::id()));
        drop(listener);
        assert_eq!(holder(port), None);
    }
}
