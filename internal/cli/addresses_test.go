package cli

import (
	"io"
	"strings"
	"testing"
)

// Every option whose placeholder or name is that of an address is validated as one.
func TestAddresses_everyOptionIsValidated(t *testing.T) {
	withoutEnvironment(t)
	k, err := etl(&commands{}).parser(Streams{Out: io.Discard, Err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	for command, flags := range flagsByCommand(k.Model.Node) {
		for _, f := range flags {
			if _, ok := addressOf(f); !ok && (strings.Contains(f.PlaceHolder, "HOST") || f.PlaceHolder == "URL" || strings.HasSuffix(f.Name, "-listen")) {
				t.Errorf("etl %s --%s is not among the addresses", command, f.Name)
			}
		}
	}
}

func TestAddresses_check(t *testing.T) {
	t.Parallel()
	const port0, port1 = "must be a number from 0", "must be a number from 1"
	for _, c := range []struct {
		kind  addressKind
		value string
		want  string // part of what is wrong; empty if nothing is
	}{
		{kindServer, "k:9092", ""},
		{kindServer, "my_kafka.example.com.:65535", ""},
		{kindServer, "10.0.0.1:1", ""},
		{kindServer, "[::1]:9092", ""},
		{kindServer, "[fe80::1%eth0]:9092", ""},
		{kindServer, "bücher.example:1", ""},
		{kindServer, "", "the port is missing"},
		{kindServer, "k", "the port is missing"},
		{kindServer, "k:", port1},
		{kindServer, "k:0", port1},
		{kindServer, "k:65536", port1},
		{kindServer, "k:-1", port1},
		{kindServer, "k:+1", port1},
		{kindServer, "k:0x10", port1},
		{kindServer, "k: 1", port1},
		{kindServer, "k:http", port1},
		{kindServer, "k:1/x", port1},
		{kindServer, ":9092", "the host is missing"},
		{kindServer, "::1", "in brackets"},
		{kindServer, "::1:9092", "in brackets"},
		{kindServer, "k:1:2", "in brackets"},
		{kindServer, "[::1]", "the port is missing"},
		{kindServer, "[::1:9092", "missing ']'"},
		{kindServer, "[k]:1", "not an IPv6 address"},
		{kindServer, "[10.0.0.1]:1", "not an IPv6 address"},
		{kindServer, "[]:1", "not an IPv6 address"},
		{kindServer, "300.1.1.1:1", "not an IPv4 address"},
		{kindServer, "1.2.3:1", "not an IPv4 address"},
		{kindServer, "k a:1", "must not have ' '"},
		{kindServer, "u@k:1", "must not have '@'"},
		{kindServer, "k\x1b[2J:1", "host:port: unexpected '[' in address"},
		{kindServer, "k\x1b:1", `must not have '\x1b'`},
		{kindServer, "k..a:1", "not a host name"},
		{kindServer, "*:1", "must not have '*'"},
		{kindServer, "PLAINTEXT://k:9092", `remove "PLAINTEXT://"`},
		{kindServer, `"k:1"`, "quotes"},
		{kindServer, `'k:1'`, "quotes"},
		{kindServer, `"k:1`, "quotes"},
		{kindListen, ":0", ""},
		{kindListen, ":65535", ""},
		{kindListen, "0.0.0.0:80", ""},
		{kindListen, "[::]:80", ""},
		{kindListen, "localhost:80", ""},
		{kindListen, ":65536", port0},
		{kindListen, ":", port0},
		{kindListen, "80", "the port is missing"},
		{kindListen, "[]:80", "not an IPv6 address"},
		{kindListen, "*:80", "write :80"},
		{kindListen, "a:1,b:1", "in brackets"},
		{kindSwitch, "OFF", "the port is missing"},
		{kindHost, "db", ""},
		{kindHost, "/run/mysqld.sock", ""},
		{kindHost, "::1", ""},
		{kindHost, "10.0.0.1", ""},
		{kindHost, "db:3306", "--mysql-port"},
		{kindHost, "tcp://db", "remove"},
		{kindHost, "d b", "must not have ' '"},
		{kindHost, "'db'", "quotes"},
		{kindURL, "avro://h:1", ""},
		{kindURL, "avro://h:1/", ""},
		{kindURL, "thrift://[::1]:65535", ""},
		{kindURL, "avro://[::1]", "the port is missing"},
		{kindURL, "avro://h", "the port is missing"},
		{kindURL, "avro://:1", "the host is missing"},
		{kindURL, "avro://h:65536", port1},
		{kindURL, "avro://h:x", "must be avro"},
		{kindURL, "avro://u@h:1", "must be avro"},
		{kindURL, "avro://h:1/x", "must be avro"},
		{kindURL, "http://h:1", "must be avro"},
		{kindURL, "h:1", "must be avro"},
		{kindURL, `"avro://h:1"`, "quotes"},
	} {
		if got := c.kind.check(c.value); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%d %q: got %q, expected %q", c.kind, c.value, got, c.want)
		}
	}
}
