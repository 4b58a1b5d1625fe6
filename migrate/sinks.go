package migrate

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Flume's defaults.
const (
	memoryTransaction = 100
	fileTransaction   = 10_000
	rpcBatch          = 100
)

// etl's defaults.
const (
	pollBatch   = 1000
	batchEvents = 100_000
)

// transaction returns the maximum number of events in one transaction of a channel, and whether it is known.
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

// checkBatchSize reports a batch size that exceeds the channel's transaction, or that etl rejects.
func (b *builder) checkBatchSize(c *Component) {
	of := kindOf(c)
	name, v := "batch-size", c.Get("batch-size")
	if of == ofKafkaSink {
		name, v = named(c, "flumeBatchSize", "batchSize")
	}
	n, err := strconv.Atoi(cmp.Or(v, strconv.Itoa(rpcBatch)))
	if err != nil || of == ofSparkSink {
		return
	}
	ch := b.agent.component("channels", c.Get("channel"))
	if most, ok := transaction(ch); ok && n > most {
		b.note("%s is %d, but a transaction of channel %s holds %d: Flume fails when that many events are waiting; increase transactionCapacity to this size", c.Key(b.Agent, name), n, ch.Name, most)
	}
	if n > batchEvents && (of == ofAvroSink || of == ofThriftSink) {
		receiver := map[string]string{ofAvroSink: "avro", ofThriftSink: "thrift"}[of]
		b.report(Change, c.Key(b.Agent, name), fmt.Sprintf("set it to %d or less: etl rejects larger requests unless --%s-max-batch-events allows them, and the agent would retry them indefinitely; some hundreds or thousands are best", batchEvents, receiver))
	}
}

// rpc returns the command that an Avro or Thrift sink sends to, with only its address and TLS.
func (b *builder) rpc(c *Component, receiver string) *unit {
	u := b.draft(c)
	if port := c.Get("port"); port == "" {
		b.note("%s is missing: Flume does not start without it", c.Key(b.Agent, "port"))
	} else {
		b.option(c.Key(b.Agent, "port"), "--"+receiver+"-listen", ":"+port)
	}
	if isTrue(c.Get("ssl")) {
		key := c.Key(b.Agent, "ssl")
		b.option(key, "--"+receiver+"-tls-cert", receiver+".pem")
		b.option(key, "--"+receiver+"-tls-key", receiver+"-key.pem")
		b.note("%s: etl needs a certificate that the agent trusts; use that of the collector which it sends to now, converted to PEM", key)
	}
	return u
}

// spark returns the command that polls a SparkSink.
func (b *builder) spark(c *Component) *unit {
	u := b.draft(c)
	host, port := c.Get("hostname"), c.Get("port")
	if port == "" {
		b.note("%s is missing: the sink does not start without it", c.Key(b.Agent, "port"))
		return u
	}
	key := c.Key(b.Agent, "port")
	at := address(host, port)
	if strings.HasPrefix(at, ":") || !hostPort(at) {
		name := b.planner.names.name(b.Agent+"_"+c.Name, b.Agent+" "+c.Name)
		u.Ask = map[string]string{name: "HOST:PORT of the SparkSink " + c.Name}
		u.asked = append(u.asked, fmt.Sprintf("%s: %s listens on %q; set the variable to a host that etl can reach, and the port", name, b.names([]*Component{c}), cmp.Or(host, "0.0.0.0")+":"+port))
		at = "${" + name + "}"
	}
	b.option(key, "--poll", at)
	if c.Get("hostname") != "" {
		b.use(c.Key(b.Agent, "hostname"), "--poll")
	}
	ch := b.agent.component("channels", c.Get("channel"))
	n, ok := transaction(ch)
	switch {
	case !ok:
		b.note("--poll-batch: must be at most what a transaction of channel %[2]q holds; the default is %[1]d", pollBatch, c.Get("channel"))
	case n < pollBatch:
		key := ch.Key(b.Agent, "transactionCapacity")
		if ch.Get("transactionCapacity") == "" {
			key = c.Key(b.Agent, "channel")
		}
		b.note("--poll-batch is %d: requests for more than a transaction of channel %s holds would fail", n, ch.Name)
		b.option(key, "--poll-batch", strconv.Itoa(n))
	}
	return u
}
