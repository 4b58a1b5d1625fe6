package avro

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// conns is the open connections of a receiver and their number by remote address. It is safe for concurrent use.
type conns struct {
	max, maxPerAddress int

	mu        sync.Mutex // guards what follows
	open      map[*conn]struct{}
	addresses map[netip.Addr]int
}

func newConns(most, mostPerAddress int) conns {
	return conns{max: most, maxPerAddress: mostPerAddress, open: make(map[*conn]struct{}), addresses: make(map[netip.Addr]int)}
}

// add takes c in, or says which limit it breaks.
func (t *conns) add(c *conn) *refusal {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open) >= t.max {
		return &refusal{reasonConnections, fmt.Errorf("%d connections are open: raise --avro-max-connections, or add a receiver", t.max)}
	}
	if t.addresses[c.addr] >= t.maxPerAddress {
		return &refusal{reasonPerAddress, fmt.Errorf("%d connections of %s are open: raise --avro-max-connections-per-address where many senders share an address", t.maxPerAddress, c.addr)}
	}
	t.open[c] = struct{}{}
	t.addresses[c.addr]++
	return nil
}

func (t *conns) remove(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, c)
	if t.addresses[c.addr]--; t.addresses[c.addr] == 0 {
		delete(t.addresses, c.addr)
	}
}

// each calls do for every connection that is open now.
func (t *conns) each(do func(*conn)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.open {
		do(c)
	}
}

func remoteAddr(nc net.Conn) netip.Addr {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
