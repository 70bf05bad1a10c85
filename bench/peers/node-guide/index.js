// Three functions as an integration guide writes them: AWS SDK v3, axios, one table of states, one of tokens.
const crypto = require('node:crypto');
const { DynamoDBClient } = require('@aws-sdk/client-dynamodb');
const { DynamoDBDocumentClient, GetCommand, PutCommand, ScanCommand, UpdateCommand } = require('@aws-sdk/lib-dynamodb');
const axios = require('axios');

const dynamodb = DynamoDBDocumentClient.from(new DynamoDBClient({}));
const now = () => Math.floor(Date.now() / 1000);

exports.authorize = async () => {
  const state = crypto.randomBytes(32).toString('base64url');
  await dynamodb.send(new PutCommand({ TableName: process.env.STATES_TABLE, Item: { state, ttl: now() + 600 } }));
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: process.env.WEBINARGEEK_CLIENT_ID,
    redirect_uri: process.env.REDIRECT_URI,
    state,
  });
  return { statusCode: 302, headers: { Location: `${process.env.WEBINARGEEK_AUTHORIZE_URL}?${query}` } };
};

exports.callback = async (event) => {
  const { code, state } = event.queryStringParameters;
  const known = await dynamodb.send(new GetCommand({ TableName: process.env.STATES_TABLE, Key: { state } }));
  if (!known.Item) {
    return { statusCode: 400, body: 'unknown state' };
  }
  const pair = await tokens({ grant_type: 'authorization_code', code, redirect_uri: process.env.REDIRECT_URI });
  await dynamodb.send(new PutCommand({
    TableName: process.env.TOKENS_TABLE,
    Item: {
      id: crypto.randomUUID(),
      access_token: pair.access_token,
      refresh_token: pair.refresh_token,
      expires_at: now() + pair.expires_in,
    },
  }));
  return { statusCode: 200, body: 'connected' };
};

// The scheduled one: each pair that ends soon, one after the other.
exports.refreshTokens = async () => {
  let refreshed = 0;
  let start;
  do {
    const page = await dynamodb.send(new ScanCommand({ TableName: process.env.TOKENS_TABLE, ExclusiveStartKey: start }));
    for (const row of page.Items.filter((item) => item.expires_at < now() + 1800)) {
      const pair = await tokens({ grant_type: 'refresh_token', refresh_token: row.refresh_token });
      await dynamodb.send(new UpdateCommand({
        TableName: process.env.TOKENS_TABLE,
        Key: { id: row.id },
        UpdateExpression: 'SET access_token = :access, refresh_token = :refresh, expires_at = :expires',
        ExpressionAttributeValues: {
          ':access': pair.access_token,
          ':refresh': pair.refresh_token,
          ':expires': now() + pair.expires_in,
        },
      }));
      refreshed += 1;
    }
    start = page.LastEvaluatedKey;
  } while (start);
  return { refreshed };
};

async function tokens(members) {
  const form = new URLSearchParams({
    ...members,
    client_id: process.env.WEBINARGEEK_CLIENT_ID,
    client_secret: process.env.WEBINARGEEK_CLIENT_SECRET,
  });
  const answer = await axios.post(process.env.WEBINARGEEK_TOKEN_URL, form);
  return answer.data;
}
