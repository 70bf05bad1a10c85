//! `cargo doctor`: the deployment's own checks, with the laptop's environment.

use std::sync::Arc;

use connections::doctor::{Examination, Finding};
use shared::ports::{Clock, Entropy};

use crate::StartError;
use crate::settings::Settings;
use crate::start::start;

/// May run while the laptop runs: it uses another port, and not the laptop's files. The redirect URI is still the
/// laptop's.
pub async fn examine(
    settings: Settings,
    lookup: impl Fn(&str) -> Option<String>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<Examination, StartError> {
    let origin = settings.public_origin.unwrap_or_else(|| format!("http://127.0.0.1:{}", settings.port));
    let settings = Settings { public_origin: Some(origin.clone()), port: 0, data_dir: None, ..settings };
    let running = start(settings, lookup, clock, entropy).await?;
    Ok(running.server.deployment.connections.doctor.examine(&origin).await)
}

pub fn line(finding: &Finding) -> String {
    let remedy = finding.remedy.map(|remedy| format!(": {remedy}")).unwrap_or_default();
    format!("{:<8} {:<19} {}{remedy}", finding.status.as_str(), finding.check, finding.detail)
}
