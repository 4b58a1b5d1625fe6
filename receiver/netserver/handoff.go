package netserver

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Handoff is a server's connections as a net.Listener, for a library that accepts and reads for itself, such as
// net/http: they went through the server's limits and filter, their layers are off, and they stop as the server does.
// It is safe for concurrent use.
type Handoff struct {
	server *Server
	conns  chan *Handed
	closed chan struct{} // closed by Close
	once   sync.Once
}

// NewHandoff makes one for the connections of s. Whoever reads it closes it once s has stopped.
func NewHandoff(s *Server) *Handoff {
	return &Handoff{server: s, conns: make(chan *Handed), closed: make(chan struct{})}
}

// Give hands c over, with bytes that were read from it already, and waits until the library closes it.
func (h *Handoff) Give(c *Conn, head []byte) error {
	handed := &Handed{Conn: c, head: head, closed: make(chan struct{})}
	select {
	case h.conns <- handed:
		<-handed.closed
		return nil
	case <-h.closed:
		return ErrStopping
	}
}

// Accept waits for the next connection, a [*Handed].
func (h *Handoff) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (h *Handoff) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr is where the server listens; nil before its Open.
func (h *Handoff) Addr() net.Addr { return h.server.Addr() }

// Handed is a Conn as a net.Conn, in the hands of a library.
type Handed struct {
	*Conn
	head   []byte
	first  atomic.Int64 // when the first byte since Idle arrived, in nanoseconds since 1970; 0 while there is none
	closed chan struct{}
	once   sync.Once
}

// Idle says that the next byte will be the first of a request.
func (h *Handed) Idle() { h.first.Store(0) }

// First is when the first byte since Idle arrived, or now, where it was read together with the request before.
func (h *Handed) First() time.Time {
	if n := h.first.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Now()
}

// Read reads what is inside the layers.
func (h *Handed) Read(p []byte) (int, error) {
	n := copy(p, h.head)
	h.head = h.head[n:]
	var err error
	if n == 0 {
		n, err = h.Conn.Read(p)
	}
	if n > 0 && h.first.Load() == 0 {
		h.first.Store(time.Now().UnixNano())
	}
	return n, err
}

// Close closes the connection, and ends Give's waiting.
func (h *Handed) Close() error {
	h.Conn.Close()
	h.once.Do(func() { close(h.closed) })
	return nil
}

// CloseWrite says to the sender that nothing more comes, so that it can read the last answer although what it still
// sends is not read.
func (h *Handed) CloseWrite() error {
	w, ok := h.inside.top.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return w.CloseWrite()
}

// LocalAddr is our address.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// SetReadDeadline bounds reads, until the server stops: then nothing more is read, whatever is set.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if !c.setDeadline(t) {
		return ErrStopping
	}
	return nil
}

// SetWriteDeadline does nothing: each Write sets its own.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline is SetReadDeadline.
func (c *Conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }
