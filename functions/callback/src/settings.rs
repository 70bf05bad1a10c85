//! What the callback reads from its environment.

use std::sync::Arc;

use shared::config::{Environment, RefreshSettings};
use shared::domain::return_to::WaysBack;
use shared::http::page::Layout;
use url::Url;

pub struct Settings {
    pub refreshing: RefreshSettings,
    pub attempts_table: String,
    pub kms_key_id: String,
    pub account_url: Option<Url>,
    pub ways_back: WaysBack,
    /// How the pages look.
    pub layout: Arc<Layout>,
}

impl Settings {
    pub fn read(env: &mut Environment) -> Self {
        Self {
            refreshing: RefreshSettings::read(env),
            attempts_table: env.required("ATTEMPTS_TABLE"),
            kms_key_id: env.required("KMS_KEY_ID"),
            account_url: env.account_url(),
            ways_back: env.ways_back(),
            layout: Arc::new(Layout::new(env.branding())),
        }
    }
}
