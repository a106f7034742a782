// Command bad does what functions should not do: the event's "do" names it.
package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	Do     string
	Code   int
	Signal int
	Size   int
}

type state struct {
	Count int `json:"count"`
}

func main() {
	b := &bad{}
	var options []lambda.Option
	if os.Getenv("GRACEFUL") != "" { // the client registers an extension for it
		options = append(options, lambda.WithEnableSIGTERM(func() { fmt.Println("terminated") }))
	}
	lambda.StartWithOptions(b.run, options...)
}

type bad struct {
	count int
	kept  [][]byte
}

func (b *bad) run(e event) (any, error) {
	b.count++
	switch e.Do {
	case "exit":
		os.Exit(e.Code)
	case "signal":
		syscall.Kill(os.Getpid(), syscall.Signal(e.Signal))
		select {}
	case "loop":
		for {
		}
	case "memory":
		for {
			block := make([]byte, 8<<20)
			for i := 0; i < len(block); i += os.Getpagesize() {
				block[i] = 1
			}
			b.kept = append(b.kept, block)
		}
	case "large":
		return strings.Repeat("x", e.Size-2), nil
	case "panic":
		panic("it is hopeless")
	}
	return state{b.count}, nil
}
