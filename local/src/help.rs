//! `cargo dev -- --help`.

/// Name, default, meaning.
const VARIABLES: &[(&str, &str, &str)] = &[
    ("PORT", "8787", "where it listens; 0 takes any free port. The simulated WebinarGeek listens on the next port"),
    ("DATA_DIR", "in memory", "a folder of its own: tables, key and the simulated WebinarGeek survive restarts"),
    ("REFRESH_EVERY", "60", "seconds between scheduled refreshes"),
    ("STACK", "local", "the deployment's name, which pairs are sealed for"),
    (
        "PUBLIC_ORIGIN",
        "none",
        "an https tunnel to PORT, which then has the browser's routes only; the other routes get another port",
    ),
    ("RETURN_TO_ORIGINS", "any loopback", "where a journey may end, comma separated"),
    ("INSTALL_LINK", "on", "on or off: whether a customer may start without a session"),
    ("PROVIDER_REQUESTS_PER_SECOND", "50", "refreshes a second that scheduled runs may send"),
    ("DATA_KEY_MINUTES", "240", "how long the process keeps an opened data key; 0 keeps none"),
    ("CONSENT_MINUTES", "30", "minutes that a customer may take at the provider, 5 to 60"),
    ("APPLICATION_HOME", "the console", "where a page leads back to if its journey has no return_to"),
    ("DISPLAY_NAME", "none", "your name on the customer's pages"),
    ("LOGO_URL", "none", "your logo there: an https URL, or a data URI of at most 2048 characters"),
    (
        "ACCENT_COLOR",
        "#1f66e5",
        "of the buttons there, as #rrggbb; their text is black or white, for the best contrast",
    ),
    ("SUPPORT_URL", "none", "where your customers find help: an https URL, or a mailto: address"),
    ("PRIVACY_URL", "none", "your privacy statement"),
    ("NO_COLOR", "none", "any value: no colours on a terminal"),
    ("WEBINARGEEK_CLIENT_ID", "simulated", "of the app at the real WebinarGeek; the redirect URI for it is printed"),
    ("WEBINARGEEK_CLIENT_SECRET", "simulated", "of the same app"),
    ("SIMULATED_ROTATION", "grace", "what ends the old pair: grace, strict, reuse_detection, never"),
    ("SIMULATED_EXPIRES_IN", "7200", "seconds that access tokens of the simulated WebinarGeek live"),
    ("SIMULATED_REDIRECT_URI", "none", "of another application that uses the simulated WebinarGeek: docs/migrating.md"),
    ("", "", ""),
    ("WEBINARGEEK_AUTHORIZE_URL", "WebinarGeek's", "another provider's address for the customer's browser"),
    ("WEBINARGEEK_TOKEN_URL", "WebinarGeek's", "another provider's token endpoint"),
    ("WEBINARGEEK_REVOKE_URL", "WebinarGeek's", "its revocation endpoint; empty switches revocation off"),
    ("WEBINARGEEK_ACCOUNT_URL", "simulated", "where the provider tells whose account an access token is for"),
    ("WEBINARGEEK_SCOPE", "none", "the scope that the customer is asked for"),
    ("SCOPE_TEXT", "none", "the scope in your words, on the page that asks; separated by semicolons"),
    ("WEBINARGEEK_PKCE", "on", "on or off: RFC 7636 with S256"),
    ("WEBINARGEEK_CLIENT_AUTH", "client_secret_post", "or client_secret_basic"),
    ("WEBINARGEEK_EXPIRES_IN", "7200", "seconds that an access token lives, if an answer does not say"),
];

pub fn text() -> String {
    let mut text = "The product on this machine, with embedded engines and a simulated WebinarGeek.\n\n\
        cargo dev      serves until it is interrupted; its console is the page at /\n\
        cargo doctor   checks the variables and the provider\n\n\
        Variables, their defaults, and their meaning:\n\n"
        .to_owned();
    for (name, default, meaning) in VARIABLES {
        let line = format!("  {name:<25}  {default:<18}  {meaning}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
