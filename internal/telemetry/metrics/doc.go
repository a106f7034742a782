// Package metrics keeps the metrics of functions: what is measured on the way of
// invocations, summed up by the minute, kept for days, and read by period and
// statistic, as CloudWatch's API and Prometheus ask for it.
//
// Vocabulary. A measure is one value (telemetry.Measure). A series is a metric with
// its dimensions: none, FunctionName, Resource below it, ExecutedVersion below that. A
// summary is what is kept of the values of one series in one minute: how many, sum,
// least, greatest, and a distribution in logarithmic buckets of two percent. Minutes are
// of UTC; a value counts in the minute of its measure's time, however late it comes, as
// long as the hour of that minute is open.
//
// Counters and gauges. The values of a counter in a function's resources are parts of
// the function's: only the parts are kept, and merged when somebody asks for the whole.
// Those of a gauge are not, so each of its series is measured by itself. Of counters
// the sums over all functions are kept too.
//
// Life cycle. Measures are summed in memory. Once a minute the minutes that are over are
// appended to the log of their hour and synced; twenty minutes after its end an
// hour is closed: its log becomes a file that is searched by series. Close writes the
// minute that is not over. What is lost when the process is killed is the minute that
// was not over.
//
// Concurrency: all methods may be called from many goroutines. Measure takes a lock of
// its series and a read lock of one part in sixty-four of all series, for nanoseconds;
// it waits for no file. Reading keeps a flush waiting, not a measure.
package metrics
