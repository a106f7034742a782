// Answers with its event and what it knows of its invocation.
let count = 0;

export const handler = async (event, context) => {
  count++;
  if (event.print !== undefined) console.log(event.print);
  if (event.sleepMS !== undefined) await new Promise((done) => setTimeout(done, event.sleepMS));
  if (event.raise !== undefined) throw new RangeError(event.raise);
  return {
    language: "node",
    value: event.value ?? null,
    requestId: context.awsRequestId,
    arn: context.invokedFunctionArn,
    function: context.functionName,
    memoryMB: context.memoryLimitInMB,
    remainingMS: context.getRemainingTimeInMillis(),
    client: context.clientContext?.custom?.who ?? "",
    greeting: process.env.GREETING ?? "",
    count,
  };
};
