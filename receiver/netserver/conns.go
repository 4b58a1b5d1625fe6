package netserver

import (
	"net"
	"net/netip"
	"sync"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
)

// conns holds the open connections of a server and their number by remote address. It is safe for concurrent use.
type conns struct {
	cfg *Config

	mu        sync.Mutex // guards what follows
	open      map[*Conn]struct{}
	addresses map[netip.Addr]int
}

func newConns(cfg *Config) conns {
	return conns{cfg: cfg, open: make(map[*Conn]struct{}), addresses: make(map[netip.Addr]int)}
}

// add adds c, or returns which limit that would exceed.
func (t *conns) add(c *Conn) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if most := t.cfg.MaxConnections; len(t.open) >= most {
		return receiver.Reject(receiver.ReasonConnections, "%d connections are open, which is the limit: raise %s, or add a receiver", most, option.Ref(option.Of(t.cfg.Name, "max-connections")))
	}
	if most := t.cfg.MaxConnectionsPerAddress; t.addresses[c.addr] >= most {
		return receiver.Reject(receiver.ReasonPerAddress, "%d connections from %s are open, which is the limit: raise %s if many senders share an address", most, c.addr, option.Ref(option.Of(t.cfg.Name, "max-connections-per-address")))
	}
	t.open[c] = struct{}{}
	t.addresses[c.addr]++
	return nil
}

func (t *conns) remove(c *Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, c)
	if t.addresses[c.addr]--; t.addresses[c.addr] == 0 {
		delete(t.addresses, c.addr)
	}
}

// each calls do for every connection that is open now.
func (t *conns) each(do func(*Conn)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.open {
		do(c)
	}
}

// RemoteAddr returns the address of the connection's other end, without a zone, and IPv4 addresses not mapped to IPv6.
func RemoteAddr(nc net.Conn) netip.Addr {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
