package cli

import (
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/dedup"
	"github.com/sluice-etl/sluice/flumeclient"
	avroclient "github.com/sluice-etl/sluice/flumeclient/avro"
	thriftclient "github.com/sluice-etl/sluice/flumeclient/thrift"
	"github.com/sluice-etl/sluice/flumesink/avro"
	"github.com/sluice-etl/sluice/flumesink/spark"
	"github.com/sluice-etl/sluice/flumesink/thrift"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/mysqlout"
	"github.com/sluice-etl/sluice/mysqlout/joined"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/filewatch"
	httpreceiver "github.com/sluice-etl/sluice/receiver/http"
	"github.com/sluice-etl/sluice/receiver/netcat"
	"github.com/sluice-etl/sluice/receiver/socket"
	"github.com/sluice-etl/sluice/receiver/syslog"
	"github.com/sluice-etl/sluice/status"
)

// withoutEnvironment unsets the ETL_ variables of the developer's environment for the test.
func withoutEnvironment(t *testing.T) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, value, _ := strings.Cut(kv, "="); strings.HasPrefix(name, envPrefix) {
			t.Setenv(name, value) // so that it comes back
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func parse(t *testing.T, c *commands, args ...string) *kong.Context {
	t.Helper()
	k, err := etl(c).Parse(args, Streams{Out: io.Discard, Err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// kong sets every field to zero before it parses, so a default that is not in a tag would be lost silently: parsing no
// arguments must give the default configuration of every package.
func TestDefaults(t *testing.T) {
	withoutEnvironment(t)
	var c commands
	parse(t, &c, "run")
	o := &c.Run.RunOptions
	shutdown := o.ShutdownTimeout

	kafka := o.KafkaOptions.config()
	o.ProduceOptions.apply(&kafka)
	o.ConsumeOptions.apply(&kafka)
	kafka.ShutdownTimeout = shutdown
	conns := o.MySQLOptions.config(o.KafkaRebalanceTimeout)
	opts, err := o.QueryOptions.options()
	if err != nil {
		t.Fatal(err)
	}
	opts.DeadLetterMaxBytes, opts.FlumeValues = int(o.DeadLetterMaxBytes), o.flume()
	for _, d := range []struct {
		name      string
		got, want any
	}{
		{"kafkaio", kafka, kafkaio.DefaultConfig()},
		{"flumesink", o.shared(nil, shutdown), receiver.DefaultConfig()},
		{"avro", o.avro(), avroDefaults()},
		{"thrift", o.thrift(), thriftDefaults()},
		{"http", o.http(), httpDefaults()},
		{"netcat", o.netcat().MaxLineBytes, netcat.DefaultConfig().MaxLineBytes},
		{"syslog", o.syslog().MaxLineBytes, syslog.DefaultConfig().MaxLineBytes},
		{"syslog fields", o.syslog().KeepFields, syslog.DefaultConfig().KeepFields},
		{"spark", o.spark(), spark.DefaultConfig()},
		{"socket", o.socket(), socket.DefaultConfig()},
		{"watch", o.watch(), filewatch.DefaultConfig()},
		{"batch", o.BatchOptions.config(shutdown), batch.DefaultConfig()},
		{"pool", conns, pool.DefaultConfig()},
		{"mysqlout", o.JobOptions.config(), mysqlout.DefaultConfig()},
		{"status", o.status().Listen, status.DefaultConfig().Listen},
		{"query", opts, query.DefaultOptions()},
		{"joined", o.LookupOptions.config(), joined.DefaultConfig()},
		{"dedup", o.WindowOptions.config(o.DedupOptions), dedup.DefaultConfig()},
	} {
		if diff := cmp.Diff(d.want, d.got, cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })); diff != "" {
			t.Errorf("%s (-its default +ours):\n%s", d.name, diff)
		}
	}
	if o.DeadLetterKeep != option.Age(14*24*time.Hour) || o.LogLevel != "info" || o.LogFormat != "auto" || !o.CreateTables {
		t.Errorf("got %v, %s, %s, %v; expected dead letters to be kept for %v, log level %q, log format %q and tables to be created", time.Duration(o.DeadLetterKeep), o.LogLevel, o.LogFormat, o.CreateTables, option.Age(14*24*time.Hour), "info", "auto")
	}
}

func TestDefaults_send(t *testing.T) {
	withoutEnvironment(t)
	var c commands
	parse(t, &c, "send", "-")
	got, want := c.Send, flumeclient.DefaultConfig()
	if got.BatchSize != want.Batch || got.Connections != want.Connections || int(got.MaxLineBytes) != want.MaxLineBytes ||
		got.AnswerTimeout != avroclient.DefaultConfig("").RequestTimeout || !got.Resend ||
		thriftclient.Protocol(got.ThriftProtocol) != thriftclient.DefaultConfig("").Protocol {
		t.Errorf("got %+v, expected %+v", got, want)
	}
}

// differing are the options whose default depends on the command. The --to of etl send is an address, and that of etl
// replay a time: each rejects the other's value.
var differing = []string{"kafka-brokers", "to"}

// Every flag has a variable named after it, and a sentence of help.
func TestFlags(t *testing.T) {
	withoutEnvironment(t)
	var c commands
	k := parse(t, &c, "version")
	seen := map[string]string{}
	for command, flags := range flagsByCommand(k.Model.Node) {
		for _, f := range flags {
			if f.Name == "help" || f.Name == "help-all" {
				continue
			}
			if len(f.Envs) != 1 || f.Envs[0] != envName(f.Name) {
				t.Errorf("%s --%s: variables %v, expected %s", command, f.Name, f.Envs, envName(f.Name))
			}
			if !strings.HasSuffix(f.Help, ".") || f.Group == nil {
				t.Errorf("%s --%s: help %q in group %v; expected help that ends with %q, and a group", command, f.Name, f.Help, f.Group, ".")
			}
			if other, ok := seen[f.Name]; ok && other != f.Default && !slices.Contains(differing, f.Name) {
				t.Errorf("%s --%s: default %q, elsewhere %q", command, f.Name, f.Default, other)
			}
			seen[f.Name] = f.Default
		}
	}
	for _, group := range spellings {
		for _, alternative := range group {
			for _, name := range alternative {
				if _, ok := seen[name]; !ok {
					t.Errorf("--%s is in the list of spellings and is no option", name)
				}
			}
		}
	}
}

// httpDefaults returns the receiver's defaults, with the TLS version that the help shows.
func httpDefaults() httpreceiver.Config {
	c := httpreceiver.DefaultConfig()
	c.TLS.MinVersion = "1.2"
	return c
}

// avroDefaults returns the receiver's defaults, with the TLS version that an empty text means.
func avroDefaults() avro.Config {
	c := avro.DefaultConfig()
	c.TLS.MinVersion = "1.2"
	return c
}

func thriftDefaults() thrift.Config {
	c := thrift.DefaultConfig()
	c.TLS.MinVersion = "1.2"
	return c
}
