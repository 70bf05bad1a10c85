//! DynamoDB, as far as the measured programs use it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};
use shared::domain::item::{Item, Value};

use super::expression::{self, Placeholders};
use super::tables::{Table, Tables, key_of};

const PAGE: usize = 100;

pub(super) fn answer(tables: &mut Tables, operation: &str, body: &[u8]) -> Result<Json, String> {
    let input: Json = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if operation == "TransactWriteItems" {
        for write in input["TransactItems"].as_array().into_iter().flatten() {
            update(tables, &write["Update"])?;
        }
        return Ok(json!({}));
    }
    let name = input["TableName"].as_str().unwrap_or_default();
    let key = key_of(name)?;
    let table = tables.table(name);
    match operation {
        "GetItem" => Ok(match table.rows.get(text(&input["Key"][key]["S"])?) {
            Some(row) => json!({ "Item": render(row) }),
            None => json!({}),
        }),
        "PutItem" => {
            let row = parse(&input["Item"])?;
            table.put(text(&input["Item"][key]["S"])?.to_owned(), row);
            Ok(json!({}))
        }
        "UpdateItem" => {
            let row = update(tables, &input)?;
            Ok(if input["ReturnValues"] == "ALL_NEW" { json!({ "Attributes": row }) } else { json!({}) })
        }
        "DeleteItem" => {
            table.remove(text(&input["Key"][key]["S"])?);
            Ok(json!({}))
        }
        "Query" => query(table, &input),
        "Scan" => Ok(scan(table, key, &input)),
        _ => Err(format!("{operation} is not known here")),
    }
}

/// The row after the update.
fn update(tables: &mut Tables, input: &Json) -> Result<Json, String> {
    let name = text(&input["TableName"])?;
    let key = key_of(name)?;
    let id = text(&input["Key"][key]["S"])?;
    let table = tables.table(name);
    let mut row = table.rows.get(id).cloned().unwrap_or_default();
    row.0.insert(key.into(), id.into());
    let values = parse(&input["ExpressionAttributeValues"])?;
    let placeholders = Placeholders {
        names: serde_json::from_value(input["ExpressionAttributeNames"].clone()).unwrap_or_default(),
        values: values.0.into_iter().map(|(name, value)| (name.into_owned(), value)).collect(),
    };
    expression::apply(text(&input["UpdateExpression"])?, &placeholders, &mut row)?;
    let rendered = render(&row);
    table.put(id.to_owned(), row);
    Ok(rendered)
}

/// A page of the index `due`.
fn query(table: &Table, input: &Json) -> Result<Json, String> {
    let number = |value: &Json| value["N"].as_str().and_then(|number| number.parse::<i64>().ok());
    let shard = number(&input["ExpressionAttributeValues"][":shard"]).ok_or("no shard")?;
    let after = &input["ExclusiveStartKey"];
    let start = match (number(&after["refresh_at"]), after["id"]["S"].as_str()) {
        (Some(refresh_at), Some(id)) => (shard, refresh_at, format!("{id}\0")),
        _ => (shard, i64::MIN, String::new()),
    };
    let limit = input["Limit"].as_u64().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE);
    let page: Vec<_> = table.due.range(start..(shard + 1, i64::MIN, String::new())).take(limit).collect();
    let project = |id: &String| {
        let row = table.rows.get(id).map(render).unwrap_or_default();
        let shown = ["id", "shard", "refresh_at", "expires_at", "needs_customer_since", "not_refreshed"];
        let members = shown.iter().filter_map(|name| Some(((*name).to_owned(), row.get(*name)?.clone())));
        Json::Object(members.collect())
    };
    let items: Vec<Json> = page.iter().map(|(_, _, id)| project(id)).collect();
    let mut answer = json!({ "Count": items.len(), "ScannedCount": items.len(), "Items": items });
    if let Some((shard, refresh_at, id)) = page.last().filter(|_| page.len() == limit) {
        answer["LastEvaluatedKey"] = json!({
            "id": { "S": id }, "shard": { "N": shard.to_string() }, "refresh_at": { "N": refresh_at.to_string() },
        });
    }
    Ok(answer)
}

fn scan(table: &Table, key: &str, input: &Json) -> Json {
    let after = input["ExclusiveStartKey"][key]["S"].as_str().map(|id| format!("{id}\0")).unwrap_or_default();
    let items: Vec<Json> = table.rows.range(after..).take(PAGE).map(|(_, row)| render(row)).collect();
    let mut answer = json!({ "Count": items.len(), "ScannedCount": items.len() });
    if items.len() == PAGE
        && let Some(last) = items.last()
    {
        answer["LastEvaluatedKey"] = json!({ key: last[key] });
    }
    answer["Items"] = items.into();
    answer
}

fn text(json: &Json) -> Result<&str, String> {
    json.as_str().ok_or("a text is missing".to_owned())
}

fn parse(attributes: &Json) -> Result<Item, String> {
    let mut row = BTreeMap::new();
    for (name, attribute) in attributes.as_object().into_iter().flatten() {
        let value = match (&attribute["S"], &attribute["N"], &attribute["B"]) {
            (Json::String(text), _, _) => Value::S(text.clone()),
            (_, Json::String(number), _) => Value::N(number.parse().map_err(|_| format!("{name} is no integer"))?),
            (_, _, Json::String(text)) => Value::B(STANDARD.decode(text).map_err(|error| error.to_string())?),
            _ => return Err(format!("{name} has a type that is not known here")),
        };
        row.insert(name.clone().into(), value);
    }
    Ok(Item(row))
}

fn render(row: &Item) -> Json {
    let members = row.0.iter().map(|(name, value)| {
        let attribute = match value {
            Value::S(text) => json!({ "S": text }),
            Value::N(number) => json!({ "N": number.to_string() }),
            Value::B(bytes) => json!({ "B": STANDARD.encode(bytes) }),
            Value::Other => json!({ "NULL": true }),
        };
        (name.clone().into_owned(), attribute)
    });
    Json::Object(members.collect::<Map<_, _>>())
}
