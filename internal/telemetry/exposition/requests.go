package exposition

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Requests measures how long answers take by the server's own clock: from a
// request's head having been read to the end of its answer.
type Requests struct {
	durations *prometheus.HistogramVec
}

// requestBounds are in seconds: fine where a refusal or a warm invocation is.
var requestBounds = []float64{
	.0001, .00025, .0005, .001, .002, .003, .005, .0075, .01, .015, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900,
}

// NewRequests makes one that has measured nothing.
func NewRequests() *Requests {
	return &Requests{durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "thaw_request_duration_seconds", Buckets: requestBounds,
		Help: "How long answers took, by HTTP status and method.",
	}, []string{"code", "method"})}
}

// Measured is a handler whose answers are measured.
func (r *Requests) Measured(next http.Handler) http.Handler {
	return promhttp.InstrumentHandlerDuration(r.durations, next)
}
