//! A process whose deployment is taken apart, so that a test can put another part into it.

use std::sync::Arc;

use local::deployment::Deployment;
use shared::protocol::refresh::Refreshing;
use tests::world::World;

const SHARED: &str = "a new process shares its deployment with no other";

/// The deployment of a new process.
pub(crate) fn deployment(world: &World) -> Deployment {
    Arc::into_inner(world.another().deployment).expect(SHARED)
}

/// A process with this deployment.
pub(crate) fn process(world: &World, deployment: Deployment) -> World {
    let mut process = world.another();
    process.deployment = Arc::new(deployment);
    process
}

/// What a new process refreshes with.
pub(crate) fn refreshing(world: &World) -> Refreshing {
    let Deployment { token, .. } = deployment(world);
    Arc::into_inner(token.refreshing).expect(SHARED)
}
