package netserver

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

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

// portOwner returns the process that listens on a port of this machine, or its user if only root may see the process.
// It returns "" if no process does, or /proc does not show it.
func portOwner(network string, port uint16) string {
	listening := "0A" // TCP_LISTEN
	if network == "udp" {
		listening = "07" // a datagram socket that is bound
	}
	inodes, user := map[string]bool{}, ""
	for _, table := range []string{"/proc/net/" + network, "/proc/net/" + network + "6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			// sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode
			fields := strings.Fields(lines.Text())
			if len(fields) < 10 || fields[3] != listening || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
				continue
			}
			inodes["socket:["+fields[9]+"]"] = true
			user = fields[7]
		}
		_ = f.Close() // only read from
	}
	if len(inodes) == 0 {
		return ""
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*") // its only error is a bad pattern
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && inodes[to] {
			pid := strings.Split(link, "/")[2]
			name, err := os.ReadFile(filepath.Join("/proc", pid, "comm"))
			if err != nil {
				continue
			}
			return strconv.Quote(strings.TrimSpace(string(name))) + ", pid " + pid
		}
	}
	return "one of user " + user
}
