package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// tick is the unit of CPU times in /proc: USER_HZ is 100 on every Linux port
// that Go has (proc(5)).
const tick = 10 * time.Millisecond

// treeCPU is the CPU time, user and system, that a process and all its living
// descendants have spent, with that of the dead ones they waited for.
func treeCPU(root int) (time.Duration, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	children := map[int][]int{}
	spent := map[int]time.Duration{}
	for _, path := range paths {
		pid, parent, cpu, ok := readStat(path)
		if ok { // or it has ended meanwhile
			children[parent] = append(children[parent], pid)
			spent[pid] = cpu
		}
	}
	var total time.Duration
	for open := []int{root}; len(open) > 0; {
		pid := open[0]
		total += spent[pid]
		open = append(open[1:], children[pid]...)
	}
	return total, nil
}

// readStat reads a /proc/pid/stat: fields 4 (parent) and 14 to 17 (user and
// system time, own and of the children waited for), counted as in proc(5).
func readStat(path string) (pid, parent int, cpu time.Duration, ok bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, 0, false
	}
	// The name, in parentheses, may contain anything.
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return 0, 0, 0, false
	}
	f := bytes.Fields(b[i+1:])
	if len(f) < 15 {
		return 0, 0, 0, false
	}
	number := func(b []byte) int {
		n, err := strconv.Atoi(string(b))
		if err != nil {
			ok = false
		}
		return n
	}
	ok = true
	pid = number(b[:bytes.IndexByte(b, ' ')])
	parent = number(f[1])
	ticks := 0
	for _, field := range f[11:15] {
		ticks += number(field)
	}
	return pid, parent, time.Duration(ticks) * tick, ok
}
