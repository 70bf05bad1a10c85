//! The function that this process belongs to.

use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;

use super::{LazyClient, SdkConfig};
use crate::config::Environment;
use crate::domain::time::Timestamp;
use crate::ports::{StartError, StartRun};
use crate::telemetry::Chain;

/// `lambda:InvokeFunction`, asynchronous ([Invoking a function
/// asynchronously](https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html)).
pub struct OwnFunction {
    client: LazyClient<Client>,
    name: String,
}

impl OwnFunction {
    /// Lambda sets the variable with the name.
    pub fn read_name(env: &mut Environment) -> String {
        env.required("AWS_LAMBDA_FUNCTION_NAME")
    }

    /// `name` comes from [`Self::read_name`].
    pub fn new(sdk: &SdkConfig, name: String) -> Self {
        Self { client: LazyClient::new(sdk, Client::new), name }
    }
}

#[async_trait]
impl StartRun for OwnFunction {
    async fn start(&self, shards: &[u8], until: Timestamp) -> Result<(), StartError> {
        let event = serde_json::json!({ "shards": shards, "until": until.unix() }).to_string();
        let request = self.client.invoke().function_name(&self.name).invocation_type(InvocationType::Event);
        let answer = request.payload(Blob::new(event)).send().await;
        answer.map(|_| ()).map_err(|error| StartError(Chain(&error).to_string()))
    }
}
