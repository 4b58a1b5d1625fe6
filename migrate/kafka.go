package migrate

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"
)

// sinkTopic is the topic of a Kafka sink, and whether it is one: not where an event's header chooses it.
func sinkTopic(c *Component) (topic string, fixed bool) {
	_, v := named(c, "kafka.topic", "topic")
	v = cmp.Or(v, "default-flume-topic")
	return v, !strings.Contains(v, "%")
}

// kafkaOf is the Kafka that etl writes in a flow's place: that of its Kafka channel or Kafka sink, if it has one.
func (b *builder) kafkaOf(fl *flow) *unit {
	u := &unit{by: b}
	b.cur = u
	var first *Component
	for _, c := range fl.kinds(ofKafkaChannel, ofKafkaSink) {
		if first != nil {
			b.all(c, NotNeeded, "it writes the topic of "+b.names([]*Component{first})+", which etl writes")
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

// kafkaChannel gives the options of the topic that a channel is.
func (b *builder) kafkaChannel(c *Component, u *unit, replaced bool) {
	u.name, u.keyed = c.Name, b.names([]*Component{c})
	b.kafka(c, u, "consumer", []string{"kafka.topic", "topic"}, "flume-channel", "parseAsFlumeEvent", true)
	b.kafkaClient(c, "producer")
	b.kafkaHostNames(c, "consumer", "producer")
	if !replaced {
		b.channelAcks(c)
	}
	b.begin(c)
	b.rest(c, ofKafkaChannel, replaced)
}

// channelAcks looks at what a Kafka channel waits for: all replicas by default.
func (b *builder) channelAcks(c *Component) {
	key := c.Key(b.Agent, "kafka.producer.acks")
	switch c.Get("kafka.producer.acks") {
	case "":
	case "all", "-1":
		b.say(Stays, key, "")
	default:
		b.say(Changes, key, "all, or what a broker loses is lost")
	}
}

// kafkaSink gives the options of the topic that a sink writes, for a command that reads it, or writes it instead.
func (b *builder) kafkaSink(c *Component, u *unit, replaced bool) {
	u.name, u.keyed = c.Name, b.names([]*Component{c})
	b.kafka(c, u, "producer", []string{"kafka.topic", "topic"}, "default-flume-topic", "useFlumeEventFormat", false)
	b.kafkaHostNames(c, "producer")
	if c.Get("topicHeader") != "" || !strings.EqualFold(c.Get("allowTopicOverride"), "false") {
		b.look("%s: an event with a header %q went to the topic of that name; etl knows one topic", c.Key(b.Agent, "*"), cmp.Or(c.Get("topicHeader"), "topic"))
	}
	b.begin(c)
	if !replaced {
		b.sinkAcks(c)
		b.sinkStays(c)
		return
	}
	for _, p := range c.Properties {
		if r, ok := lookup(b.rules, ofKafkaSink, p.Name); ok && (r.Fate == Stays || r.Fate == Changes) && !b.done[p.Key] {
			b.say(NotNeeded, p.Key, "etl writes to Kafka in the sink's place, and waits for all replicas")
		}
	}
	b.rest(c, ofKafkaSink, true)
}

func (b *builder) sinkStays(c *Component) {
	if strings.EqualFold(c.Get("allowTopicOverride"), "false") {
		b.say(Stays, c.Key(b.Agent, "allowTopicOverride"), "")
	}
	b.rest(c, ofKafkaSink, false)
}

// sinkAcks looks at what a Kafka sink waits for: one broker by default.
func (b *builder) sinkAcks(c *Component) {
	name, v := named(c, "kafka.producer.acks", "requiredAcks")
	switch key := c.Key(b.Agent, name); v {
	case "all", "-1":
		b.say(Stays, key, "")
	case "":
		b.say(Changes, key, "all: it is not set, and Flume's default is 1, so that what one broker loses is lost")
	default:
		b.say(Changes, key, "all instead of "+v+", or what a broker loses is lost")
	}
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
// properties; flume is the default of the format.
func (b *builder) kafka(c *Component, u *unit, client string, topic []string, defaultTopic, format string, flume bool) {
	name, brokers := named(c, "kafka.bootstrap.servers", "brokerList")
	brokers = strings.Join(strings.Fields(strings.ReplaceAll(brokers, ",", " ")), ",")
	if brokers != "" {
		b.option(c.Key(b.Agent, name), "--kafka-brokers", brokers)
	} else if u.zk = c.Get("zookeeperConnect"); u.zk != "" {
		b.say(NotNeeded, c.Key(b.Agent, "zookeeperConnect"), "etl asks the brokers, which --kafka-brokers must name: the file does not")
	}
	if len(topic) > 0 {
		name, value := named(c, topic...)
		b.topic(c.Key(b.Agent, name), value, defaultTopic)
	}
	b.value(c.Key(b.Agent, format), c.Get(format), flume)
	b.kafkaClient(c, client)
	u.stream = streamOf(brokers, u.zk, u.Get("--kafka-topic"))
}

// streamOf names a topic of a Kafka.
func streamOf(brokers, zk, topic string) string {
	list := strings.Split(brokers, ",")
	slices.Sort(list)
	return strings.Join(list, ",") + " " + zk + " " + topic
}

// hostNames is the property of Kafka's Java client that says how host names are verified; empty turns that off.
const hostNames = "ssl.endpoint.identification.algorithm"

// kafkaClient gives the options of TLS and login, of the properties of a consumer or a producer.
func (b *builder) kafkaClient(c *Component, client string) {
	key := func(name string) string { return c.Key(b.Agent, name) }
	p := "kafka." + client + "."
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
		b.keystore(store)
	}
}

// kafkaHostNames tells of an empty ssl.endpoint.identification.algorithm, which turns the verification of host names off
// in Kafka's client. Flume leaves properties without a value out (FlumeConfiguration.addRawProperty of 1.9), so that its
// client has never seen it.
func (b *builder) kafkaHostNames(c *Component, clients ...string) {
	if !b.cur.Has("--kafka-tls") {
		return
	}
	for _, client := range clients {
		key := c.Key(b.Agent, "kafka."+client+"."+hostNames)
		if b.agent.says(key) && c.Get("kafka."+client+"."+hostNames) == "" {
			b.look("%s is empty: Flume ignores such a line, so host names are verified, by Kafka's client since 2.0 and by etl; where the brokers' certificates carry none, add --kafka-tls-verify verify-ca and --kafka-tls-ca", key)
		}
	}
}

// login gives the options of SASL with a user and a password.
func (b *builder) login(c *Component, p, mechanism string) {
	key := c.Key(b.Agent, p+"sasl.mechanism")
	b.option(key, "--kafka-sasl", mechanism)
	user, file := "", "kafka-password-"+jobName(c.Name)
	if m := jaasWord.FindStringSubmatch(c.Get(p + "sasl.jaas.config")); m != nil {
		key, user = c.Key(b.Agent, p+"sasl.jaas.config"), m[1]
		b.look("%s has a password: write it into the file %s", key, file)
	} else {
		name := b.planner.names.name("KAFKA_USER", b.Agent+" "+c.Kind+" "+c.Name)
		user = "${" + name + "}"
		b.cur.needs(name, "the user for Kafka")
		b.look("%s: %s: user and password are in the file that the JVM's java.security.auth.login.config names; set the variable, and write the password into the file %s", name, key, file)
	}
	b.option(key, "--kafka-user", user)
	b.option(key, "--kafka-password-file", file)
}

// begin says where a job begins to read what is in a topic already.
func (b *builder) begin(c *Component) {
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
		b.look("--start latest: Flume took it only where its group had no offset; etl would pass over what comes between Flume's last event and its own first start. Say the time at which you stop Flume instead, as in --start 2026-01-31T00:00:00Z")
		return
	}
	b.look("%s: etl reads what is in the topic from its beginning, what others have read already as well; say a time with --start to begin elsewhere", c.Key(b.Agent, "*"))
}

// topic gives the option of a topic's name.
func (b *builder) topic(key, value, otherwise string) {
	switch {
	case strings.Contains(value, "%"):
		b.say(Missing, key, "it has an escape, so that there are several topics; etl knows one: name it with --kafka-topic")
	case cmp.Or(value, otherwise) != "":
		b.option(key, "--kafka-topic", cmp.Or(value, otherwise))
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

// kafkaSource gives a command for each topic of a source.
func (b *builder) kafkaSource(c *Component, u *unit) (more []*unit) {
	u.own = true
	name, value := named(c, "kafka.topics", "topic")
	topics := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	slices.Sort(topics)
	topics = slices.Compact(topics)
	b.kafka(c, u, "consumer", nil, "", "useFlumeEventFormat", false)
	b.kafkaHostNames(c, "consumer")
	b.begin(c)
	key := c.Key(b.Agent, name)
	if len(topics) == 0 {
		if c.Get("kafka.topics.regex") != "" {
			key = c.Key(b.Agent, "kafka.topics.regex")
			b.say(Missing, key, "etl reads one topic; run the command once for each topic that the expression matches, with a --job of its own")
		} else {
			b.look("%s is missing: Flume does not start without it", key)
		}
		variable := b.planner.names.name("KAFKA_TOPIC", b.Agent+" "+c.Name)
		u.ask("--kafka-topic", variable, "the name of a topic")
		u.asked = append(u.asked, variable+": the file names no topic for "+b.names([]*Component{c})+"; set it to one")
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
			m.takes(u)
			more = append(more, m)
		}
		b.cur = m
		b.option(key, "--kafka-topic", topic)
		m.stream = streamOf(brokers, u.zk, topic)
	}
	b.cur = u
	if len(topics) > most {
		b.NoEquivalent = append(b.NoEquivalent, Finding{key, "commands are printed for the first 16 topics; run etl load likewise for the others, each with a --job of its own"})
	}
	return more
}
