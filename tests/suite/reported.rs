//! What a test looks at afterwards: events, the failures that a log counts, and the requests to the provider.

use tests::world::World;

/// The ids of all events in their order: `t/1/connection.connected`.
pub(crate) async fn event_ids(world: &World) -> Vec<String> {
    let events = world.stream.events("tests").await.unwrap();
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// The events of a connection in their order, each as `kind/version reason`.
pub(crate) async fn events_of(world: &World, id: &str) -> Vec<String> {
    let events = world.stream.events("tests").await.unwrap();
    let of_it = events.iter().filter(|event| event["connection_id"] == id);
    let texts = of_it.map(|event| {
        let kind = event["type"].as_str().unwrap().strip_prefix("connection.").unwrap();
        let reason = event["reason"].as_str().map(|reason| format!(" {reason}")).unwrap_or_default();
        format!("{kind}/{}{reason}", event["version"])
    });
    texts.collect()
}

/// How often a log counts a failure of this class.
pub(crate) fn counted(log: &str, class: &str) -> usize {
    let class = format!("class=\"{class}\"");
    log.lines().filter(|line| line.contains("failures=1") && line.contains(&class)).count()
}

/// How many codes the provider has received.
pub(crate) fn exchanges(world: &World) -> usize {
    world.simulation.faults.requested("authorization_code")
}

/// How many tokens the provider was asked to revoke.
pub(crate) fn revocations(world: &World) -> usize {
    world.simulation.faults.requested("revoke")
}
