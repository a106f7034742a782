// Leaves an interval, a timer and an open connection behind, and tells what became of them.
import { connect, createServer } from "node:net";
import { once } from "node:events";

let ticks = 0, fired = false, count = 0;

const server = createServer((peer) => peer.pipe(peer));
server.listen(0, "127.0.0.1");
await once(server, "listening");
const connection = connect(server.address().port, "127.0.0.1");
await once(connection, "connect");

export const handler = async (event) => {
  const before = ticks;
  count++;
  if (count === 1) {
    setInterval(() => ticks++, 20);
    setTimeout(() => (fired = true), 300);
  }
  await new Promise((done) => setTimeout(done, 1000 * (event.stay ?? 0)));
  const word = `ping-${count}`;
  connection.write(word);
  const [data] = await once(connection, "data");
  return { before, after: ticks, fired, echo: String(data) === word, count };
};
