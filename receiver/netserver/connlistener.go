package netserver

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// ConnListener presents a server's connections as a net.Listener, for a library that accepts and reads by itself, such
// as net/http. The connections passed the server's limits and filter, their layers are removed, and they stop with the
// server. It is safe for concurrent use.
type ConnListener struct {
	server *Server
	conns  chan *ServedConn
	closed chan struct{} // closed by Close
	once   sync.Once
}

// NewConnListener returns a listener for the connections of s. The caller closes it once s has stopped.
func NewConnListener(s *Server) *ConnListener {
	return &ConnListener{server: s, conns: make(chan *ServedConn), closed: make(chan struct{})}
}

// Serve passes c to the library, with bytes that were read from it already, and waits until the library closes it.
func (h *ConnListener) Serve(c *Conn, head []byte) error {
	handed := &ServedConn{Conn: c, head: head, closed: make(chan struct{})}
	select {
	case h.conns <- handed:
		<-handed.closed
		return nil
	case <-h.closed:
		return ErrStopping
	}
}

// Accept waits for the next connection, which is a [*ServedConn].
func (h *ConnListener) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (h *ConnListener) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr returns the server's address; nil before its Open.
func (h *ConnListener) Addr() net.Addr { return h.server.Addr() }

// ServedConn is a Conn as the net.Conn that a library serves.
type ServedConn struct {
	*Conn
	head   []byte
	first  atomic.Int64 // when the first byte since Idle arrived, in nanoseconds since 1970; 0 before it
	closed chan struct{}
	once   sync.Once
}

// Idle marks the next byte as the first of a request.
func (h *ServedConn) Idle() { h.first.Store(0) }

// First returns when the first byte since Idle arrived, or now, if it was read together with the request before.
func (h *ServedConn) First() time.Time {
	if n := h.first.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Now()
}

// Read reads what is inside the layers.
func (h *ServedConn) Read(p []byte) (int, error) {
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

// Close closes the connection, so that Serve returns.
func (h *ServedConn) Close() error {
	h.Conn.Close()
	h.once.Do(func() { close(h.closed) })
	return nil
}

// CloseWrite ends our side of the connection, so that the sender can read the last reply although what it still sends
// is not read.
func (h *ServedConn) CloseWrite() error {
	w, ok := h.inside.top.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return w.CloseWrite()
}

// LocalAddr returns our address.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// SetReadDeadline bounds reads. Once the server stops it fails, and nothing more is read.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if !c.setDeadline(t) {
		return ErrStopping
	}
	return nil
}

// SetWriteDeadline does nothing, because each Write sets its own deadline.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline is SetReadDeadline.
func (c *Conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }
