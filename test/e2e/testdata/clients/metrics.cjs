// Reads the metrics of a function with the SDK that comes with the Node.js runtime.
//
// Usage: metrics.cjs NAME START END
//
// The times are seconds since 1970. Prints one JSON object of what it saw; who runs it
// knows what that should be.
"use strict";

const sdk = require("@aws-sdk/client-cloudwatch");

const [name, start, end] = process.argv.slice(2);
const client = new sdk.CloudWatch({ maxAttempts: 1 });
const times = { StartTime: new Date(start * 1000), EndTime: new Date(end * 1000) };
const seen = {};

const query = (Id, MetricName, Stat) => ({
  Id,
  MetricStat: {
    Metric: { Namespace: "AWS/Lambda", MetricName, Dimensions: [{ Name: "FunctionName", Value: name }] },
    Period: 3600,
    Stat,
  },
});

async function main() {
  const MetricDataQueries = [query("invocations", "Invocations", "Sum"), query("errors", "Errors", "Average"), query("longest", "Duration", "p100")];
  for await (const page of sdk.paginateGetMetricData({ client }, { MetricDataQueries, ...times })) {
    for (const r of page.MetricDataResults) {
      seen[r.Id] = r.Id === "longest" ? r.Values.map((ms) => ms > 900 && ms < 5000) : [...r.Values, r.Timestamps[0] instanceof Date];
    }
  }
  const { Datapoints } = await client.getMetricStatistics({
    Namespace: "AWS/Lambda", MetricName: "Throttles", Dimensions: [{ Name: "FunctionName", Value: name }], Period: 3600, Statistics: ["Sum"], ...times,
  });
  seen.throttles = Datapoints.map((p) => [p.Sum, p.Unit]);
  try {
    await client.getMetricStatistics({ Namespace: "AWS/Lambda", MetricName: "Errors", Period: 60, Statistics: ["Sum"], StartTime: times.EndTime, EndTime: times.EndTime });
  } catch (e) {
    seen.refused = [e.name, e instanceof sdk.InvalidParameterValueException, e.message];
  }
  console.log(JSON.stringify(seen));
}

main();
