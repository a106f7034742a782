package main

import "golang.org/x/sys/unix"

// When the memory of a sandbox is used up, the kernel kills the process with the
// most of it, by whose standard PID 1 is not small: it would go before hundreds
// of shells, and /tmp with it. So what PID 1 starts is preferred, as if half of
// the limit was used by it: oom_score_adj is in thousandths (proc(5)).
const childPreference = 500

const (
	preferenceFile = "/proc/self/oom_score_adj"
	maxPreference  = 1000
	// preferenceBytes is room for the longest number, "-1000\n".
	preferenceBytes = 8
)

// preference is PID 1's own oom_score_adj, raised while it forks, for a child
// inherits it. To lower it again takes no privilege: the kernel refuses only what
// is below the value that a privileged process has set last. A child could do the
// same for itself; it is its own sandbox that it would risk.
type preference struct {
	fd          int
	own, raised []byte
}

func openPreference() (*preference, error) {
	fd, err := unix.Open(preferenceFile, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, wrap("open oom_score_adj", err)
	}
	own, err := readPreference(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &preference{fd, decimal(own), decimal(min(own+childPreference, maxPreference))}, nil
}

func (p *preference) raise() error {
	_, err := unix.Pwrite(p.fd, p.raised, 0)
	return wrap("write oom_score_adj", err)
}

// lower cannot fail where raise did not, and the child is there already.
func (p *preference) lower() { _, _ = unix.Pwrite(p.fd, p.own, 0) }

// takeNoPreference undoes a daemon's protection from being killed, which
// everything in its sandboxes would inherit, and with it the right to it.
func takeNoPreference() error {
	fd, err := unix.Open(preferenceFile, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return wrap("open oom_score_adj", err)
	}
	defer unix.Close(fd)
	own, err := readPreference(fd)
	if err != nil || own >= 0 {
		return err
	}
	_, err = unix.Pwrite(fd, decimal(0), 0)
	return wrap("write oom_score_adj", err)
}

func readPreference(fd int) (int, error) {
	var text [preferenceBytes]byte
	n, err := unix.Pread(fd, text[:], 0)
	if err != nil {
		return 0, wrap("read oom_score_adj", err)
	}
	number, sign := 0, 1
	for _, c := range text[:n] {
		switch {
		case c == '-':
			sign = -1
		case c >= '0' && c <= '9':
			number = 10*number + int(c-'0')
		}
	}
	return sign * number, nil
}

// decimal is of 0 and above.
func decimal(n int) []byte {
	text := []byte{byte('0' + n%10)}
	for n /= 10; n > 0; n /= 10 {
		text = append([]byte{byte('0' + n%10)}, text...)
	}
	return text
}
