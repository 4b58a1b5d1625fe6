package receiver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
)

// IPFilter decides which addresses may send, with the syntax and the meaning of Flume's ipFilterRules (PatternRule of
// its Avro source): the first rule that matches, from left to right, decides, and an address that no rule matches may
// send. It is safe for concurrent use; nil allows every address.
type IPFilter struct {
	rules []ipRule
	names nameCache
}

type ipRule struct {
	text      string
	allow     bool
	name      bool // the pattern is for host names
	localhost bool // name:localhost, which needs no DNS lookup
	pattern   *regexp.Regexp
}

// ParseIPFilter parses comma-separated rules: {allow|deny}:{ip|name}:PATTERN. In a pattern * matches any run of
// characters and ? any one character; a dot matches itself. Everything after the second colon is the pattern, so it may
// hold IPv6 addresses. It returns nil for an empty text.
func ParseIPFilter(text string) (*IPFilter, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil //nolint:nilnil // a nil filter allows every address
	}
	f := &IPFilter{}
	for rule := range strings.SplitSeq(text, ",") {
		rule = strings.TrimSpace(rule)
		bad := func(why string) error {
			return option.Conflict("ip-filter", "has the rule %q: %s: must be allow:ip:PATTERN, deny:ip:PATTERN, allow:name:PATTERN or deny:name:PATTERN, in lower case", rule, why)
		}
		parts := strings.SplitN(rule, ":", 3)
		if len(parts) != 3 || parts[2] == "" {
			return nil, bad("it does not have three fields")
		}
		if parts[0] != "allow" && parts[0] != "deny" {
			return nil, bad("its first field is neither allow nor deny")
		}
		if parts[1] != "ip" && parts[1] != "name" {
			return nil, bad("its second field is neither ip nor name")
		}
		r := ipRule{text: rule, allow: parts[0] == "allow", name: parts[1] == "name"}
		r.localhost = r.name && parts[2] == "localhost"
		var err error
		r.pattern, err = regexp.Compile("^(?:" + strings.NewReplacer(".", `\.`, "*", ".*", "?", ".").Replace(parts[2]) + ")$")
		if err != nil {
			return nil, bad(err.Error())
		}
		f.rules = append(f.rules, r)
	}
	return f, nil
}

// Check returns nil if the address may send, and otherwise a [RejectError] that names the rule. A rule by name looks
// the address up in DNS, for at most five seconds and until ctx is done. An address without a name has its text as its
// name, as in Java.
func (f *IPFilter) Check(ctx context.Context, addr netip.Addr) error {
	if f == nil {
		return nil
	}
	addr = addr.Unmap().WithZone("")
	for i := range f.rules {
		r := &f.rules[i]
		if !f.matches(ctx, r, addr) {
			continue
		}
		if r.allow {
			return nil
		}
		return Reject(ReasonFiltered, "%s is denied by the rule %s of "+option.Ref("ip-filter"), addr, r.text)
	}
	return nil
}

func (f *IPFilter) matches(ctx context.Context, r *ipRule, addr netip.Addr) bool {
	switch {
	case r.localhost:
		return addr == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || f.names.own(ctx, addr)
	case r.name:
		return r.pattern.MatchString(f.names.of(ctx, addr))
	}
	return r.pattern.MatchString(addr.String()) || addr.Is6() && r.pattern.MatchString(javaIPv6(addr))
}

// javaIPv6 returns the address as Java's getHostAddress writes it, which is the form that Flume's patterns are written
// for.
func javaIPv6(addr netip.Addr) string {
	b := addr.As16()
	var s strings.Builder
	for i := 0; i < 16; i += 2 {
		if i > 0 {
			s.WriteByte(':')
		}
		fmt.Fprintf(&s, "%x", int(b[i])<<8|int(b[i+1]))
	}
	return s.String()
}

// nameCache keeps host names for a minute, so that a flood of connections or datagrams does not become one of DNS
// lookups.
type nameCache struct {
	mu    sync.Mutex // guards known
	known map[netip.Addr]knownName
}

type knownName struct {
	name  string
	own   bool // the address is one that this machine's host name resolves to
	until time.Time
}

const (
	namesKept  = 10_000
	nameAge    = time.Minute
	lookUpWait = 5 * time.Second
)

func (c *nameCache) of(ctx context.Context, addr netip.Addr) string { return c.look(ctx, addr).name }

func (c *nameCache) own(ctx context.Context, addr netip.Addr) bool { return c.look(ctx, addr).own }

func (c *nameCache) look(ctx context.Context, addr netip.Addr) knownName {
	now := time.Now()
	c.mu.Lock()
	k, ok := c.known[addr]
	c.mu.Unlock()
	if ok && now.Before(k.until) {
		return k
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpWait)
	defer cancel()
	k = knownName{name: addr.String(), until: now.Add(nameAge)}
	if names, err := net.DefaultResolver.LookupAddr(ctx, addr.String()); err == nil && len(names) > 0 {
		k.name = strings.TrimSuffix(names[0], ".")
	}
	if host, err := os.Hostname(); err == nil {
		addrs, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", host) // a host without an address owns none
		for _, a := range addrs {
			k.own = k.own || a.Unmap().WithZone("") == addr
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= namesKept {
		c.known = make(map[netip.Addr]knownName)
	}
	c.known[addr] = k
	return k
}
