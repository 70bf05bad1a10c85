//! `list`, `show` and `disconnect`.

use webinargeek_connect_client::{Client, Connection};

use crate::clock::now;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::table::{Table, from_now, moment};

/// Shown page by page to a program, and as one table to a person.
pub(crate) async fn list(client: &Client, output: &Output, status: Option<&str>) -> Result<(), Failure> {
    let mut connections = client.list(status);
    let mut table = Table::new(&["id", "status", "reason", "version", "expires", "refresh", "failures", "account"]);
    let now = now();
    while let Some(connection) = connections.next().await? {
        if output.json {
            output.line(&connection);
            continue;
        }
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let time = |at: Option<_>| at.map(|at| from_now(at, now)).unwrap_or_default();
        table.row([
            connection.id.clone(),
            connection.status.clone(),
            connection.reason.clone().unwrap_or_default(),
            number(connection.version),
            time(connection.expires_at),
            time(connection.next_refresh_at),
            number(connection.failures),
            account(&connection).unwrap_or_default(),
        ]);
    }
    if !output.json {
        output.text(&table.to_string());
    }
    Ok(())
}

pub(crate) async fn show(client: &Client, output: &Output, id: &str) -> Result<(), Failure> {
    let connection = client.show(id).await?;
    output.answer(&connection, || described(&connection));
    Ok(())
}

pub(crate) async fn disconnect(client: &Client, output: &Output, id: &str, yes: bool) -> Result<(), Failure> {
    if !yes && !input::agrees(&format!("Take {id} away and revoke its grants?"))? {
        return Err(Failure::Failed("nothing was changed".to_owned()));
    }
    let answer = client.disconnect(id).await?;
    let revocation = match answer.revocation.as_str() {
        "done" => "done: WebinarGeek has revoked its grants",
        "off" => "off: the deployment does not revoke",
        "pending" => "pending: the schedule tries again; run the same command to see the outcome",
        "failed" => "failed: the log names what WebinarGeek has not revoked",
        other => other,
    };
    output.answer(&answer, || {
        Table::of_members([("connection", Some(id.to_owned())), ("revocation", Some(revocation.to_owned()))])
    });
    Ok(())
}

/// Every member that is known.
pub(crate) fn described(connection: &Connection) -> Table {
    let now = now();
    let time = |at: Option<_>| at.map(|at| format!("{}, {}", moment(at), from_now(at, now)));
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let also = connection.account.as_ref().and_then(|account| account.also_connected_as.clone());
    Table::of_members([
        ("id", Some(connection.id.clone())),
        ("status", Some(connection.status.clone())),
        ("reason", connection.reason.clone()),
        ("version", number(connection.version)),
        ("created", time(connection.created_at)),
        ("refreshed", time(connection.refreshed_at)),
        ("expires", time(connection.expires_at)),
        ("next refresh", time(connection.next_refresh_at)),
        ("failures", number(connection.failures)),
        ("scope", connection.scope.clone()),
        ("account", account(connection)),
        ("also connected as", also),
        ("account before", connection.account_changed_from.clone()),
    ])
}

fn account(connection: &Connection) -> Option<String> {
    let account = connection.account.as_ref()?;
    let known: Vec<&str> =
        [&account.company, &account.email, &account.id].into_iter().flatten().map(String::as_str).collect();
    (!known.is_empty()).then(|| known.join(", "))
}
