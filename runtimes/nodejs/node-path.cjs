"use strict";

// "import" looks for packages in the directories of NODE_PATH, as "require" does. Node.js
// itself leaves them out for ES modules, the service's does not. So the SDK at
// /var/runtime and the layers at /opt are there for both kinds of handlers.
//
// It is loaded before the client. A package that Node.js finds by itself costs nothing.
const fs = require("node:fs");
const loader = require("node:module");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const { isMainThread } = require("node:worker_threads");

// A module at one of these places would find what is in the directory.
const places = (process.env.NODE_PATH ?? "")
  .split(":")
  .filter((directory) => directory.startsWith("/") && directory.endsWith("/node_modules"))
  .map((directory) => new URL("any.mjs", pathToFileURL(directory)).href);

// Relative names, absolute ones, URLs and a package's own #imports are no packages.
const isPackage = (name) => !/^([./#]|[a-z][a-z0-9+.-]*:)/i.test(name);

const isMissing = (error) => error.code === "ERR_MODULE_NOT_FOUND";

const isForNodePath = (error, name, context) =>
  isMissing(error) && isPackage(name) && !context.conditions.includes("require");

function resolve(name, context, next) {
  try {
    return next(name, context);
  } catch (error) {
    if (!isForNodePath(error, name, context)) throw error;
    for (const parentURL of places) {
      try {
        return next(name, { ...context, parentURL });
      } catch (other) {
        if (!isMissing(other)) throw other;
      }
    }
    throw error;
  }
}

// The same for Node.js 20, whose hooks live in a thread of their own and answer later.
async function resolveLater(name, context, next) {
  try {
    return await next(name, context);
  } catch (error) {
    if (!isForNodePath(error, name, context)) throw error;
    for (const parentURL of places) {
      try {
        return await next(name, { ...context, parentURL });
      } catch (other) {
        if (!isMissing(other)) throw other;
      }
    }
    throw error;
  }
}

// That thread costs 45 ms and 11 MB at each cold start, so a handler that is CommonJS and
// imports nothing does without it. Only a file that such a handler requires, and that
// imports a package itself, is overlooked.
function needsThread() {
  const handler = process.env._HANDLER ?? "";
  const base = path.basename(handler);
  const directory = path.resolve(
    process.env.LAMBDA_TASK_ROOT ?? "/var/task",
    handler.slice(0, handler.length - base.length),
  );
  for (const extension of ["", ".js", ".mjs", ".cjs"]) {
    try {
      const text = fs.readFileSync(path.join(directory, base.split(".")[0] + extension), "utf8");
      return /\bimport\b|\bfrom\s*["']/.test(text);
    } catch {
      // The client looks for the next one, too.
    }
  }
  return true;
}

if (loader.registerHooks) loader.registerHooks({ resolve });
else if (isMainThread && needsThread()) loader.register(pathToFileURL(__filename).href);
module.exports = { resolve: resolveLater };
