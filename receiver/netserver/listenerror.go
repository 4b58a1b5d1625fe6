package netserver

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
)

// ListenError adds to a bind error the address and the text that names it, the process that uses the port if the system reports it,
// and what to do.
func ListenError(name, address string, err error) error {
	seen := fmt.Errorf("%s %s: %w", name, address, err)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		network := "tcp"
		if op, ok := errors.AsType[*net.OpError](err); ok {
			network = strings.TrimRight(op.Net, "46")
		}
		return fmt.Errorf("%w: another process uses this port; stop it, or choose another port; %sss -l%snp 'sport = :%s' shows which process uses it; "+
			"if that is an etl that is stopping, restart with a growing delay (systemd: RestartSec=1s, RestartSteps=5, RestartMaxDelaySec=30s)",
			seen, holder(network, address), network[:1], portOf(address))
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: ports below 1024 need a privilege; choose a higher port", seen)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: this machine does not have this address; :%s listens on all its addresses", seen, portOf(address))
	}
	return fmt.Errorf("%w: must be host:port or :port with an address of this machine", seen)
}

func portOf(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	return port
}

// holder returns "it is PROCESS; " for the process that listens on the address's port, or "" if it cannot be
// determined.
func holder(network, address string) string {
	port, err := strconv.ParseUint(portOf(address), 10, 16)
	if err != nil {
		return ""
	}
	if owner := portOwner(network, uint16(port)); owner != "" {
		return "it is " + owner + "; "
	}
	return ""
}
