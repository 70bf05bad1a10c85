//! `link`, `session` and `confirm`.

use serde_json::json;
use url::Url;
use webinargeek_connect_client::{Client, NewSession, Secret};

use crate::arguments::Link;
use crate::clock::now;
use crate::connections::described;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::table::{Table, from_now, moment};

pub(crate) async fn link(client: &Client, output: &Output, link: Link) -> Result<(), Failure> {
    // A setting that is left out has the API's default.
    let if_said = |said: bool, value: bool| said.then_some(value);
    let session = NewSession {
        connection_id: link.id,
        return_to: link.return_to,
        expires_in: link.expires_in,
        confirm_page: if_said(link.no_confirm_page, false),
        confirm: if_said(link.no_confirm, false),
        same_account: if_said(link.same_account, true),
        ui_locale: link.ui_locale,
        throw_away: if_said(link.throw_away, true),
    };
    let made = client.begin_session(&session).await?;
    let expires_at = moment(made.expires_at);
    let value = json!({
        "session_id": made.session_id, "connection_id": made.connection_id, "url": made.url.expose(), "expires_at": expires_at,
    });
    output.answer(&value, || {
        Table::of_members([
            ("link", Some(made.url.expose().to_owned())),
            ("connection", Some(made.connection_id.clone())),
            ("session", Some(made.session_id.clone())),
            ("expires", Some(format!("{expires_at}, {}", from_now(made.expires_at, now())))),
        ])
    });
    output.note("For this customer only: the first person who approves decides which account is connected.");
    Ok(())
}

pub(crate) async fn show(client: &Client, output: &Output, id: &str) -> Result<(), Failure> {
    let session = client.session(id).await?;
    output.answer(&session, || {
        Table::of_members([
            ("session", Some(session.session_id.clone())),
            ("connection", Some(session.connection_id.clone())),
            ("status", Some(session.status.clone())),
            ("reason", session.reason.clone()),
            ("reference", session.reference.clone()),
            ("link expires", Some(format!("{}, {}", moment(session.expires_at), from_now(session.expires_at, now())))),
        ])
    });
    Ok(())
}

pub(crate) async fn confirm(client: &Client, output: &Output, session_id: &str) -> Result<(), Failure> {
    let brought = input::secret("confirmation, or the address that the browser came back to")?;
    let connection = client.confirm(session_id, &confirmation(&brought)?).await?;
    output.answer(&connection, || described(&connection));
    Ok(())
}

fn confirmation(brought: &Secret) -> Result<Secret, Failure> {
    let Ok(address) = Url::parse(brought.expose()) else { return Ok(brought.clone()) };
    let found = address.query_pairs().find(|(name, _)| name == "confirmation");
    let found = found.ok_or_else(|| Failure::Usage("the address has no parameter `confirmation`".to_owned()))?;
    Ok(Secret::new(found.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmation_is_found_in_the_address_that_the_browser_came_back_to() {
        let of = |text: &str| confirmation(&Secret::new(text)).map(|found| found.expose().to_owned());
        assert_eq!(of("dBjftJeZ4CVP-mB9").unwrap(), "dBjftJeZ4CVP-mB9");
        let address = "https://app.example.com/back?a=1&connection_id=acme&status=connected&confirmation=dBjf%2D";
        assert_eq!(of(address).unwrap(), "dBjf-");
        assert!(of("https://app.example.com/back?status=denied").is_err());
    }
}
