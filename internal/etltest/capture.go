package etltest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// Piece is the bytes that one side sent before the other side sent any.
type Piece struct {
	From byte // '>' for the client, '<' for the server
	Data []byte
}

// Talk is the recorded traffic of one connection. It is safe for concurrent use.
type Talk struct {
	mu     sync.Mutex
	pieces []Piece
}

// Say adds bytes that a side sent.
func (k *Talk) Say(from byte, data []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if last := len(k.pieces) - 1; last >= 0 && k.pieces[last].From == from {
		k.pieces[last].Data = append(k.pieces[last].Data, data...)
		return
	}
	k.pieces = append(k.pieces, Piece{from, bytes.Clone(data)})
}

// Text returns the talk in the form of golden files: a line for each piece, with its side and its bytes in the form of
// Hex.
func (k *Talk) Text() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var s strings.Builder
	for _, p := range k.pieces {
		fmt.Fprintf(&s, "%c %s\n", p.From, Hex(p.Data))
	}
	return s.String()
}

// Answer reads one complete request and returns its bytes and the reply.
type Answer func(r io.Reader) (request, answer []byte, err error)

// Capture is a server with scripted replies that records the traffic.
type Capture struct {
	Addr net.Addr

	mu    sync.Mutex
	talks []*Talk
}

// NewCapture serves the listener until the test ends. Each connection has its own Talk.
func NewCapture(t testing.TB, l net.Listener, answer Answer) *Capture {
	c := &Capture{Addr: l.Addr()}
	var all sync.WaitGroup
	var open []net.Conn
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			talk := &Talk{}
			c.mu.Lock()
			open = append(open, conn)
			c.talks = append(c.talks, talk)
			c.mu.Unlock()
			all.Go(func() {
				for {
					request, reply, err := answer(conn)
					if err != nil {
						return
					}
					talk.Say('>', request)
					talk.Say('<', reply)
					if _, err := conn.Write(reply); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		c.mu.Lock()
		for _, conn := range open {
			_ = conn.Close()
		}
		c.mu.Unlock()
		all.Wait()
	})
	return c
}

// Port returns the port on which it listens.
func (c *Capture) Port() string {
	_, port, _ := net.SplitHostPort(c.Addr.String())
	return port
}

// First returns the talk of the first connection with any traffic, or an empty one.
func (c *Capture) First() *Talk {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.talks {
		if t.Requests() > 0 {
			return t
		}
	}
	return &Talk{}
}

// Requests returns how many requests were answered.
func (k *Talk) Requests() (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.pieces {
		if p.From == '<' {
			n++
		}
	}
	return n
}
