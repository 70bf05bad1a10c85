//! A first attempt in Rust, as the examples of the crates suggest it: one function with its routes.

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambda_http::{Body, Error, Request, RequestExt, Response, run, service_fn, tracing};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

struct App {
    dynamodb: aws_sdk_dynamodb::Client,
    kms: aws_sdk_kms::Client,
    http: reqwest::Client,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = aws_config::load_from_env().await;
    let app = App {
        dynamodb: aws_sdk_dynamodb::Client::new(&config),
        kms: aws_sdk_kms::Client::new(&config),
        http: reqwest::Client::new(),
    };
    let app = &app;
    run(service_fn(move |request| async move { app.answer(request).await })).await
}

impl App {
    async fn answer(&self, request: Request) -> Result<Response<Body>, Error> {
        match request.uri().path() {
            "/authorize" => self.authorize().await,
            "/callback" => self.callback(&request).await,
            path => match path.strip_prefix("/token/") {
                Some(id) => self.token(id).await,
                None => Ok(Response::builder().status(404).body(Body::Empty)?),
            },
        }
    }

    async fn authorize(&self) -> Result<Response<Body>, Error> {
        let state = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        self.dynamodb
            .put_item()
            .table_name(variable("STATES_TABLE")?)
            .item("state", AttributeValue::S(state.clone()))
            .item("ttl", AttributeValue::N((now() + 600).to_string()))
            .send()
            .await?;
        let mut url = url::Url::parse(&variable("WEBINARGEEK_AUTHORIZE_URL")?)?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &variable("WEBINARGEEK_CLIENT_ID")?)
            .append_pair("redirect_uri", &variable("REDIRECT_URI")?)
            .append_pair("state", &state);
        Ok(Response::builder().status(302).header("location", url.as_str()).body(Body::Empty)?)
    }

    async fn callback(&self, request: &Request) -> Result<Response<Body>, Error> {
        let query = request.query_string_parameters();
        let (code, state) = (query.first("code").ok_or("no code")?, query.first("state").ok_or("no state")?);
        let states = variable("STATES_TABLE")?;
        let known =
            self.dynamodb.get_item().table_name(states).key("state", AttributeValue::S(state.into())).send().await?;
        if known.item.is_none() {
            return Ok(Response::builder().status(400).body("unknown state".into())?);
        }
        let form = [
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.to_owned()),
            ("client_id", variable("WEBINARGEEK_CLIENT_ID")?),
            ("client_secret", variable("WEBINARGEEK_CLIENT_SECRET")?),
            ("redirect_uri", variable("REDIRECT_URI")?),
        ];
        let answer = self.http.post(variable("WEBINARGEEK_TOKEN_URL")?).form(&form).send().await?.error_for_status()?;
        let pair: Value = answer.json().await?;
        let sealed = self
            .kms
            .encrypt()
            .key_id(variable("KMS_KEY_ID")?)
            .plaintext(pair.to_string().into_bytes().into())
            .send()
            .await?
            .ciphertext_blob
            .ok_or("no ciphertext")?;
        self.dynamodb
            .put_item()
            .table_name(variable("TOKENS_TABLE")?)
            .item("id", AttributeValue::S(state.to_owned()))
            .item("sealed", AttributeValue::B(sealed))
            .item("expires_at", AttributeValue::N((now() + 7200).to_string()))
            .send()
            .await?;
        Ok(Response::builder().status(200).body("connected".into())?)
    }

    /// The same two calls as ours: the row, and its key service.
    async fn token(&self, id: &str) -> Result<Response<Body>, Error> {
        let tokens = variable("TOKENS_TABLE")?;
        let row = self.dynamodb.get_item().table_name(tokens).key("id", AttributeValue::S(id.into())).send().await?;
        let row = row.item.ok_or("unknown connection")?;
        let sealed = row.get("sealed").and_then(|value| value.as_b().ok()).ok_or("no sealed pair")?;
        let opened = self.kms.decrypt().ciphertext_blob(sealed.clone()).send().await?;
        let pair: Value = serde_json::from_slice(opened.plaintext.ok_or("no plaintext")?.as_ref())?;
        let body = json!({ "access_token": pair["access_token"], "token_type": "Bearer" });
        let answer = Response::builder().status(200).header("content-type", "application/json");
        Ok(answer.body(body.to_string().into())?)
    }
}

fn variable(name: &str) -> Result<String, Error> {
    std::env::var(name).map_err(|_| format!("{name} is not set").into())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
