package memory_test

import (
	"testing"

	"thaw/internal/linux/memory"
)

const info = "MemTotal:        2048 kB\nMemFree:          100 kB\nMemAvailable:    1024 kB\n"

func TestParse(t *testing.T) {
	for name, test := range map[string]struct {
		info, pressure string
		want           memory.Reading
		fails          bool
	}{
		"no pressure file": {info, "", memory.Reading{TotalBytes: 2 << 20, AvailableBytes: 1 << 20}, false},
		"pressure": {info, "some avg10=12.50 avg60=1.00 avg300=0.00 total=1\nfull avg10=99.00 avg60=0.00 avg300=0.00 total=1\n",
			memory.Reading{TotalBytes: 2 << 20, AvailableBytes: 1 << 20, Stalled: 0.125}, false},
		"pressure of another form": {info, "some 12\nsome avg10=x\nsome avg10=101\n", memory.Reading{TotalBytes: 2 << 20, AvailableBytes: 1 << 20}, false},
		"an old kernel":            {"MemTotal: 2048 kB\n", "", memory.Reading{}, true},
		"no total":                 {"MemAvailable: 2048 kB\n", "", memory.Reading{}, true},
		"no number":                {"MemTotal: many kB\n", "", memory.Reading{}, true},
		"below zero":               {"MemTotal: -1 kB\n", "", memory.Reading{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := memory.Parse(test.info, test.pressure)
			if got != test.want || (err != nil) != test.fails {
				t.Errorf("Parse = %+v, %v; want %+v", got, err, test.want)
			}
		})
	}
}

func TestRead(t *testing.T) {
	got, err := memory.Read()
	if err != nil || got.AvailableBytes <= 0 || got.AvailableBytes > got.TotalBytes || got.Stalled < 0 || got.Stalled > 1 {
		t.Errorf("Read = %+v, %v", got, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(info, "some avg10=12.50\n")
	f.Fuzz(func(t *testing.T, info, pressure string) {
		got, err := memory.Parse(info, pressure)
		if err == nil && (got.TotalBytes < 0 || got.AvailableBytes < 0 || !(got.Stalled >= 0 && got.Stalled <= 1)) {
			t.Errorf("%+v", got)
		}
	})
}
