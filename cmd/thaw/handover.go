package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A server's clients must not notice that it is replaced by another: its socket
// stays open all the while, and whoever connects waits until the next server
// takes the connection. Either the one who starts the server keeps the socket
// (socket activation, as systemd does it), or the server gives it to the program
// that it becomes (SIGHUP).

const (
	// handedDown names the socket that a server has left to itself.
	handedDown = "THAW_LISTEN_FD"
	// activationFD is the first socket of socket activation, and the only one that
	// is taken; see sd_listen_fds(3).
	activationFD = 3
	// trialLimit bounds how long the next program may take to show that it runs.
	trialLimit = 20 * time.Second
)

// takeSocket takes the socket that this process was started with, or opens one.
func takeSocket(address string) (net.Listener, error) {
	fd, ok := inheritedSocket(os.Getenv, os.Getpid())
	for _, name := range []string{handedDown, "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} {
		os.Unsetenv(name) // they are of no use to processes started by this one
	}
	if !ok {
		return net.Listen("tcp", address)
	}
	unix.CloseOnExec(fd)
	file := os.NewFile(uintptr(fd), "socket")
	if file == nil {
		return nil, fmt.Errorf("take the socket that was handed over: descriptor %d is none", fd)
	}
	defer file.Close()
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("take the socket that was handed over: %w", err)
	}
	if _, ok := listener.Addr().(*net.TCPAddr); !ok {
		return nil, errors.Join(fmt.Errorf("the socket that was handed over is at %s, which is not TCP", listener.Addr()), listener.Close())
	}
	return listener, nil
}

// inheritedSocket finds the descriptor by the environment. That of socket
// activation may be meant for another process, and names it.
func inheritedSocket(getenv func(string) string, pid int) (fd int, ok bool) {
	if fd, err := strconv.Atoi(getenv(handedDown)); err == nil && fd > 2 {
		return fd, true
	}
	count, err := strconv.Atoi(getenv("LISTEN_FDS"))
	return activationFD, err == nil && count >= 1 && getenv("LISTEN_PID") == strconv.Itoa(pid)
}

// isLoopback tells whether nobody but this machine reaches an address.
func isLoopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// successor is the program that a server becomes, and the socket it leaves to it.
type successor struct {
	program string
	socket  *os.File
}

// newSuccessor makes sure that the program runs before anything is ended for it.
func newSuccessor(ctx context.Context, program string, listener net.Listener) (*successor, error) {
	if err := tryProgram(ctx, program, os.Args[1:]); err != nil {
		return nil, fmt.Errorf("try %s: %w", program, err)
	}
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return nil, fmt.Errorf("a listener of type %T cannot be handed over", listener)
	}
	socket, err := tcp.File()
	if err != nil {
		return nil, fmt.Errorf("keep the socket: %w", err)
	}
	return &successor{program: program, socket: socket}, nil
}

// tryProgram tells whether a program can be a server by the arguments that this one
// was started with: it has all its parts, and takes each flag. The help that is
// asked for behind them keeps it from doing more than reading them.
func tryProgram(ctx context.Context, program string, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, trialLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "version", "--json").Output()
	if err != nil {
		return trialError(err)
	}
	var made build
	if err := json.Unmarshal(out, &made); err != nil {
		return fmt.Errorf("it does not tell its version: %w", err)
	}
	if !made.Init {
		return errNoInit
	}
	if _, err := exec.CommandContext(ctx, program, append(slices.Clone(args), "--help")...).Output(); err != nil {
		return fmt.Errorf("it does not take this server's arguments: %w", trialError(err))
	}
	return nil
}

var errNoInit = errors.New("it carries no thaw-init, and so could make no sandbox: build it with make build")

// trialError adds what a program has said.
func trialError(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	return err
}

// become replaces this process. It returns only if that is not possible.
func (s *successor) become() error {
	fd := s.socket.Fd()
	if _, err := unix.FcntlInt(fd, unix.F_SETFD, 0); err != nil { // let it live through exec
		return fmt.Errorf("hand the socket over: %w", err)
	}
	signal.Ignore(unix.SIGHUP) // another one, before the next program asks for it, would end that
	environ := append(os.Environ(), fmt.Sprintf("%s=%d", handedDown, fd))
	return fmt.Errorf("become %s: %w", s.program, unix.Exec(s.program, os.Args, environ))
}

// finish ends all parts. One that ends badly, for a full disk, say, does not keep
// the next program from being gone on as: it starts as after a crash.
func (s *server) finish(ctx context.Context, next *successor, err error) error {
	closeErr := s.close(ctx)
	if err == nil && next != nil && closeErr != nil {
		s.logger.Error("the server goes on as the next program, and not all of it has ended well", "error", closeErr)
		return nil
	}
	if err = errors.Join(err, closeErr); err == nil {
		s.logger.Info("stopped")
	}
	return err
}

// notifyManager tells a service manager, if one asks for it, how the server is; see
// sd_notify(3).
func notifyManager(state string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	if abstract, ok := strings.CutPrefix(name, "@"); ok {
		name = "\x00" + abstract
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	defer conn.Close()
	_, err = conn.Write([]byte(state))
	return err
}
