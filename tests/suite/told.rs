//! What was reported: the events of a connection, and the failures that a log counts.

use tests::world::World;

/// The events of a connection in their order, as `what/version reason`.
pub(crate) async fn events_of(world: &World, id: &str) -> Vec<String> {
    let events = world.stream.events("tests").await.unwrap();
    let of_it = events.iter().filter(|event| event["connection_id"] == id);
    let told = of_it.map(|event| {
        let what = event["type"].as_str().unwrap().strip_prefix("connection.").unwrap();
        let reason = event["reason"].as_str().map(|reason| format!(" {reason}")).unwrap_or_default();
        format!("{what}/{}{reason}", event["version"])
    });
    told.collect()
}

/// How often a log counts a failure of this class.
pub(crate) fn counted(log: &str, class: &str) -> usize {
    let class = format!("class=\"{class}\"");
    log.lines().filter(|line| line.contains("failures=1") && line.contains(&class)).count()
}
