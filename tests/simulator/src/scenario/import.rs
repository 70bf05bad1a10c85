//! Connections that come from another system, and are stored over the present row.

use std::sync::Arc;
use std::time::Duration;

use shared::ports::Clock;
use shared::protocol::import::Imported;
use shared::protocol::refresh::Outcome;

use super::Scenario;
use crate::ports::Ports;

/// The longest invocation of the function that answers `PUT`, in milliseconds.
const TIMEOUT: u64 = 60_000;

impl Scenario {
    pub(super) fn import(&mut self, index: usize) {
        let (deployment, id, now) = (self.deployment(), self.ids[index].clone(), self.now());
        let replace = self.random.chance(0.8);
        let granted = {
            let mut world = self.scheduler.world.lock();
            let time = world.time();
            let code = world.provider.issue_code(None, time);
            world.provider.exchange(&code, None, false, time).ok().and_then(|grant| grant.pair.refresh_token)
        };
        let Some(refresh_token) = granted else { return };
        self.scheduler.spawn(format!("import {id}"), (now, now + TIMEOUT), move |ports: Ports| async move {
            let ports = Arc::new(ports);
            let deadline = Clock::now(&*ports) + Duration::from_millis(TIMEOUT);
            let imported = deployment.importing(&ports).import(&id, refresh_token, replace, deadline).await;
            let stored = match &imported {
                Ok(Imported::Replaced { pair_id, access_token }) => Some((*pair_id, access_token)),
                Ok(Imported::Stored { refresh: Outcome::Refreshed(connection, pair), .. }) => {
                    Some((connection.pair.id, &pair.access_token))
                }
                Ok(Imported::Stored { .. }) | Err(_) => None,
            };
            if let Some((pair_id, access_token)) = stored {
                deployment.accounts(&ports).identify(&id, pair_id, access_token, deadline).await;
            }
            ports.world.lock().note(ports.process, || match imported {
                Ok(_) => "= imported".to_owned(),
                Err(error) => format!("= {error}"),
            });
        });
    }
}
