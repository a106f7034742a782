// A function with an internal extension: registered by its own runtime's process,
// and told of every invocation beside the handler. EXTENSIONS tells how many.
import http from "node:http";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");

function call(method, path, headers, body) {
  return new Promise((resolve, reject) => {
    const req = http.request({ host, port, method, path: `/2020-01-01/extension/${path}`, headers, timeout: 0 }, (res) => {
      let text = "";
      res.on("data", (part) => (text += part));
      res.on("end", () => resolve({ status: res.statusCode, headers: res.headers, text }));
    });
    req.on("error", reject);
    req.end(body);
  });
}

async function register(name, events) {
  return call("POST", "register", { "Lambda-Extension-Name": name }, JSON.stringify({ events }));
}

const heard = [];

async function listen(id) {
  for (;;) {
    const { text } = await call("GET", "event/next", { "Lambda-Extension-Identifier": id });
    heard.push(JSON.parse(text));
    await new Promise((resolve) => setTimeout(resolve, 20)); // it has something to do, too
  }
}

const refused = [];
for (let i = 1; i <= Number(process.env.EXTENSIONS ?? "1"); i++) {
  const { status, headers, text } = await register(`companion-${i}`, ["INVOKE"]);
  if (status === 200) {
    listen(headers["lambda-extension-identifier"]);
  } else {
    refused.push({ name: `companion-${i}`, status, ...JSON.parse(text) });
  }
}
const shutdown = await register("late", ["SHUTDOWN"]);

process.on("SIGTERM", () => {
  console.log(`terminated after ${heard.length} events`);
  process.exit(0);
});

export const handler = async (event, context) => {
  const late = await register("too-late", ["INVOKE"]);
  return { heard, refused, shutdown: JSON.parse(shutdown.text), late: JSON.parse(late.text), requestId: context.awsRequestId };
};
