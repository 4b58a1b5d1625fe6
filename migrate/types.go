package migrate

import "strings"

// kindOf returns the component's section in the rules, such as "source avro", or "" if there is none.
func kindOf(c *Component) string {
	t := strings.ToLower(c.Type)
	switch c.Kind {
	case "sources":
		switch t {
		case "avro", "org.apache.flume.source.avrosource":
			return ofAvro
		case "thrift", "org.apache.flume.source.thriftsource":
			return ofThrift
		case "http", "org.apache.flume.source.http.httpsource":
			return ofHTTP
		case "syslogtcp", "org.apache.flume.source.syslogtcpsource":
			return ofSyslogTCP
		case "multiport_syslogtcp", "org.apache.flume.source.multiportsyslogtcpsource":
			return ofMultiport
		case "syslogudp", "org.apache.flume.source.syslogudpsource":
			return ofSyslogUDP
		case "netcat", "org.apache.flume.source.netcatsource":
			return ofNetcat
		case "netcatudp", "org.apache.flume.source.netcatudpsource":
			return ofNetcatUDP
		case "org.apache.flume.source.kafka.kafkasource":
			return ofKafkaSource
		case "spooldir", "org.apache.flume.source.spooldirectorysource":
			return ofSpooldir
		}
	case "channels":
		if t == "org.apache.flume.channel.kafka.kafkachannel" {
			return ofKafkaChannel
		}
	case "sinks":
		switch t {
		case "avro", "org.apache.flume.sink.avrosink":
			return ofAvroSink
		case "thrift", "org.apache.flume.sink.thriftsink":
			return ofThriftSink
		case "org.apache.spark.streaming.flume.sink.sparksink", "org.apache.spark.flume.sink.sparksink":
			return ofSparkSink
		case "org.apache.flume.sink.kafka.kafkasink":
			return ofKafkaSink
		}
	}
	return ""
}

// alternative returns what to do instead of a component of Flume's that has no equivalent, or "" for an unknown type.
func alternative(c *Component) string {
	t := strings.ToLower(c.Type)
	t = t[strings.LastIndexByte(t, '.')+1:]
	for _, suffix := range []string{"source", "sink", "eventsink"} {
		if s := strings.TrimSuffix(t, suffix); s != "" {
			t = s
		}
	}
	if c.Kind == "sources" {
		switch t {
		case "exec", "taildir", "jms", "scribe", "twitter":
			return "etl has no " + c.Type + " source; keep this source in an agent with an avro sink that sends to etl"
		case "seq", "stress", "sequencegenerator":
			return "it generates test events; use etl send"
		}
		return ""
	}
	switch t {
	case "hdfs", "file_roll", "rollingfile":
		return "etl writes no files; Kafka stores the complete events for as long as its retention allows"
	case "logger", "null", "irc":
		return "it was for testing; etl writes rows to MySQL"
	case "hive", "hbase", "hbase2", "asynchbase", "elasticsearch", "morphlinesolr", "dataset":
		return "etl writes counts to MySQL, as --query defines them; for this store, read the topic with another program"
	case "http":
		return "etl sends no requests; read the topic with another program"
	}
	return ""
}
