//! What is measured: the functions of a build, and their peers, with the environment that Lambda gives them.

use std::path::{Path, PathBuf};

use crate::Failed;
use crate::function::Program;
use crate::rows::STACK;
use crate::stand_ins::{CLIENT_ID, CLIENT_SECRET, Service, StandIns, keys, secrets};

pub(crate) const FUNCTIONS: [&str; 7] =
    ["authorize", "callback", "refresh", "token", "connections", "events", "maintenance"];
pub(crate) const HOST: &str = "connect.example.com";
pub(crate) const AUTHORIZE_URL: &str = "https://provider.example/oauth/authorize";

/// The author of a program. It decides how the program is called, and what it stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    Ours,
    NodeGuide,
    PythonRefresher,
    RustDefault,
    RustHello,
}

impl Maker {
    pub(crate) const PEERS: [Self; 4] = [Self::RustHello, Self::RustDefault, Self::NodeGuide, Self::PythonRefresher];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::NodeGuide => "node-guide",
            Self::PythonRefresher => "python-refresher",
            Self::RustDefault => "rust-default",
            Self::RustHello => "rust-hello",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::PEERS.into_iter().find(|peer| peer.name() == name)
    }
}

/// One build of the functions.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    pub label: String,
    pub directory: PathBuf,
    /// True if the functions trust only the public certificate authorities for the provider. Then their provider is a
    /// stand-in without TLS.
    pub has_plain_provider: bool,
}

impl Build {
    /// The functions that are built, in a fixed order.
    pub(crate) fn functions(&self) -> Result<Vec<&'static str>, Failed> {
        let built: Vec<_> = FUNCTIONS.into_iter().filter(|function| self.binary(function).is_ok()).collect();
        if built.is_empty() { Err(format!("{} has no functions", self.directory.display()).into()) } else { Ok(built) }
    }

    /// `sam build` makes `TokenFunction/bootstrap`, and cargo `token`.
    pub(crate) fn binary(&self, function: &str) -> Result<PathBuf, Failed> {
        let (first, rest) = function.split_at(1);
        let logical_id = format!("{}{rest}Function", first.to_uppercase());
        let candidates = [self.directory.join(logical_id).join("bootstrap"), self.directory.join(function)];
        let found = candidates.into_iter().find(|path| path.is_file());
        found.ok_or(format!("{} has no {function}: build the functions first", self.directory.display()).into())
    }
}

/// What a process can reach: only what Lambda itself configures, or also the stand-ins.
#[derive(Clone, Copy)]
pub(crate) enum Reach<'a> {
    Nothing,
    StandIns(&'a StandIns),
}

pub(crate) fn of_ours(build: &Build, function: &str, reach: Reach<'_>) -> Result<Program, Failed> {
    let mut environment = of_lambda(function);
    let own = [
        ("ATTEMPTS_TABLE", "attempts"),
        ("CONNECTIONS_TABLE", "connections"),
        ("KMS_KEY_ID", keys::ARN),
        ("CLIENT_SECRET_ARN", secrets::ARN),
        ("STACK", STACK),
        ("INSTALL_LINK", "on"),
        ("ESCROW_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/111122223333/bench"),
        ("EVENT_BUS_NAME", "bench"),
        ("WEBINARGEEK_CLIENT_ID", CLIENT_ID),
        ("WEBINARGEEK_AUTHORIZE_URL", AUTHORIZE_URL),
        ("WEBINARGEEK_REVOKE_URL", ""),
        // So high that it does not limit a run.
        ("PROVIDER_REQUESTS_PER_SECOND", "10000"),
    ];
    environment.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    if let Reach::StandIns(stand_ins) = reach {
        environment.extend(endpoints(stand_ins, build.has_plain_provider));
        environment.push(("SSL_CERT_FILE".to_owned(), stand_ins.authority.display().to_string()));
    }
    Ok(Program { command: build.binary(function)?, arguments: Vec::new(), environment })
}

/// `built`: what `bench/peers/build` has made. `handler` of a function in Node or Python.
pub(crate) fn of_peer(maker: Maker, built: &Path, handler: &str, reach: Reach<'_>) -> Result<Program, Failed> {
    let sources = sources_of(maker);
    let (command, arguments) = match maker {
        Maker::NodeGuide => (PathBuf::from("/usr/bin/env"), vec!["node".to_owned(), path(sources.join("runtime.mjs"))]),
        Maker::PythonRefresher => (built.join("python-refresher/bin/python"), vec![path(sources.join("runtime.py"))]),
        Maker::Ours | Maker::RustDefault | Maker::RustHello => (built.join("release").join(maker.name()), Vec::new()),
    };
    if !command.is_file() {
        return Err(format!("{} is missing: run bench/peers/build", command.display()).into());
    }
    let mut environment = of_lambda(maker.name());
    let own = [
        ("_HANDLER", format!("index.{handler}")),
        ("STATES_TABLE", "states".to_owned()),
        ("TOKENS_TABLE", "tokens".to_owned()),
        ("KMS_KEY_ID", keys::ARN.to_owned()),
        ("REDIRECT_URI", format!("https://{HOST}/callback")),
        ("WEBINARGEEK_CLIENT_ID", CLIENT_ID.to_owned()),
        ("WEBINARGEEK_CLIENT_SECRET", CLIENT_SECRET.to_owned()),
        ("WEBINARGEEK_AUTHORIZE_URL", AUTHORIZE_URL.to_owned()),
    ];
    environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
    if let Reach::StandIns(stand_ins) = reach {
        // reqwest's default verifier and the SDK's read `SSL_CERT_FILE`, Node and Python have their own names.
        environment.extend(endpoints(stand_ins, false));
        for name in ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"] {
            environment.push((name.to_owned(), path(stand_ins.authority.clone())));
        }
    }
    Ok(Program { command, arguments, environment })
}

pub(crate) fn sources_of(peer: Maker) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(peer.name())
}

/// The variables that Lambda sets (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>). No
/// variable of this process is passed on.
fn of_lambda(function: &str) -> Vec<(String, String)> {
    let variables = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("LANG", "en_US.UTF-8"),
        ("TZ", ":UTC"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "bench-secret-access-key"),
        ("AWS_SESSION_TOKEN", "bench-session-token"),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023"),
        ("AWS_LAMBDA_FUNCTION_NAME", function),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn endpoints(stand_ins: &StandIns, has_plain_provider: bool) -> [(String, String); 4] {
    let provider = if has_plain_provider { stand_ins.plain_provider() } else { stand_ins.url(Service::Provider) };
    [
        ("AWS_ENDPOINT_URL_DYNAMODB", stand_ins.url(Service::DynamoDb)),
        ("AWS_ENDPOINT_URL_KMS", stand_ins.url(Service::Kms)),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", stand_ins.url(Service::SecretsManager)),
        ("WEBINARGEEK_TOKEN_URL", format!("{provider}/oauth/token")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
}

fn path(path: PathBuf) -> String {
    path.display().to_string()
}
