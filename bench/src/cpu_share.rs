//! The share of a processor that a process gets, by a control group (version 2, or the CPU controller of version 1).
//!
//! Lambda gives one vCPU at 1,769 MB of memory, and a share in proportion at less memory. The group also has the
//! highest weight: if the machine has other work, the other processes wait, and the measured ones do not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Lambda's own scheduling period is not documented. This one is short, so that the wait for the next period is short.
const PERIOD_US: u64 = 20_000;
const MB_OF_ONE_VCPU: u64 = 1769;

/// The group is removed when the value is dropped.
pub(crate) struct CpuShare {
    group: PathBuf,
}

impl CpuShare {
    /// `mb`: the memory whose share of a processor the group gets. `None`: no limit.
    pub(crate) fn new(name: &str, mb: Option<u64>) -> io::Result<Self> {
        let (root, is_v2) = if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            ("/sys/fs/cgroup", true)
        } else {
            ("/sys/fs/cgroup/cpu", false)
        };
        let group = Path::new(root).join(format!("bench-{}-{name}", std::process::id()));
        fs::create_dir(&group)?;
        let share = Self { group };
        let quota = mb.map(|mb| PERIOD_US * mb / MB_OF_ONE_VCPU);
        let settings = if is_v2 {
            let limit = quota.map(|quota| ("cpu.max", format!("{quota} {PERIOD_US}")));
            limit.into_iter().chain([("cpu.weight", "10000".to_owned())]).collect::<Vec<_>>()
        } else {
            let limit = quota
                .map(|quota| [("cpu.cfs_period_us", PERIOD_US.to_string()), ("cpu.cfs_quota_us", quota.to_string())]);
            limit.into_iter().flatten().chain([("cpu.shares", "262144".to_owned())]).collect()
        };
        for (file, value) in settings {
            fs::write(share.group.join(file), value)?;
        }
        Ok(share)
    }

    /// A process that writes its id into this file is in the group.
    pub(crate) fn members(&self) -> PathBuf {
        self.group.join("cgroup.procs")
    }

    /// Puts this process into the group. It leaves the group when the value is dropped.
    pub(crate) fn enter(&self) -> io::Result<()> {
        fs::write(self.members(), std::process::id().to_string())
    }
}

impl Drop for CpuShare {
    fn drop(&mut self) {
        // A group with members cannot be removed. This process may be one; all others have ended.
        if let Some(root) = self.group.parent() {
            let is_own = fs::read_to_string(self.members()).is_ok_and(|members| !members.is_empty());
            let left =
                if is_own { fs::write(root.join("cgroup.procs"), std::process::id().to_string()) } else { Ok(()) };
            if let Err(error) = left.and_then(|()| fs::remove_dir(&self.group)) {
                eprintln!("the control group {} could not be removed: {error}", self.group.display());
            }
        }
    }
}

/// The group of the programs that are measured. Without the right to make groups, a whole processor can still be
/// measured.
pub(crate) fn of_programs(mb: Option<u64>) -> io::Result<Option<CpuShare>> {
    match CpuShare::new("programs", mb) {
        Ok(share) => Ok(Some(share)),
        Err(error) if mb.is_some() => {
            let why = format!("cannot make a control group ({error}): run as root, or with --cpu full");
            Err(io::Error::new(error.kind(), why))
        }
        Err(_) => Ok(None),
    }
}

/// The group's description in a table's title.
pub(crate) fn described(mb: Option<u64>, share: Option<&CpuShare>) -> String {
    match (mb, share) {
        (Some(mb), _) => format!("the processor share of {mb} MB, by a control group"),
        (None, Some(_)) => "whole processors, with priority over all other processes".to_owned(),
        (None, None) => "whole processors, without priority over other processes".to_owned(),
    }
}
