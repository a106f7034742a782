package environment_test

import (
	"strings"
	"sync"
	"time"
)

// printed is a sink of logs that keeps the text of all that is appended.
type printed struct {
	mu   sync.Mutex
	text strings.Builder
}

func (p *printed) Append(_, _ string, _ time.Time, message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text.WriteString(message)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// unread is one that keeps nothing.
type unread struct{}

func (unread) Append(string, string, time.Time, string) {}
