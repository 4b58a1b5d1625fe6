package app

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// dialTimeout bounds the check of one server that events come from.
const dialTimeout = 5 * time.Second

// receivers checks what receivers need: ports, certificates, directories, and the servers that they connect to.
func (c *checker) receivers(ctx context.Context) {
	for _, l := range c.cfg.listeners() {
		if addr, err := l.free(ctx); err != nil {
			c.broken++
			c.say("failed", l.network, "%v", err)
		} else {
			c.say("ok", l.network, "%s %s: the port is free", option.Ref(l.option), addr)
		}
		if l.tls != nil {
			c.findings(l.tls.Check(l.name, time.Now()))
		}
	}
	if !c.cfg.Receive {
		return
	}
	for _, r := range c.cfg.receivers() {
		if r.enabled && r.check != nil {
			r.check(ctx, c)
		}
	}
}

func (c *checker) findings(all []netserver.Finding) {
	for _, f := range all {
		state := "ok"
		switch f.Level {
		case netserver.Warning:
			state = "warning"
		case netserver.Failed:
			c.broken++
			state = "failed"
		case netserver.Fine:
		}
		c.say(state, f.Subject, "%s", f.Text)
	}
}

// server checks a server that a receiver connects to. The server may be unavailable at start, because receivers retry.
func (c *checker) server(ctx context.Context, name, address string, look func(context.Context, string) (string, error)) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	text, err := look(ctx, address)
	if err != nil {
		c.failed++
		c.say("failed", option.Ref(name), "%s: %v", address, err)
		return
	}
	c.say("ok", option.Ref(name), "%s: %s", address, text)
}

func dialled(ctx context.Context, address string) (string, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	return "it accepts connections", conn.Close()
}

func resolved(ctx context.Context, address string) (string, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	if _, err := net.DefaultResolver.LookupHost(ctx, host); err != nil {
		return "", fmt.Errorf("resolve its address: %w", err)
	}
	return "not connected, because that would consume lines", nil
}
