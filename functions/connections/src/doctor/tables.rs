//! Checks that the tables are as template.yaml makes them: an adopted table may differ.

use std::future::Future;

use shared::aws::dynamodb::{AttemptsTable, ConnectionsTable, IndexShape, TableShape};
use shared::domain::connection::attributes::{EXPIRES_AT, NEEDS_CUSTOMER_SINCE, NOT_REFRESHED};
use shared::ports::StoreError;

use super::{AWS_REMEDY, Finding, bounded};

const TABLE_REMEDY: &str = "correct ExistingConnectionsTable or ExistingAttemptsTable, or leave it empty and deploy: the \
                            stack makes its own table. A table that was lost: docs/operating.md, Restoring from a backup";
const INDEX_REMEDY: &str = "add the index as template.yaml describes it (aws dynamodb update-table \
                            --global-secondary-index-updates), or wait until it is built";

pub(super) async fn connections(table: &ConnectionsTable) -> Vec<Finding> {
    let (finding, shape) = table_finding("connections_table", "id", table.describe()).await;
    let index = |check, name: &str, key: &[&str], attributes: &[&str]| match &shape {
        Some(shape) => index_finding(check, name, key, attributes, shape),
        None => Finding::skipped(check, "the table could not be looked at", "repair connections_table first"),
    };
    let of_the_fleet = [EXPIRES_AT, NEEDS_CUSTOMER_SINCE, NOT_REFRESHED];
    let due = index("index_due", "due", &["shard", "refresh_at"], &of_the_fleet);
    let attention = index("index_attention", "attention", &["attention", "id"], &[]);
    vec![finding, due, attention]
}

pub(super) async fn attempts(table: &AttemptsTable) -> Vec<Finding> {
    let ((finding, shape), expires_by) =
        tokio::join!(table_finding("attempts_table", "pk", table.describe()), bounded(table.expires_by()));
    const CHECK: &str = "attempts_ttl";
    const REMEDY: &str = "without it, rows of old journeys are never deleted: aws dynamodb update-time-to-live --table-name … \
                          --time-to-live-specification Enabled=true,AttributeName=ttl";
    let expiry = match expires_by {
        _ if shape.is_none() => {
            Finding::skipped(CHECK, "the table could not be looked at", "repair attempts_table first")
        }
        Ok(Some(attribute)) if attribute == "ttl" => Finding::ok(CHECK, "rows expire by ttl"),
        Ok(Some(attribute)) => Finding::failed(CHECK, format!("rows expire by {attribute}, and not by ttl"), REMEDY),
        Ok(None) => Finding::failed(CHECK, "rows do not expire", REMEDY),
        Err(error) => Finding::failed(CHECK, error, AWS_REMEDY),
    };
    vec![finding, expiry]
}

async fn table_finding(
    check: &'static str,
    key: &str,
    described: impl Future<Output = Result<Option<TableShape>, StoreError>>,
) -> (Finding, Option<TableShape>) {
    match bounded(described).await {
        Ok(Some(shape)) if shape.key == [key] => {
            (Finding::ok(check, format!("found, with the key {key}")), Some(shape))
        }
        Ok(Some(shape)) => {
            let detail = format!("its key is {}, and not {key}: it is another table", shape.key.join(", "));
            (Finding::failed(check, detail, TABLE_REMEDY), Some(shape))
        }
        Ok(None) => (Finding::failed(check, "there is no such table", TABLE_REMEDY), None),
        Err(error) => (Finding::failed(check, error, AWS_REMEDY), None),
    }
}

fn index_finding(check: &'static str, name: &str, key: &[&str], attributes: &[&str], shape: &TableShape) -> Finding {
    let Some(index) = shape.indexes.iter().find(|index| index.name == name) else {
        return Finding::failed(check, format!("there is no index {name}"), INDEX_REMEDY);
    };
    let has = |index: &IndexShape, attribute: &str| {
        index.attributes.as_ref().is_none_or(|attributes| attributes.iter().any(|one| one == attribute))
    };
    if index.key != key {
        Finding::failed(check, format!("its key is {}, and not {}", index.key.join(", "), key.join(", ")), INDEX_REMEDY)
    } else if let Some(attribute) = attributes.iter().find(|attribute| !has(index, attribute)) {
        Finding::failed(check, format!("it does not hold {attribute}"), INDEX_REMEDY)
    } else if !index.is_active {
        Finding::failed(check, "it is still being built", INDEX_REMEDY)
    } else {
        Finding::ok(check, format!("found, with the key {}", key.join(", ")))
    }
}
