// Calls WebinarGeek's API for one of your connections:
// node call-api.mjs acme https://app.webinargeek.com/api/v2/webinars
import { Client, NotConfigured, Problem } from "webinargeek-connect";

const [connection, ...urls] = process.argv.slice(2);
try {
  const client = new Client(); // API_ORIGIN, AWS_REGION, and credentials as the AWS SDK finds them
  for (const url of urls) {
    const answer = await client.request(connection, "GET", url);
    console.log(answer.status, await answer.text());
  }
} catch (error) {
  if (!(error instanceof NotConfigured || error instanceof Problem)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
