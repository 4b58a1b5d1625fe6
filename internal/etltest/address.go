package etltest

import (
	"net"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
)

// FreeAddr returns an address of this machine on which no socket listens.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// RefusingAddr returns an address of this machine that refuses connections and that no other process can use until the
// test ends: its socket is bound and does not listen.
func RefusingAddr(t testing.TB) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*syscall.SockaddrInet4).Port))
}

// Advertised is a listener that reports another address than its own, as a broker does that advertises one. It is safe
// for concurrent use.
type Advertised struct {
	net.Listener
	address atomic.Pointer[address]
}

type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

// Addr implements net.Listener.
func (a *Advertised) Addr() net.Addr {
	if at := a.address.Load(); at != nil {
		return at
	}
	return a.Listener.Addr()
}

// As sets the address to report; empty means the listener's own.
func (a *Advertised) As(at string) {
	if at == "" {
		a.address.Store(nil)
		return
	}
	p := address(at)
	a.address.Store(&p)
}

// Serve accepts connections until the test ends, handles one after another, and closes each. It returns its address.
func Serve(t testing.TB, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			handle(c)
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}
