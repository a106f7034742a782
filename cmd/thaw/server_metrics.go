package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	apilambda "thaw/internal/api/lambda"
	"thaw/internal/api/monitoring"
	"thaw/internal/catalog"
	"thaw/internal/pool"
	"thaw/internal/sigv4"
	"thaw/internal/telemetry"
	"thaw/internal/telemetry/exposition"
	"thaw/internal/telemetry/metrics"
)

// measuring is how much of metrics is kept, and where else Prometheus may read them.
type measuring struct {
	KeepDays int
	DiskMB   int
	Listen   string // empty: nowhere else
}

const (
	defaultMetricsDays = int(metrics.DefaultKeep / (24 * time.Hour))
	defaultMetricsMB   = metrics.DefaultDiskBytes >> 20
	maxMetricsDays     = 455 // as long as CloudWatch keeps anything
	maxMetricsMB       = 1 << 20
)

func (m *measuring) flags(cmd *cobra.Command) {
	numberFlag(cmd, &m.KeepDays, "metrics-days", defaultMetricsDays, 1, maxMetricsDays, "days for which metrics are kept")
	numberFlag(cmd, &m.DiskMB, "metrics-disk", defaultMetricsMB, 1, maxMetricsMB, "`MiB` of disk for metrics; the oldest go first")
	cmd.Flags().StringVar(&m.Listen, "metrics-listen", "", "another `ADDRESS` at which /metrics is served to everybody, such as 0.0.0.0:9464; at --listen it is for this machine and for signed requests")
}

func (m *measuring) check() error {
	if m.Listen == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(m.Listen); err != nil {
		return usageError("--metrics-listen %s: it must be an address such as 127.0.0.1:9464", m.Listen)
	}
	return nil
}

// openMetrics opens the store of metrics before there is anything to be measured; it is
// closed when there is nothing any more.
func (s *server) openMetrics(context.Context) (err error) {
	m := s.config.Measuring
	s.requests = exposition.NewRequests()
	s.metrics, err = metrics.Open(metrics.Options{
		Dir: filepath.Join(s.config.Data, "metrics"), Keep: time.Duration(m.KeepDays) * 24 * time.Hour, DiskBytes: int64(m.DiskMB) << 20, Logger: s.logger,
	})
	if err != nil {
		return err
	}
	s.onClose(ignoringContext(s.metrics.Close))
	return nil
}

// samplePeriod is how often the pool's gauges are measured. They are the highest
// since the time before, so that no burst is missed; more often shows more of what is between.
const samplePeriod = 10 * time.Second

// openGauges measures the pool's gauges until the server ends.
func (s *server) openGauges(ctx context.Context) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var sampling sync.WaitGroup
	sampling.Go(func() {
		for {
			// On the whole ten seconds, so that none of them is in two minutes.
			next := time.Now().Truncate(samplePeriod).Add(samplePeriod)
			timer := time.NewTimer(time.Until(next))
			select {
			case <-ctx.Done():
				timer.Stop()
				s.sample(time.Now())
				return
			case <-timer.C:
			}
			s.sample(next.Add(-time.Millisecond))
		}
	})
	s.onClose(func(context.Context) error {
		cancel()
		sampling.Wait()
		return nil
	})
	return nil
}

// sample measures the gauges of the time up to at.
func (s *server) sample(at time.Time) {
	gauges{at, s.metrics, s.catalog.Function}.measure(s.pools.Peaks())
}

// gauges measures figures of the pool.
type gauges struct {
	at    time.Time
	meter telemetry.Meter
	find  func(function string) (catalog.Record, bool)
}

func (g gauges) one(metric telemetry.Metric, function, qualifier string, value float64) {
	g.meter.Measure(telemetry.Measure{Metric: metric, Function: function, Qualifier: qualifier, Value: value, At: g.at})
}

// measure takes the peaks of a time. What was idle has no value, as with the service.
func (g gauges) measure(peaks pool.Figures) {
	if peaks.Running > 0 {
		g.one(telemetry.MetricConcurrentExecutions, "", "", float64(peaks.Running))
		g.one(telemetry.MetricUnreservedExecutions, "", "", float64(peaks.Unreserved))
	}
	if peaks.Claimed > 0 {
		g.one(telemetry.MetricClaimedAccountConcurrency, "", "", float64(peaks.Claimed))
	}
	busy := 0
	for _, f := range peaks.Functions {
		if f.Running > 0 {
			g.one(telemetry.MetricConcurrentExecutions, f.Function, "", float64(f.Running))
		}
		busy += g.provisioned(f)
	}
	if busy > 0 {
		g.one(telemetry.MetricProvisionedExecutions, "", "", float64(busy))
	}
}

// provisioned measures what was in use of the provisioned concurrency of each version
// or alias that has some, and returns it for all.
func (g gauges) provisioned(f pool.FunctionFigures) (busy int) {
	byVersion := map[string]pool.VersionFigures{}
	for _, v := range f.Versions {
		if v.Busy > 0 {
			byVersion[v.Version] = v
			busy += v.Busy
		}
	}
	record, ok := catalog.Record{}, false
	if busy > 0 {
		g.one(telemetry.MetricProvisionedExecutions, f.Function, "", float64(busy))
		record, ok = g.find(f.Function)
	}
	if !ok {
		return busy
	}
	for _, p := range record.Function.Configs.Provisioned {
		version := p.Qualifier
		if a := record.Function.Alias(p.Qualifier); a != nil {
			version = a.Version
		}
		v := byVersion[version]
		if v.Busy == 0 {
			continue
		}
		g.one(telemetry.MetricProvisionedExecutions, f.Function, p.Qualifier, float64(v.Busy))
		// There may be fewer by now than were in use.
		g.one(telemetry.MetricProvisionedUtilization, f.Function, p.Qualifier, float64(v.Busy)/float64(max(v.Available, v.Busy)))
	}
	return busy
}

// withMetrics puts the CloudWatch API beside the others.
func (s *server) withMetrics(next http.Handler, api *apilambda.Handler, keys sigv4.Keys) http.Handler {
	h := monitoring.New(monitoring.Options{
		Store: s.metrics, Scope: s.config.Scope, Keys: keys, Trust: api.Trust, Access: s.guests.access, Logger: s.logger,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.Ours(r) {
			h.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// metricsPath is where Prometheus looks.
const metricsPath = "/metrics"

// serveMetrics shows metrics to Prometheus: to processes of this machine without a
// signature, because scrapers do not sign, to others with an administrator's.
func (s *server) serveMetrics(api *apilambda.Handler) http.Handler {
	version := readBuild().Version
	shown := exposition.New(exposition.Options{Totals: s.metrics.Totals, Requests: s.requests, Logger: s.logger, Samples: func(show func(exposition.Sample)) {
		show(exposition.Sample{Gauge: familyBuild, Labels: []string{version}, Value: 1})
		s.figures(show)
		s.backlogs(show)
	}})
	s.exposition = shown
	verified := api.Verified(shown)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			refuseOwn(w, http.StatusMethodNotAllowed, "InvalidParameterValueException", "Metrics are read by GET.")
			return
		}
		if localScrape(r) && api.Trust(r) == nil {
			shown.ServeHTTP(w, r)
			return
		}
		verified.ServeHTTP(w, r)
	})
}

// localScrape tells whether a process of this machine asks for itself: not a proxy for
// somebody else, and not a web page under a name that leads here.
func localScrape(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via", "Origin"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return isHere(host) && host != ""
}

// openScrapes serves /metrics at an address of its own, if there is to be one.
func (s *server) openScrapes(ctx context.Context) error {
	address := s.config.Measuring.Listen
	if address == "" {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return &codedError{exitLocal, fmt.Errorf("--metrics-listen %s: %w", address, err)}
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+metricsPath, s.exposition)
	scrapes := &http.Server{
		Handler: mux, ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := scrapes.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.logger.Error("metrics are not served any more", slog.String("address", address), slog.Any("error", err))
		}
	})
	s.onClose(func(context.Context) error {
		err := scrapes.Close()
		serving.Wait()
		return err
	})
	s.logger.Info("metrics are served", "address", listener.Addr().String())
	return nil
}
