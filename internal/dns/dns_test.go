package dns_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"thaw/internal/dns"
)

// resolver is one of the host's: handle gives the answers to a question, in the
// order in which they are sent.
type resolver struct {
	address string
	port    string
	asked   atomic.Int64
}

func newResolver(t *testing.T, address string, handle func(question []byte) [][]byte) *resolver {
	t.Helper()
	p, err := net.ListenPacket("udp4", address)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", p.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(); l.Close() })
	r := &resolver{}
	r.address, r.port, _ = net.SplitHostPort(p.LocalAddr().String())
	go func() {
		buffer := make([]byte, 1<<16)
		for {
			n, from, err := p.ReadFrom(buffer)
			if err != nil {
				return
			}
			r.asked.Add(1)
			for _, answer := range handle(append([]byte(nil), buffer[:n]...)) {
				p.WriteTo(answer, from)
			}
		}
	}()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			question, err := readFramed(c)
			if err == nil {
				for _, answer := range handle(question) {
					c.Write(framed(answer))
				}
			}
			c.Close()
		}
	}()
	return r
}

func framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
}

func readFramed(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}

// reply is the answer to a question: some address, changed by change.
func reply(question []byte, change func(*dnsmessage.Message)) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		panic(err)
	}
	m.Response = true
	m.Answers = []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 60},
		Body:   &dnsmessage.AResource{A: [4]byte{203, 0, 113, 7}},
	}}
	m.Additionals = nil
	if change != nil {
		change(&m)
	}
	answer, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return answer
}

func honest(question []byte) [][]byte { return [][]byte{reply(question, nil)} }

// serve makes a service whose upstreams are those of a configuration's lines.
func serve(t *testing.T, port string, lines ...string) (packets, streams string, config string) {
	t.Helper()
	config = filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := dns.New(dns.Options{Config: config, Port: port, Timeout: 300 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	s := f.Serve(p, l)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return p.LocalAddr().String(), l.Addr().String(), config
}

// lookUp asks as a program does whose resolver is the service.
func lookUp(t *testing.T, network, address, name string) ([]string, error) {
	t.Helper()
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ips, err := r.LookupIP(ctx, "ip4", name)
	var list []string
	for _, ip := range ips {
		list = append(list, ip.String())
	}
	return list, err
}

func TestQuestionsAreForwarded(t *testing.T) {
	up := newResolver(t, "127.0.0.1:0", honest)
	packets, streams, _ := serve(t, up.port, "# a comment", "search example.org", "nameserver "+up.address)
	for network, address := range map[string]string{"udp": packets, "tcp": streams} {
		if got, err := lookUp(t, network, address, "www.example.org."); err != nil || len(got) != 1 || got[0] != "203.0.113.7" {
			t.Errorf("%s: %v, %v", network, got, err)
		}
	}
}

// What is not the answer is passed over, be it that somebody guesses.
func TestForeignAnswers(t *testing.T) {
	other := dnsmessage.MustNewName("other.example.org.")
	forged := dnsmessage.AResource{A: [4]byte{6, 6, 6, 6}}
	forge := func(m *dnsmessage.Message) { m.Answers[0].Body = &forged }
	up := newResolver(t, "127.0.0.1:0", func(q []byte) [][]byte {
		return [][]byte{
			{}, {1, 2, 3}, q,
			reply(q, func(m *dnsmessage.Message) { forge(m); m.ID++ }),
			reply(q, func(m *dnsmessage.Message) { forge(m); m.Questions[0].Name = other }),
			reply(q, func(m *dnsmessage.Message) { forge(m); m.Questions[0].Type = dnsmessage.TypeMX }),
			reply(q, nil),
		}
	})
	packets, _, _ := serve(t, up.port, "nameserver "+up.address)
	if got, err := lookUp(t, "udp", packets, "www.example.org."); err != nil || len(got) != 1 || got[0] != "203.0.113.7" {
		t.Errorf("%v, %v", got, err)
	}
}

// The number under which an upstream is asked is not the function's.
func TestNumbersAreOwn(t *testing.T) {
	same := make(chan bool, 3)
	up := newResolver(t, "127.0.0.1:0", func(q []byte) [][]byte {
		same <- binary.BigEndian.Uint16(q) == 4711
		return honest(q)
	})
	packets, _, _ := serve(t, up.port, "nameserver "+up.address)
	answers := 0
	for range 3 { // one may be the same by chance
		answer := exchange(t, packets, ask(t, 4711, "www.example.org."))
		if binary.BigEndian.Uint16(answer) != 4711 {
			t.Errorf("the answer has number %d", binary.BigEndian.Uint16(answer))
		}
		if <-same {
			answers++
		}
	}
	if answers == 3 {
		t.Error("the upstream is asked under the function's number")
	}
}

func ask(t *testing.T, id uint16, name string) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	question, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return question
}

func exchange(t *testing.T, address string, question []byte) []byte {
	t.Helper()
	c, err := net.Dial("udp4", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write(question); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 1<<16)
	n, err := c.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	return buffer[:n]
}

func TestSilentUpstreams(t *testing.T) {
	silent := newResolver(t, "127.0.0.1:0", func([]byte) [][]byte { return nil })
	good := newResolver(t, "127.0.0.2:"+silent.port, honest)
	packets, _, _ := serve(t, silent.port, "nameserver "+silent.address, "nameserver "+good.address)
	if got, err := lookUp(t, "udp", packets, "www.example.org."); err != nil || len(got) != 1 {
		t.Errorf("with a second upstream: %v, %v", got, err)
	}
	packets, streams, _ := serve(t, silent.port, "nameserver "+silent.address)
	var m dnsmessage.Message
	if err := m.Unpack(exchange(t, packets, ask(t, 7, "www.example.org."))); err != nil {
		t.Fatal(err)
	}
	if !m.Response || m.RCode != dnsmessage.RCodeServerFailure || m.ID != 7 || len(m.Questions) != 1 || !m.RecursionDesired {
		t.Errorf("with none: %v", m.GoString())
	}
	if _, err := lookUp(t, "tcp", streams, "www.example.org."); err == nil {
		t.Error("an answer from nowhere, by tcp")
	}
}

// The host's resolvers may change while the server runs.
func TestConfigurationIsReadAgain(t *testing.T) {
	dead := newResolver(t, "127.0.0.1:0", func([]byte) [][]byte { return nil })
	good := newResolver(t, "127.0.0.2:"+dead.port, honest)
	packets, _, config := serve(t, dead.port, "nameserver not-an-address", "nameserver "+dead.address)
	if got, err := lookUp(t, "udp", packets, "www.example.org."); err == nil {
		t.Fatalf("%v from a dead resolver", got)
	}
	if err := os.WriteFile(config, []byte("nameserver "+good.address+"\noptions edns0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		if got, err := lookUp(t, "udp", packets, "www.example.org."); err == nil && len(got) == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the new resolver is never asked")
		}
	}
}

// What is no question is not sent on, and does no harm.
func TestNonsense(t *testing.T) {
	up := newResolver(t, "127.0.0.1:0", honest)
	packets, streams, _ := serve(t, up.port, "nameserver "+up.address)
	c, err := net.Dial("udp4", packets)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, message := range [][]byte{{}, {0}, make([]byte, 12), reply(ask(t, 1, "a.example."), nil)} {
		if _, err := c.Write(message); err != nil {
			t.Fatal(err)
		}
		s, err := net.Dial("tcp4", streams)
		if err != nil {
			t.Fatal(err)
		}
		s.Write(framed(message))
		s.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := s.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%x by tcp: %v, want the end", message, err)
		}
		s.Close()
	}
	if _, err := lookUp(t, "udp", packets, "www.example.org."); err != nil {
		t.Error(err)
	}
	if n := up.asked.Load(); n != 1 {
		t.Errorf("the upstream was asked %d times, want once", n)
	}
}

// One sandbox has so many questions under way and no more.
func TestQuestionsAreBounded(t *testing.T) {
	release := make(chan struct{})
	arrived := make(chan struct{}, 1000)
	p, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	go func() {
		for {
			buffer := make([]byte, 1<<10)
			n, from, err := p.ReadFrom(buffer)
			if err != nil {
				return
			}
			arrived <- struct{}{}
			go func() {
				<-release
				p.WriteTo(reply(buffer[:n], nil), from)
			}()
		}
	}()
	host, port, _ := net.SplitHostPort(p.LocalAddr().String())
	config := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(config, []byte("nameserver "+host), 0o644); err != nil {
		t.Fatal(err)
	}
	packets, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	streams, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := dns.New(dns.Options{Config: config, Port: port, Timeout: time.Minute, Logger: slog.New(slog.DiscardHandler)}).Serve(packets, streams)
	c, err := net.Dial("udp4", packets.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 2 * dns.MaxUnderWay {
		if _, err := c.Write(ask(t, uint16(i), fmt.Sprintf("n%d.example.", i))); err != nil {
			t.Fatal(err)
		}
	}
	for range dns.MaxUnderWay {
		<-arrived
	}
	select {
	case <-arrived:
		t.Error("one question too many was asked")
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	c.SetDeadline(time.Now().Add(time.Minute))
	for range dns.MaxUnderWay {
		if _, err := c.Read(make([]byte, 1<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Close does not wait for upstreams.
func TestCloseEndsQuestions(t *testing.T) {
	asked := make(chan struct{}, 10)
	up := newResolver(t, "127.0.0.1:0", func([]byte) [][]byte { asked <- struct{}{}; return nil })
	config := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(config, []byte("nameserver "+up.address), 0o644); err != nil {
		t.Fatal(err)
	}
	packets, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	streams, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := dns.New(dns.Options{Config: config, Port: up.port, Timeout: time.Hour, Logger: slog.New(slog.DiscardHandler)}).Serve(packets, streams)
	c, err := net.Dial("udp4", packets.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(ask(t, 1, "a.example.")); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := s.Close(); err != nil { // hangs if it waited for the hour
		t.Error(err)
	}
}

func FuzzQuestion(f *testing.F) {
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("a.example."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	question, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(question)
	f.Add(reply(question, nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, message []byte) {
		q, ok := dns.ParseQuestion(message)
		if !ok {
			return
		}
		answer := dns.Failure(message, q)
		if answer == nil {
			t.Fatal("no failure can be told")
		}
		if _, question := dns.ParseQuestion(answer); question {
			t.Error("a failure is taken for a question")
		}
	})
}
