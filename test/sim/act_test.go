package sim_test

import (
	"encoding/json"
	"math/rand/v2"
	"time"
)

// act is what the runtime does with one event. It is the event.
type act struct {
	Nonce string `json:"nonce"`
	Do    string `json:"do"`
	// First, Then and After are pauses: before the answer, before what comes after
	// it, and before the next event is asked for.
	First time.Duration `json:"first"`
	Then  time.Duration `json:"then"`
	Print int           `json:"print"` // bytes
	// Extensions is the seed of what extensions do with it.
	Extensions uint64 `json:"extensions"`
}

// The acts, by how often they are drawn.
var acts = []struct {
	do     string
	weight int
}{
	{"answer", 50},
	{"fail", 6},          // the handler raises
	{"linger", 6},        // answers, and takes a while to ask for the next event
	{"exit", 4},          // ends instead of an answer
	{"answer-exit", 3},   // ends right after it
	{"crash", 3},         // by a signal
	{"oom", 2},           //
	{"hang", 4},          // until the time is up
	{"answer-hang", 3},   // answers, and never asks again
	{"half", 2},          // breaks off in the middle of the answer
	{"large", 1},         // answers too much
	{"twice", 2},         // answers twice
	{"wrong", 2},         // answers an event that is none
	{"garbage", 2},       // speaks no HTTP
	{"next-first", 2},    // asks for the next event without an answer
	{"hang-up", 2},       // closes its connections
	{"close-outputs", 1}, // closes what it writes to
}

func draw(r *rand.Rand) string {
	sum := 0
	for _, a := range acts {
		sum += a.weight
	}
	n := r.IntN(sum)
	for _, a := range acts {
		if n -= a.weight; n < 0 {
			return a.do
		}
	}
	panic("unreachable: the weights add up")
}

// pause is nothing, short, or long; never the same to the nanosecond, so that no
// two things happen at one moment whose order a replay could change.
func pause(r *rand.Rand) time.Duration {
	d := time.Duration(r.IntN(900_000))
	switch r.IntN(10) {
	case 0:
		d += time.Duration(r.IntN(3000)) * time.Millisecond
	case 1, 2, 3:
		d += time.Duration(r.IntN(50)) * time.Millisecond
	}
	return d
}

func newAct(r *rand.Rand, nonce string) act {
	a := act{Nonce: nonce, Do: draw(r), First: pause(r), Then: pause(r), Extensions: r.Uint64()}
	if r.IntN(8) == 0 {
		a.Print = r.IntN(200_000)
	}
	return a
}

func (a act) payload() []byte {
	b, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	return b
}
