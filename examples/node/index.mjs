// A function in JavaScript: it greets, and tells what it was given.
//
// Deploy it with the handler "index.handler" and a runtime nodejsN.x.

// What is outside of the handler runs once, when the environment is initialised,
// and lives until it is shut down.
let invocations = 0;

export const handler = async (event, context) => {
  invocations += 1;
  console.log(`invocation ${invocations} of this environment`);

  // An event of another shape is no mistake: it is greeted all the same.
  const name = event?.name ?? "world";
  return {
    message: `Hello, ${name}, from Node.js`,
    requestId: context.awsRequestId,
    cold: invocations === 1,
    event,
  };
};
