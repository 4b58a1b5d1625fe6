package cli

import (
	"github.com/sluice-etl/sluice/receiver/netcat"
	"github.com/sluice-etl/sluice/receiver/syslog"
)

// LineOptions configure the receivers of lines, which speak the protocols of Flume's netcat and syslog sources.
type LineOptions struct {
	NetcatListen    string        `group:"receivers" placeholder:"HOST:PORT" help:"Address of the netcat receiver. Each line is an event, and the reply is OK after Kafka has acknowledged it."`
	NetcatLine      Bytes         `group:"receivers" name:"netcat-max-line-bytes" default:"512" help:"Longest line including its line end; 512 is also Flume's default."`
	NetcatConns     AddressLimits `embed:"" prefix:"netcat-max-"`
	NetcatTLS       TLSOptions    `embed:"" prefix:"netcat-tls-"`
	NetcatUDPListen string        `group:"receivers" name:"netcat-udp-listen" placeholder:"HOST:PORT" help:"UDP address of the netcat receiver. The first line of each datagram is an event."`
	SyslogTCPListen string        `group:"receivers" common:"Syslog receiver." name:"syslog-tcp-listen" placeholder:"HOST:PORT" help:"Address of the syslog receiver: RFC 3164 and RFC 5424, newline-delimited or with octet counts."`
	SyslogUDPListen string        `group:"receivers" name:"syslog-udp-listen" placeholder:"HOST:PORT" help:"UDP address of the syslog receiver."`
	SyslogLine      Bytes         `group:"receivers" name:"syslog-max-line-bytes" default:"2500" help:"Longest message over TCP; a longer one becomes several events, as in Flume."`
	SyslogFields    string        `group:"receivers" name:"syslog-keep-fields" enum:"none,all" default:"none" help:"Which header fields stay in the body: none (they become event headers), or all (the body is the whole line)."`
	SyslogConns     AddressLimits `embed:"" prefix:"syslog-max-"`
	SyslogTLS       TLSOptions    `embed:"" prefix:"syslog-tls-"`
}

func (o ReceiverOptions) netcat() netcat.Config {
	c := netcat.DefaultConfig()
	c.MaxConnections, c.MaxConnectionsPerAddress = o.NetcatConns.Connections, o.NetcatConns.PerAddress
	o.NetcatTLS.apply(&c.TLS)
	c.Listen, c.MaxLineBytes = o.NetcatListen, int(o.NetcatLine)
	return c
}

func (o ReceiverOptions) syslog() syslog.Config {
	c := syslog.DefaultConfig()
	c.MaxConnections, c.MaxConnectionsPerAddress = o.SyslogConns.Connections, o.SyslogConns.PerAddress
	o.SyslogTLS.apply(&c.TLS)
	c.Listen, c.MaxLineBytes = o.SyslogTCPListen, int(o.SyslogLine)
	c.KeepFields = o.SyslogFields == "all"
	return c
}
