package dns

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// rounds is how often each upstream is asked, before there is no answer.
const rounds = 2

// answer asks the upstreams, by "udp" or "tcp", and returns what is to be sent
// back: nil for what is no question.
func (s *service) answer(network string, message []byte) []byte {
	question, ok := parseQuestion(message)
	if !ok {
		return nil
	}
	upstreams := s.config.upstreams()
	for range rounds {
		for _, upstream := range upstreams {
			answer, err := s.ask(network, net.JoinHostPort(upstream, s.port), message, question)
			if err == nil {
				return answer
			}
			if s.ctx.Err() != nil {
				return nil
			}
			s.logger.LogAttrs(s.ctx, slog.LevelDebug, "resolver does not answer", slog.String("resolver", upstream), slog.Any("error", err))
		}
	}
	return failure(message, question)
}

// parseQuestion tells whether a message asks one thing.
func parseQuestion(message []byte) (dnsmessage.Question, bool) {
	header, question, ok := parse(message)
	return question, ok && !header.Response
}

// parse reads the header and the one question of a message.
func parse(message []byte) (dnsmessage.Header, dnsmessage.Question, bool) {
	var p dnsmessage.Parser
	header, err := p.Start(message)
	if err != nil {
		return header, dnsmessage.Question{}, false
	}
	question, err := p.Question()
	if err != nil {
		return header, question, false
	}
	_, err = p.Question()
	return header, question, errors.Is(err, dnsmessage.ErrSectionDone)
}

var errForeign = errors.New("no answer to this question")

// ask asks one upstream, under a number of its own choice: that of the function
// might be known to others.
func (s *service) ask(network, address string, message []byte, question dnsmessage.Question) ([]byte, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetDeadline(time.Now().Add(s.timeout))
	sent := append([]byte(nil), message...)
	rand.Read(sent[:2])
	if network == "tcp" {
		return s.askStream(conn, sent, message, question)
	}
	return s.askDatagram(conn, sent, message, question)
}

func (s *service) askStream(conn net.Conn, sent, message []byte, question dnsmessage.Question) ([]byte, error) {
	if err := writeFramed(conn, sent); err != nil {
		return nil, err
	}
	answer, err := readFramed(conn)
	if err != nil {
		return nil, err
	}
	if !answers(answer, sent, question) {
		return nil, errForeign
	}
	copy(answer, message[:2])
	return answer, nil
}

// askDatagram passes over what is no answer: anybody can send datagrams.
func (s *service) askDatagram(conn net.Conn, sent, message []byte, question dnsmessage.Question) ([]byte, error) {
	if _, err := conn.Write(sent); err != nil {
		return nil, err
	}
	buffer := s.buffers.Get().(*[maxMessage]byte)
	defer s.buffers.Put(buffer)
	for {
		n, err := conn.Read(buffer[:])
		if err != nil {
			return nil, err
		}
		if answers(buffer[:n], sent, question) {
			answer := append([]byte(nil), buffer[:n]...)
			copy(answer, message[:2])
			return answer, nil
		}
	}
}

// answers tells whether a message is the answer to one that was sent.
func answers(message, sent []byte, question dnsmessage.Question) bool {
	header, asked, ok := parse(message)
	// Some resolvers answer in lower case what was asked in another.
	return ok && header.Response && header.ID == binary.BigEndian.Uint16(sent) &&
		strings.EqualFold(asked.Name.String(), question.Name.String()) && asked.Type == question.Type && asked.Class == question.Class
}

// failure is the answer when no upstream has one.
func failure(message []byte, question dnsmessage.Question) []byte {
	header := dnsmessage.Header{
		ID: binary.BigEndian.Uint16(message), Response: true, RecursionAvailable: true,
		RecursionDesired: message[2]&1 != 0, RCode: dnsmessage.RCodeServerFailure,
	}
	b := dnsmessage.NewBuilder(nil, header)
	if b.StartQuestions() != nil || b.Question(question) != nil {
		return nil
	}
	answer, err := b.Finish()
	if err != nil {
		return nil
	}
	return answer
}
