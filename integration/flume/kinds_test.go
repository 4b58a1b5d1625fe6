//go:build integration

package flume

import (
	"context"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/jvmtest"
)

// kind is one path from an agent's files to MySQL.
type kind struct {
	name string
	sets []jvmtest.Set
	// agent returns the agent's properties from the channel on; the source s and its channel c exist.
	agent func(s *site) []string
	// etl returns the additional options of etl process number n.
	etl func(s *site, n int) []string
	// etls is the number of etl processes, 1 if it is 0.
	etls int
	// dedup: each line must be counted once, by --dedup-header id.
	dedup bool
	// killAgent: the agent is killed too.
	killAgent bool
}

// avroSink returns the properties of the named Avro sink, which sends to etl process number n.
func avroSink(s *site, name string, n int, more ...string) []string {
	return rpcSink(s, "avro", name, n, more...)
}

func rpcSink(s *site, protocol, name string, n int, more ...string) []string {
	host, port, _ := net.SplitHostPort(s.listen[n])
	lines := []string{"type=" + protocol, "channel=c", "hostname=" + host, "port=" + port, "batch-size=100"}
	lines = append(lines, more...)
	for i, line := range lines {
		lines[i] = "sinks." + name + "." + line
	}
	return lines
}

func avroListen(s *site, n int) []string { return []string{"--avro-listen=" + s.listen[n]} }

func avroTLS(s *site, n int) []string {
	return append(avroListen(s, n), "--avro-tls-cert="+s.certs.cert, "--avro-tls-key="+s.certs.key)
}

func thriftListen(s *site, n int) []string {
	return []string{"--avro-listen=", "--thrift-listen=" + s.listen[n]}
}

func thriftTLS(s *site, n int) []string {
	return append(thriftListen(s, n), "--thrift-tls-cert="+s.certs.cert, "--thrift-tls-key="+s.certs.key)
}

func polls(s *site, n int) []string { return []string{"--avro-listen=", "--poll=" + s.listen[n]} }

func trusting(s *site) []string {
	return []string{"ssl=true", "truststore=" + s.certs.truststore, "truststore-password=" + truststorePassword}
}

// two returns two sinks for two etl processes, in a group.
func two(s *site, group ...string) []string {
	lines := []string{"sinks=k0 k1", "sinkgroups=g", "sinkgroups.g.sinks=k0 k1"}
	for _, line := range group {
		lines = append(lines, "sinkgroups.g.processor."+line)
	}
	return slices.Concat(lines, avroSink(s, "k0", 0), avroSink(s, "k1", 1))
}

func sparkSink(s *site, more ...string) []string {
	host, port, _ := net.SplitHostPort(s.listen[0])
	return append(more, "sinks=k", "sinks.k.type=org.apache.spark.streaming.flume.sink.SparkSink", "sinks.k.channel=c",
		"sinks.k.hostname="+host, "sinks.k.port="+port, "sinks.k.timeout=5")
}

func kafkaSink(s *site, more ...string) []string {
	lines := []string{"sinks=k", "sinks.k.type=org.apache.flume.sink.kafka.KafkaSink", "sinks.k.channel=c", "sinks.k.kafka.topic=" + s.topic,
		"sinks.k.kafka.bootstrap.servers=" + s.broker.Addr(), "sinks.k.kafka.producer.acks=all", "sinks.k.flumeBatchSize=100"}
	return append(lines, more...)
}

// loads returns the options of an etl that reads what Flume writes to Kafka.
func loads(value string) func(*site, int) []string {
	return func(*site, int) []string { return []string{"--avro-listen=", "--kafka-value=" + value} }
}

var (
	both      = []jvmtest.Set{jvmtest.Flume19, jvmtest.Flume111}
	bothKafka = []jvmtest.Set{jvmtest.FlumeKafka19, jvmtest.FlumeKafka111}
	spark     = []jvmtest.Set{jvmtest.FlumeSpark}
)

var kinds = []kind{
	{
		name: "avro", sets: both, killAgent: true, etl: avroListen,
		agent: func(s *site) []string { return append(avroSink(s, "k", 0), "sinks=k") },
	},
	{
		name: "avro once", sets: both, killAgent: true, dedup: true, etl: avroListen,
		agent: func(s *site) []string { return append(avroSink(s, "k", 0), "sinks=k") },
	},
	{
		name: "avro deflate", sets: both, killAgent: true, dedup: true, etl: avroListen,
		agent: func(s *site) []string { return append(avroSink(s, "k", 0, "compression-type=deflate"), "sinks=k") },
	},
	{
		name: "avro TLS", sets: both, killAgent: true, dedup: true, etl: avroTLS,
		agent: func(s *site) []string { return append(avroSink(s, "k", 0, trusting(s)...), "sinks=k") },
	},
	{
		name: "avro TLS deflate", sets: both, killAgent: true, dedup: true, etl: avroTLS,
		agent: func(s *site) []string {
			return append(avroSink(s, "k", 0, append(trusting(s), "compression-type=deflate")...), "sinks=k")
		},
	},
	{
		name: "avro failover", sets: both, etls: 2, killAgent: true, dedup: true, etl: avroListen,
		agent: func(s *site) []string {
			return two(s, "type=failover", "priority.k0=10", "priority.k1=5", "maxpenalty=2000")
		},
	},
	{
		name: "avro load_balance", sets: both, etls: 2, killAgent: true, dedup: true, etl: avroListen,
		agent: func(s *site) []string { return two(s, "type=load_balance", "selector=round_robin", "backoff=true") },
	},
	{
		name: "thrift compact", sets: both, killAgent: true, dedup: true, etl: thriftListen,
		agent: func(s *site) []string { return append(rpcSink(s, "thrift", "k", 0, "protocol=compact"), "sinks=k") },
	},
	{
		name: "thrift binary", sets: both, killAgent: true, dedup: true, etl: thriftListen,
		agent: func(s *site) []string { return append(rpcSink(s, "thrift", "k", 0, "protocol=binary"), "sinks=k") },
	},
	{
		name: "thrift TLS", sets: both, killAgent: true, dedup: true, etl: thriftTLS,
		agent: func(s *site) []string { return append(rpcSink(s, "thrift", "k", 0, trusting(s)...), "sinks=k") },
	},
	{
		name: "SparkSink", sets: spark, killAgent: true, dedup: true, etl: polls,
		agent: func(s *site) []string { return sparkSink(s) },
	},
	{
		// A memory channel loses its events with its agent, so the agent is not killed.
		name: "SparkSink memory", sets: spark, dedup: true, etl: polls,
		agent: func(s *site) []string {
			return sparkSink(s, "channels.c.type=memory", "channels.c.capacity=100000", "channels.c.transactionCapacity=1000")
		},
	},
	{
		name: "KafkaSink raw", sets: bothKafka, killAgent: true, etl: loads("raw"),
		agent: func(s *site) []string { return kafkaSink(s) },
	},
	{
		name: "KafkaSink flume", sets: bothKafka, killAgent: true, dedup: true, etl: loads("flume"),
		agent: func(s *site) []string { return kafkaSink(s, "sinks.k.useFlumeEventFormat=true") },
	},
	{
		name: "KafkaChannel", sets: bothKafka, killAgent: true, dedup: true, etl: loads("flume"),
		agent: func(s *site) []string {
			return []string{"channels.c.type=org.apache.flume.channel.kafka.KafkaChannel", "channels.c.kafka.topic=" + s.topic,
				"channels.c.kafka.bootstrap.servers=" + s.broker.Addr(), "channels.c.kafka.producer.acks=all"}
		},
	},
}

// TestReal_Kinds sends an access log end to end without any imitation, for each kind of sink: an agent's spooled files,
// its file channel, its sink, etl, Kafka, MariaDB. etl is killed meanwhile, and in some kinds the agent too.
func TestReal_Kinds(t *testing.T) {
	var sets []jvmtest.Set
	for _, k := range kinds {
		sets = append(sets, k.sets...)
	}
	jvmtest.Need(t, append(sets, jvmtest.Kafka)...)
	s := startServers(t)
	for _, k := range kinds {
		for _, set := range k.sets {
			t.Run(k.name+"/"+string(set), func(t *testing.T) { s.run(t, k, set) })
		}
	}
}

func (s *servers) run(t *testing.T, k kind, set jvmtest.Set) {
	ctx := etltest.Bounded(t, 3*time.Minute)
	began := time.Now()
	w := s.site(t, k.name+" "+string(set), max(k.etls, 1))
	options := func(n int) []string {
		o := k.etl(w, n)
		if k.dedup {
			o = append(o, "--dedup-header=id")
		}
		return o
	}
	var etls []*etltest.Process
	for n := range w.listen {
		etls = append(etls, w.start(t, options(n)))
	}
	etltest.Await(ctx, t, "etl is ready", func() bool {
		return !slices.ContainsFunc(etls, func(p *etltest.Process) bool { return !p.Ready(ctx) })
	})
	agent := jvmtest.StartAgent(t, set, w.spool.Properties(append([]string{
		"sources=s", "channels=c",
		"sources.s.type=spooldir", "sources.s.channels=c", "sources.s.spoolDir={dir}/in", "sources.s.pollDelay=100",
		"sources.s.deserializer.maxLineLength=100000",
		// The line's number is its event ID: a file that the agent reads again has the same ones.
		"sources.s.interceptors=i", "sources.s.interceptors.i.type=regex_extractor", `sources.s.interceptors.i.regex=(line-(\\d+))$`,
		"sources.s.interceptors.i.serializers=key id", "sources.s.interceptors.i.serializers.key.name=key", "sources.s.interceptors.i.serializers.id.name=id",
		"channels.c.type=file", "channels.c.checkpointDir={dir}/checkpoint", "channels.c.dataDirs={dir}/data",
		"channels.c.minimumRequiredSpace=1048576",
	}, k.agent(w)...)...))

	files := (len(s.lines) + fileLines - 1) / fileLines
	early := files / 2
	w.put(t, 0, early)
	etltest.Await(ctx, t, "some lines are counted", func() bool { return w.counted(ctx) > 1_000 })
	etls[0].Kill(t)
	at := w.counted(ctx)
	if len(etls) > 1 {
		etltest.Await(ctx, t, "the other etl counts more", func() bool { return w.counted(ctx) > at })
	}
	etls[0] = w.start(t, options(0))
	w.put(t, early, files)
	if k.killAgent {
		etltest.Await(ctx, t, "the agent reads the last files", func() bool { return read(ctx, agent) > early*fileLines })
		if err := agent.Kill(); err != nil {
			t.Fatal(err)
		}
		t.Logf("the agent was killed with %d counted", w.counted(ctx))
		if err := agent.Restart(ctx); err != nil {
			t.Fatal(err)
		}
	}
	etltest.Await(ctx, t, "every line is in Kafka", func() bool {
		if w.spool.Completed(t) < files {
			return false
		}
		copies, _ := w.records(ctx, t)
		return !slices.Contains(copies, 0)
	})
	if err := agent.Stop(); err != nil { // it sends nothing again
		t.Fatal(err)
	}
	etltest.Await(ctx, t, "everything is counted", func() bool {
		_, total := w.records(ctx, t)
		return w.counted(ctx) == total
	})
	w.compare(ctx, t, k.dedup)
	t.Logf("etl was killed with %d of %d lines counted; all of it took %v", at, len(s.lines), time.Since(began).Round(100*time.Millisecond))
	for _, p := range etls {
		p.Stop(ctx, t)
	}
}

// read returns how many lines the agent's source has written to the channel since it started.
func read(ctx context.Context, agent *jvmtest.Agent) int {
	counters, _ := agent.Counters(ctx)
	n, _ := strconv.Atoi(counters["SOURCE.s"]["EventAcceptedCount"])
	return n
}
