package netserver

import (
	"net"

	"golang.org/x/sys/unix"
)

// PeerClosed returns a function that reports whether the peer is known to have closed or reset the connection, also
// where bytes that it sent before are still unread (poll(2), POLLRDHUP). A cut link is not seen, nor a FIN that waits
// behind bytes that do not fit the socket's buffers.
func PeerClosed(c net.Conn) func() bool {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return neverGone
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return neverGone
	}
	return func() bool {
		gone := false
		err := raw.Control(func(fd uintptr) {
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
			n, err := unix.Poll(fds, 0)
			gone = err == nil && n == 1
		})
		return gone || err != nil // an error means that we have closed it ourselves
	}
}

func neverGone() bool { return false }
