package cli

import (
	"time"

	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netcat"
	"github.com/sluice-etl/sluice/receiver/syslog"
	"github.com/sluice-etl/sluice/receiver/udp"
)

// LineOptions say where lines come in, as Flume's netcat and syslog sources take them.
type LineOptions struct {
	NetcatListen    string        `group:"receivers" placeholder:"HOST:PORT" help:"Address of the netcat receiver: each line is an event, answered OK once Kafka has it."`
	NetcatLine      Bytes         `group:"receivers" name:"netcat-max-line-bytes" default:"512" help:"Longest line, its end included; Flume's default is 512."`
	NetcatConns     AddressLimits `embed:"" prefix:"netcat-max-"`
	NetcatTLS       TLSOptions    `embed:"" prefix:"netcat-tls-"`
	NetcatUDPListen string        `group:"receivers" name:"netcat-udp-listen" placeholder:"HOST:PORT" help:"UDP address of the netcat receiver: each datagram is an event up to its first line's end."`
	SyslogTCPListen string        `group:"receivers" name:"syslog-tcp-listen" placeholder:"HOST:PORT" help:"Address of the syslog receiver: RFC 3164 and RFC 5424, by lines and by counted octets."`
	SyslogUDPListen string        `group:"receivers" name:"syslog-udp-listen" placeholder:"HOST:PORT" help:"UDP address of the syslog receiver."`
	SyslogLine      Bytes         `group:"receivers" name:"syslog-max-line-bytes" default:"2500" help:"Longest message over TCP; a longer one becomes several, as in Flume."`
	SyslogFields    string        `group:"receivers" name:"syslog-keep-fields" enum:"none,all" default:"none" help:"What stays in the body: none of the head's fields, which are headers, or all, the whole line."`
	SyslogConns     AddressLimits `embed:"" prefix:"syslog-max-"`
	SyslogTLS       TLSOptions    `embed:"" prefix:"syslog-tls-"`
}

func (o ReceiverOptions) netcat(filter *receiver.IPFilter, shutdown time.Duration) netcat.Config {
	c := netcat.DefaultConfig()
	o.common(&c.Config, filter, shutdown)
	c.MaxConnections, c.MaxConnectionsPerAddress = o.NetcatConns.Connections, o.NetcatConns.PerAddress
	o.NetcatTLS.apply(&c.TLS)
	c.Listen, c.MaxLineBytes = o.NetcatListen, int(o.NetcatLine)
	return c
}

func (o ReceiverOptions) syslog(filter *receiver.IPFilter, shutdown time.Duration) syslog.Config {
	c := syslog.DefaultConfig()
	o.common(&c.Config, filter, shutdown)
	c.MaxConnections, c.MaxConnectionsPerAddress = o.SyslogConns.Connections, o.SyslogConns.PerAddress
	o.SyslogTLS.apply(&c.TLS)
	c.Listen, c.MaxLineBytes = o.SyslogTCPListen, int(o.SyslogLine)
	c.KeepFields = o.SyslogFields == "all"
	return c
}

// datagrams is what the receivers of datagrams have alike.
func (o ReceiverOptions) datagrams(c udp.Config, address string, filter *receiver.IPFilter, shutdown time.Duration) udp.Config {
	c.Listen, c.AckTimeout, c.ShutdownTimeout, c.Filter = address, o.AckTimeout, shutdown, filter
	return c
}
