//! The machine and the time of a measurement.

use std::fs;

use shared::domain::time::Timestamp;

use crate::clock;

/// The moment, in whole seconds.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix(clock::now().as_secs().cast_signed())
}

/// The time, the machine, and its load: the average number of processes of the last minute that are ready to run.
pub(crate) fn described() -> String {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let of_processors = text("/proc/cpuinfo");
    let model = of_processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, name)| name).to_owned();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let load = text("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned();
    format!("{}; {processors} × {model}; load {load}", now().rfc3339())
}
