package dns

import (
	"bufio"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	defaultConfig = "/etc/resolv.conf"
	// maxUpstreams is as many as the C library asks.
	maxUpstreams = 3
	// maxConfigLines bounds what is read of the file.
	maxConfigLines = 1000
	// recheck is how often the file is looked at.
	recheck = time.Second
)

// config is the file that names the upstreams, as it was when it was read last.
type config struct {
	path string

	mu     sync.Mutex
	looked time.Time
	stamp  stamp
	list   []string
}

// stamp tells one state of a file from another.
type stamp struct {
	modified time.Time
	size     int64
}

func newConfig(path string) *config {
	if path == "" {
		path = defaultConfig
	}
	return &config{path: path}
}

// upstreams are the resolvers to ask. Without any, it is the host's own, as for
// the C library.
func (c *config) upstreams() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= recheck {
		c.looked = now
		c.read()
	}
	if len(c.list) == 0 {
		return []string{"127.0.0.1"}
	}
	return c.list
}

// read reads the file if it has changed. What cannot be read leaves all as it was.
func (c *config) read() {
	f, err := os.Open(c.path)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || (stamp{info.ModTime(), info.Size()}) == c.stamp {
		return
	}
	var list []string
	lines := bufio.NewScanner(f)
	for n := 0; n < maxConfigLines && len(list) < maxUpstreams && lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if _, err := netip.ParseAddr(fields[1]); err == nil {
			list = append(list, fields[1])
		}
	}
	if lines.Err() == nil {
		c.stamp, c.list = stamp{info.ModTime(), info.Size()}, list
	}
}
