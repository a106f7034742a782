// Reaches out. Answers, by what it was asked for, what it got or what stopped it.
import { resolve4 } from "node:dns/promises";

const ways = {
  fetch: async (url) => (await fetch(url)).text(),
  resolve: async (name) => (await resolve4(name))[0],
};

export const handler = async (event) => {
  const answers = {};
  for (const [way, what] of event.ways) {
    try {
      answers[`${way} ${what}`] = await ways[way](what);
    } catch (e) {
      answers[`${way} ${what}`] = e.cause?.code ?? e.code;
    }
  }
  return answers;
};
