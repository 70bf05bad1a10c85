//! Where and when something was measured.

use std::fs;

use shared::domain::time::Timestamp;

use crate::clock;

/// The moment, in whole seconds.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix(clock::now().as_secs().cast_signed())
}

/// The machine, the moment, and what else the machine does: the load of the last minute, in processes that want to run.
pub(crate) fn described() -> String {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let of_processors = text("/proc/cpuinfo");
    let model = of_processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, name)| name).to_owned();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let load = text("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned();
    format!("{}; {processors} × {model}; load {load}", now().rfc3339())
}
