// A receiver's check of webhooks, as the official library of Standard Webhooks does it: takes a JSON list of
// `{secret, headers, body}` on standard input, and prints a list of what it threw, or null where it was content.

import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';

const verdicts = JSON.parse(await text(process.stdin)).map(({ secret, headers, body }) => {
  try {
    new Webhook(secret).verify(body, headers);
    return null;
  } catch (error) {
    return `${error.constructor.name}: ${error.message}`;
  }
});
console.log(JSON.stringify(verdicts));
