package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// patience is how long reach waits for an answer; a refusal comes at once.
const patience = 500 * time.Millisecond

// reach asks at each address, given as pairs of a network and an address, and
// prints what is answered, or how it fails.
func reach(args []string) error {
	for i := 0; i < len(args); i += 2 {
		answer, err := ask(args[i], args[i+1])
		var errno syscall.Errno
		var timeout net.Error
		switch {
		case errors.As(err, &errno):
			answer = errno.Error()
		case errors.As(err, &timeout) && timeout.Timeout():
			answer = "silence"
		case err != nil:
			answer = err.Error()
		}
		fmt.Printf("%s %s: %s\n", args[i], args[i+1], answer)
	}
	return nil
}

func ask(network, address string) (string, error) {
	conn, err := net.DialTimeout(network, address, patience)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if network == "udp" {
		if _, err := conn.Write([]byte("?")); err != nil {
			return "", err
		}
	}
	answer := make([]byte, 100)
	n, err := conn.Read(answer)
	return string(answer[:n]), err
}

// follow prints what comes by a connection, as it comes.
func follow(args []string) error {
	conn, err := net.Dial("tcp", args[0])
	if err != nil {
		return err
	}
	_, err = io.Copy(os.Stdout, conn)
	return err
}

// addresses prints the interfaces that are up.
func addresses([]string) error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		list, err := i.Addrs()
		if err != nil {
			return err
		}
		fmt.Println(i.Name, i.MTU, list)
	}
	return nil
}
