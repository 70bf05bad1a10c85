// Calls WebinarGeek's API for one of your connections:
// cargo run -p call-api -- acme https://app.webinargeek.com/api/v2/webinars

use std::error::Error;
use std::process::ExitCode;

use webinargeek_connect_client::{Client, Method};

async fn call(connection: &str, urls: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let client = Client::from_env().await?;
    for url in urls {
        let answer = client.request(connection, Method::GET, &url, |request| request).await?;
        println!("{} {}", answer.status().as_u16(), answer.text().await?);
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(connection) = arguments.next() else {
        eprintln!("usage: call-api CONNECTION URL…");
        return ExitCode::from(2);
    };
    match call(&connection, arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
