package main

import (
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"thaw/internal/concurrency"
	"thaw/internal/control"
	"thaw/internal/lambda"
	"thaw/internal/linux/memory"
	"thaw/internal/pool"
)

// admitting is which invocations are let in.
type admitting struct {
	HostWait    time.Duration
	RequestRate int // 0: none
	ScalingRate int // 0: none
}

func (a *admitting) flags(cmd *cobra.Command) {
	durationFlag(cmd, &a.HostWait, "host-wait", time.Second, 0, time.Minute, "how long an invocation waits for room when --max-environments are busy")
	numberFlag(cmd, &a.RequestRate, "request-rate", concurrency.DefaultRequests, 0, maxConcurrency, "invocations that a function may begin in a second, for each unit of its concurrency; 0 is no limit")
	numberFlag(cmd, &a.ScalingRate, "scaling-rate", concurrency.DefaultStarts, 0, maxConcurrency, "environments that a function may start in ten seconds; 0 is no limit")
}

// options fills in what the pool is told about admission, for which 0 is what is
// not said.
func (a *admitting) options(o pool.Options) pool.Options {
	none := func(n int) int {
		if n == 0 {
			return -1
		}
		return n
	}
	o.RequestRate, o.StartRate = none(a.RequestRate), none(a.ScalingRate)
	if o.HostWait = a.HostWait; o.HostWait == 0 {
		o.HostWait = -1
	}
	return o
}

// defaultMaxEnvironments is one for every 24 MiB of the machine's memory, up to the
// account's default concurrency: an idle environment of a small function takes 5 to
// 12. What functions take when they run is not known ahead; --memory-reserve keeps
// environments from being started, and idle ones from staying, when it runs short.
// Each takes some 18 descriptors of the server, too.
func defaultMaxEnvironments() int {
	const perEnvironment, descriptors, others, least = 24 << 20, 24, 1024, 16
	most := uint64(lambda.DefaultAccountConcurrency)
	var files unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil && files.Max > others {
		most = min(most, (files.Max-others)/descriptors)
	}
	return int(max(min(memoryBytes()/perEnvironment, most), least))
}

// claim tells the pool what functions claim at the start: changes it is told as
// they come.
func (s *server) claim() {
	for _, listed := range s.catalog.List() {
		if listed.Reserved == nil && listed.Provisioned == 0 {
			continue
		}
		if r, ok := s.catalog.Function(listed.Name); ok {
			s.pools.Changed(listed.Name, r.Function)
		}
	}
}

// provisioned tells the control plane how far the pool is.
func (s *server) provisioned(f *lambda.Function, qualifier string) control.Provisioning {
	p := s.pools.Provisioned(f, qualifier)
	return control.Provisioning{Allocated: p.Allocated, Available: p.Available, Status: p.Status, Reason: p.Reason}
}

// keeping is how environments are kept between invocations.
type keeping struct {
	Freeze          string // a key of freezings
	IdleGrace       time.Duration
	KeepAlive       time.Duration
	MaxAge          time.Duration
	MemoryReserveMB int // 0: the host's memory is not looked at
}

const (
	maxKeepAlive = 24 * time.Hour
	maxAge       = 30 * 24 * time.Hour
	// maxReserveMB bounds a wish that no machine can fulfil.
	maxReserveMB = 1 << 20
)

func (k *keeping) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&k.Freeze, "freeze", "lazy", "when an idle environment is frozen: always (at once), lazy (after --idle-grace) or never")
	durationFlag(cmd, &k.IdleGrace, "idle-grace", 10*time.Millisecond, time.Microsecond, maxKeepAlive, "how long an idle environment runs on before it is frozen")
	durationFlag(cmd, &k.KeepAlive, "keep-alive", 10*time.Minute, time.Millisecond, maxKeepAlive, "how long an idle environment is kept")
	durationFlag(cmd, &k.MaxAge, "max-age", 2*time.Hour, time.Second, maxAge, "how old an environment becomes, also one that is never idle; up to an eighth less, so that not all end at one time")
	numberFlag(cmd, &k.MemoryReserveMB, "memory-reserve", defaultMemoryReserveMB(), 0, maxReserveMB, "`MiB` of the machine's memory that are to stay available: idle environments end for it; 0 is not to look")
}

// freezing is how the pool calls --freeze.
func (k *keeping) freezing() (pool.Freezing, error) {
	switch k.Freeze {
	case "always":
		return pool.Always, nil
	case "lazy":
		return pool.Lazily, nil
	case "never":
		return pool.Never, nil
	}
	return 0, usageError("--freeze %s: it must be always, lazy or never", k.Freeze)
}

// defaultMemoryReserveMB is a twentieth of the machine's memory.
func defaultMemoryReserveMB() int {
	const share, least, most = 20, 64, 1024
	return int(min(max(memoryBytes()>>20/share, least), most))
}

// options fills in what the pool is told about keeping.
func (k *keeping) options(o pool.Options) (pool.Options, error) {
	how, err := k.freezing()
	if err != nil {
		return pool.Options{}, err
	}
	o.Freezing, o.IdleGrace, o.KeepAlive, o.MaxAge = how, k.IdleGrace, k.KeepAlive, k.MaxAge
	if k.MemoryReserveMB > 0 {
		o.Memory, o.MemoryReserve = readMemory, int64(k.MemoryReserveMB)<<20
	}
	return o, nil
}

func readMemory() (pool.Memory, error) {
	r, err := memory.Read()
	return pool.Memory{AvailableBytes: r.AvailableBytes, Stalled: r.Stalled}, err
}
