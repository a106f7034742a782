package conformance_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// site is where calls go, and with which key.
type site struct {
	Endpoint string `json:"endpoint"`
	KeyID    string `json:"key_id"`
	Secret   string `json:"secret"`
}

// driver is the process that issues calls with boto3. Several goroutines may
// call at one time.
type driver struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser

	mu      sync.Mutex
	writing *json.Encoder
	next    int
	waiting map[int]chan reply
	ended   error // why no further answer comes
}

// reply is a line that the process wrote.
type reply struct {
	ID      int
	Answer  any
	Failure string
}

// call is a line that the process reads.
type call struct {
	site
	ID        int    `json:"id"`
	Service   string `json:"service"`
	Operation string `json:"operation"`
	Input     m      `json:"input"`
	// Unchecked leaves the refusal of a wrong input to the server.
	Unchecked bool `json:"unchecked"`
}

func startDriver(t *testing.T) *driver {
	t.Helper()
	script, err := filepath.Abs("testdata/drive.py")
	if err != nil {
		t.Fatal(err)
	}
	d := &driver{cmd: exec.Command(python(t), "-u", script), waiting: make(map[int]chan reply)}
	home := t.TempDir()
	d.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "AWS_CONFIG_FILE=" + home + "/config",
		"AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region, "AWS_EC2_METADATA_DISABLED=true",
	}
	d.cmd.Stderr = os.Stderr
	if d.stdin, err = d.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.writing = json.NewEncoder(d.stdin)
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() { defer close(read); d.read(stdout) }()
	t.Cleanup(func() {
		d.stdin.Close()
		<-read
		if err := d.cmd.Wait(); err != nil {
			t.Errorf("the process with boto3: %v", err)
		}
	})
	return d
}

// read hands the answers to those who wait for them, until the process ends.
func (d *driver) read(stdout io.Reader) {
	lines := json.NewDecoder(bufio.NewReader(stdout))
	for {
		var r reply
		err := lines.Decode(&r)
		d.mu.Lock()
		if err != nil {
			d.ended = fmt.Errorf("the process with boto3 writes no more: %w", err)
			for _, waiting := range d.waiting {
				close(waiting)
			}
			clear(d.waiting)
			d.mu.Unlock()
			return
		}
		d.waiting[r.ID] <- r
		delete(d.waiting, r.ID)
		d.mu.Unlock()
	}
}

// issue makes a call and returns what boto3 returned: an answer, an error in
// its form, or the text of its own refusal.
func (d *driver) issue(line call) (any, error) {
	answer := make(chan reply, 1)
	d.mu.Lock()
	d.next++
	line.ID = d.next
	err := d.ended
	if err == nil {
		d.waiting[line.ID] = answer
		err = d.writing.Encode(line)
	}
	d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	r, ok := <-answer
	switch {
	case !ok:
		return nil, errors.New("the process with boto3 has ended")
	case r.Failure != "":
		return nil, errors.New(r.Failure)
	}
	return r.Answer, nil
}
