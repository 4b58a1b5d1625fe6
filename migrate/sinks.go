package migrate

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// What Flume takes where the file says nothing.
const (
	memoryTransaction = 100
	fileTransaction   = 10_000
	rpcBatch          = 100
	pollBatch         = 1000 // of etl
)

// transaction is the number of events that one transaction of a channel holds, and whether it is known.
func transaction(c *Component) (int, bool) {
	if c == nil {
		return 0, false
	}
	if n, err := strconv.Atoi(c.Get("transactionCapacity")); err == nil && n > 0 {
		return n, true
	}
	switch strings.ToLower(c.Type) {
	case "memory", "org.apache.flume.channel.memorychannel":
		return memoryTransaction, true
	case "file", "org.apache.flume.channel.file.filechannel":
		return fileTransaction, true
	}
	return 0, false
}

// channel says what becomes of a channel.
func (b *builder) channel(c *Component) {
	if kindOf(c) == ofKafkaChannel {
		if b.kafka(c, "consumer", []string{"kafka.topic", "topic"}, "flume-channel", "parseAsFlumeEvent", true) {
			b.kafka(c, "producer", nil, "", "", true)
			b.rest(c, ofKafkaChannel)
			b.begin(c)
		}
		return
	}
	if b.Replaced {
		b.all(c, NotNeeded, "Kafka takes the channel's place: an event has its OK when Kafka has it")
		return
	}
	b.all(c, Stays, "the agent keeps its channels")
}

// sink says what becomes of a sink.
func (b *builder) sink(c *Component) {
	of := kindOf(c)
	switch {
	case of != "" && b.behindKafka(c) && !b.Replaced:
		b.all(c, Changes, "drop it: etl reads the topic that its channel is, and would count what it sends once more")
		return
	case of != "" && b.behindKafka(c):
		b.all(c, NotNeeded, "etl reads the topic that its channel is")
		return
	case of == ofKafkaSink:
		b.kafkaSink(c)
	case b.Replaced && (of == ofAvroSink || of == ofThriftSink):
		b.all(c, Missing, "etl does not send on: events go into Kafka, and their counts into MySQL; if the next hop is an agent of yours, let etl take that one's place in its stead")
		return
	case of == ofAvroSink:
		b.rpc(c, "avro")
		b.rest(c, of)
	case of == ofThriftSink:
		b.rpc(c, "thrift")
		b.kerberos(c)
		b.protocolTrap(c)
		b.rest(c, of)
	case of == ofSparkSink:
		b.spark(c)
		b.rest(c, of)
	default:
		b.foreign(c)
		return
	}
	if !b.Replaced {
		b.batchTrap(c)
	}
}

// batchTrap tells of a batch that no transaction of the channel holds.
func (b *builder) batchTrap(c *Component) {
	ch := b.agent.component("channels", c.Get("channel"))
	name := "batch-size"
	if kindOf(c) == ofKafkaSink {
		name = "flumeBatchSize"
	}
	n, err := strconv.Atoi(cmp.Or(c.Get(name), strconv.Itoa(rpcBatch)))
	if most, ok := transaction(ch); ok && err == nil && n > most && kindOf(c) != ofSparkSink {
		b.look("%s is %d, and a transaction of channel %s holds %d: Flume fails when so many events wait; make transactionCapacity as large", c.Key(b.Agent, name), n, ch.Name, most)
	}
}

// rpc is an Avro or a Thrift sink: the agent sends to etl.
func (b *builder) rpc(c *Component, receiver string) {
	port := c.Get("port")
	if port == "" {
		b.look("%s is missing: Flume does not start without it", c.Key(b.Agent, "port"))
	} else {
		b.option(c.Key(b.Agent, "port"), "--"+receiver+"-listen", ":"+port)
	}
	if isTrue(c.Get("ssl")) {
		key := c.Key(b.Agent, "ssl")
		b.option(key, "--"+receiver+"-tls-cert", receiver+".pem")
		b.option(key, "--"+receiver+"-tls-key", receiver+"-key.pem")
		b.look("%s: etl needs a certificate that the agent trusts; take that of the collector which it sends to now, and convert it to PEM", key)
	}
}

// spark is a SparkSink: etl asks the agent.
func (b *builder) spark(c *Component) {
	host, port := c.Get("hostname"), c.Get("port")
	if port == "" {
		b.look("%s is missing: the sink does not start without it", c.Key(b.Agent, "port"))
		return
	}
	if a := address(host, port); strings.HasPrefix(a, ":") {
		b.look("%s: it listens on all addresses; write a host that etl reaches in place of %s", c.Key(b.Agent, "hostname"), strings.ToUpper(b.Agent)+"-HOST")
		host = strings.ToUpper(b.Agent) + "-HOST"
	}
	b.option(c.Key(b.Agent, "port"), "--poll", address(host, port))
	if c.Get("hostname") != "" {
		b.use(c.Key(b.Agent, "hostname"), "--poll")
	}
	ch := b.agent.component("channels", c.Get("channel"))
	n, ok := transaction(ch)
	switch {
	case !ok:
		b.look("--poll-batch: %d may be more than a transaction of channel %q holds; it must not be", pollBatch, c.Get("channel"))
	case n < pollBatch:
		b.pollBatch(c, ch, n)
	}
}

// pollBatch asks for as many events as the smallest channel's transaction holds.
func (b *builder) pollBatch(c, ch *Component, n int) {
	key := ch.Key(b.Agent, "transactionCapacity")
	if ch.Get("transactionCapacity") == "" {
		key = c.Key(b.Agent, "channel")
	}
	b.look("--poll-batch is %d: more than a transaction of channel %s holds would fail for ever", n, ch.Name)
	for i, o := range b.Options {
		if o.Name == "--poll-batch" {
			if was, err := strconv.Atoi(o.Value); err == nil && n < was {
				b.Options[i].Value = strconv.Itoa(n)
			}
			b.use(key, "--poll-batch")
			return
		}
	}
	b.option(key, "--poll-batch", strconv.Itoa(n))
}

// kafkaSink is a sink into the topic that etl loads, or writes in the agent's place.
func (b *builder) kafkaSink(c *Component) {
	if !b.kafka(c, "producer", []string{"kafka.topic", "topic"}, "default-flume-topic", "useFlumeEventFormat", false) {
		return
	}
	if c.Get("topicHeader") != "" || !strings.EqualFold(c.Get("allowTopicOverride"), "false") {
		b.look("%s: an event with a header %q went to the topic of that name; etl knows one topic", c.Key(b.Agent, "*"), cmp.Or(c.Get("topicHeader"), "topic"))
	}
	if !b.Replaced {
		if name, v := named(c, "kafka.producer.acks", "requiredAcks"); v == "all" || v == "-1" {
			b.say(Stays, c.Key(b.Agent, name), "")
		}
		if strings.EqualFold(c.Get("allowTopicOverride"), "false") {
			b.say(Stays, c.Key(b.Agent, "allowTopicOverride"), "")
		}
		b.rest(c, ofKafkaSink)
		return
	}
	b.keyed = true
	for _, p := range c.Properties {
		if r, ok := lookup(b.rules, ofKafkaSink, p.Name); ok && (r.Fate == Stays || r.Fate == Changes) && !b.done[p.Key] {
			b.say(NotNeeded, p.Key, "etl writes to Kafka in the sink's place, and waits for all replicas")
		}
	}
	b.rest(c, ofKafkaSink)
}

var jaasWord = regexp.MustCompile(`username\s*=\s*"([^"]*)"`)

// named is the first of the names that the file has for a property, and its value; the first of all where it has none.
// Flume 1.6's names come after those of later ones, which still take them.
func named(c *Component, names ...string) (name, value string) {
	for _, n := range names {
		if v := c.Get(n); v != "" {
			return n, v
		}
	}
	return names[0], ""
}

// kafka gives the options of a Kafka that a source, a channel or a sink names. Topic and format are the names of their
// properties; flume is whether the format holds where nothing is said. It is false where another Kafka has the options:
// then all of this one is told of.
func (b *builder) kafka(c *Component, beside string, topic []string, defaultTopic, format string, flume bool) bool {
	key := func(name string) string { return c.Key(b.Agent, name) }
	if name, v := named(c, "kafka.bootstrap.servers", "brokerList"); v != "" {
		if !b.option(key(name), "--kafka-brokers", strings.ReplaceAll(v, " ", "")) {
			b.all(c, Missing, "it belongs to that one more etl")
			return false
		}
	}
	if len(topic) > 0 {
		name, v := named(c, topic...)
		b.topics(key(name), v, defaultTopic)
		b.value(key(format), c.Get(format), flume)
	}
	p := "kafka." + beside + "."
	protocol := strings.ToUpper(c.Get(p + "security.protocol"))
	if strings.HasSuffix(protocol, "SSL") {
		b.on(key(p+"security.protocol"), "--kafka-tls")
	}
	m := strings.ToUpper(c.Get(p + "sasl.mechanism"))
	switch known := m == "PLAIN" || m == "SCRAM-SHA-256" || m == "SCRAM-SHA-512"; {
	case !strings.HasPrefix(protocol, "SASL"):
	case known:
		b.login(c, p, m)
	default:
		name := p + "security.protocol"
		if m != "" {
			name = p + "sasl.mechanism"
		}
		b.NoEquivalent = append(b.NoEquivalent, Finding{key(name), "Kerberos is not there; have a listener of Kafka's with SCRAM, and say --kafka-sasl"})
		b.done[key(name)] = true
	}
	if store := c.Get(p + "ssl.truststore.location"); store != "" {
		b.option(key(p+"ssl.truststore.location"), "--kafka-tls-ca", strings.TrimSuffix(store, path.Ext(store))+".pem")
		b.look("%s: keytool -exportcert -rfc -keystore %s -alias ALIAS writes a certificate of it as PEM", key(p+"ssl.truststore.location"), Quote(store))
	}
	if store := c.Get(p + "ssl.keystore.location"); store != "" {
		base := strings.TrimSuffix(store, path.Ext(store))
		b.option(key(p+"ssl.keystore.location"), "--kafka-tls-cert", base+".pem")
		b.option(key(p+"ssl.keystore.location"), "--kafka-tls-key", base+"-key.pem")
		b.Keystores = append(b.Keystores, store)
	}
	return true
}

// login gives the options of SASL with a user and a password.
func (b *builder) login(c *Component, p, mechanism string) {
	key := c.Key(b.Agent, p+"sasl.mechanism")
	b.option(key, "--kafka-sasl", mechanism)
	user := "USER"
	if m := jaasWord.FindStringSubmatch(c.Get(p + "sasl.jaas.config")); m != nil {
		key, user = c.Key(b.Agent, p+"sasl.jaas.config"), m[1]
		b.look("%s has a password: write it into a file, and name that with --kafka-password-file", key)
	} else {
		b.look("%s: user and password are in the file that the JVM's java.security.auth.login.config names; put them in place of USER, and into the file kafka-password", key)
	}
	b.option(key, "--kafka-user", user)
	b.option(key, "--kafka-password-file", "kafka-password")
}

// begin says where a job begins to read what Flume's consumer group read.
func (b *builder) begin(c *Component) {
	name, v := named(c, "kafka.consumer.auto.offset.reset", "readSmallestOffset")
	switch {
	case name == "readSmallestOffset" && v != "" && !isTrue(v):
		v = "latest"
	case name == "readSmallestOffset" && v != "":
		v = "earliest"
	}
	if v == "earliest" || v == "latest" {
		b.option(c.Key(b.Agent, name), "--start", v)
	}
	if v == "latest" {
		b.look("--start latest: Flume took it only where its group had no offset; etl would pass over what comes between Flume's last event and its own first start. Say the time at which you stop Flume instead, as in --start 2026-01-31T00:00:00Z")
		return
	}
	b.look("%s: etl reads what is in the topic from its beginning, that which Flume's group has read already as well; say a time with --start to begin elsewhere", c.Key(b.Agent, "*"))
}

func (b *builder) topics(key, value, otherwise string) {
	if strings.Contains(value, "%") {
		b.say(Missing, key, "it has an escape, so that there are several topics; etl knows one: name it with --kafka-topic")
		return
	}
	topics := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
	if len(topics) == 0 {
		if otherwise != "" {
			b.option(key, "--kafka-topic", otherwise)
		}
		return
	}
	b.option(key, "--kafka-topic", topics[0])
	if len(topics) > 1 {
		b.NoEquivalent = append(b.NoEquivalent, Finding{key, fmt.Sprintf("etl knows one topic, %s; run one more etl load, with a --job of its own, for each of %s", topics[0], strings.Join(topics[1:], ", "))})
	}
}

// value says what a record's value is.
func (b *builder) value(key, said string, flume bool) {
	if said != "" {
		flume = isTrue(said)
	}
	v := "raw"
	if flume {
		v = "flume"
	}
	b.option(key, "--kafka-value", v)
}
