package netserver

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// ConnListener is a server's connections as a net.Listener, for a library that accepts and reads for itself, such as
// net/http: they went through the server's limits and filter, their layers are off, and they stop as the server does.
// It is safe for concurrent use.
type ConnListener struct {
	server *Server
	conns  chan *ServedConn
	closed chan struct{} // closed by Close
	once   sync.Once
}

// NewConnListener makes one for the connections of s. Whoever reads it closes it once s has stopped.
func NewConnListener(s *Server) *ConnListener {
	return &ConnListener{server: s, conns: make(chan *ServedConn), closed: make(chan struct{})}
}

// Serve hands c over, with bytes that were read from it already, and waits until the library closes it.
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

// Accept waits for the next connection, a [*ServedConn].
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

// Addr is where the server listens; nil before its Open.
func (h *ConnListener) Addr() net.Addr { return h.server.Addr() }

// ServedConn is a Conn as a net.Conn, in the hands of a library.
type ServedConn struct {
	*Conn
	head   []byte
	first  atomic.Int64 // when the first byte since Idle arrived, in nanoseconds since 1970; 0 while there is none
	closed chan struct{}
	once   sync.Once
}

// Idle says that the next byte will be the first of a request.
func (h *ServedConn) Idle() { h.first.Store(0) }

// First is when the first byte since Idle arrived, or now, where it was read together with the request before.
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

// Close closes the connection, and ends Give's waiting.
func (h *ServedConn) Close() error {
	h.Conn.Close()
	h.once.Do(func() { close(h.closed) })
	return nil
}

// CloseWrite says to the sender that nothing more comes, so that it can read the last answer although what it still
// sends is not read.
func (h *ServedConn) CloseWrite() error {
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
