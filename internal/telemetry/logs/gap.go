package logs

import "bytes"

// gap is what was dropped since it was told last. Its last lines are kept: who
// looks at a flood wants to see how it ended.
type gap struct {
	records, bytes int64
	last           []dropped
	lastBytes      int
}

// dropped is a line that may be written yet.
type dropped struct {
	text string
	printed
}

const (
	// lastLines and lastBytes bound what is kept of a gap: so that the note of it
	// is still in the tail of an invocation that ends with one.
	lastLines = 32
	lastBytes = 2048
)

// dropReason is what a record of dropped lines tells.
const dropReason = "The function has printed faster than its environment's rate of log output."

// add counts a line, and keeps it as the last one.
func (g *gap) add(text []byte, p printed) {
	g.count(1, len(text))
	if len(text) > lastBytes {
		g.last, g.lastBytes = g.last[:0], 0
		return
	}
	g.last = append(g.last, dropped{string(text), p})
	g.lastBytes += len(text)
	first := 0
	for len(g.last)-first > lastLines || g.lastBytes > lastBytes {
		g.lastBytes -= len(g.last[first].text)
		first++
	}
	g.last = append(g.last[:0], g.last[first:]...)
}

func (g *gap) count(records, bytes int) {
	g.records += int64(records)
	g.bytes += int64(bytes)
}

// addAll is add of all lines in b, which ends with a line end, without looking at
// those that are not kept.
func (g *gap) addAll(b []byte, p printed) {
	from := len(b)
	for n := 0; n < lastLines && from > 0 && len(b)-from < lastBytes; n++ {
		from = bytes.LastIndexByte(b[:from-1], '\n') + 1
	}
	g.count(bytes.Count(b[:from], []byte{'\n'}), from)
	for len(b) > from {
		end := from + bytes.IndexByte(b[from:], '\n') + 1
		g.add(b[from:end], p)
		from = end
	}
}

// take ends the gap.
func (g *gap) take() gap {
	taken := *g
	*g = gap{}
	return taken
}
