package netserver

import (
	"net"
	"net/netip"
	"sync"

	"github.com/sluice-etl/sluice/receiver"
)

// conns is the open connections of a server and their number by remote address. It is safe for concurrent use.
type conns struct {
	cfg *Config

	mu        sync.Mutex // guards what follows
	open      map[*Conn]struct{}
	addresses map[netip.Addr]int
}

func newConns(cfg *Config) conns {
	return conns{cfg: cfg, open: make(map[*Conn]struct{}), addresses: make(map[netip.Addr]int)}
}

// add takes c in, or says which limit it breaks.
func (t *conns) add(c *Conn) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if most := t.cfg.MaxConnections; len(t.open) >= most {
		return receiver.Reject(receiver.ReasonConnections, "%d connections are open, which is the limit: raise %s-max-connections, or add a receiver", most, t.cfg.Option)
	}
	if most := t.cfg.MaxConnectionsPerAddress; t.addresses[c.addr] >= most {
		return receiver.Reject(receiver.ReasonPerAddress, "%d connections from %s are open, which is the limit: raise %s-max-connections-per-address if many senders share an address", most, c.addr, t.cfg.Option)
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

// RemoteAddr is the address that a connection comes from, without zone, IPv4 as such.
func RemoteAddr(nc net.Conn) netip.Addr {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
