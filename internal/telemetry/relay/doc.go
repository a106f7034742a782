// Package relay delivers an environment's events to the extensions that
// subscribed to them by the Telemetry API or its predecessor, the Logs API.
//
// Vocabulary. A subscription names types, a schema version, how much is buffered
// and a destination inside the sandbox: HTTP, to which a batch is posted as a
// JSON array, or TCP, on which each event is a line of JSON. A batch is what has
// come until the buffer has maxItems or maxBytes, or timeoutMs have passed since
// its first event.
//
// Life cycle: New, Subscribe for each extension while the init phase lasts,
// Publish for each event, Pause before the environment is frozen and Resume after
// it has thawed, Flush before its end, Close. One relay serves one life of an
// environment: after a reset the extensions subscribe anew.
//
// Concurrency: every method may be called from any goroutine. Publish never
// blocks: it appends to bounded buffers, and a goroutine for each subscription
// delivers. Close waits for them.
package relay
