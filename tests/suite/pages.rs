//! The pages for customers: in their language, in the integrator's style, and with a next step.

use http::{Method, StatusCode};
use serde_json::json;
use shared::http::Response;
use tests::browser::location;
use tests::world::{ORIGIN, Setup, World};

const ICON: &str = "data:image/svg+xml;base64,PHN2Zy8+";

fn header<'a>(page: &'a Response, name: &str) -> &'a str {
    page.headers()[name].to_str().unwrap()
}

fn title(page: &Response) -> &str {
    page.body().split("<title>").nth(1).unwrap().split("</title>").next().unwrap()
}

fn heading(page: &Response) -> &str {
    page.body().split("<h1>").nth(1).unwrap().split("</h1>").next().unwrap()
}

async fn shown_in(world: &World, accept_language: &str, url: &str) -> Response {
    world.browser().send(Method::GET, url, &[("accept-language", accept_language)]).await
}

#[tokio::test]
async fn a_page_is_in_the_language_that_the_browser_prefers() {
    let world = World::new().await;
    for (wanted, tag, expected) in [
        ("nl-NL,nl;q=0.9,en;q=0.8", "nl", "Koppel je WebinarGeek-account"),
        ("fr;q=0.9,de;q=0.8", "de", "Ihr WebinarGeek-Konto verbinden"),
        ("fr", "en", "Connect your WebinarGeek account"),
    ] {
        let page = shown_in(&world, wanted, "/authorize").await;
        assert_eq!(heading(&page), expected);
        assert!(page.body().contains(&format!("<html lang=\"{tag}\" dir=\"ltr\">")), "{}", page.body());
        assert_eq!((header(&page, "content-language"), header(&page, "vary")), (tag, "Accept-Language"));
    }
    assert_eq!(heading(&shown_in(&world, "nl", "/callback?code=a").await), "Deze link is beschadigd");
}

#[tokio::test]
async fn a_session_chooses_the_language_of_all_its_pages() {
    let world = World::new().await;
    let session = world.session(json!({ "connection_id": "t", "ui_locale": "de", "expires_in": 60 })).await;
    let browser = world.browser();
    let wants_dutch = [("accept-language", "nl")];
    let asked = browser.send(Method::GET, session.text("url"), &wants_dutch).await;
    assert_eq!(heading(&asked), "Ihr WebinarGeek-Konto verbinden");
    let consent = browser.start(session.text("url")).await;
    let denied = browser.decide(&consent, "deny").await;
    assert_eq!(heading(&browser.send(Method::GET, &denied, &wants_dutch).await), "Sie haben nicht zugestimmt");
    // The state names the journey, and the cookie its browser: another browser gets a page in its own language.
    let strangers = world.browser().send(Method::GET, &denied, &wants_dutch).await;
    assert_eq!(heading(&strangers), "We herkennen deze browser niet");
    let approved = browser.decide(&consent, "approve").await;
    assert_eq!(
        heading(&browser.send(Method::GET, &approved, &wants_dutch).await),
        "Ihr WebinarGeek-Konto ist verbunden"
    );
    assert_eq!(heading(&browser.get(session.text("url")).await), "Dieser Link wurde schon verwendet");

    let expired = world.session(json!({ "ui_locale": "nl", "expires_in": 60 })).await;
    world.clock.advance(61);
    let page = browser.get(expired.text("url")).await;
    assert_eq!(heading(&page), "Deze link is verlopen");
    assert!(page.body().contains("tot 15 januari 2027, 08:01 uur UTC."), "{}", page.body());
}

#[tokio::test]
async fn a_language_without_pages_is_refused() {
    let world = World::new().await;
    for ui_locale in [json!("fr"), json!("nl-NL"), json!("NL"), json!(""), json!(1)] {
        let body = json!({ "ui_locale": ui_locale });
        let answer = world.json(Method::POST, "/v1/connect-sessions", Some(body)).await;
        assert_eq!((answer.status.as_u16(), answer.text("field")), (400, "ui_locale"), "{answer:?}");
    }
    world.session(json!({ "ui_locale": null })).await;
}

#[tokio::test]
async fn the_pages_show_the_integrators_name_logo_colour_and_links() {
    let setup = Setup::default()
        .variable("DISPLAY_NAME", "Acme & Co")
        .variable("LOGO_URL", "https://cdn.example.com/logo.svg?v=2")
        .variable("ACCENT_COLOR", "#FFD000")
        .variable("SUPPORT_URL", "mailto:help@example.com")
        .variable("PRIVACY_URL", "https://example.com/privacy");
    let world = World::with(setup).await;
    let asked = world.browser().get("/authorize").await;
    assert_eq!(title(&asked), "Connect Acme &amp; Co to your WebinarGeek account");
    let declined = world.browser().journey("/authorize", "deny").await;
    assert_eq!(title(&declined), "You declined – Acme &amp; Co");
    for page in [asked, declined] {
        for part in [
            "<img src=\"https://cdn.example.com/logo.svg?v=2\" alt=\"Acme &amp; Co\">",
            "--accent:#ffd000;--on:#000000",
            "<a href=\"mailto:help@example.com\">Help</a>",
            "<a href=\"https://example.com/privacy\">Privacy</a>",
        ] {
            assert!(page.body().contains(part), "{part}: {}", page.body());
        }
        let policy = header(&page, "content-security-policy");
        assert!(policy.contains("; img-src data: https://cdn.example.com/logo.svg; "), "{policy}");
    }
}

#[tokio::test]
async fn a_logo_as_a_data_uri_needs_no_other_origin() {
    let world = World::with(Setup::default().variable("LOGO_URL", ICON)).await;
    let page = world.browser().get("/authorize").await;
    assert!(page.body().contains(&format!("<img src=\"{ICON}\" alt=\"\">")), "{}", page.body());
    let policy = header(&page, "content-security-policy");
    assert!(policy.contains("; img-src data:; ") && !policy.contains("http"), "{policy}");
}

#[tokio::test]
async fn the_confirmation_page_says_who_asks_and_for_what_and_leads_back() {
    let return_to = "https://app.example.com/settings?tab=1&x=2";
    let setup = Setup::default().variable("DISPLAY_NAME", "Acme").variable("WEBINARGEEK_SCOPE", "webinars:read people");
    let world = World::with(setup).await;
    let session = world.session(json!({ "return_to": return_to })).await;
    let page = world.browser().get(session.text("url")).await;
    assert!(page.body().contains("Acme (app.example.com) asks for access"), "{}", page.body());
    assert!(page.body().contains("<ul><li>webinars:read</li><li>people</li></ul>"), "{}", page.body());
    let back = return_to.replace('&', "&amp;");
    assert!(
        page.body().contains(&format!("<a href=\"{back}\">Cancel</a>")),
        "the address has no result: {}",
        page.body()
    );

    let worded = world.redeployed(&[("SCOPE_TEXT", "See your webinars; see who <comes>;")]);
    let page = worded.browser().get(session.text("url")).await;
    assert!(
        page.body().contains("<ul><li>See your webinars</li><li>see who &lt;comes&gt;</li></ul>"),
        "{}",
        page.body()
    );

    let moved = world.redeployed(&[("RETURN_TO_ORIGINS", "https://elsewhere.example.com")]);
    let page = moved.browser().get(session.text("url")).await;
    assert!(!page.body().contains("app.example.com"), "the origin is no longer listed: {}", page.body());
    let unnamed = World::new().await;
    let session = unnamed.session(json!({ "return_to": return_to })).await;
    let page = unnamed.browser().get(session.text("url")).await;
    assert!(page.body().contains("app.example.com asks for access"), "{}", page.body());
}

#[tokio::test]
async fn a_failure_that_may_pass_has_a_button_to_try_the_same_address_again() {
    let world = World::new().await;
    let session = world.session(json!({ "connection_id": "t" })).await;
    let browser = world.browser();
    let again = "<a class=\"button\" href=\"\">";

    world.outage_of(&["GetItem"]);
    let page = browser.get(session.text("url")).await;
    assert!(page.body().contains(again), "{}", page.body());
    world.outage_of(&[]);

    let forged = browser.send(Method::POST, session.text("url"), &[("origin", "https://evil.example")]).await;
    assert!(forged.body().contains(again), "the link leads to the page that asks: {}", forged.body());

    let callback = browser.to_callback(session.text("url")).await;
    world.outage_of(&["GenerateDataKey"]);
    let page = browser.get(&callback).await;
    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    let state = callback.split("state=").nth(1).unwrap().split('&').next().unwrap();
    assert!(page.body().contains(again) && !page.body().contains(state), "{}", page.body());
    world.outage_of(&[]);
    assert_eq!(browser.get(&callback).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_install_link_starts_again_here_and_a_session_in_the_application() {
    let world = World::with(Setup::default().variable("APPLICATION_HOME", "https://home.example.com/")).await;
    let here = "<a class=\"button\" href=\"/authorize\">Start again</a>";
    let there = "<a class=\"button\" href=\"https://home.example.com/\">Back to the application</a>";
    let declined = world.browser().journey("/authorize", "deny").await;
    assert!(declined.body().contains(here) && !declined.body().contains(there), "{}", declined.body());
    let session = world.session(json!({})).await;
    let declined = world.browser().journey(session.text("url"), "deny").await;
    assert!(declined.body().contains(there) && !declined.body().contains(here), "{}", declined.body());
}

#[tokio::test]
async fn no_page_shows_the_connection_id() {
    let world = World::new().await;
    let id = "customers-secret-number";
    let session = world.session(json!({ "connection_id": id })).await;
    let browser = world.browser();
    let mut pages = vec![browser.get(session.text("url")).await];
    let consent = browser.start(session.text("url")).await;
    for decision in ["deny", "approve"] {
        let back = browser.decide(&consent, decision).await;
        pages.push(browser.get(&back).await);
        pages.push(browser.get(&back).await);
    }
    pages.push(browser.get(session.text("url")).await);
    let headings: std::collections::BTreeSet<&str> = pages.iter().map(heading).collect();
    assert_eq!(headings.len(), 4, "asks, declined, connected, used: {headings:?}");
    for page in pages {
        assert!(!page.body().contains(id), "{}", page.body());
    }
}

#[tokio::test]
async fn every_page_is_small_and_loads_nothing_else() {
    let world = World::with(Setup::default().variable("DISPLAY_NAME", &"Ä".repeat(100))).await;
    for (method, url) in [
        (Method::GET, "/authorize"),
        (Method::POST, "/authorize"),
        (Method::GET, "/authorize?session=x"),
        (Method::GET, "/callback?error=invalid_scope"),
        (Method::GET, "/callback?code=a"),
    ] {
        let page = world.browser().send(method, url, &[("accept-language", "de")]).await;
        assert!(page.body().len() < 10_000, "{url}: {} bytes", page.body().len());
        assert!(
            page.body().contains("<link rel=\"icon\" href=\"data:image/svg+xml,"),
            "{url}: the browser requests no icon"
        );
        for loads in ["<script", "<img", "@import", "url(", "style=\"", "onclick"] {
            assert!(!page.body().contains(loads), "{url}: {loads}");
        }
    }
}

#[tokio::test]
async fn the_style_names_no_left_or_right_so_that_other_directions_of_writing_work() {
    let world = World::new().await;
    let page = world.browser().get("/authorize").await;
    let style = page.body().split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    for physical in
        ["left", "right", "margin-top", "margin-bottom", "padding-top", "padding-bottom", ";width", "{width"]
    {
        assert!(!style.contains(physical), "{physical} in {style}");
    }
}

#[tokio::test]
async fn a_language_changes_only_the_texts() {
    let world = World::new().await;
    let session = world.session(json!({ "connection_id": "t", "ui_locale": "nl", "confirm_page": false })).await;
    let sent = world.browser().get(session.text("url")).await;
    assert!(location(&sent).starts_with(&world.provider_origin));
    let answer =
        world.browser().send(Method::POST, "/authorize", &[("origin", ORIGIN), ("accept-language", "nl")]).await;
    assert!(location(&answer).starts_with(&world.provider_origin));
}
