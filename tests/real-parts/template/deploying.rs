//! What `sam deploy` asks for, until it needs an account.

use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use crate::process::part;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// With this `samconfig.toml`, beside the template.
async fn asked(samconfig: &str, options: &[&str]) -> (Vec<String>, String) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("deploying{}", options.concat()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(format!("{ROOT}/template.yaml"), folder.join("template.yaml")).unwrap();
    std::fs::write(folder.join("samconfig.toml"), samconfig).unwrap();
    let tool = format!("{ROOT}/tests/real-parts/stack/tools/deploy.py");
    let output = Command::new(part("PYTHON")).arg(tool).arg(&folder).args(options).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let prompts = answer["prompts"].as_array().unwrap().iter().map(|prompt| prompt.as_str().unwrap().to_owned());
    (prompts.collect(), answer["last"].as_str().unwrap().to_owned())
}

fn samconfig() -> String {
    std::fs::read_to_string(format!("{ROOT}/samconfig.toml")).unwrap()
}

#[tokio::test]
async fn the_guided_way_asks_first_for_what_must_be_given_and_offers_a_default_for_all_else() {
    let (prompts, last) = asked(&samconfig(), &["--guided"]).await;
    let first = ["Stack Name [webinargeek-connect]", "AWS Region [eu-central-1]", "Parameter ClientId []"];
    assert_eq!(prompts[..3], first, "{prompts:#?}");
    // SAM offers no default for a value that it must not show, and asks until there is one.
    assert_eq!(prompts[3..5], ["Parameter ClientSecret", "Parameter ClientSecretArn []"]);
    for prompt in &prompts[4..] {
        assert!(prompt.ends_with(']'), "{prompt} has no default");
    }
    assert!(last.contains("Unable to locate credentials"), "everything is answered: {last}");
}

#[tokio::test]
async fn two_lines_in_samconfig_and_sam_deploy_asks_for_nothing() {
    let filled_in = samconfig()
        .replace("# \"ClientId=", "\"ClientId=")
        .replace("# \"ClientSecretArn=", "\"ClientSecretArn=")
        .replace("secretsmanager:…", "secretsmanager:eu-central-1:111122223333:secret:webinargeek-connect-AbCdEf");
    assert_eq!(filled_in.lines().zip(samconfig().lines()).filter(|(one, other)| one != other).count(), 2);
    let (prompts, last) = asked(&filled_in, &[]).await;
    assert_eq!(prompts, [""; 0]);
    assert!(last.contains("Unable to locate credentials"), "{last}");
}
