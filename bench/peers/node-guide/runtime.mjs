// The part of Lambda's Node runtime that a function sees: it loads the handler, and asks for events.
import http from 'node:http';
import { createRequire } from 'node:module';

const [module, name] = process.env._HANDLER.split('.');
const handler = createRequire(import.meta.url)(`./${module}.js`)[name];

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const request = http.request({ host, port, agent, method, path: `/2018-06-01/runtime/${path}`, headers }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => resolve({ headers: answer.headers, body: Buffer.concat(parts).toString() }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

for (;;) {
  const event = await call('GET', 'invocation/next');
  const id = event.headers['lambda-runtime-aws-request-id'];
  try {
    const answer = await handler(JSON.parse(event.body), {});
    await call('POST', `invocation/${id}/response`, JSON.stringify(answer));
  } catch (error) {
    await call('POST', `invocation/${id}/error`, JSON.stringify({ errorMessage: String(error), errorType: error.name }));
  }
}
