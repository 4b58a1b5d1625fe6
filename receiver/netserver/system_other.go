//go:build !linux

package netserver

import "net"

// PeerClosed cannot detect this on this system: a closed connection is noticed when it is read from or written to.
func PeerClosed(net.Conn) func() bool { return func() bool { return false } }

// portOwner returns "": other systems are not supported.
func portOwner(string, uint16) string { return "" }
