package migrate

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// What Flume takes where the file says nothing.
const (
	memoryTransaction = 100
	fileTransaction   = 10_000
	rpcBatch          = 100
)

// What etl takes where its options say nothing.
const (
	pollBatch   = 1000
	batchEvents = 100_000
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

// batchTrap tells of a batch that no transaction of the channel holds, or that etl does not take.
func (b *builder) batchTrap(c *Component) {
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
		b.look("%s is %d, and a transaction of channel %s holds %d: Flume fails when so many events wait; make transactionCapacity as large", c.Key(b.Agent, name), n, ch.Name, most)
	}
	if n > batchEvents && (of == ofAvroSink || of == ofThriftSink) {
		receiver := map[string]string{ofAvroSink: "avro", ofThriftSink: "thrift"}[of]
		b.say(Changes, c.Key(b.Agent, name), fmt.Sprintf("%d or less: etl takes no request of more events unless --%s-max-batch-events says so, and the agent would send it again without end; some hundreds or thousands are best", batchEvents, receiver))
	}
}

// rpc is the command that an Avro or a Thrift sink sends to, with nothing but its address and TLS.
func (b *builder) rpc(c *Component, receiver string) *unit {
	u := b.draft(c)
	if port := c.Get("port"); port == "" {
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
	return u
}

// spark is the command that asks a SparkSink.
func (b *builder) spark(c *Component) *unit {
	u := b.draft(c)
	host, port := c.Get("hostname"), c.Get("port")
	if port == "" {
		b.look("%s is missing: the sink does not start without it", c.Key(b.Agent, "port"))
		return u
	}
	key := c.Key(b.Agent, "port")
	at := address(host, port)
	if strings.HasPrefix(at, ":") || !hostPort(at) {
		name := b.planner.names.name(b.Agent+"_"+c.Name, b.Agent+" "+c.Name)
		u.Ask = map[string]string{name: "HOST:PORT of the SparkSink " + c.Name}
		u.asked = append(u.asked, fmt.Sprintf("%s: %s listens at %q; set it to the host that etl reaches, and the port", name, b.names([]*Component{c}), cmp.Or(host, "0.0.0.0")+":"+port))
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
		b.look("--poll-batch: %d may be more than a transaction of channel %q holds; it must not be", pollBatch, c.Get("channel"))
	case n < pollBatch:
		key := ch.Key(b.Agent, "transactionCapacity")
		if ch.Get("transactionCapacity") == "" {
			key = c.Key(b.Agent, "channel")
		}
		b.look("--poll-batch is %d: each request for more than a transaction of channel %s holds would fail", n, ch.Name)
		b.option(key, "--poll-batch", strconv.Itoa(n))
	}
	return u
}
