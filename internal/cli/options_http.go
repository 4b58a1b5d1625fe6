package cli

import (
	"time"

	httpreceiver "github.com/sluice-etl/sluice/receiver/http"
)

// HTTPOptions configure the HTTP receiver, which speaks the protocol of Flume's HTTP source.
type HTTPOptions struct {
	HTTPListen string        `group:"receivers" common:"HTTP receiver." name:"http-listen" placeholder:"HOST:PORT" help:"Address of the HTTP receiver, which takes POST requests in the JSON format of Flume's HTTP source (default off)."`
	HTTPIdle   time.Duration `group:"receivers" name:"http-idle-timeout" default:"75s" help:"Idle timeout of a connection between requests. Set it longer than the idle timeout of a load balancer in front."`
	HTTPMax    LimitOptions  `embed:"" prefix:"http-max-"`
	HTTPConns  AddressLimits `embed:"" prefix:"http-max-"`
	HTTPTLS    TLSOptions    `embed:"" prefix:"http-tls-"`
}

// AddressLimits limit the connections of a receiver that handles one request of a connection at a time.
type AddressLimits struct {
	Connections int `group:"receivers" default:"10000" help:"Maximum open connections."`
	PerAddress  int `group:"receivers" name:"connections-per-address" default:"1000" help:"Maximum open connections from one address."`
}

func (o ReceiverOptions) http() httpreceiver.Config {
	c := httpreceiver.DefaultConfig()
	o.HTTPMax.apply(&c.Limits)
	c.KeepCompressed = o.GunzipBodies == "off"
	c.MaxConnections, c.MaxConnectionsPerAddress = o.HTTPConns.Connections, o.HTTPConns.PerAddress
	o.HTTPTLS.apply(&c.TLS)
	c.Listen, c.IdleTimeout = o.HTTPListen, o.HTTPIdle
	return c
}
