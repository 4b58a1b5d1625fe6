package migrate

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// commands returns the commands of a file's plans, one line each.
func commands(t *testing.T, text string) (lines []string) {
	t.Helper()
	f, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range Plans(f) {
		for _, c := range p.Commands {
			line := c.Verb
			for _, o := range c.Options {
				line += " " + strings.TrimSpace(o.Name+" "+o.Value)
			}
			lines = append(lines, line)
		}
	}
	return lines
}

const kafkaSource, kafkaSink = "org.apache.flume.source.kafka.KafkaSource", "org.apache.flume.sink.kafka.KafkaSink"

func TestPlans_commands(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"brokers that the file does not name are asked for": {
			"a.sources = k\na.channels = c\na.sources.k.type = " + kafkaSource + "\na.sources.k.zookeeperConnect = zk:2181\na.sources.k.topic = clicks\na.sources.k.channels = c\n",
			[]string{"load --kafka-brokers ${KAFKA_BROKERS} --kafka-topic clicks --kafka-value raw"},
		},
		"those of two ZooKeepers have two names": {
			"a.sources = k l\na.channels = c d\na.sources.k.type = " + kafkaSource + "\na.sources.k.zookeeperConnect = zk1:2181\na.sources.k.topic = t\na.sources.k.channels = c\n" +
				"a.sources.l.type = " + kafkaSource + "\na.sources.l.zookeeperConnect = zk2:2181\na.sources.l.topic = t\na.sources.l.channels = d\n",
			[]string{
				"load --job t --kafka-brokers ${KAFKA_BROKERS} --kafka-topic t --kafka-value raw",
				"load --job a-t --kafka-brokers ${KAFKA_BROKERS_2} --kafka-topic t --kafka-value raw --admin-listen 127.0.0.1:9415",
			},
		},
		"a variable of the file is no name of ours": {
			"a.sources = k l\na.channels = c d\na.sources.k.type = " + kafkaSource + "\na.sources.k.kafka.bootstrap.servers = ${KAFKA_BROKERS}\na.sources.k.kafka.topics = t\na.sources.k.channels = c\n" +
				"a.sources.l.type = http\na.sources.l.port = 80\na.sources.l.channels = d\n",
			[]string{
				"load --job t --kafka-brokers ${KAFKA_BROKERS} --kafka-topic t --kafka-value raw",
				"run --job l --kafka-brokers ${KAFKA_BROKERS_2} --kafka-topic l --avro-listen off --http-listen :80 --admin-listen 127.0.0.1:9415",
			},
		},
		"from one Kafka to another stays, and the topic that is written is read": {
			"a.sources = k\na.channels = c\na.sinks = s\na.sources.k.type = " + kafkaSource + "\na.sources.k.kafka.bootstrap.servers = in:9092\na.sources.k.kafka.topics = txn\na.sources.k.channels = c\n" +
				"a.sinks.s.type = " + kafkaSink + "\na.sinks.s.channel = c\na.sinks.s.kafka.bootstrap.servers = out:9092\na.sinks.s.kafka.topic = auths\n",
			[]string{"load --kafka-brokers out:9092 --kafka-topic auths --kafka-value raw"},
		},
		"two streams have two jobs and two topics": {
			"a.sources = x y\na.channels = c d\na.sources.x.type = http\na.sources.x.port = 18000\na.sources.x.channels = c\na.sources.y.type = http\na.sources.y.port = 18001\na.sources.y.channels = d\n",
			[]string{
				"run --job x --kafka-brokers ${KAFKA_BROKERS} --kafka-topic x --avro-listen off --http-listen :18000",
				"run --job y --kafka-brokers ${KAFKA_BROKERS} --kafka-topic y --avro-listen off --http-listen :18001 --admin-listen 127.0.0.1:9415",
			},
		},
		"two ports of one stream have one topic, and one of them loads it": {
			"a.sources = x y\na.channels = c\na.sources.x.type = avro\na.sources.x.bind = h\na.sources.x.port = 1\na.sources.x.channels = c\na.sources.y.type = avro\na.sources.y.bind = h\na.sources.y.port = 2\na.sources.y.channels = c\n",
			[]string{
				"run --kafka-brokers ${KAFKA_BROKERS} --avro-listen h:1",
				"ingest --kafka-brokers ${KAFKA_BROKERS} --avro-listen h:2 --admin-listen 127.0.0.1:9415",
			},
		},
		"two agents that write one topic have one job": {
			"a.sources = x\na.channels = c\na.sinks = k\na.sources.x.type = http\na.sources.x.port = 1\na.sources.x.channels = c\na.sinks.k.type = " + kafkaSink + "\na.sinks.k.channel = c\na.sinks.k.kafka.bootstrap.servers = k1:9092,k2:9092\na.sinks.k.kafka.topic = t\n" +
				"b.sources = x\nb.channels = c\nb.sinks = k\nb.sources.x.type = http\nb.sources.x.port = 2\nb.sources.x.channels = c\nb.sinks.k.type = " + kafkaSink + "\nb.sinks.k.channel = c\nb.sinks.k.kafka.bootstrap.servers = k2:9092, k1:9092\nb.sinks.k.kafka.topic = t\n",
			[]string{
				"run --kafka-brokers k1:9092,k2:9092 --kafka-topic t --kafka-value raw --kafka-key key --avro-listen off --http-listen :1",
				"ingest --kafka-brokers k1:9092,k2:9092 --kafka-topic t --kafka-value raw --kafka-key key --avro-listen off --http-listen :2 --admin-listen 127.0.0.1:9415",
			},
		},
		"a source has the port of the admin listener": {
			"a.sources = x\na.channels = c\na.sources.x.type = avro\na.sources.x.port = 9414\na.sources.x.channels = c\n",
			[]string{"run --kafka-brokers ${KAFKA_BROKERS} --avro-listen :9414 --admin-listen 127.0.0.1:9415"},
		},
		"a source has the port of another command's admin listener": {
			"a.sources = x y\na.channels = c d\na.sources.x.type = avro\na.sources.x.port = 9415\na.sources.x.channels = c\na.sources.y.type = http\na.sources.y.port = 9414\na.sources.y.channels = d\n",
			[]string{
				"run --job x --kafka-brokers ${KAFKA_BROKERS} --kafka-topic x --avro-listen :9415 --admin-listen 127.0.0.1:9416",
				"run --job y --kafka-brokers ${KAFKA_BROKERS} --kafka-topic y --avro-listen off --http-listen :9414 --admin-listen 127.0.0.1:9417",
			},
		},
		"an empty property, which Flume ignores": {
			"a.sources = k\na.channels = c\na.sources.k.type = " + kafkaSource + "\na.sources.k.kafka.bootstrap.servers = k:9093\na.sources.k.kafka.topics = t\na.sources.k.channels = c\n" +
				"a.sources.k.kafka.consumer.security.protocol = SSL\na.sources.k.kafka.consumer.ssl.truststore.location = /t.jks\na.sources.k.kafka.consumer.ssl.endpoint.identification.algorithm =\n",
			[]string{"load --kafka-brokers k:9093 --kafka-topic t --kafka-value raw --kafka-tls --kafka-tls-ca /t.pem"},
		},
		"a Kafka channel without headers has no IDs": {
			"a.sources = t\na.channels = c\na.sources.t.type = exec\na.sources.t.channels = c\na.sources.t.interceptors = u\na.sources.t.interceptors.u.type = x.UUIDInterceptor$Builder\na.channels.c.type = org.apache.flume.channel.kafka.KafkaChannel\na.channels.c.kafka.bootstrap.servers = k:9092\na.channels.c.parseAsFlumeEvent = false\n",
			[]string{"load --kafka-brokers k:9092 --kafka-topic flume-channel --kafka-value raw"},
		},
		"a Kafka channel with headers has IDs": {
			"a.sources = t\na.channels = c\na.sources.t.type = exec\na.sources.t.channels = c\na.sources.t.interceptors = u\na.sources.t.interceptors.u.type = x.UUIDInterceptor$Builder\na.channels.c.type = org.apache.flume.channel.kafka.KafkaChannel\na.channels.c.kafka.bootstrap.servers = k:9092\n",
			[]string{"load --kafka-brokers k:9092 --kafka-topic flume-channel --kafka-value flume --dedup-header id"},
		},
		"two sinks send to one port of two hosts": {
			"a.sources = t\na.channels = c\na.sinks = k l\na.sources.t.type = exec\na.sources.t.channels = c\na.channels.c.type = memory\n" +
				"a.sinks.k.type = avro\na.sinks.k.channel = c\na.sinks.k.hostname = h1\na.sinks.k.port = 4545\na.sinks.l.type = thrift\na.sinks.l.channel = c\na.sinks.l.hostname = h2\na.sinks.l.port = 4545\n",
			[]string{
				"run --kafka-brokers ${KAFKA_BROKERS} --avro-listen :4545",
				"ingest --kafka-brokers ${KAFKA_BROKERS} --avro-listen off --thrift-listen :4545 --admin-listen 127.0.0.1:9415",
			},
		},
		"a TCP port and a UDP port are of one process": {
			"a.sources = x y\na.channels = c\na.sources.x.type = syslogtcp\na.sources.x.port = 514\na.sources.x.channels = c\na.sources.y.type = syslogudp\na.sources.y.port = 514\na.sources.y.channels = c\n",
			[]string{"run --kafka-brokers ${KAFKA_BROKERS} --avro-listen off --syslog-tcp-listen :514 --syslog-udp-listen :514"},
		},
		"a port that stands twice": {
			"a.sources = m\na.channels = c\na.sources.m.type = multiport_syslogtcp\na.sources.m.ports = 6001 6002 6001\na.sources.m.channels = c\n",
			[]string{
				"run --kafka-brokers ${KAFKA_BROKERS} --avro-listen off --syslog-tcp-listen :6001",
				"ingest --kafka-brokers ${KAFKA_BROKERS} --avro-listen off --syslog-tcp-listen :6002 --admin-listen 127.0.0.1:9415",
			},
		},
		"a UDP port is not that of the admin listener": {
			"a.sources = x\na.channels = c\na.sources.x.type = syslogudp\na.sources.x.port = 9414\na.sources.x.channels = c\n",
			[]string{"run --kafka-brokers ${KAFKA_BROKERS} --avro-listen off --syslog-udp-listen :9414"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, commands(t, c.text)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Two receivers conflict if their addresses overlap. They are never in one process, and a note names the other command.
func TestPlans_addresses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		x, y, second string
		conflict     bool
	}{
		{"10.0.0.1", "10.0.0.2", "avro", false},
		{"10.0.0.1", "10.0.0.1", "avro", true},
		{"10.0.0.1", "0.0.0.0", "avro", true},
		{"::", "10.0.0.1", "http", true},
		{"Collector1", "collector1", "http", true},
		{"collector1", "collector2", "http", false},
		{"localhost", "127.0.0.1", "netcat", true},
		{"fd00::1", "fd00:0::0:1", "thrift", true},
		{"${env:IP}", "${env:IP}", "thrift", true},
		{"", "", "netcatudp", false},
	} {
		source := func(name, kind, host, channel string) string {
			key := "a.sources." + name
			return key + ".type = " + kind + "\n" + key + ".bind = " + host + "\n" + key + ".port = 4141\n" + key + ".channels = " + channel + "\n"
		}
		for _, flow := range []string{"c", "d"} { // of one flow, and of two
			text := "a.sources = x y\na.channels = c d\n" + source("x", "avro", c.x, "c") + source("y", c.second, c.y, flow)
			f, err := Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			plan := Plans(f)[0]
			if c.second == "avro" && c.x == c.y && flow == "c" {
				continue // one receiver takes both
			}
			want := []string(nil)
			if c.conflict {
				want = []string{"sources.y: port 4141 is also used by the command for sources.x: run the two on different hosts, or change the port of one of them and of its senders"}
			}
			var got []string
			for _, text := range plan.Notes {
				if strings.Contains(text, "is also used by the command for") {
					got = append(got, text)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%+v, channel %s: %s", c, flow, diff)
			}
			if n := len(plan.Commands); (c.conflict || flow == "d") && n != 2 {
				t.Errorf("%+v, channel %s: %d commands, expected 2", c, flow, n)
			}
		}
	}
}

// The plan reports settings that would lose events, or send them again indefinitely.
func TestPlans_reports(t *testing.T) {
	t.Parallel()
	const head = "a.sources = s\na.channels = c\na.sinks = k\na.sources.s.type = exec\na.sources.s.channels = c\na.channels.c.type = memory\na.sinks.k.channel = c\n"
	for name, c := range map[string]struct{ text, want, not string }{
		"acks unset":          {"a.sinks.k.type = " + kafkaSink + "\n", "kafka.producer.acks: set it to all: it is not set", ""},
		"acks of 1.6":         {"a.sinks.k.type = " + kafkaSink + "\na.sinks.k.requiredAcks = 1\n", "requiredAcks: set it to all instead of 1", ""},
		"acks all":            {"a.sinks.k.type = " + kafkaSink + "\na.sinks.k.kafka.producer.acks = all\n", "", "set it to all"},
		"a batch too big":     {"a.sinks.k.type = avro\na.sinks.k.port = 1\na.sinks.k.batch-size = 100001\n", "batch-size: set it to 100000 or less", ""},
		"a batch that is not": {"a.sinks.k.type = avro\na.sinks.k.port = 1\na.sinks.k.batch-size = 100000\n", "", "or less"},
		"a thrift batch":      {"a.sinks.k.type = thrift\na.sinks.k.port = 1\na.sinks.k.batch-size = 500000\n", "--thrift-max-batch-events", ""},
		"an ID that is the key": {
			"a.sinks.k.type = " + kafkaSink + "\na.sinks.k.useFlumeEventFormat = true\na.sources.s.interceptors = u\na.sources.s.interceptors.u.type = x.UUIDInterceptor$Builder\na.sources.s.interceptors.u.headerName = key\n",
			"the event ID is the key", "make an interceptor write it to the header key",
		},
		"an ID that is not the key": {
			"a.sinks.k.type = " + kafkaSink + "\na.sources.s.interceptors = u\na.sources.s.interceptors.u.type = x.UUIDInterceptor$Builder\n",
			"make an interceptor write it to the header key", "the event ID is the key",
		},
		"host names that are verified": {"a.sinks.k.type = " + kafkaSink + "\na.sinks.k.kafka.producer.security.protocol = SSL\na.sinks.k.kafka.producer.ssl.endpoint.identification.algorithm = https\n", "", "verify-ca"},
		"IDs in raw records of a sink": {
			"a.sinks.k.type = " + kafkaSink + "\na.sources.s.interceptors = u\na.sources.s.interceptors.u.type = x.UUIDInterceptor$Builder\n",
			"make a.sinks.k write Flume's event format with useFlumeEventFormat = true, and set --kafka-value flume", "parseAsFlumeEvent",
		},
		"IDs in raw records of a channel": {
			"a.channels.c.type = org.apache.flume.channel.kafka.KafkaChannel\na.channels.c.parseAsFlumeEvent = false\na.sources.s.interceptors = u\na.sources.s.interceptors.u.type = x.UUIDInterceptor$Builder\n",
			"set a.channels.c.parseAsFlumeEvent = true, --kafka-value flume and --dedup-header id", "useFlumeEventFormat",
		},
		"one port that is listed twice": {"a.sources.s.type = multiport_syslogtcp\na.sources.s.ports = 6001 6001\n", "--syslog-tcp-listen :6001", "the other commands"},
		"a sink that competes": {
			"a.sinks.k.type = avro\na.sinks.k.hostname = h1\na.sinks.k.port = 1\na.sinks = k h\na.sinks.h.channel = c\na.sinks.h.type = hdfs\n",
			"a.channels.c: Flume delivers each event of a channel to one of its sinks, so etl gets only the events that a.sinks.k takes, and a.sinks.h takes the others: give each sink its own channel", "",
		},
		"a sink that competes with a Kafka sink": {
			"a.sinks.k.type = " + kafkaSink + "\na.sinks = k h\na.sinks.h.channel = c\na.sinks.h.type = null\n",
			"etl gets only the events that a.sinks.k takes, and a.sinks.h takes the others", "",
		},
		"a group of sinks": {
			"a.sinks.k.type = avro\na.sinks.k.hostname = h1\na.sinks.k.port = 1\na.sinks = k h\na.sinks.h.channel = c\na.sinks.h.type = avro\na.sinks.h.hostname = h2\na.sinks.h.port = 1\na.sinkgroups = g\na.sinkgroups.g.sinks = k h\na.sinkgroups.g.processor.type = failover\n",
			"a.sinkgroups.g", "each event of a channel to one of its sinks",
		},
		"a sink with a channel of its own": {
			"a.channels = c d\na.sinks.k.type = avro\na.sinks.k.port = 1\na.sinks = k h\na.sinks.h.channel = d\na.sinks.h.type = hdfs\n",
			"", "each event of a channel to one of its sinks",
		},
		"a sink without a type, which Flume does not start": {"a.sinks.k.type = avro\na.sinks.k.hostname = h1\na.sinks.k.port = 1\na.sinks = k h\na.sinks.h.channel = c\n", "", "each event of a channel to one of its sinks"},
		"sinks behind a channel that etl reads": {
			"a.channels.c.type = org.apache.flume.channel.kafka.KafkaChannel\na.sinks.k.type = avro\na.sinks.k.hostname = h1\na.sinks.k.port = 1\na.sinks = k h\na.sinks.h.channel = c\na.sinks.h.type = hdfs\n",
			"remove it: etl reads its channel's topic", "each event of a channel to one of its sinks",
		},
		"a sink that competes where etl takes the source's place": {
			"a.sources.s.type = http\na.sources.s.port = 80\na.sinks.k.type = avro\na.sinks.k.hostname = h1\na.sinks.k.port = 1\na.sinks = k h\na.sinks.h.channel = c\na.sinks.h.type = hdfs\n",
			"", "each event of a channel to one of its sinks",
		},
		"host names of an empty property": {"a.sinks.k.type = " + kafkaSink + "\na.sinks.k.kafka.producer.security.protocol = SSL\na.sinks.k.kafka.producer.ssl.endpoint.identification.algorithm =\n", "add --kafka-tls-verify verify-ca", "KAFKA_TLS_CA"},
		"a topic for each host":           {"a.sinks.k.type = " + kafkaSink + "\na.sinks.k.kafka.topic = logs-%{host}\n", "run one etl load for each topic", "etl load \\"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := Parse([]byte(head + c.text))
			if err != nil {
				t.Fatal(err)
			}
			text := Text(f, Plans(f))
			if !strings.Contains(text, c.want) || c.not != "" && strings.Contains(text, c.not) {
				t.Errorf("expected %q, not %q:\n%s", c.want, c.not, text)
			}
		})
	}
}

// In the random agents each value names its component: no command has the Kafka options of two components or receives for
// two flows, and every replaced source has a command.
func TestPlans_neverMixComponents(t *testing.T) {
	t.Parallel()
	owner := regexp.MustCompile(`own([a-z]+[0-9]+)`)
	for seed := range uint64(1000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		text := randomAgent(rng)
		f, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		plans := Plans(f)
		accounted(t, f, plans)
		listening := map[string]bool{}
		for _, c := range plans[0].Commands {
			kafkas := map[string]bool{}
			for _, o := range c.Options {
				if strings.HasSuffix(o.Name, "-listen") {
					listening[o.Value] = true
				}
				if m := owner.FindAllStringSubmatch(o.Value, -1); m != nil && strings.HasPrefix(o.Name, "--kafka-") {
					for _, m := range m {
						kafkas[m[1]] = true
					}
				}
			}
			if len(kafkas) > 1 {
				t.Fatalf("seed %d: Kafka's options are of %v:\n%s, expected at most 1 element\n%s", seed, kafkas, text, Text(f, plans))
			}
			if tls := c.Get("--avro-tls-cert"); tls != "" && !strings.Contains(text, "port = "+strings.TrimPrefix(c.Get("--avro-listen"), ":")+"\n"+certOf(tls)) {
				t.Fatalf("seed %d: the certificate %s is of another source than %s:\n%s", seed, tls, c.Get("--avro-listen"), text)
			}
			if got := flowsWith(t, f, &c); len(got) > 1 {
				t.Fatalf("seed %d: one command receives for the flows %v:\n%s, expected at most 1 element\n%s", seed, got, text, Text(f, plans))
			}
		}
		for _, fl := range flowsOf(f.Agents[0]) {
			for _, c := range fl.sources {
				port := c.Get("port")
				if fl.starts() && slices.Contains(plans[0].Removed, "a.sources."+c.Name) && port != "" && !listening[":"+port] {
					t.Fatalf("seed %d: no command listens for %s:\n%s\n%s", seed, c.Name, text, Text(f, plans))
				}
			}
		}
	}
}

// certOf returns the lines of the source that has the certificate.
func certOf(pem string) string {
	own := strings.TrimSuffix(strings.TrimPrefix(pem, "/own"), ".pem")
	return fmt.Sprintf("a.sources.%s.ssl = true\na.sources.%s.keystore = /own%s.jks\n", own, own, own)
}

// flowsWith returns the flows whose components a command is for.
func flowsWith(t *testing.T, f *File, c *Command) map[int]bool {
	t.Helper()
	of := map[int]bool{}
	for i, fl := range flowsOf(f.Agents[0]) {
		for _, x := range slices.Concat(fl.sources, fl.channels, fl.sinks) {
			if slices.Contains(c.Of, x.Kind+"."+x.Name) {
				of[i] = true
			}
		}
	}
	return of
}

// randomAgent returns an agent whose components have values that name them.
func randomAgent(rng *rand.Rand) string {
	var w strings.Builder
	sources, channels, sinks := 1+rng.IntN(4), 1+rng.IntN(4), 1+rng.IntN(4)
	list := func(name, prefix string, n int) {
		fmt.Fprintf(&w, "a.%s =", name)
		for i := range n {
			fmt.Fprintf(&w, " %s%d", prefix, i)
		}
		w.WriteByte('\n')
	}
	list("sources", "s", sources)
	list("channels", "c", channels)
	list("sinks", "k", sinks)
	kafka := func(key, own, client string) {
		fmt.Fprintf(&w, "%s.kafka.bootstrap.servers = own%s:9092\n", key, own)
		if rng.IntN(2) == 0 {
			fmt.Fprintf(&w, "%s.kafka.%s.security.protocol = SASL_SSL\n%s.kafka.%s.sasl.mechanism = PLAIN\n%s.kafka.%s.sasl.jaas.config = x username=\"own%s\" password=\"hush\";\n%s.kafka.%s.ssl.truststore.location = /own%s.jks\n",
				key, client, key, client, key, client, own, key, client, own)
		}
	}
	for i := range sources {
		key, own := fmt.Sprintf("a.sources.s%d", i), fmt.Sprintf("s%d", i)
		fmt.Fprintf(&w, "%s.channels = c%d", key, rng.IntN(channels))
		if rng.IntN(4) == 0 {
			fmt.Fprintf(&w, " c%d", rng.IntN(channels))
		}
		w.WriteByte('\n')
		switch rng.IntN(5) {
		case 0:
			fmt.Fprintf(&w, "%s.type = exec\n", key)
		case 1:
			fmt.Fprintf(&w, "%s.type = %s\n%s.kafka.topics = own%s\n", key, kafkaSource, key, own)
			kafka(key, own, "consumer")
		case 2:
			fmt.Fprintf(&w, "%s.type = http\n%s.port = %d\n", key, key, 1000+i)
		default:
			fmt.Fprintf(&w, "%s.type = avro\n%s.port = %d\n", key, key, 2000+i)
			if rng.IntN(2) == 0 {
				fmt.Fprintf(&w, "%s.ssl = true\n%s.keystore = /own%s.jks\n", key, key, own)
			}
		}
	}
	for i := range channels {
		key, own := fmt.Sprintf("a.channels.c%d", i), fmt.Sprintf("c%d", i)
		if rng.IntN(4) > 0 {
			fmt.Fprintf(&w, "%s.type = memory\n", key)
			continue
		}
		fmt.Fprintf(&w, "%s.type = org.apache.flume.channel.kafka.KafkaChannel\n%s.kafka.topic = own%s\n", key, key, own)
		kafka(key, own, "producer")
	}
	for i := range sinks {
		key, own := fmt.Sprintf("a.sinks.k%d", i), fmt.Sprintf("k%d", i)
		fmt.Fprintf(&w, "%s.channel = c%d\n", key, rng.IntN(channels))
		switch rng.IntN(4) {
		case 0:
			fmt.Fprintf(&w, "%s.type = hdfs\n", key)
		case 1:
			fmt.Fprintf(&w, "%s.type = avro\n%s.hostname = next\n%s.port = %d\n", key, key, key, 3000+i)
		default:
			fmt.Fprintf(&w, "%s.type = %s\n%s.kafka.topic = own%s\n", key, kafkaSink, key, own)
			kafka(key, own, "producer")
		}
	}
	return w.String()
}
