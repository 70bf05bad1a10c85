//! The share of a processor that a function gets. Lambda gives one vCPU at 1,769 MB of memory, and in proportion below.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Lambda's own scheduling period is not documented: short, so that a wait for the next one is short.
const PERIOD_US: u64 = 20_000;
const MB_OF_ONE_VCPU: u64 = 1769;

/// A control group (version 2, or the CPU controller of version 1) that ends with the value.
pub(crate) struct CpuShare {
    group: PathBuf,
}

impl CpuShare {
    pub(crate) fn of_memory(mb: u64) -> io::Result<Self> {
        let (root, is_v2) = if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            ("/sys/fs/cgroup", true)
        } else {
            ("/sys/fs/cgroup/cpu", false)
        };
        let group = Path::new(root).join(format!("bench-{}", std::process::id()));
        fs::create_dir(&group).map_err(|error| {
            io::Error::new(error.kind(), format!("no control group can be made ({error}): as root, or --cpu full"))
        })?;
        let share = Self { group };
        let quota = PERIOD_US * mb / MB_OF_ONE_VCPU;
        // What else the machine does must not take a part of the share.
        let settings = if is_v2 {
            vec![("cpu.max", format!("{quota} {PERIOD_US}")), ("cpu.weight", "10000".to_owned())]
        } else {
            let period = ("cpu.cfs_period_us", PERIOD_US.to_string());
            vec![period, ("cpu.cfs_quota_us", quota.to_string()), ("cpu.shares", "262144".to_owned())]
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
}

impl Drop for CpuShare {
    fn drop(&mut self) {
        // It is empty: every process that was put into it has ended.
        if let Err(error) = fs::remove_dir(&self.group) {
            eprintln!("{} is left: {error}", self.group.display());
        }
    }
}
