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

// Piece is what one side said before the other one did.
type Piece struct {
	From byte // '>' the one that connected, '<' the one that was connected to
	Data []byte
}

// Talk is what was said on one connection. It may be used concurrently.
type Talk struct {
	mu     sync.Mutex
	pieces []Piece
}

// Say adds what a side said.
func (k *Talk) Say(from byte, data []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if last := len(k.pieces) - 1; last >= 0 && k.pieces[last].From == from {
		k.pieces[last].Data = append(k.pieces[last].Data, data...)
		return
	}
	k.pieces = append(k.pieces, Piece{from, bytes.Clone(data)})
}

// Text is the talk as goldens have it: a line for each piece, its side and its bytes as Hex writes them.
func (k *Talk) Text() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var s strings.Builder
	for _, p := range k.pieces {
		fmt.Fprintf(&s, "%c %s\n", p.From, Hex(p.Data))
	}
	return s.String()
}

// Answer reads one request whole and returns its bytes and the answer to it.
type Answer func(r io.Reader) (request, answer []byte, err error)

// Capture is a server that answers by hand and keeps what is said.
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

// Port is where it listens.
func (c *Capture) Port() string {
	_, port, _ := net.SplitHostPort(c.Addr.String())
	return port
}

// First is the talk of the first connection on which something was said, empty before there is one.
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

// Requests is how many requests were answered.
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
