//! The bench starts itself as a launcher, which notes the time and then becomes the function by `exec`. So a start is
//! measured from the `exec`, and the time that the bench needs to make a process is not counted.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::clock;

/// The first argument of a launch.
pub(crate) const LAUNCH: &str = "launch";
/// The argument if there is no control group.
pub(crate) const NO_GROUP: &str = "-";

/// Its arguments are `group program arguments…`. It writes one line, and returns only if the program cannot be started.
pub(crate) fn launch(mut arguments: impl Iterator<Item = OsString>) -> io::Error {
    let (Some(group), Some(program)) = (arguments.next(), arguments.next()) else {
        return io::Error::other("launch needs a group and a program");
    };
    let mut command = Command::new(program);
    command.args(arguments);
    if group != NO_GROUP
        && let Err(error) = fs::write(Path::new(&group), std::process::id().to_string())
    {
        return error;
    }
    let spent = cpu_nanoseconds(std::process::id());
    let line = format!("{} {spent}\n", clock::now().as_nanos());
    if let Err(error) = io::stdout().lock().write_all(line.as_bytes()).and_then(|()| io::stdout().flush()) {
        return error;
    }
    command.exec()
}

/// The processor time that all threads of a process have used.
pub(crate) fn cpu_nanoseconds(process: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let spent = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    spent.sum()
}

/// The most resident memory that a process has had, in bytes.
pub(crate) fn peak_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
