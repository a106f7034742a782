package native

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"thaw/internal/linux/pid1"
)

// spawnTimeout bounds the spawner's answer; the usual is 3 ms.
const spawnTimeout = 30 * time.Second

// channel is the daemon's end of a conversation with thaw-init.
type channel struct{ conn *net.UnixConn }

// newChannel returns both ends; the other is for the child.
func newChannel() (*channel, *os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make control socket: %w", err)
	}
	near, far := os.NewFile(uintptr(pair[0]), "control"), os.NewFile(uintptr(pair[1]), "control")
	conn, err := net.FileConn(near)
	near.Close()
	if err != nil {
		far.Close()
		return nil, nil, fmt.Errorf("make control socket: %w", err)
	}
	return &channel{conn.(*net.UnixConn)}, far, nil
}

// send sends a message with files, which stay the caller's.
func (c *channel) send(m any, files ...*os.File) error {
	packet := pid1.Encode(m)
	if len(packet) > pid1.MaxMessage || len(files) > pid1.MaxFiles {
		return fmt.Errorf("message of %d bytes with %d files: %w", len(packet), len(files), unix.E2BIG)
	}
	var oob []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		oob = unix.UnixRights(fds...)
	}
	_, _, err := c.conn.WriteMsgUnix(packet, oob, nil)
	return err
}

// receive returns the next message and its files. It has room for what thaw-init
// sends, which is short.
func (c *channel) receive(buffer []byte) (any, []*os.File, error) {
	var oob [128]byte
	n, on, _, _, err := c.conn.ReadMsgUnix(buffer, oob[:])
	if err != nil {
		return nil, nil, err
	}
	if n == 0 {
		return nil, nil, io.EOF
	}
	var files []*os.File
	for _, fd := range pid1.Files(oob[:on]) {
		files = append(files, os.NewFile(uintptr(fd), "received"))
	}
	m, err := pid1.Decode(buffer[:n])
	return m, files, err
}

// receiveBytes is enough for any message from thaw-init.
const receiveBytes = 1 << 10

func (c *channel) close() error { return c.conn.Close() }

// open tells whether the other side is there, sooner than a reader notices.
func (c *channel) open() bool {
	conn, err := c.conn.SyscallConn()
	if err != nil {
		return false
	}
	poll := []unix.PollFd{{Events: unix.POLLRDHUP}}
	if err := conn.Control(func(fd uintptr) {
		poll[0].Fd = int32(fd)
		_, err = unix.Poll(poll, 0)
	}); err != nil {
		return false
	}
	return err == nil && poll[0].Revents == 0
}

// remoteError is what thaw-init could not do.
func remoteError(m pid1.Failed) error {
	return fmt.Errorf("%s: %w", m.Operation, syscall.Errno(m.Errno))
}

// errSpawnerGone is returned for a question that did not reach the spawner.
var errSpawnerGone = errors.New("spawner is gone")

// spawner is the daemon's handle of the spawner process.
type spawner struct {
	process *os.Process
	channel *channel
	dead    atomic.Bool

	mu sync.Mutex // one question at a time
}

// sealedProgram puts a program into a file in memory that cannot be changed any
// more, not even by who runs it.
func sealedProgram(program []byte) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("thaw-init", flags|unix.MFD_EXEC)
	if err == unix.EINVAL { // before Linux 6.3 every such file is executable
		fd, err = unix.MemfdCreate("thaw-init", flags)
	}
	if err != nil {
		return nil, fmt.Errorf("make memory file: %w", err)
	}
	f := os.NewFile(uintptr(fd), "thaw-init")
	if _, err := f.Write(program); err != nil {
		f.Close()
		return nil, fmt.Errorf("write memory file: %w", err)
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		f.Close()
		return nil, fmt.Errorf("seal memory file: %w", err)
	}
	return f, nil
}

// startSpawner starts the spawner, with a mount namespace of its own, and has it
// build the root tree.
func startSpawner(init, kill, lock *os.File, root pid1.Root) (*spawner, error) {
	near, far, err := newChannel()
	if err != nil {
		return nil, err
	}
	defer far.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, errors.Join(err, near.close())
	}
	defer null.Close()
	process, err := os.StartProcess("/proc/self/fd/"+strconv.Itoa(int(init.Fd())), []string{"thaw-spawner"}, &os.ProcAttr{
		Dir: "/",
		Env: []string{"THAW_INIT=spawner", "GOMAXPROCS=2", "GODEBUG=containermaxprocs=0,updatemaxprocs=0"},
		// The order is thaw-init's: control, kill switch, and the lock to be held.
		Files: []*os.File{null, null, os.Stderr, far, kill, lock},
		Sys:   &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Setsid: true},
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("execute: %w", err), near.close())
	}
	s := &spawner{process: process, channel: near}
	far.Close() // before the first question, or the end of the spawner would not be seen
	if _, err := s.ask(root); err != nil {
		return nil, errors.Join(fmt.Errorf("build root tree: %w", err), s.close())
	}
	return s, nil
}

// ask sends a question and returns its answer.
func (s *spawner) ask(m any, files ...*os.File) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, err := s.exchange(m, files)
	if err != nil {
		s.dead.Store(true) // whatever it was, question and answer may not fit any more
		return nil, err
	}
	if f, ok := answer.(pid1.Failed); ok {
		return nil, remoteError(f)
	}
	return answer, nil
}

func (s *spawner) exchange(m any, files []*os.File) (any, error) {
	if err := s.channel.conn.SetDeadline(time.Now().Add(spawnTimeout)); err != nil {
		return nil, err
	}
	if err := s.channel.send(m, files...); err != nil {
		return nil, fmt.Errorf("%w: %w", errSpawnerGone, err)
	}
	answer, _, err := s.channel.receive(make([]byte, receiveBytes))
	return answer, err
}

// spawn forks a PID 1 into a cgroup and returns its number on the host.
func (s *spawner) spawn(firstID uint32, control, group *os.File) (int, error) {
	answer, err := s.ask(pid1.Spawn{FirstID: firstID, Count: idsPerSandbox}, control, group)
	if err != nil {
		return 0, fmt.Errorf("spawn: %w", err)
	}
	m, ok := answer.(pid1.Spawned)
	if !ok {
		return 0, fmt.Errorf("spawn: %w", pid1.ErrMalformed)
	}
	return m.PID, nil
}

func (s *spawner) alive() bool { return !s.dead.Load() }
func (s *spawner) pid() int    { return s.process.Pid }

// close ends the spawner, which ends every sandbox, and waits for it.
func (s *spawner) close() error {
	err := s.channel.close()
	_, waitErr := s.process.Wait()
	return errors.Join(err, waitErr)
}
