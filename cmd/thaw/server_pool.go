package main

import (
	"time"

	"github.com/spf13/cobra"

	"thaw/internal/linux/memory"
	"thaw/internal/pool"
)

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
