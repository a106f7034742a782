// Sends to a message queue, receives and deletes, with the JavaScript SDK, which
// compares the digests of bodies.
//
// Usage: queues.cjs NAME
//
// Prints one JSON object of what it saw; who runs it knows what that should be.
"use strict";

const sdk = require("@aws-sdk/client-sqs");

const [QueueName] = process.argv.slice(2);
const client = new sdk.SQSClient({ maxAttempts: 1 });
const call = (name, input) => client.send(new sdk[name + "Command"](input));

(async () => {
  const seen = {};
  const { QueueUrl } = await call("CreateQueue", { QueueName });
  const waiting = call("ReceiveMessage", { QueueUrl, WaitTimeSeconds: 20, MessageAttributeNames: ["All"], MessageSystemAttributeNames: ["All"] });
  await call("SendMessage", { QueueUrl, MessageBody: "ä", MessageAttributes: { b: { DataType: "Binary", BinaryValue: Uint8Array.of(0, 255) } } });
  const [message] = (await waiting).Messages;
  seen.message = [message.Body, [...message.MessageAttributes.b.BinaryValue], message.Attributes.ApproximateReceiveCount];
  const { Successful, Failed } = await call("DeleteMessageBatch", {
    QueueUrl,
    Entries: [{ Id: "a", ReceiptHandle: message.ReceiptHandle }, { Id: "b", ReceiptHandle: "x" }],
  });
  seen.deleted = [Successful.map((e) => e.Id), Failed.map((e) => [e.Id, e.Code])];
  seen.nothing = (await call("ReceiveMessage", { QueueUrl })).Messages ?? null;
  await call("DeleteQueue", { QueueUrl });
  try {
    await call("SendMessage", { QueueUrl, MessageBody: "a" });
  } catch (e) {
    seen.refused = [e.name, e instanceof sdk.QueueDoesNotExist, e.$metadata.httpStatusCode];
  }
  console.log(JSON.stringify(seen));
})();
