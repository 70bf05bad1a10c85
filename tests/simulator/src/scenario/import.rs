//! Connections that come from another system, over whatever is there at that moment.

use std::sync::Arc;
use std::time::Duration;

use connections::import::Imported;
use shared::ports::Clock;
use shared::refreshing::Outcome;

use super::Scenario;
use crate::ports::Ports;

/// Of the function that answers `PUT`, in milliseconds.
const TIMEOUT: u64 = 60_000;

impl Scenario {
    pub(super) fn import(&mut self, index: usize) {
        let (deployment, id, now) = (self.deployment(), self.ids[index].clone(), self.now());
        let replace = self.random.chance(0.8);
        let granted = {
            let provider = &mut self.scheduler.world.lock().provider;
            let code = provider.issue_code(None, now);
            provider.exchange(&code, None, now).ok().and_then(|grant| grant.pair.refresh_token)
        };
        let Some(refresh_token) = granted else { return };
        self.scheduler.spawn(format!("import {id}"), (now, now + TIMEOUT), move |ports: Ports| async move {
            let ports = Arc::new(ports);
            let deadline = Clock::now(&*ports) + Duration::from_millis(TIMEOUT);
            let imported = deployment.importing(&ports).import(&id, refresh_token, replace, deadline).await;
            if let Ok(Imported { refresh: Outcome::Refreshed(connection, pair), .. }) = &imported {
                let identifying = deployment.identifying(&ports);
                identifying.identify(&id, connection.pair.token_set, &pair.access_token, deadline).await;
            }
            ports.world.lock().note(ports.process, || match imported {
                Ok(_) => "= imported".to_owned(),
                Err(error) => format!("= {error}"),
            });
        });
    }
}
