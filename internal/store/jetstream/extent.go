package jetstream

// extent knows how much of the journal lives: one segment for each message from
// first on, in the order of their sequences.
type extent struct {
	first        uint64
	segments     []segment
	bytes        int // of all segments
	liveBytes    int
	trimmedBytes int // of the segments that trim has taken off
}

type segment struct {
	size int
	live int // records
}

// add appends a message. Sequences between the last one and it are of messages
// whose fate was never known; they count as dead.
func (e *extent) add(sequence uint64, size int) {
	if len(e.segments) == 0 {
		e.first = sequence
	}
	for e.first+uint64(len(e.segments)) < sequence {
		e.segments = append(e.segments, segment{})
	}
	e.segments = append(e.segments, segment{size: size})
	e.bytes += size
}

func (e *extent) enliven(s spot) {
	e.segments[s.sequence-e.first].live++
	e.liveBytes += s.size
}

func (e *extent) kill(s spot) {
	e.segments[s.sequence-e.first].live--
	e.liveBytes -= s.size
}

// trim takes off the dead segments at the front.
func (e *extent) trim() {
	n := 0
	for n < len(e.segments) && e.segments[n].live == 0 {
		e.bytes -= e.segments[n].size
		e.trimmedBytes += e.segments[n].size
		n++
	}
	e.first += uint64(n)
	e.segments = e.segments[n:]
}
