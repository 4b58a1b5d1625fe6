package app

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// listener is an address that the process will listen on.
type listener struct {
	option  string // the name of the address's option
	network string // tcp or udp
	address string
	tls     *netserver.TLS // nil if the receiver has no TLS
	name    string         // of the receiver, to which the TLS options belong
}

// listeners returns all addresses that are enabled, in the order in which they are opened.
func (c *Config) listeners() []listener {
	var all []listener
	if c.Status.Listen != "" {
		all = append(all, listener{option: "admin-listen", network: "tcp", address: c.Status.Listen})
	}
	if !c.Receive {
		return all
	}
	for _, r := range c.receivers() {
		if r.enabled && r.listener != nil {
			all = append(all, *r.listener)
		}
	}
	return all
}

// validateListeners reports addresses of our own that overlap.
func (c *Config) validateListeners() (errs []error) {
	all := c.listeners()
	for i, l := range all {
		for _, other := range all[:i] {
			if l.network == other.network && collide(l.address, other.address) {
				errs = append(errs, fmt.Errorf("%s is %s and %s is %s: must be different ports", option.Ref(l.option), l.address, option.Ref(other.option), other.address))
			}
		}
	}
	return errs
}

// collide reports whether two addresses cannot both be listened on. A host name collides with the same name and with
// wildcard addresses; what else it may collide with only DNS could tell.
func collide(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	return hostA == hostB || isAll(hostA) || isAll(hostB)
}

// isAll reports whether a host stands for all addresses of the machine.
func isAll(host string) bool {
	ip, err := netip.ParseAddr(cmp.Or(host, "::"))
	return err == nil && ip.IsUnspecified()
}

// free binds the address and closes it again.
func (l listener) free(ctx context.Context) (net.Addr, error) {
	var lc net.ListenConfig
	if l.network == "udp" {
		p, err := lc.ListenPacket(ctx, "udp", l.address)
		if err != nil {
			return nil, netserver.ListenError(option.Ref(l.option), l.address, err)
		}
		return p.LocalAddr(), p.Close()
	}
	s, err := lc.Listen(ctx, "tcp", l.address)
	if err != nil {
		return nil, netserver.ListenError(option.Ref(l.option), l.address, err)
	}
	return s.Addr(), s.Close()
}
