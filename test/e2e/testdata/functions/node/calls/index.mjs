// Calls the service that runs it, with the SDK that the runtime brings.
import { InvokeCommand, LambdaClient, paginateListFunctions } from "@aws-sdk/client-lambda";

const client = new LambdaClient();

export const handler = async (event) => {
  try {
    if (event.call === "list") {
      const names = [];
      for await (const page of paginateListFunctions({ client }, {})) {
        names.push(...page.Functions.map((f) => f.FunctionName));
      }
      return { answer: names.sort() };
    }
    const answer = await client.send(
      new InvokeCommand({ FunctionName: event.function, Payload: JSON.stringify({ value: event.value }) }),
    );
    return { answer: JSON.parse(new TextDecoder().decode(answer.Payload)).value };
  } catch (e) {
    return { status: e.$metadata?.httpStatusCode, code: e.name, message: e.message };
  }
};
