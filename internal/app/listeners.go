package app

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/sluice-etl/sluice/receiver/netserver"
	"github.com/sluice-etl/sluice/receiver/udp"
)

// listener is an address that the process will listen on.
type listener struct {
	option  string
	network string // tcp or udp
	address string
	tls     *netserver.TLS // nil where it is not spoken
	owner   string         // begins the names of the options of TLS
}

// listeners are all addresses that are turned on, in the order in which they are taken.
func (c *Config) listeners() []listener {
	var all []listener
	add := func(l listener) {
		if l.address != "" {
			all = append(all, l)
		}
	}
	add(listener{option: "--admin-listen", network: "tcp", address: c.Status.Listen})
	if !c.Receive {
		return all
	}
	for _, r := range []*netserver.Config{&c.Avro.Config, &c.Thrift.Config, &c.HTTP.Config, &c.Netcat.Config, &c.Syslog.Config} {
		add(listener{r.AddressOption(), "tcp", r.Listen, &r.TLS, r.Option})
	}
	for _, r := range []*udp.Config{&c.NetcatUDP, &c.SyslogUDP} {
		add(listener{option: r.Option, network: "udp", address: r.Listen})
	}
	return all
}

// validateListeners reports ports that two of our own listeners want.
func (c *Config) validateListeners() (errs []error) {
	all := c.listeners()
	for i, l := range all {
		for _, other := range all[:i] {
			if l.network == other.network && collide(l.address, other.address) {
				errs = append(errs, fmt.Errorf("%s is %s and %s is %s: must be different ports", l.option, l.address, other.option, other.address))
			}
		}
	}
	return errs
}

// collide reports whether two addresses cannot both be listened on. A name that is not an address collides with its like
// and with all addresses; what else it means DNS would have to say.
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

// free takes the address and gives it up again.
func (l listener) free(ctx context.Context) (net.Addr, error) {
	var lc net.ListenConfig
	if l.network == "udp" {
		p, err := lc.ListenPacket(ctx, "udp", l.address)
		if err != nil {
			return nil, netserver.NotListening(l.option, l.address, err)
		}
		return p.LocalAddr(), p.Close()
	}
	s, err := lc.Listen(ctx, "tcp", l.address)
	if err != nil {
		return nil, netserver.NotListening(l.option, l.address, err)
	}
	return s.Addr(), s.Close()
}
