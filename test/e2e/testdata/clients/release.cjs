// Releases two versions of a function by an alias, and takes the second back.
//
// Usage: release.cjs NAME RUNTIME HANDLER ZIP
//
// Prints one JSON object of what it saw; who runs it knows what that should be.
"use strict";

const fs = require("node:fs");
const sdk = require("@aws-sdk/client-lambda");

const [FunctionName, Runtime, Handler, path] = process.argv.slice(2);
const client = new sdk.LambdaClient({ maxAttempts: 1 });
const waiting = { client, maxWaitTime: 30, minDelay: 1, maxDelay: 1 };
const seen = {};

const call = (name, input) => client.send(new sdk[name + "Command"]({ FunctionName, ...input }));

async function refused(name, input) {
  try {
    await call(name, input);
  } catch (e) {
    return [e.name, e.constructor.name];
  }
  return "accepted";
}

async function publish(input) {
  const { Version } = await call("PublishVersion", input);
  await sdk.waitUntilPublishedVersionActive(waiting, { FunctionName, Qualifier: Version });
  return Version;
}

async function several(n) {
  const found = new Set();
  for (let i = 0; i < n; i++) {
    const out = await call("Invoke", { Qualifier: "live", Payload: "{}" });
    const answer = JSON.parse(Buffer.from(out.Payload).toString());
    found.add([out.ExecutedVersion, answer.greeting, answer.arn.split(":").slice(6).join(":")].join(" "));
  }
  return [...found].sort();
}

async function all(paginate, input, member) {
  const names = [];
  for await (const page of paginate({ client, pageSize: 1 }, { FunctionName, ...input })) {
    names.push(...page[member].map((item) => item.Name ?? item.Version));
  }
  return names;
}

async function main() {
  const greeting = (GREETING) => ({ Environment: { Variables: { GREETING } } });
  await call("CreateFunction", {
    Runtime, Handler, Role: "arn:aws:iam::000000000000:role/e2e", Timeout: 10,
    Code: { ZipFile: fs.readFileSync(path) }, ...greeting("one"),
  });
  await sdk.waitUntilFunctionActiveV2(waiting, { FunctionName });
  seen.first = await publish({ Description: "the first" });
  const alias = await call("CreateAlias", { Name: "live", FunctionVersion: "1" });
  seen.alias = [alias.AliasArn.split(":").slice(6).join(":"), alias.FunctionVersion, "RoutingConfig" in alias];
  seen.before = await several(2);

  await call("UpdateFunctionConfiguration", greeting("two"));
  await sdk.waitUntilFunctionUpdatedV2(waiting, { FunctionName });
  seen.second = await publish();
  seen.again = await publish();
  const weights = { RoutingConfig: { AdditionalVersionWeights: { 2: 0.5 } } };
  const shifted = await call("UpdateAlias", { Name: "live", ...weights, RevisionId: alias.RevisionId });
  seen.weights = shifted.RoutingConfig.AdditionalVersionWeights;
  seen.shifted = await several(40);
  seen.stale = await refused("UpdateAlias", { Name: "live", Description: "d", RevisionId: alias.RevisionId });
  seen.pointed = await refused("DeleteFunction", { Qualifier: "2" });
  await call("UpdateAlias", { Name: "live", RoutingConfig: {} });
  seen.back = await several(5);

  await call("DeleteFunction", { Qualifier: "2" });
  seen.versions = await all(sdk.paginateListVersionsByFunction, {}, "Versions");
  seen.aliases = await all(sdk.paginateListAliases, {}, "Aliases");
  await call("DeleteAlias", { Name: "live" });
  seen.lost = await refused("Invoke", { Qualifier: "live" });
  await call("DeleteFunction");
  seen.gone = await refused("GetFunction", { Qualifier: "1" });
  process.stdout.write(JSON.stringify(seen));
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});
