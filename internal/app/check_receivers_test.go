package app

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/flumesink/spark"
	"github.com/sluice-etl/sluice/flumesink/thrift"
	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/filewatch"
	httpreceiver "github.com/sluice-etl/sluice/receiver/http"
	"github.com/sluice-etl/sluice/receiver/netcat"
	"github.com/sluice-etl/sluice/receiver/socket"
	"github.com/sluice-etl/sluice/receiver/syslog"
)

// receivingConfig returns a configuration with every receiver, which loads nothing.
func receivingConfig(t *testing.T) Config {
	t.Helper()
	c := config(t, broker(t).ListenAddrs()[0], "")
	c.Load, c.Plan = false, nil
	c.Thrift, c.HTTP, c.Netcat = thrift.DefaultConfig(), httpreceiver.DefaultConfig(), netcat.DefaultConfig()
	c.Syslog, c.NetcatUDP, c.SyslogUDP = syslog.DefaultConfig(), netcat.DefaultUDPConfig(), syslog.DefaultUDPConfig()
	c.Spark, c.Socket, c.Watch = spark.DefaultConfig(), socket.DefaultConfig(), filewatch.DefaultConfig()
	for _, listen := range []*string{
		&c.Avro.Listen, &c.Thrift.Listen, &c.HTTP.Listen, &c.Netcat.Listen, &c.Syslog.Listen, &c.NetcatUDP.Listen, &c.SyslogUDP.Listen,
	} {
		*listen = "127.0.0.1:0"
	}
	return c
}

// check returns the output of etl check for the configuration.
func check(t *testing.T, c Config) (string, error) {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := Check(t.Context(), c, &out)
	return out.String(), err
}

func wantLines(t *testing.T, out string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !regexp.MustCompile("(?m)^" + want).MatchString(out) {
			t.Errorf("no line %q:\n%s", want, out)
		}
	}
}

// Without problems, each port is free, also after the check.
func TestCheck_receivers(t *testing.T) {
	t.Parallel()
	c := receivingConfig(t)
	cert, key := receivertest.Certificate(t, 365*24*time.Hour)
	c.Syslog.TLS.Cert, c.Syslog.TLS.Key = cert, key
	dir, state := t.TempDir(), filepath.Join(t.TempDir(), "not", "there")
	c.Watch.Dirs, c.Watch.State = []string{dir}, state
	c.Spark.Sinks, c.Socket.Servers = c.Kafka.Brokers, []string{closedPort(t)}
	out, err := check(t, c)
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	wantLines(t, out,
		`ok       tcp: option 'admin-listen' 127.0.0.1:\d+: the port is free`, `ok       tcp: option 'avro.listen' .* free`, `ok       tcp: option 'thrift.listen' .* free`,
		`ok       tcp: option 'http.listen' .* free`, `ok       tcp: option 'netcat.listen' .* free`, `ok       tcp: option 'syslog_tcp.listen' .* free`,
		`ok       udp: option 'netcat_udp.listen' .* free`, `ok       udp: option 'syslog_udp.listen' .* free`,
		`ok       option 'syslog_tcp.tls-cert': .*valid until`, `ok       option 'watch-dir': .* readable, 0 files`,
		`ok       option 'watch-state': .* does not exist yet; it is created at start`, `ok       option 'poll': .* it accepts connections`,
		`ok       option 'connect-socket': .* not connected`)
	if _, err := os.Stat(filepath.Dir(state)); !os.IsNotExist(err) {
		t.Errorf("the directory of the progress was created: %v", err)
	}
}

// All problems of all receivers are reported in one run, which then fails.
func TestCheck_receiversThatCannotStart(t *testing.T) {
	t.Parallel()
	c := receivingConfig(t)
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	takenUDP, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = takenUDP.Close() }()
	c.HTTP.Listen, c.SyslogUDP.Listen, c.Thrift.Listen = taken.Addr().String(), takenUDP.LocalAddr().String(), "192.0.2.1:1"
	cert, key := receivertest.Certificate(t, 365*24*time.Hour)
	_, other := receivertest.Certificate(t, time.Hour)
	c.Avro.TLS.Cert, c.Avro.TLS.Key, c.Avro.TLS.ClientCA = cert, other, key
	c.Netcat.TLS.Cert, c.Netcat.TLS.Key = "missing.pem", "missing.pem"
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.Watch.Dirs, c.Watch.State = []string{"missing", file}, filepath.Join(file, "state")
	c.Spark.Sinks, c.Socket.Servers = []string{closedPort(t)}, []string{"host.invalid:1"}
	out, err := check(t, c)
	if err == nil || !strings.Contains(err.Error(), "receivers would fail for the 9 reasons above") || !strings.Contains(err.Error(), "2 servers could not be reached") {
		t.Errorf("got %v; expected an error that contains %q and %q\n%s", err, "receivers would fail for the 9 reasons above", "2 servers could not be reached", out)
	}
	wantLines(t, out,
		`failed   tcp: option 'http.listen' .*address already in use: another process uses this port; .*it is "app.test", pid \d+; ss -ltnp 'sport = :\d+' shows`,
		`failed   udp: option 'syslog_udp.listen' .*it is "app.test", pid \d+; ss -lunp 'sport = :\d+' shows`,
		`failed   tcp: option 'thrift.listen' 192.0.2.1:1: .*does not have this address; :1 listens on all`,
		`failed   option 'avro.tls-cert': .*does not match.*the key must be the one that belongs to the certificate`,
		`failed   option 'avro.tls-client-ca': .*holds no currently valid PEM certificate`, `failed   option 'netcat.tls-cert': .*missing.pem.*can read`,
		`failed   option 'watch-dir': .*missing: no such file`, `failed   option 'watch-dir': .*not a directory`, `failed   option 'watch-state': .*file`,
		`failed   option 'poll': .*connection refused`, `failed   option 'connect-socket': host.invalid:1: resolve`)
}

// The progress file is in use by another process: check reports that, and does not affect the process.
func TestCheck_watchStateInUse(t *testing.T) {
	t.Parallel()
	c := receivingConfig(t)
	c.Watch.Dirs, c.Watch.State = []string{t.TempDir()}, t.TempDir()
	w := filewatch.New(c.Watch, receiver.Runtime{})
	if err := w.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, err := check(t, c)
	if err == nil {
		t.Errorf("got no error, expected one; output:\n%s", out)
	}
	wantLines(t, out, `failed   option 'watch-state': .* is in use by another process`)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := check(t, c); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Two options of the same process cannot have the same port. That is detected before any port is opened.
func TestConfig_portTwice(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		avro, http, udp string
		want            bool
	}{
		{":41414", ":41414", "", true},
		{":41414", "127.0.0.1:41414", "", true},
		{"[::]:41414", "0.0.0.0:41414", "", true},
		{"127.0.0.1:41414", "127.0.0.1:41414", "", true},
		{"127.0.0.1:41414", "127.0.0.2:41414", "", false},
		{":41414", ":41415", ":41414", false},
		{":0", ":0", "", false},
		{":9414", ":41415", "", true}, // the port of the admin listener
	} {
		c := receivingConfig(t)
		c.Status.Listen = "127.0.0.1:9414"
		c.Avro.Listen, c.HTTP.Listen, c.SyslogUDP.Listen = one.avro, one.http, one.udp
		err := c.Validate()
		if got := err != nil && strings.Contains(err.Error(), "must be different ports"); got != one.want {
			t.Errorf("%+v: got %v, expected %v", one, err, one.want)
		}
	}
}
