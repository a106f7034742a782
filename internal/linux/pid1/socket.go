package pid1

import (
	"io"

	"golang.org/x/sys/unix"
)

// Socket is the helper's end of a conversation: a blocking descriptor. One
// goroutine receives; any may send.
type Socket struct {
	fd     int
	packet []byte
	oob    []byte
}

// NewSocket takes a connected SOCK_SEQPACKET descriptor.
func NewSocket(fd int) *Socket {
	return &Socket{fd: fd, packet: make([]byte, MaxMessage), oob: make([]byte, unix.CmsgSpace(4*MaxFiles))}
}

// Send sends a message with descriptors, which stay the caller's.
func (s *Socket) Send(m any, files ...int) error {
	var oob []byte
	if len(files) > 0 {
		oob = unix.UnixRights(files...)
	}
	for {
		err := unix.Sendmsg(s.fd, Encode(m), oob, nil, unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}

// Receive returns the next message and its descriptors, close-on-exec, which are
// the caller's. io.EOF means that the other side is gone.
func (s *Socket) Receive() (any, []int, error) {
	for {
		n, on, flags, _, err := unix.Recvmsg(s.fd, s.packet, s.oob, unix.MSG_CMSG_CLOEXEC)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, nil, err
		case n == 0:
			return nil, nil, io.EOF
		case flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0:
			return nil, Files(s.oob[:on]), ErrMalformed
		}
		m, err := Decode(s.packet[:n])
		return m, Files(s.oob[:on]), err
	}
}

// Files returns the descriptors in a control message.
func Files(oob []byte) []int {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var files []int
	for i := range messages {
		if fds, err := unix.ParseUnixRights(&messages[i]); err == nil {
			files = append(files, fds...)
		}
	}
	return files
}
