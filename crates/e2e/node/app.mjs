// An application as FireFly's users write it, driven by a test: it takes one JSON command a line on standard
// input, answers each with one JSON line, and prints a line for each event that it is given.

import { createInterface } from 'node:readline';
import sdk from '@hyperledger/firefly-sdk';

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
// The client logs to the console; standard output is for the test alone.
console.log = console.info = console.debug = console.error;

const firefly = new sdk.default({
  host: process.argv[2],
  namespace: 'default',
  websocket: { reconnectDelay: 100, heartbeatInterval: 2000 },
});
const sockets = new Map();

const listen = (listener, subscriptions) => {
  sockets.set(
    listener,
    firefly.listen(subscriptions, async (_socket, event) => print({ listener, event })),
  );
};

const commands = {
  status: () => firefly.getStatus(),
  namespaces: () => firefly.getNamespaces(),
  subscribe: ({ subscription }) => firefly.replaceSubscription(subscription),
  subscriptions: ({ filter }) => firefly.getSubscriptions(filter),
  unsubscribe: ({ id }) => firefly.deleteSubscription(id),
  listen: ({ name }) => listen(name, name),
  listenAll: ({ names }) => listen(names.join(), names),
  listenEphemeral: ({ listener, filter }) => listen(listener, { filter }),
  hangUp: ({ listener }) => sockets.get(listener).close(),
  broadcast: ({ message, options }) => firefly.sendBroadcast(message, options),
  private: ({ message, options }) => firefly.sendPrivateMessage(message, options),
  message: ({ id }) => firefly.getMessage(id),
  messages: ({ filter }) => firefly.getMessages(filter),
  data: ({ id }) => firefly.getData(id),
  findData: ({ filter }) => firefly.findData(filter),
  any: ({ method, given }) => firefly[method](...given),
  uploadBlob: ({ text, blob, data }) => firefly.uploadDataBlob(Buffer.from(text), blob, data),
  blob: async ({ id }) => {
    const parts = [];
    for await (const part of await firefly.getDataBlob(id)) parts.push(part);
    return Buffer.concat(parts).toString();
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { number, command, arguments: given } = JSON.parse(line);
  try {
    print({ number, result: (await commands[command](given)) ?? null });
  } catch (error) {
    print({ number, error: { class: error.constructor.name, message: error.message } });
  }
}
process.exit(0);
