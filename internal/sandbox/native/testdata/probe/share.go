package main

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Keys of what share makes, and its size.
const (
	shareKey   = 0x7468
	shareCount = 3
	shareBytes = 8 << 20
)

// share makes objects of System V that outlive it: three of each kind.
func share([]string) error {
	for i := range shareCount {
		id, err := unix.SysvShmGet(shareKey+i, shareBytes, unix.IPC_CREAT|0o600)
		if err != nil {
			return fmt.Errorf("shmget: %w", err)
		}
		memory, err := unix.SysvShmAttach(id, 0, 0)
		if err != nil {
			return fmt.Errorf("shmat: %w", err)
		}
		for n := 0; n < len(memory); n += os.Getpagesize() {
			memory[n] = 1
		}
		if _, _, errno := unix.Syscall(unix.SYS_SEMGET, uintptr(shareKey+i), 1, unix.IPC_CREAT|0o600); errno != 0 {
			return fmt.Errorf("semget: %w", errno)
		}
		if _, _, errno := unix.Syscall(unix.SYS_MSGGET, uintptr(shareKey+i), unix.IPC_CREAT|0o600, 0); errno != 0 {
			return fmt.Errorf("msgget: %w", errno)
		}
	}
	return shared(nil)
}

// shared counts what there is of what share makes.
func shared([]string) error {
	memory, semaphores, queues := 0, 0, 0
	for i := range shareCount {
		if _, err := unix.SysvShmGet(shareKey+i, 0, 0); err == nil {
			memory++
		}
		if _, _, errno := unix.Syscall(unix.SYS_SEMGET, uintptr(shareKey+i), 0, 0); errno == 0 {
			semaphores++
		}
		if _, _, errno := unix.Syscall(unix.SYS_MSGGET, uintptr(shareKey+i), 0, 0); errno == 0 {
			queues++
		}
	}
	fmt.Println(memory, semaphores, queues)
	return nil
}

// deep makes so many directories, each in the one before.
func deep(args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	if err := os.Chdir(args[0]); err != nil {
		return err
	}
	for range n {
		if err := unix.Mkdir("d", 0o700); err != nil {
			return err
		}
		if err := unix.Chdir("d"); err != nil {
			return err
		}
	}
	return nil
}
