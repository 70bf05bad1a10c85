//! `doctor`.

use webinargeek_connect_client::Client;

use crate::failure::Failure;
use crate::output::Output;
use crate::table::Table;

pub(crate) async fn doctor(client: &Client, output: &Output, throw_away: Option<&str>) -> Result<(), Failure> {
    let examined = match throw_away {
        Some(connection) => client.try_rotation(connection).await?,
        None => client.doctor().await?,
    };
    output.answer(&examined, || {
        let mut table = Table::new(&["check", "status", "found", "what to do"]);
        for finding in &examined.findings {
            let (status, remedy) = (finding.status.clone(), finding.remedy.clone().unwrap_or_default());
            table.row([finding.check.clone(), status, finding.detail.clone(), remedy]);
        }
        table
    });
    if examined.healthy { Ok(()) } else { Err(Failure::Unhealthy) }
}
