use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    wgc::run().await
}
