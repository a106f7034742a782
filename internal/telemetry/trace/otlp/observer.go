package otlp

import (
	"time"

	"thaw/internal/telemetry"
)

// Source names the function whose environment is observed.
type Source struct {
	Function, Version, Account, Region string
}

// item is what becomes the spans of one invocation, or of one shutdown.
type item struct {
	source   *Source
	instance string
	// init is the init phase that the invocation is the first after; nil if there
	// is none. done is nil if the runtime's part is not known.
	init   *initPhase
	start  telemetry.Event // of a telemetry.Start
	done   *telemetry.RuntimeDone
	end    time.Time
	report telemetry.Report
	// shutdown is set instead of all that.
	shutdown *shutdown
}

type initPhase struct {
	end    time.Time
	report telemetry.InitReport
}

type shutdown struct {
	began, end time.Time
	failed     bool
}

// Observer puts the events of one environment together.
type Observer struct {
	exporter *Exporter
	source   *Source
	next     item
}

// Observer makes an Observer for a new environment.
func (e *Exporter) Observer(source Source) *Observer {
	o := &Observer{exporter: e, source: &source}
	o.next.source = o.source
	return o
}

// Observe takes an event. It neither blocks nor calls back.
func (o *Observer) Observe(ev telemetry.Event) {
	switch r := ev.Record.(type) {
	case telemetry.InitStart:
		o.next.instance = r.InstanceID
	case telemetry.InitReport:
		o.next.init = &initPhase{ev.Time, r}
	case telemetry.Start:
		o.next.start = ev
	case telemetry.RuntimeDone:
		o.next.done = &r
	case telemetry.Report:
		o.next.end, o.next.report = ev.Time, r
		o.exporter.put(o.next)
		o.next = item{source: o.source, instance: o.next.instance}
	}
}

// Ended tells of the environment's shutdown. It may be called beside Observe.
func (o *Observer) Ended(began, end time.Time, failed bool) {
	o.exporter.put(item{source: o.source, shutdown: &shutdown{began, end, failed}})
}
