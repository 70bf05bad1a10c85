//! Each parameter with a value that is not its default. The value must arrive in its place, and the functions must
//! accept it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shared::config::Environment;

use super::read_settings;
use crate::stack::{FUNCTIONS, Stack};

/// A parameter, a value of it, and a place in the resources that has another value by default.
struct Away(&'static str, &'static str, &'static str, &'static str);

const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:wg-AbCdEf";
const CERTIFICATE: &str = "arn:aws:acm:eu-west-1:111122223333:certificate/1b2c";
const BOUNDARY: &str = "arn:aws:iam::111122223333:policy/of-the-organization";
const STREAM: &str = "arn:aws:dynamodb:eu-west-1:111122223333:table/their-connections/stream/2026-11-24T16:00:00.000";
const KEYS: [&str; 3] = [
    "arn:aws:kms:eu-west-1:111122223333:key/1b2c",
    "arn:aws:kms:eu-west-1:111122223333:key/3d4e",
    "arn:aws:kms:eu-west-1:111122223333:key/5f6a",
];

const AWAY: [Away; 44] = [
    Away("ClientId", "another", "CallbackFunction/Properties/Environment/Variables/WEBINARGEEK_CLIENT_ID", "another"),
    Away("ClientSecret", "another", "Secret/Properties/SecretString", "another"),
    Away("ClientSecretArn", SECRET, "CallbackFunction/Properties/Environment/Variables/CLIENT_SECRET_ARN", SECRET),
    Away(
        "ReturnToOrigins",
        "https://app.example.com",
        "AuthorizeFunction/Properties/Environment/Variables/RETURN_TO_ORIGINS",
        "https://app.example.com",
    ),
    Away(
        "ApplicationHome",
        "https://app.example.com/",
        "AuthorizeFunction/Properties/Environment/Variables/APPLICATION_HOME",
        "https://app.example.com/",
    ),
    Away("InstallLink", "on", "AuthorizeFunction/Properties/Environment/Variables/INSTALL_LINK", "on"),
    Away("ConsentMinutes", "60", "AuthorizeFunction/Properties/Environment/Variables/CONSENT_MINUTES", "60"),
    Away(
        "DisplayName",
        "Acme Webinars",
        "AuthorizeFunction/Properties/Environment/Variables/DISPLAY_NAME",
        "Acme Webinars",
    ),
    Away(
        "LogoUrl",
        "https://cdn.example.com/logo.svg",
        "AuthorizeFunction/Properties/Environment/Variables/LOGO_URL",
        "https://cdn.example.com/logo.svg",
    ),
    Away("AccentColor", "#1f66e5", "AuthorizeFunction/Properties/Environment/Variables/ACCENT_COLOR", "#1f66e5"),
    Away(
        "SupportUrl",
        "mailto:help@example.com",
        "CallbackFunction/Properties/Environment/Variables/SUPPORT_URL",
        "mailto:help@example.com",
    ),
    Away(
        "PrivacyUrl",
        "https://example.com/privacy",
        "CallbackFunction/Properties/Environment/Variables/PRIVACY_URL",
        "https://example.com/privacy",
    ),
    Away(
        "ScopeText",
        "Read your webinars; read who has registered",
        "AuthorizeFunction/Properties/Environment/Variables/SCOPE_TEXT",
        "Read your webinars; read who has registered",
    ),
    Away("DomainName", "connect.example.com", "Domain/Properties/DomainName", "connect.example.com"),
    Away("CertificateArn", CERTIFICATE, "Domain/Properties/DomainNameConfigurations/0/CertificateArn", CERTIFICATE),
    Away("HostedZoneId", "Z123", "DomainRecordV6/Properties/HostedZoneId", "Z123"),
    // Its default applies only with a domain, so the test compares it with another stack.
    Away("DisableExecuteApiEndpoint", "false", "AuthorizeFunction/Properties/Environment/Variables/PUBLIC_ORIGIN", ""),
    Away("AlarmEmail", "ops@example.com", "AlarmSubscription/Properties/Endpoint", "ops@example.com"),
    Away("RefreshIntervalMinutes", "1", "TokenFunction/Properties/Environment/Variables/REFRESH_EVERY", "60"),
    Away(
        "ProviderRequestsPerSecond",
        "5",
        "RefreshFunction/Properties/Environment/Variables/PROVIDER_REQUESTS_PER_SECOND",
        "5",
    ),
    Away("ParallelRuns", "1", "RefreshFunction/Properties/Environment/Variables/PARALLEL_RUNS", "1"),
    Away("EventBusName", "theirs", "EventsFunction/Properties/Environment/Variables/EVENT_BUS_NAME", "theirs"),
    Away("LogRetentionDays", "365", "TokenLogGroup/Properties/RetentionInDays", "365"),
    Away(
        "BrowserRequestsPerSecond",
        "500",
        "ApiApiGatewayDefaultStage/Properties/RouteSettings/GET ~1callback/ThrottlingRateLimit",
        "500",
    ),
    Away(
        "IntegratorRequestsPerSecond",
        "2000",
        "ApiApiGatewayDefaultStage/Properties/DefaultRouteSettings/ThrottlingRateLimit",
        "2000",
    ),
    Away("Tracing", "on", "RefreshFunction/Properties/TracingConfig/Mode", "Active"),
    Away("PermissionsBoundaryArn", BOUNDARY, "ScheduleRole/Properties/PermissionsBoundary", BOUNDARY),
    Away("Architecture", "x86_64", "EventsFunction/Properties/Architectures/0", "x86_64"),
    Away(
        "AuthorizeUrl",
        "https://provider.example/authorize",
        "AuthorizeFunction/Properties/Environment/Variables/WEBINARGEEK_AUTHORIZE_URL",
        "https://provider.example/authorize",
    ),
    Away(
        "TokenUrl",
        "https://provider.example/token",
        "TokenFunction/Properties/Environment/Variables/WEBINARGEEK_TOKEN_URL",
        "https://provider.example/token",
    ),
    Away("RevokeUrl", "", "RefreshFunction/Properties/Environment/Variables/WEBINARGEEK_REVOKE_URL", ""),
    Away(
        "AccountUrl",
        "https://provider.example/account",
        "CallbackFunction/Properties/Environment/Variables/WEBINARGEEK_ACCOUNT_URL",
        "https://provider.example/account",
    ),
    Away(
        "Scope",
        "webinars registrations",
        "AuthorizeFunction/Properties/Environment/Variables/WEBINARGEEK_SCOPE",
        "webinars registrations",
    ),
    Away("Pkce", "off", "AuthorizeFunction/Properties/Environment/Variables/WEBINARGEEK_PKCE", "off"),
    Away(
        "ClientAuthentication",
        "client_secret_basic",
        "RefreshFunction/Properties/Environment/Variables/WEBINARGEEK_CLIENT_AUTH",
        "client_secret_basic",
    ),
    Away(
        "AccessTokenLifetime",
        "3600",
        "TokenFunction/Properties/Environment/Variables/WEBINARGEEK_EXPIRES_IN",
        "3600",
    ),
    Away("DeploymentName", "first", "MaintenanceFunction/Properties/Environment/Variables/STACK", "first"),
    Away(
        "ExistingConnectionsTable",
        "their-connections",
        "TokenFunction/Properties/Environment/Variables/CONNECTIONS_TABLE",
        "their-connections",
    ),
    Away("ExistingConnectionsStreamArn", STREAM, "EventsFromStream/Properties/EventSourceArn", STREAM),
    Away(
        "ExistingAttemptsTable",
        "their-attempts",
        "CallbackFunction/Properties/Environment/Variables/ATTEMPTS_TABLE",
        "their-attempts",
    ),
    Away("ExistingSealingKeyArn", KEYS[0], "OpenDataKey/0", KEYS[0]),
    Away("DataKeyMinutes", "0", "RefreshFunction/Properties/Environment/Variables/DATA_KEY_MINUTES", "0"),
    Away("NewSealingKeyArn", KEYS[1], "CallbackFunction/Properties/Environment/Variables/KMS_KEY_ID", KEYS[1]),
    Away("PreviousSealingKeyArn", KEYS[2], "OpenDataKey/2", KEYS[2]),
];

/// The resources. `OpenDataKey` has the keys with which the token function may open data keys.
fn deployed(stack: &Stack) -> Value {
    let mut all: serde_json::Map<String, Value> =
        stack.resources().map(|(id, resource)| (id.to_owned(), resource.clone())).collect();
    let statements = stack.policies("token").into_iter().flat_map(|policy| policy["Statement"].as_array().cloned());
    let open = statements.flatten().find(|statement| statement["Sid"] == "OpenDataKey").unwrap();
    all.insert("OpenDataKey".to_owned(), open["Resource"].clone());
    Value::Object(all)
}

/// All parameters away from their defaults, without those that exclude another one.
async fn all_away(without: &[&str]) -> Stack {
    let given: BTreeMap<&str, &str> =
        AWAY.iter().map(|Away(name, value, ..)| (*name, if without.contains(name) { "" } else { *value })).collect();
    Stack::resolve(&given).await.unwrap_or_else(|problems| panic!("{problems}"))
}

#[tokio::test]
async fn each_parameter_of_the_template_is_deployed_away_from_its_default() {
    let template = include_str!("../../../template.yaml");
    let section = template.split("\nParameters:\n").nth(1).unwrap().split("\nRules:\n").next().unwrap();
    let names = section.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
    let declared: BTreeSet<&str> = names.filter(|name| !name.starts_with(' ')).collect();
    assert_eq!(AWAY.iter().map(|Away(name, ..)| *name).collect::<BTreeSet<_>>(), declared);

    let by_default = deployed(&Stack::with(&[]).await);
    let (named, made) = (deployed(&all_away(&["ClientSecret"]).await), deployed(&all_away(&["ClientSecretArn"]).await));
    for Away(name, _, place, expected) in AWAY {
        let away = if name == "ClientSecret" { &made } else { &named };
        let at = |deployed: &Value| deployed.pointer(&format!("/{place}")).cloned();
        if name == "DisableExecuteApiEndpoint" {
            let body = |deployed: &Value| deployed["Api"]["Properties"]["Body"].to_string();
            assert!(
                !body(away).contains("\"disableExecuteApiEndpoint\":true") && at(away).is_none(),
                "both addresses answer"
            );
            let closed = Stack::with(&[("DomainName", "connect.example.com"), ("CertificateArn", CERTIFICATE)]).await;
            assert!(body(&deployed(&closed)).contains("\"disableExecuteApiEndpoint\":true"), "by default");
            continue;
        }
        assert_eq!(at(away), Some(json!(expected)), "{name} at {place}");
        assert_ne!(at(&by_default), Some(json!(expected)), "{name} is its default");
    }
}

#[tokio::test]
async fn the_functions_accept_every_parameter_away_from_its_default() {
    let stack = all_away(&["ClientSecret"]).await;
    for function in FUNCTIONS {
        let variables = stack.environment(function);
        let lookup = |name: &str| variables.get(name).cloned();
        let read = Environment::read(&lookup, |env| read_settings(function, env));
        assert!(read.is_ok(), "{function}: {}", read.err().unwrap());
        let bytes: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(bytes < 4096, "{function}: Lambda's limit for all variables of a function; {bytes}");
    }
}
