package app

import (
	"context"
	"errors"
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/status"
)

// receiving is every receiver that is enabled.
type receiving struct {
	names    []string // the receivers' names in metrics, in the order of all
	all      []receiver.Receiver
	sections []status.Section
}

// Receives reports whether any receiver is enabled.
func (c *Config) Receives() bool {
	for _, r := range c.receivers() {
		if r.enabled {
			return true
		}
	}
	return false
}

// shared returns the configuration that all receivers share.
func (c *Config) shared() receiver.Config {
	shared := c.Shared
	shared.ShutdownTimeout = c.ShutdownTimeout
	return shared
}

// validateReceivers reports every violated bound of the receivers that are enabled.
func (c *Config) validateReceivers() error {
	errs := []error{c.shared().Validate()}
	for _, r := range c.receivers() {
		if r.enabled {
			errs = append(errs, r.validate())
		}
	}
	return errors.Join(errs...)
}

// newReceiving makes the enabled receivers; nothing is opened.
func newReceiving(cfg *Config, to receiver.Appender, log *slog.Logger, reg prometheus.Registerer) *receiving {
	rt := receiver.NewRuntime(cfg.shared(), to, log, reg)
	all := &receiving{}
	for _, r := range cfg.receivers() {
		if !r.enabled {
			continue
		}
		one := r.new(rt)
		all.names, all.all = append(all.names, r.name), append(all.all, one)
		if s, ok := one.(receiver.StatusReporter); ok {
			name, _ := s.StatusSection()
			all.sections = append(all.sections, status.Section{Name: name, Func: func() any { _, v := s.StatusSection(); return v }})
		}
	}
	return all
}

// open opens every receiver, and fills in the addresses of those that listen.
func (r *receiving) open(ctx context.Context, at *Addresses) error {
	at.Receivers = make(map[string]net.Addr, len(r.all))
	for i, one := range r.all {
		if err := one.Open(ctx); err != nil {
			return err
		}
		if l, ok := one.(receiver.Listener); ok {
			at.Receivers[r.names[i]] = l.Addr()
		}
	}
	at.Avro = at.Receivers["avro"]
	return nil
}

// run receives until ctx ends or one receiver fails.
func (r *receiving) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, one := range r.all {
		g.Go(func() error { return one.Run(ctx) })
	}
	return g.Wait()
}

// close releases what open took if run is never called.
func (r *receiving) close() {
	for _, one := range r.all {
		_ = one.Close() // the process is ending
	}
}
