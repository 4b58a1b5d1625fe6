package migrate

import "strings"

// Fate is what becomes of a property of Flume's.
type Fate uint8

// The fates.
const (
	Becomes   Fate = iota // an option of etl does it
	Stays                 // it stays in the agent as it is
	Changes               // it is changed in the agent
	NotNeeded             // etl does it by itself, or has no use for it
	Missing               // nothing of etl does it
)

// String is the fate as documentation has it.
func (f Fate) String() string {
	return [...]string{"option", "stays in the agent", "changes in the agent", "not needed", "not there"}[f]
}

// Rule says what becomes of one property of one kind of component.
type Rule struct {
	// Of is the component: "source avro". Key is the property; one that ends in * is a beginning.
	Of, Key string
	Fate    Fate
	// Options are those of etl that do it, where Fate is Becomes.
	Options []string
	// Text is why, or what to do instead.
	Text string
}

func opt(of, key, text string, options ...string) Rule {
	return Rule{Of: of, Key: key, Fate: Becomes, Options: options, Text: text}
}
func say(of, key string, fate Fate, text string) Rule {
	return Rule{Of: of, Key: key, Fate: fate, Text: text}
}

const (
	ofAvro, ofThrift, ofHTTP    = "source avro", "source thrift", "source http"
	ofSyslogTCP, ofMultiport    = "source syslogtcp", "source multiport_syslogtcp"
	ofSyslogUDP                 = "source syslogudp"
	ofNetcat, ofNetcatUDP       = "source netcat", "source netcatudp"
	ofKafkaSource, ofSpooldir   = "source kafka", "source spooldir"
	ofKafkaChannel, ofAnySource = "channel KafkaChannel", "source (any)"
	ofAvroSink, ofThriftSink    = "sink avro", "sink thrift"
	ofSparkSink, ofKafkaSink    = "sink SparkSink", "sink KafkaSink"
	serverSuites                = "Go's own choice of ciphers is taken"
	serverProtocols             = "TLS from 1.2 on is spoken; the receiver's -tls-min-version and -tls-max-version say otherwise"
	oneTopic                    = "etl writes one topic"
)

// Rules is what becomes of each property that Flume's user guide names. It is not changed by anybody.
func Rules() []Rule {
	r := []Rule{
		say(ofAnySource, "type", NotNeeded, "it chose the rules of this table"),
		say(ofAnySource, "channels", NotNeeded, "etl has one channel: Kafka"),
		say(ofAnySource, "selector.*", Missing, "every event goes into one topic; tell events apart in the query, WHERE header('NAME') = …, or run one etl for each"),
		opt(ofAnySource, "interceptors", "", "--dedup-header"),
		opt(ofAnySource, "interceptors.*", "a UUIDInterceptor's header; etl changes no event, so keep other interceptors at the agents that send, or say it in the query", "--dedup-header"),
		say(ofAnySource, "batchSize", NotNeeded, "etl makes its own batches"),

		opt(ofAvro, "bind", "an address of 0.0.0.0 is left out", "--avro-listen"),
		opt(ofAvro, "port", "", "--avro-listen"),
		say(ofAvro, "threads", NotNeeded, "connections cost no threads; Flume 1.10 and later ignore it too"),
		say(ofAvro, "maxIoWorkers", NotNeeded, "connections cost no threads; Flume 1.10 and later ignore it too"),
		say(ofAvro, "compression-type", NotNeeded, "deflate is recognised by its first byte, on the same port"),
		say(ofAvro, "compression-level", NotNeeded, "the sender chooses it"),
		opt(ofAvro, "ipFilter", "", "--ip-filter"),
		opt(ofAvro, "ipFilterRules", "same words; --ip-filter holds for all receivers", "--ip-filter"),

		opt(ofThrift, "bind", "an address of 0.0.0.0 is left out", "--thrift-listen"),
		opt(ofThrift, "port", "", "--thrift-listen"),
		say(ofThrift, "threads", NotNeeded, "connections cost no threads"),
		say(ofThrift, "protocol", NotNeeded, "compact and binary are recognised by the first byte"),
		say(ofThrift, "kerberos", Missing, "use TLS, and --ip-filter to say who may send: Flume's Thrift sink can show no certificate"),
		say(ofThrift, "agent-principal", Missing, "no Kerberos; use TLS"),
		say(ofThrift, "agent-keytab", Missing, "no Kerberos; use TLS"),

		opt(ofHTTP, "bind", "an address of 0.0.0.0 is left out", "--http-listen"),
		opt(ofHTTP, "port", "", "--http-listen"),
		say(ofHTTP, "handler", NotNeeded, "JSONHandler is what etl speaks; for BLOBHandler or one of your own, send JSON"),
		say(ofHTTP, "handler.*", Missing, "options of a handler other than JSONHandler"),
		say(ofHTTP, "QueuedThreadPool.*", NotNeeded, "options of Jetty"),
		say(ofHTTP, "HttpConfiguration.*", NotNeeded, "options of Jetty"),
		say(ofHTTP, "SslContextFactory.*", NotNeeded, "options of Jetty"),
		say(ofHTTP, "ServerConnector.*", NotNeeded, "options of Jetty"),

		opt(ofSyslogTCP, "host", "an address of 0.0.0.0 is left out", "--syslog-tcp-listen"),
		opt(ofSyslogTCP, "port", "", "--syslog-tcp-listen"),
		opt(ofMultiport, "host", "an address of 0.0.0.0 is left out", "--syslog-tcp-listen"),
		opt(ofMultiport, "ports", "a command for each, or send all to the first", "--syslog-tcp-listen"),
		opt(ofSyslogUDP, "host", "an address of 0.0.0.0 is left out", "--syslog-udp-listen"),
		opt(ofSyslogUDP, "port", "", "--syslog-udp-listen"),

		opt(ofNetcat, "bind", "an address of 0.0.0.0 is left out", "--netcat-listen"),
		opt(ofNetcat, "port", "", "--netcat-listen"),
		opt(ofNetcat, "max-line-length", "512 in both where nothing is said", "--netcat-max-line-bytes"),
		say(ofNetcat, "ack-every-event", NotNeeded, "true is what etl does"),
		say(ofNetcat, "encoding", NotNeeded, "UTF-8 is what etl reads"),
		opt(ofNetcatUDP, "bind", "an address of 0.0.0.0 is left out", "--netcat-udp-listen"),
		opt(ofNetcatUDP, "port", "", "--netcat-udp-listen"),
		say(ofNetcatUDP, "remoteAddressHeader", Missing, "the header of the sender's address is not there"),
		say(ofNetcatUDP, "remoteAddress", Missing, "the header of the sender's address; Flume itself breaks where it is not set"),

		opt(ofKafkaSource, "kafka.bootstrap.servers", "", "--kafka-brokers"),
		opt(ofKafkaSource, "kafka.topics", "an etl load for each topic, with a job of its own", "--kafka-topic"),
		say(ofKafkaSource, "kafka.topics.regex", Missing, "an etl load for each topic that it matches, each with a job of its own"),
		say(ofKafkaSource, "kafka.consumer.group.id", NotNeeded, "progress is kept in MySQL, under the name of --job; nothing is taken over from the group"),
		opt(ofKafkaSource, "topic", "Flume 1.6's name of kafka.topics", "--kafka-topic"),
		say(ofKafkaSource, "groupId", NotNeeded, "Flume 1.6's name of kafka.consumer.group.id"),
		opt(ofKafkaSource, "useFlumeEventFormat", "true is flume, false is raw", "--kafka-value"),
		opt(ofKafkaSource, "kafka.consumer.auto.offset.reset", "where a job without a checkpoint begins", "--start"),
		say(ofKafkaSource, "batchDurationMillis", NotNeeded, "--batch-interval has a good default"),
		say(ofKafkaSource, "backoffSleepIncrement", NotNeeded, "pauses grow by themselves"),
		say(ofKafkaSource, "maxBackoffSleep", NotNeeded, "pauses grow by themselves"),
		say(ofKafkaSource, "setTopicHeader", NotNeeded, "the query has _topic"),
		say(ofKafkaSource, "topicHeader", NotNeeded, "the query has _topic"),
		say(ofKafkaSource, "header.*", NotNeeded, "the query has header('NAME'), under the name that the record's header has"),
		say(ofKafkaSource, "migrateZookeeperOffsets", NotNeeded, "progress is kept in MySQL"),
		say(ofKafkaSource, "zookeeperConnect", NotNeeded, "the brokers know; name them with --kafka-brokers"),

		opt(ofSpooldir, "spoolDir", "--watch-state is the folder where progress is kept", "--watch-dir", "--watch-state"),
		say(ofSpooldir, "fileSuffix", NotNeeded, "etl renames nothing; move away what Flume has renamed before etl starts"),
		say(ofSpooldir, "deletePolicy", Missing, "etl deletes nothing; delete files once the status page says that nothing waits"),
		say(ofSpooldir, "fileHeader", NotNeeded, "each event has the header file"),
		say(ofSpooldir, "fileHeaderKey", NotNeeded, "the header is file"),
		say(ofSpooldir, "basenameHeader", NotNeeded, "each event has the header basename"),
		say(ofSpooldir, "basenameHeaderKey", NotNeeded, "the header is basename"),
		say(ofSpooldir, "includePattern", Missing, "every file is read but those that begin with . or _; move into the folder what is to be read"),
		say(ofSpooldir, "ignorePattern", Missing, "every file is read but those that begin with . or _; move into the folder what is to be read"),
		say(ofSpooldir, "trackerDir", NotNeeded, "--watch-state has the progress"),
		say(ofSpooldir, "trackingPolicy", NotNeeded, "--watch-state has the progress"),
		say(ofSpooldir, "consumeOrder", NotNeeded, "older files come first"),
		say(ofSpooldir, "pollDelay", NotNeeded, "--watch-interval has a good default"),
		say(ofSpooldir, "recursiveDirectorySearch", Missing, "folders within are left out; name each with --watch-dir"),
		say(ofSpooldir, "maxBackoff", NotNeeded, "pauses grow by themselves"),
		say(ofSpooldir, "inputCharset", Missing, "bytes are kept as they come; have the files written in UTF-8"),
		say(ofSpooldir, "decodeErrorPolicy", NotNeeded, "bytes are kept as they come"),
		say(ofSpooldir, "deserializer", NotNeeded, "LINE is what etl reads"),
		say(ofSpooldir, "deserializer.maxLineLength", NotNeeded, "a line of up to --watch-max-line-bytes is one event"),
		say(ofSpooldir, "deserializer.outputCharset", NotNeeded, "bytes are kept as they come"),
		say(ofSpooldir, "deserializer.*", Missing, "options of a deserializer other than LINE"),
		say(ofSpooldir, "bufferMaxLines", NotNeeded, "Flume itself ignores it"),
		say(ofSpooldir, "bufferMaxLineLength", NotNeeded, "a line of up to --watch-max-line-bytes is one event"),

		opt(ofKafkaChannel, "kafka.bootstrap.servers", "", "--kafka-brokers"),
		opt(ofKafkaChannel, "kafka.topic", "Flume's default is flume-channel", "--kafka-topic"),
		opt(ofKafkaChannel, "brokerList", "Flume 1.6's name of kafka.bootstrap.servers", "--kafka-brokers"),
		opt(ofKafkaChannel, "topic", "Flume 1.6's name of kafka.topic", "--kafka-topic"),
		say(ofKafkaChannel, "groupId", NotNeeded, "Flume 1.6's name of kafka.consumer.group.id"),
		opt(ofKafkaChannel, "readSmallestOffset", "Flume 1.6's: true is earliest, false is latest", "--start"),
		opt(ofKafkaChannel, "parseAsFlumeEvent", "true, Flume's default, is flume; false is raw", "--kafka-value"),
		say(ofKafkaChannel, "type", NotNeeded, "it chose the rules of this table"),
		say(ofKafkaChannel, "kafka.consumer.group.id", NotNeeded, "progress is kept in MySQL, under the name of --job; nothing is taken over from the group"),
		opt(ofKafkaChannel, "kafka.consumer.auto.offset.reset", "where a job without a checkpoint begins", "--start"),
		say(ofKafkaChannel, "pollTimeout", NotNeeded, "fetches wait by themselves"),
		say(ofKafkaChannel, "kafka.pollTimeout", NotNeeded, "fetches wait by themselves"),
		say(ofKafkaChannel, "defaultPartitionId", Missing, "records are spread by their key; see --kafka-key"),
		say(ofKafkaChannel, "partitionIdHeader", Missing, "records are spread by their key; see --kafka-key"),
		say(ofKafkaChannel, "migrateZookeeperOffsets", NotNeeded, "progress is kept in MySQL"),
		say(ofKafkaChannel, "zookeeperConnect", NotNeeded, "the brokers know; name them with --kafka-brokers"),

		say(ofAvroSink, "type", Stays, ""),
		say(ofAvroSink, "channel", Stays, ""),
		say(ofAvroSink, "hostname", Changes, "the host of etl"),
		opt(ofAvroSink, "port", "or set it to the port of an etl that runs already", "--avro-listen"),
		say(ofAvroSink, "batch-size", Stays, "it is also a request's events; --avro-max-batch-events bounds it"),
		say(ofAvroSink, "connect-timeout", Stays, "leave it above --ack-timeout: it bounds the first answer"),
		say(ofAvroSink, "request-timeout", Stays, "leave it above --ack-timeout"),
		say(ofAvroSink, "reset-connection-interval", Stays, ""),
		say(ofAvroSink, "compression-type", Stays, "etl recognises deflate by its first byte"),
		say(ofAvroSink, "compression-level", Stays, ""),
		say(ofAvroSink, "maxIoWorkers", Stays, "Flume 1.10 and later ignore it"),
		opt(ofAvroSink, "ssl", "", "--avro-tls-cert", "--avro-tls-key"),

		say(ofThriftSink, "type", Stays, ""),
		say(ofThriftSink, "channel", Stays, ""),
		say(ofThriftSink, "hostname", Changes, "the host of etl"),
		opt(ofThriftSink, "port", "or set it to the port of an etl that runs already", "--thrift-listen"),
		say(ofThriftSink, "batch-size", Stays, ""),
		say(ofThriftSink, "protocol", Stays, "etl recognises compact and binary by the first byte"),
		say(ofThriftSink, "connect-timeout", Stays, "Flume's Thrift sink has no use for it"),
		say(ofThriftSink, "request-timeout", Stays, "leave it above --ack-timeout"),
		say(ofThriftSink, "connection-reset-interval", Stays, ""),
		say(ofThriftSink, "reset-connection-interval", Stays, ""),
		opt(ofThriftSink, "ssl", "", "--thrift-tls-cert", "--thrift-tls-key"),
		say(ofThriftSink, "kerberos", Missing, "set it to false and ssl to true"),
		say(ofThriftSink, "client-principal", Missing, "no Kerberos; use TLS"),
		say(ofThriftSink, "client-keytab", Missing, "no Kerberos; use TLS"),
		say(ofThriftSink, "server-principal", Missing, "no Kerberos; use TLS"),

		say(ofSparkSink, "type", Stays, ""),
		say(ofSparkSink, "channel", Stays, "its transactionCapacity bounds --poll-batch"),
		opt(ofSparkSink, "hostname", "a host that etl reaches, in place of 0.0.0.0", "--poll"),
		opt(ofSparkSink, "port", "", "--poll"),
		say(ofSparkSink, "threads", Stays, "not fewer than --poll-connections"),
		say(ofSparkSink, "timeout", Stays, "seconds until a batch without ack goes back; leave it above --ack-timeout"),
		say(ofSparkSink, "backoffInterval", Stays, ""),

		say(ofKafkaSink, "type", Stays, ""),
		say(ofKafkaSink, "channel", Stays, ""),
		opt(ofKafkaSink, "kafka.bootstrap.servers", "", "--kafka-brokers"),
		opt(ofKafkaSink, "kafka.topic", "Flume's default is default-flume-topic", "--kafka-topic"),
		opt(ofKafkaSink, "brokerList", "Flume 1.6's name of kafka.bootstrap.servers", "--kafka-brokers"),
		opt(ofKafkaSink, "topic", "Flume 1.6's name of kafka.topic", "--kafka-topic"),
		say(ofKafkaSink, "batchSize", Stays, "Flume 1.6's name of flumeBatchSize"),
		say(ofKafkaSink, "requiredAcks", Changes, "Flume 1.6's name of kafka.producer.acks: -1, or what a broker loses is lost"),
		opt(ofKafkaSink, "useFlumeEventFormat", "true is flume; false, Flume's default, is raw, and headers but those of header.* are lost", "--kafka-value"),
		say(ofKafkaSink, "flumeBatchSize", Stays, ""),
		say(ofKafkaSink, "allowTopicOverride", Changes, "false, or an event with a topic header goes elsewhere; "+oneTopic),
		say(ofKafkaSink, "topicHeader", Missing, oneTopic),
		say(ofKafkaSink, "defaultPartitionId", Stays, ""),
		say(ofKafkaSink, "partitionIdHeader", Stays, ""),
		say(ofKafkaSink, "timestampHeader", Stays, "the query has it as _timestamp"),
		say(ofKafkaSink, "header.*", Stays, "the query has header('NAME'), under the name that the record's header has"),
		say(ofKafkaSink, "kafka.producer.acks", Changes, "all, or what a broker loses is lost: Flume's default is 1, and a file that does not set it is reported"),
	}
	for _, of := range []string{ofSyslogTCP, ofMultiport, ofSyslogUDP} {
		r = append(r,
			opt(of, "keepFields", "none or all; the query has the fields as header('host') and so on", "--syslog-keep-fields"),
			say(of, "dateFormat", Missing, "dates of RFC 3164 and RFC 5424 are read"),
			say(of, "format.*", Missing, "messages of RFC 3164 and RFC 5424 are read"),
			say(of, "clientIPHeader", Missing, "the sender's address is not kept; the host of the message is a header"),
			say(of, "clientHostnameHeader", Missing, "the sender's name is not kept; the host of the message is a header"))
	}
	r = append(r,
		opt(ofSyslogTCP, "eventSize", "2500 in both where nothing is said", "--syslog-max-line-bytes"),
		opt(ofMultiport, "eventSize", "2500 in both where nothing is said", "--syslog-max-line-bytes"),
		say(ofSyslogUDP, "eventSize", NotNeeded, "a datagram is a message, however long"),
		say(ofMultiport, "portHeader", Missing, "the port is not kept; give each port's command a topic and a job of its own where it matters"),
		say(ofMultiport, "numProcessors", NotNeeded, "connections cost no threads"),
		say(ofMultiport, "readBufferBytes", NotNeeded, "buffers grow by themselves"),
		say(ofMultiport, "readBufferSize", NotNeeded, "buffers grow by themselves"),
		say(ofMultiport, "charset.*", Missing, "bytes are kept as they come; have senders write UTF-8"))
	for _, t := range tlsSources() {
		of, receiver := t.of, t.receiver
		r = append(r,
			opt(of, "ssl", "--"+receiver+"-tls-required refuses plain connections, as Flume does", "--"+receiver+"-tls-cert", "--"+receiver+"-tls-key", "--"+receiver+"-tls-required"),
			opt(of, "keystore", "convert it to PEM, see above", "--"+receiver+"-tls-cert", "--"+receiver+"-tls-key"),
			say(of, "keystore-password", NotNeeded, "PEM files have none; guard the key by its file's mode"),
			say(of, "keystore-type", NotNeeded, "convert it to PEM, see above"),
			say(of, "exclude-protocols", NotNeeded, serverProtocols),
			say(of, "include-protocols", NotNeeded, serverProtocols),
			say(of, "exclude-cipher-suites", NotNeeded, serverSuites),
			say(of, "include-cipher-suites", NotNeeded, serverSuites))
	}
	r = append(r,
		opt(ofHTTP, "enableSSL", "the old name of ssl", "--http-tls-cert", "--http-tls-key", "--http-tls-required"),
		say(ofHTTP, "keystorePassword", NotNeeded, "PEM files have none; guard the key by its file's mode"),
		say(ofHTTP, "excludeProtocols", NotNeeded, serverProtocols))
	for _, of := range []string{ofAvroSink, ofThriftSink} {
		for _, key := range []string{"trust-all-certs", "exclude-protocols", "include-protocols", "exclude-cipher-suites", "include-cipher-suites"} {
			r = append(r, say(of, key, Stays, ""))
		}
		for _, key := range []string{"truststore", "truststore-password", "truststore-type"} {
			r = append(r, say(of, key, Stays, "it must hold who signed etl's certificate"))
		}
	}
	for _, k := range []struct{ of, beside string }{{ofKafkaSource, "consumer"}, {ofKafkaChannel, "consumer"}, {ofKafkaChannel, "producer"}, {ofKafkaSink, "producer"}} {
		p := "kafka." + k.beside + "."
		r = append(r,
			opt(k.of, p+"security.protocol", "SSL and SASL_SSL", "--kafka-tls"),
			opt(k.of, p+"sasl.mechanism", "PLAIN and SCRAM; Kerberos (GSSAPI) is not there", "--kafka-sasl"),
			opt(k.of, p+"sasl.jaas.config", "user and password; take a file for the password", "--kafka-user", "--kafka-password-file"),
			opt(k.of, p+"ssl.truststore.location", "convert it to PEM", "--kafka-tls-ca"),
			opt(k.of, p+"ssl.keystore.location", "convert it to PEM", "--kafka-tls-cert", "--kafka-tls-key"),
			say(k.of, p+hostNames, NotNeeded, "host names are verified; --kafka-tls-verify verify-ca turns that off"),
			say(k.of, p+"*", NotNeeded, "options of Kafka's Java client; the defaults here keep the promises"))
	}
	return r
}

type tlsSource struct{ of, receiver string }

// tlsSources are the sources with TLS, and how options call their receivers.
func tlsSources() []tlsSource {
	return []tlsSource{{ofAvro, "avro"}, {ofThrift, "thrift"}, {ofHTTP, "http"}, {ofSyslogTCP, "syslog"}, {ofMultiport, "syslog"}}
}

// lookup finds the rule of a property; wildcards are looked at last, those of the component before those of any source.
func lookup(rules []Rule, of, key string) (Rule, bool) {
	scopes := []string{of}
	if strings.HasPrefix(of, "source ") {
		scopes = append(scopes, ofAnySource)
	}
	for _, scope := range scopes {
		for _, r := range rules {
			if r.Of == scope && r.Key == key {
				return r, true
			}
		}
		for _, r := range rules {
			if prefix, ok := strings.CutSuffix(r.Key, "*"); ok && r.Of == scope && strings.HasPrefix(key, prefix) {
				return r, true
			}
		}
	}
	return Rule{}, false
}
