package app

import (
	"context"
	"errors"
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/flumesink/avro"
	"github.com/sluice-etl/sluice/flumesink/spark"
	"github.com/sluice-etl/sluice/flumesink/thrift"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/filewatch"
	httpreceiver "github.com/sluice-etl/sluice/receiver/http"
	"github.com/sluice-etl/sluice/receiver/netcat"
	"github.com/sluice-etl/sluice/receiver/socket"
	"github.com/sluice-etl/sluice/receiver/syslog"
	"github.com/sluice-etl/sluice/status"
)

// eventReceiver is one receiver. One that does not listen has a Listen that returns nil.
type eventReceiver interface {
	Listen(ctx context.Context) (net.Addr, error)
	Close() error
	Run(ctx context.Context) error
}

// receiving is every way in that is turned on, by the name that its metrics have.
type receiving struct {
	names []string
	all   []eventReceiver

	sections []status.Section
}

// Receives reports whether any receiver is turned on.
func (c *Config) Receives() bool {
	return c.Avro.Listen != "" || c.Thrift.Listen != "" || c.HTTP.Listen != "" || c.Netcat.Listen != "" ||
		c.NetcatUDP.Listen != "" || c.Syslog.Listen != "" || c.SyslogUDP.Listen != "" || len(c.Spark.Sinks) > 0 ||
		len(c.Watch.Dirs) > 0 || len(c.Socket.Servers) > 0
}

// validateReceivers reports whatever the receivers that are on find wrong.
func (c *Config) validateReceivers() error {
	errs := []error{c.Admission.Validate()}
	if c.Avro.Listen != "" {
		errs = append(errs, c.Avro.Validate())
	}
	if c.Thrift.Listen != "" {
		errs = append(errs, c.Thrift.Validate())
	}
	if c.HTTP.Listen != "" {
		errs = append(errs, c.HTTP.Validate())
	}
	if c.Netcat.Listen != "" {
		errs = append(errs, c.Netcat.Validate())
	}
	if c.Syslog.Listen != "" {
		errs = append(errs, c.Syslog.Validate())
	}
	if len(c.Spark.Sinks) > 0 {
		errs = append(errs, c.Spark.Validate())
	}
	if len(c.Socket.Servers) > 0 {
		errs = append(errs, c.Socket.Validate())
	}
	if len(c.Watch.Dirs) > 0 {
		errs = append(errs, c.Watch.Validate())
	}
	return errors.Join(errs...)
}

// newReceiving makes the receivers; nothing is opened.
func newReceiving(cfg *Config, to receiver.Appender, log *slog.Logger, reg prometheus.Registerer) *receiving {
	frames := receiver.NewFrames(receiver.NewAdmission(cfg.Admission, reg))
	r := &receiving{}
	if cfg.Avro.Listen != "" {
		r.add(cfg.Avro.Name, avro.New(cfg.Avro, to, frames, log, reg))
	}
	if cfg.Thrift.Listen != "" {
		r.add(cfg.Thrift.Name, thrift.New(cfg.Thrift, to, frames, log, reg))
	}
	if cfg.HTTP.Listen != "" {
		r.add(cfg.HTTP.Name, httpreceiver.New(cfg.HTTP, to, frames, log, reg))
	}
	if cfg.Netcat.Listen != "" {
		r.add(cfg.Netcat.Name, netcat.New(cfg.Netcat, to, frames, log, reg))
	}
	if cfg.NetcatUDP.Listen != "" {
		r.add(cfg.NetcatUDP.Name, netcat.NewUDP(cfg.NetcatUDP, to, frames, log, reg))
	}
	if cfg.Syslog.Listen != "" {
		r.add(cfg.Syslog.Name, syslog.New(cfg.Syslog, to, frames, log, reg))
	}
	if cfg.SyslogUDP.Listen != "" {
		r.add(cfg.SyslogUDP.Name, syslog.NewUDP(cfg.SyslogUDP, cfg.Syslog.Format, to, frames, log, reg))
	}
	if len(cfg.Spark.Sinks) > 0 {
		p := spark.New(cfg.Spark, to, frames, log, reg)
		r.add(cfg.Spark.Name, p)
		r.sections = append(r.sections, status.Section{Name: "sinks", Func: func() any { return p.Status() }})
	}
	if len(cfg.Socket.Servers) > 0 {
		s := socket.New(cfg.Socket, to, frames, log, reg)
		r.add(cfg.Socket.Name, s)
		r.sections = append(r.sections, status.Section{Name: "servers", Func: func() any { return s.Status() }})
	}
	if len(cfg.Watch.Dirs) > 0 {
		w := filewatch.New(cfg.Watch, to, frames, log, reg)
		r.add(cfg.Watch.Name, w)
		r.sections = append(r.sections, status.Section{Name: "folders", Func: func() any { return w.Status() }})
	}
	return r
}

func (r *receiving) add(name string, one eventReceiver) {
	r.names, r.all = append(r.names, name), append(r.all, one)
}

// listen takes every port, and tells at which addresses.
func (r *receiving) listen(ctx context.Context, at *Addresses) error {
	at.Receivers = make(map[string]net.Addr, len(r.all))
	for i, one := range r.all {
		addr, err := one.Listen(ctx)
		if err != nil {
			return err
		}
		if addr != nil {
			at.Receivers[r.names[i]] = addr
		}
	}
	at.Avro = at.Receivers["avro"]
	return nil
}

// run serves until ctx ends or one receiver cannot go on.
func (r *receiving) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, one := range r.all {
		g.Go(func() error { return one.Run(ctx) })
	}
	return g.Wait()
}

// close gives up the ports, where run was never called.
func (r *receiving) close() {
	for _, one := range r.all {
		_ = one.Close() // the process is ending
	}
}
