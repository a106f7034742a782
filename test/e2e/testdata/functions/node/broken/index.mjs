// Fails while it is imported.
throw new RangeError("Runtime startup fails");
