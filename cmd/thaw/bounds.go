package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// boundedNumber is a flag of a whole number that has a range: one outside of it
// is refused while the command line is read, before anything is done.
type boundedNumber[N int | int32] struct {
	value       *N
	least, most N
}

// numberFlag adds a flag that takes least to most; otherwise holds where it is
// not named, and may lie outside.
func numberFlag[N int | int32](cmd *cobra.Command, value *N, name string, otherwise, least, most N, usage string) {
	*value = otherwise
	cmd.Flags().Var(&boundedNumber[N]{value, least, most}, name, usage)
}

func (b *boundedNumber[N]) Set(text string) error {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || N(n) < b.least || N(n) > b.most {
		return fmt.Errorf("it must be a whole number, %d to %d", b.least, b.most)
	}
	*b.value = N(n)
	return nil
}

func (b *boundedNumber[N]) String() string {
	if b.value == nil { // the parser asks a zero value for its text
		return "0"
	}
	return strconv.FormatInt(int64(*b.value), 10)
}

func (b *boundedNumber[N]) Type() string { return "int" }

// boundedDuration is the same for a length of time.
type boundedDuration struct {
	value       *time.Duration
	least, most time.Duration
}

func durationFlag(cmd *cobra.Command, value *time.Duration, name string, otherwise, least, most time.Duration, usage string) {
	*value = otherwise
	cmd.Flags().Var(&boundedDuration{value, least, most}, name, usage)
}

func (b *boundedDuration) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < b.least || d > b.most {
		return fmt.Errorf("it must be a length of time such as 90s or 1h30m, %v to %v", b.least, b.most)
	}
	*b.value = d
	return nil
}

func (b *boundedDuration) String() string {
	if b.value == nil || *b.value == 0 { // the help does not tell a default of nothing
		return "0"
	}
	return b.value.String()
}

func (b *boundedDuration) Type() string { return "duration" }
