package app

import (
	"context"

	"github.com/sluice-etl/sluice/flumesink/avro"
	"github.com/sluice-etl/sluice/flumesink/spark"
	"github.com/sluice-etl/sluice/flumesink/thrift"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/filewatch"
	httpreceiver "github.com/sluice-etl/sluice/receiver/http"
	"github.com/sluice-etl/sluice/receiver/netcat"
	"github.com/sluice-etl/sluice/receiver/netserver"
	"github.com/sluice-etl/sluice/receiver/socket"
	"github.com/sluice-etl/sluice/receiver/syslog"
	"github.com/sluice-etl/sluice/receiver/udp"
)

// registration is one receiver as the process knows it. All that start, stop, validation, etl check and the status page
// do with receivers goes through this; no other file of this package names one.
type registration struct {
	name     string // the value of the label receiver in metrics
	enabled  bool
	validate func() error // names every violated bound
	new      func(receiver.Runtime) receiver.Receiver
	listener *listener                       // the address that it listens on; nil if it does not listen
	check    func(context.Context, *checker) // what etl check looks at besides the address; nil for nothing
}

// receivers returns all receivers in the order in which they are opened, those that are not enabled too. A new receiver
// is one more entry here, beside its own package, its options and its documentation.
func (c *Config) receivers() []registration {
	return []registration{
		overTCP(&c.Avro.Config, c.Avro.Validate, func(rt receiver.Runtime) receiver.Receiver { return avro.New(c.Avro, rt) }),
		overTCP(&c.Thrift.Config, c.Thrift.Validate, func(rt receiver.Runtime) receiver.Receiver { return thrift.New(c.Thrift, rt) }),
		overTCP(&c.HTTP.Config, c.HTTP.Validate, func(rt receiver.Runtime) receiver.Receiver { return httpreceiver.New(c.HTTP, rt) }),
		overTCP(&c.Netcat.Config, c.Netcat.Validate, func(rt receiver.Runtime) receiver.Receiver { return netcat.New(c.Netcat, rt) }),
		overTCP(&c.Syslog.Config, c.Syslog.Validate, func(rt receiver.Runtime) receiver.Receiver { return syslog.New(c.Syslog, rt) }),
		overUDP(&c.NetcatUDP, func(rt receiver.Runtime) receiver.Receiver { return netcat.NewUDP(c.NetcatUDP, rt) }),
		overUDP(&c.SyslogUDP, func(rt receiver.Runtime) receiver.Receiver {
			return syslog.NewUDP(c.SyslogUDP, c.Syslog.Format, rt)
		}),
		{
			name: c.Spark.Name, enabled: len(c.Spark.Sinks) > 0, validate: c.Spark.Validate,
			new: func(rt receiver.Runtime) receiver.Receiver { return spark.New(c.Spark, rt) },
			check: func(ctx context.Context, check *checker) {
				for _, sink := range c.Spark.Sinks {
					check.server(ctx, "poll", sink, dialled)
				}
			},
		},
		{
			name: c.Socket.Name, enabled: len(c.Socket.Servers) > 0, validate: c.Socket.Validate,
			new: func(rt receiver.Runtime) receiver.Receiver { return socket.New(c.Socket, rt) },
			check: func(ctx context.Context, check *checker) {
				for _, s := range c.Socket.Servers {
					check.server(ctx, "connect-socket", s, resolved) // a connection would consume lines
				}
			},
		},
		{
			name: c.Watch.Name, enabled: len(c.Watch.Dirs) > 0, validate: c.Watch.Validate,
			new:   func(rt receiver.Runtime) receiver.Receiver { return filewatch.New(c.Watch, rt) },
			check: func(_ context.Context, check *checker) { check.findings(c.Watch.Check()) },
		},
	}
}

// overTCP registers a receiver that stands on receiver/netserver.
func overTCP(c *netserver.Config, validate func() error, construct func(receiver.Runtime) receiver.Receiver) registration {
	return registration{
		name: c.Name, enabled: c.Listen != "", validate: validate, new: construct,
		listener: &listener{option.Of(c.Name, "listen"), "tcp", c.Listen, &c.TLS, c.Name},
	}
}

// overUDP registers a receiver that stands on receiver/udp.
func overUDP(c *udp.Config, construct func(receiver.Runtime) receiver.Receiver) registration {
	return registration{
		name: c.Name, enabled: c.Listen != "", validate: c.Validate, new: construct,
		listener: &listener{option: option.Of(c.Name, "listen"), network: "udp", address: c.Listen},
	}
}
