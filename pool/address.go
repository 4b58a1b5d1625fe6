package pool

import (
	"net"
	"os"
	"strings"
)

// Address returns host:port/database of the server, or its socket in place of host:port, for display, without user and
// password. A local address is followed by the name of the machine, because it means a different server on every
// machine. The result is empty if the configuration cannot be read.
func (c Config) Address() string {
	d, err := c.address()
	if err != nil {
		return ""
	}
	at := d.Addr + "/" + d.DBName
	host, _, err := net.SplitHostPort(d.Addr)
	if err != nil {
		host = d.Addr
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() || strings.HasPrefix(host, "/") {
		if name, err := os.Hostname(); err == nil {
			at += " on " + name
		}
	}
	return at
}
