package cli

import (
	"regexp"
	"testing"

	"github.com/sluice-etl/sluice/receiver/netserver"
)

// Every option that a receiver's errors name exists.
func TestErrorsNameOptions(t *testing.T) {
	withoutEnvironment(t)
	var c commands
	k := parse(t, &c, "run")
	known := map[string]bool{}
	for _, f := range k.Flags() {
		known[f.Name] = true
	}
	o := c.Run.ReceiverOptions
	o.AckTimeout = 0
	name := regexp.MustCompile(`option '([^']+)'`)
	bad := func(c *netserver.Config) {
		c.Listen, c.MaxConnections, c.MaxConnectionsPerAddress = "", 0, 0
		c.TLS = netserver.TLS{Cert: "x", Required: true, ClientCA: "x", MinVersion: "9", MaxVersion: "9"}
	}
	avro, thrift, http, netcat, syslog := o.avro(), o.thrift(), o.http(), o.netcat(), o.syslog()
	for receiver, r := range map[string]struct {
		c        *netserver.Config
		validate func() error
	}{
		"avro":   {&avro.Config, avro.Validate},
		"thrift": {&thrift.Config, thrift.Validate},
		"http":   {&http.Config, http.Validate},
		"netcat": {&netcat.Config, netcat.Validate},
		"syslog": {&syslog.Config, syslog.Validate},
		"shared": {&netserver.Config{}, o.shared(nil, -1).Validate},
	} {
		bad(r.c)
		err := r.validate()
		if err == nil {
			t.Fatalf("%s: everything is wrong, and nothing is found wrong", receiver)
		}
		for _, option := range name.FindAllStringSubmatch(err.Error(), -1) {
			if !known[flagName(option[1])] {
				t.Errorf("%s: there is no flag for option %s: %v", receiver, option[1], err)
			}
		}
	}
}
