package migrate

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"
)

// sinkTopic returns the topic of a Kafka sink. fixed is false if an event's header determines the topic.
func sinkTopic(c *Component) (topic string, fixed bool) {
	_, v := named(c, "kafka.topic", "topic")
	v = cmp.Or(v, "default-flume-topic")
	return v, !strings.Contains(v, "%")
}

// kafkaOf returns the Kafka options of a flow that etl replaces: those of its Kafka channel or Kafka sink, if it has one.
func (b *builder) kafkaOf(fl *flow) *unit {
	u := &unit{by: b}
	b.cur = u
	var first *Component
	for _, c := range fl.kinds(ofKafkaChannel, ofKafkaSink) {
		if first != nil {
			b.all(c, NotNeeded, "it writes to the same topic as "+b.names([]*Component{first})+", to which etl writes")
			continue
		}
		first = c
		u.Of = []string{c.Kind + "." + c.Name}
		if kindOf(c) == ofKafkaChannel {
			b.kafkaChannel(c, u, true)
		} else {
			b.kafkaSink(c, u, true)
		}
	}
	return u
}

// kafkaChannel adds the options of a Kafka channel's topic.
func (b *builder) kafkaChannel(c *Component, u *unit, replaced bool) {
	u.name, u.keyed = c.Name, b.names([]*Component{c})
	b.kafka(c, u, "consumer", []string{"kafka.topic", "topic"}, "flume-channel", "parseAsFlumeEvent", true)
	b.kafkaClient(c, "producer")
	b.kafkaHostNames(c, "consumer", "producer")
	if !replaced {
		b.channelAcks(c)
	}
	b.startOffset(c)
	b.remaining(c, ofKafkaChannel, replaced)
}

// channelAcks checks which acks a Kafka channel waits for: all by default.
func (b *builder) channelAcks(c *Component) {
	key := c.Key(b.Agent, "kafka.producer.acks")
	switch c.Get("kafka.producer.acks") {
	case "":
	case "all", "-1":
		b.report(Keep, key, "")
	default:
		b.report(Change, key, "set it to all, otherwise records are lost when a broker fails")
	}
}

// kafkaSink adds the options of a Kafka sink's topic, for a command that reads it, or writes to it instead of the sink.
func (b *builder) kafkaSink(c *Component, u *unit, replaced bool) {
	u.name, u.keyed = c.Name, b.names([]*Component{c})
	b.kafka(c, u, "producer", []string{"kafka.topic", "topic"}, "default-flume-topic", "useFlumeEventFormat", false)
	b.kafkaHostNames(c, "producer")
	if c.Get("topicHeader") != "" || !strings.EqualFold(c.Get("allowTopicOverride"), "false") {
		b.note("%s: an event with a header %q went to the topic that the header names; etl uses one topic", c.Key(b.Agent, "*"), cmp.Or(c.Get("topicHeader"), "topic"))
	}
	b.startOffset(c)
	if !replaced {
		b.sinkAcks(c)
		b.sinkStays(c)
		return
	}
	for _, p := range c.Properties {
		if r, ok := lookup(b.rules, ofKafkaSink, p.Name); ok && (r.Outcome == Keep || r.Outcome == Change) && !b.done[p.Key] {
			b.report(NotNeeded, p.Key, "etl writes to Kafka in place of the sink, with acks=all")
		}
	}
	b.remaining(c, ofKafkaSink, true)
}

func (b *builder) sinkStays(c *Component) {
	if strings.EqualFold(c.Get("allowTopicOverride"), "false") {
		b.report(Keep, c.Key(b.Agent, "allowTopicOverride"), "")
	}
	b.remaining(c, ofKafkaSink, false)
}

// sinkAcks checks which acks a Kafka sink waits for: 1 by default.
func (b *builder) sinkAcks(c *Component) {
	name, v := named(c, "kafka.producer.acks", "requiredAcks")
	switch key := c.Key(b.Agent, name); v {
	case "all", "-1":
		b.report(Keep, key, "")
	case "":
		b.report(Change, key, "set it to all: it is not set, and with Flume's default, 1, records are lost when a broker fails")
	default:
		b.report(Change, key, "set it to all instead of "+v+", otherwise records are lost when a broker fails")
	}
}

var jaasWord = regexp.MustCompile(`username\s*=\s*"([^"]*)"`)

// named returns the first of the names that the file uses for a property, and its value, or the first of all if it uses none.
// Flume 1.6's names come after those of later releases, which still accept them.
func named(c *Component, names ...string) (name, value string) {
	for _, n := range names {
		if v := c.Get(n); v != "" {
			return n, v
		}
	}
	return names[0], ""
}

// kafka adds the options of the Kafka that a source, a channel or a sink names. topic and format are the names of those
// properties; flume is the default of the format.
func (b *builder) kafka(c *Component, u *unit, client string, topic []string, defaultTopic, format string, flume bool) {
	name, brokers := named(c, "kafka.bootstrap.servers", "brokerList")
	brokers = strings.Join(strings.Fields(strings.ReplaceAll(brokers, ",", " ")), ",")
	if brokers != "" {
		b.option(c.Key(b.Agent, name), "--kafka-brokers", brokers)
	} else if u.zk = c.Get("zookeeperConnect"); u.zk != "" {
		b.report(NotNeeded, c.Key(b.Agent, "zookeeperConnect"), "etl connects to the brokers, which the file does not name: set --kafka-brokers")
	}
	if len(topic) > 0 {
		name, value := named(c, topic...)
		b.topic(c.Key(b.Agent, name), value, defaultTopic)
	}
	b.value(c.Key(b.Agent, format), c.Get(format), flume)
	b.kafkaClient(c, client)
	u.stream = streamOf(brokers, u.zk, u.Get("--kafka-topic"))
}

// streamOf identifies a topic and its Kafka.
func streamOf(brokers, zk, topic string) string {
	list := strings.Split(brokers, ",")
	slices.Sort(list)
	return strings.Join(list, ",") + " " + zk + " " + topic
}

// hostNames is the property of Kafka's Java client that controls the verification of host names; empty turns it off.
const hostNames = "ssl.endpoint.identification.algorithm"

// kafkaClient adds the options for TLS and login from the properties of a consumer or a producer.
func (b *builder) kafkaClient(c *Component, client string) {
	key := func(name string) string { return c.Key(b.Agent, name) }
	p := "kafka." + client + "."
	protocol := strings.ToUpper(c.Get(p + "security.protocol"))
	if strings.HasSuffix(protocol, "SSL") {
		b.addSwitch(key(p+"security.protocol"), "--kafka-tls")
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
		b.NoEquivalent = append(b.NoEquivalent, Finding{key(name), "Kerberos is not supported; add a SCRAM listener to Kafka, and set --kafka-sasl"})
		b.done[key(name)] = true
	}
	if store := c.Get(p + "ssl.truststore.location"); store != "" {
		b.option(key(p+"ssl.truststore.location"), "--kafka-tls-ca", strings.TrimSuffix(store, path.Ext(store))+".pem")
		b.note("%s: keytool -exportcert -rfc -keystore %s -alias ALIAS writes one of its certificates as PEM", key(p+"ssl.truststore.location"), Quote(store))
	}
	if store := c.Get(p + "ssl.keystore.location"); store != "" {
		base := strings.TrimSuffix(store, path.Ext(store))
		b.option(key(p+"ssl.keystore.location"), "--kafka-tls-cert", base+".pem")
		b.option(key(p+"ssl.keystore.location"), "--kafka-tls-key", base+"-key.pem")
		b.keystore(store)
	}
}

// kafkaHostNames notes an empty ssl.endpoint.identification.algorithm, which would turn off the verification of host names
// in Kafka's client. Flume ignores properties without a value (FlumeConfiguration.addRawProperty of 1.9), so its client never
// sees it.
func (b *builder) kafkaHostNames(c *Component, clients ...string) {
	if !b.cur.Has("--kafka-tls") {
		return
	}
	for _, client := range clients {
		key := c.Key(b.Agent, "kafka."+client+"."+hostNames)
		if b.agent.hasKey(key) && c.Get("kafka."+client+"."+hostNames) == "" {
			b.note("%s is empty: Flume ignores such a line, so host names are verified, by Kafka's client since 2.0 and by etl; if the brokers' certificates contain no host names, add --kafka-tls-verify verify-ca and --kafka-tls-ca", key)
		}
	}
}

// login adds the options for SASL with a user and a password.
func (b *builder) login(c *Component, p, mechanism string) {
	key := c.Key(b.Agent, p+"sasl.mechanism")
	b.option(key, "--kafka-sasl", mechanism)
	user, file := "", "kafka-password-"+jobName(c.Name)
	if m := jaasWord.FindStringSubmatch(c.Get(p + "sasl.jaas.config")); m != nil {
		key, user = c.Key(b.Agent, p+"sasl.jaas.config"), m[1]
		b.note("%s contains a password: write it to the file %s", key, file)
	} else {
		name := b.planner.names.name("KAFKA_USER", b.Agent+" "+c.Kind+" "+c.Name)
		user = "${" + name + "}"
		b.cur.needs(name, "the user for Kafka")
		b.note("%s: %s: the user and the password are in the file that the JVM's java.security.auth.login.config names; set the variable to the user, and write the password to the file %s", name, key, file)
	}
	b.option(key, "--kafka-user", user)
	b.option(key, "--kafka-password-file", file)
}

// startOffset translates where a job starts to read an existing topic.
func (b *builder) startOffset(c *Component) {
	name, v := named(c, "kafka.consumer.auto.offset.reset", "readSmallestOffset")
	switch {
	case kindOf(c) == ofKafkaSink:
		v = ""
	case name == "readSmallestOffset" && v != "" && !isTrue(v):
		v = "latest"
	case name == "readSmallestOffset" && v != "":
		v = "earliest"
	}
	if v == "earliest" || v == "latest" {
		b.option(c.Key(b.Agent, name), "--start", v)
	}
	if v == "latest" {
		b.note("--start latest: Flume used it only if its group had no offset; etl would skip the events between Flume's last one and its own first start. Instead, give the time at which you stop Flume, such as --start 2026-01-31T00:00:00Z")
		return
	}
	b.note("%s: etl reads the topic from its beginning, including records that others have already read; to start elsewhere, give a time with --start", c.Key(b.Agent, "*"))
}

// topic adds the option for the topic's name.
func (b *builder) topic(key, value, otherwise string) {
	switch {
	case strings.Contains(value, "%"):
		b.report(NoEquivalent, key, "it contains an escape sequence, so there are several topics; etl uses one: set --kafka-topic")
	case cmp.Or(value, otherwise) != "":
		b.option(key, "--kafka-topic", cmp.Or(value, otherwise))
	}
}

// value adds the option for the format of records' values.
func (b *builder) value(key, set string, flume bool) {
	if set != "" {
		flume = isTrue(set)
	}
	v := "raw"
	if flume {
		v = "flume"
	}
	b.option(key, "--kafka-value", v)
}

// kafkaSource creates a command for each topic of a source.
func (b *builder) kafkaSource(c *Component, u *unit) (more []*unit) {
	u.own = true
	name, value := named(c, "kafka.topics", "topic")
	topics := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	slices.Sort(topics)
	topics = slices.Compact(topics)
	b.kafka(c, u, "consumer", nil, "", "useFlumeEventFormat", false)
	b.kafkaHostNames(c, "consumer")
	b.startOffset(c)
	key := c.Key(b.Agent, name)
	if len(topics) == 0 {
		if c.Get("kafka.topics.regex") != "" {
			key = c.Key(b.Agent, "kafka.topics.regex")
			b.report(NoEquivalent, key, "etl reads one topic; run one command for each topic that the expression matches, each with its own --job")
		} else {
			b.note("%s is missing: Flume does not start without it", key)
		}
		variable := b.planner.names.name("KAFKA_TOPIC", b.Agent+" "+c.Name)
		u.ask("--kafka-topic", variable, "the name of a topic")
		u.asked = append(u.asked, variable+": the file names no topic for "+b.names([]*Component{c})+"; set the variable to one")
		u.stream = ""
		return nil
	}
	const most = 16
	brokers := u.Get("--kafka-brokers")
	base := slices.Clone(u.Options)
	for i, topic := range topics[:min(len(topics), most)] {
		m := u
		if i > 0 {
			m = &unit{by: b, name: u.name, own: true, zk: u.zk, Command: Command{Of: slices.Clone(u.Of), Options: slices.Clone(base)}}
			m.needsOf(u)
			more = append(more, m)
		}
		b.cur = m
		b.option(key, "--kafka-topic", topic)
		m.stream = streamOf(brokers, u.zk, topic)
	}
	b.cur = u
	if len(topics) > most {
		b.NoEquivalent = append(b.NoEquivalent, Finding{key, "commands are printed for the first 16 topics; run etl load in the same way for the others, each with its own --job"})
	}
	return more
}
