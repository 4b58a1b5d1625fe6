package netserver

import (
	"net"

	"golang.org/x/sys/unix"
)

// PeerClosed returns a function that reports whether the peer is known to have closed or reset the connection, even if
// bytes that it sent before are still unread (poll(2), POLLRDHUP). It does not detect a broken link, nor a FIN that is
// queued behind bytes that do not fit the socket's buffers.
func PeerClosed(c net.Conn) func() bool {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return neverClosed
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return neverClosed
	}
	return func() bool {
		closed := false
		err := raw.Control(func(fd uintptr) {
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
			n, err := unix.Poll(fds, 0)
			closed = err == nil && n == 1
		})
		return closed || err != nil // an error means that we closed it ourselves
	}
}

func neverClosed() bool { return false }
