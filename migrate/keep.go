package migrate

import (
	"slices"
	"strings"
)

// keep creates the commands that receive the events of the flows that stay, and notes where the others forwarded theirs.
func (b *builder) keep() {
	for _, fl := range b.flows {
		if fl.replaced {
			b.noteForwarding(fl)
		} else {
			b.stay(fl)
		}
	}
}

// noteForwarding notes the sinks of a flow that etl replaces. Kafka sinks were translated with their topic.
func (b *builder) noteForwarding(fl *flow) {
	for _, c := range fl.sinks {
		switch of := kindOf(c); {
		case of == ofKafkaSink:
		case of != "" && b.inKafka(c):
			b.all(c, NotNeeded, "etl reads its channel's topic directly")
		case of == ofAvroSink || of == ofThriftSink:
			b.all(c, NoEquivalent, "etl does not forward events: they go to Kafka, and their counts to MySQL; if the next hop is an agent, replace that one with etl instead")
			receiver := strings.TrimPrefix(of, "sink ")
			if next := b.receiverOf(receiver, c); next != nil && next.by != b {
				b.note("%s sends to agent %s, which etl replaces too: either keep %s unchanged and omit its commands, or start both, which count each event once", b.names([]*Component{c}), next.by.Agent, b.Agent)
			}
		default:
			b.unknownType(c)
		}
	}
}

// reach is a command that receives the events of a flow, and the channel or the sink from which they come.
type reach struct {
	u    *unit
	from *Component
}

// withoutHeaders reports whether the events come without headers: a Kafka channel wrote only their bodies.
func (r reach) withoutHeaders() bool {
	return kindOf(r.from) == ofKafkaChannel && r.u.Get("--kafka-value") == "raw"
}

// stay creates the commands for one flow that stays.
func (b *builder) stay(fl *flow) {
	var reached []reach
	for _, c := range fl.channels {
		if kindOf(c) == ofKafkaChannel {
			u := b.draft(c)
			u.own = true
			b.kafkaChannel(c, u, false)
			reached = append(reached, reach{b.stream(u), c})
			continue
		}
		b.all(c, Keep, "")
	}
	taking := map[string]*takers{}
	for _, c := range fl.sinks {
		u := b.keptSink(c)
		if u != nil {
			reached = append(reached, reach{u, c})
		}
		b.noteTaker(taking, c, u != nil)
	}
	for _, c := range fl.channels {
		b.noteCompetingSinks(c, taking[c.Name])
	}
	for _, c := range fl.sources {
		b.noteUnstarted(c)
		if len(reached) > 0 {
			b.keptIDs(c, reached)
		}
		b.all(c, Keep, "")
	}
	for _, r := range reached {
		b.Elsewhere = b.Elsewhere || r.u.by != b
	}
	b.noteSeveralPaths(fl)
}

// takers are the sinks of a channel: those whose events reach etl, and the others.
type takers struct{ etl, others []*Component }

// noteTaker adds a sink to its channel's takers. A sink of a supported type that reaches no command does not count as one of
// the others: it is incomplete, so Flume does not start it, or it writes to several topics, each with its own command.
func (b *builder) noteTaker(taking map[string]*takers, c *Component, reaches bool) {
	name := c.Get("channel")
	if taking[name] == nil {
		taking[name] = &takers{}
	}
	switch at := taking[name]; {
	case reaches:
		at.etl = append(at.etl, c)
	case kindOf(c) == "" && c.Type != "":
		at.others = append(at.others, c)
	}
}

// noteCompetingSinks notes sinks that take some of a channel's events, which then do not reach etl.
func (b *builder) noteCompetingSinks(c *Component, at *takers) {
	if at == nil || len(at.etl) == 0 || len(at.others) == 0 {
		return
	}
	take := func(cs []*Component) string {
		if len(cs) > 1 {
			return b.names(cs) + " take"
		}
		return b.names(cs) + " takes"
	}
	b.note("%s: Flume delivers each event of a channel to one of its sinks, so etl gets only the events that %s, and %s the others: give each sink its own channel", b.names([]*Component{c}), take(at.etl), take(at.others))
}

// keptSink returns the command that receives a sink's events, or nil.
func (b *builder) keptSink(c *Component) *unit {
	b.noteUnstarted(c)
	of := kindOf(c)
	switch {
	case of != "" && b.inKafka(c):
		b.all(c, Change, "remove it: etl reads its channel's topic directly, and would count the events that it sends twice")
		return nil
	case of == ofKafkaSink:
		b.checkBatchSize(c)
		if _, fixed := sinkTopic(c); !fixed {
			name, _ := named(c, "kafka.topic", "topic")
			b.report(NoEquivalent, c.Key(b.Agent, name), "it contains an escape sequence, so there are several topics; run one etl load for each topic, each with its own --job")
			b.sinkAcks(c)
			b.sinkStays(c)
			return nil
		}
		u := b.draft(c)
		u.own = true
		b.kafkaSink(c, u, false)
		return b.stream(u)
	case of == ofAvroSink, of == ofThriftSink:
		b.checkBatchSize(c)
		u := b.sendsTo(c, strings.TrimPrefix(of, "sink "))
		if of == ofThriftSink {
			b.kerberos(c)
			b.checkProtocol(c)
		}
		b.remaining(c, of, false)
		return u
	case of == ofSparkSink:
		u := b.spark(c)
		b.remaining(c, of, false)
		return b.behind(c, u)
	}
	b.unknownType(c)
	return nil
}

// inKafka reports whether a sink's channel is a Kafka channel, whose topic etl reads directly.
func (b *builder) inKafka(c *Component) bool {
	ch := b.agent.component("channels", c.Get("channel"))
	return ch != nil && kindOf(ch) == ofKafkaChannel
}

// sendsTo returns the command that an Avro or Thrift sink sends to: that of the agent which listens there now, that of
// another sink with the same address, or a new one.
func (b *builder) sendsTo(c *Component, receiver string) *unit {
	if u := b.receiverOf(receiver, c); u != nil {
		port := portOf(u.Get("--" + receiver + "-listen"))
		b.use(c.Key(b.Agent, "port"), "--"+receiver+"-listen")
		b.note("%s: it sends to the command for %s, which listens on port %s", b.names([]*Component{c}), u.where(b), port)
		return u
	}
	u := b.rpc(c, receiver)
	host := strings.ToLower(c.Get("hostname")) + ":" + c.Get("port")
	if was := b.sends[receiver+":"+host]; was != nil && c.Get("port") != "" && was.fits(u) {
		was.merge(u)
		if at := b.at[c.Get("channel")]; !slices.Contains(at, was) {
			b.at[c.Get("channel")] = append(at, was)
		}
		return was
	}
	u = b.behind(c, u)
	if c.Get("port") != "" && b.sends[receiver+":"+host] == nil {
		b.sends[receiver+":"+host] = u
	}
	return u
}

// receiverOf returns the command of a replaced agent that listens where a sink sends to, or nil. Of several it returns the
// one whose agent or address the host names.
func (b *builder) receiverOf(receiver string, c *Component) *unit {
	host, port := strings.ToLower(c.Get("hostname")), c.Get("port")
	all := b.listens[receiver+":"+port]
	if port == "" || len(all) == 0 {
		return nil
	}
	if len(all) == 1 {
		return all[0]
	}
	for _, u := range all {
		at := strings.ToLower(u.Get("--" + receiver + "-listen"))
		if host != "" && (host+":"+port == at || host == strings.ToLower(u.by.Agent)) {
			return u
		}
	}
	b.note("%s: several commands listen on port %s, and the file does not tell whether one of them runs on %s; if so, omit this sink's own command and send to that one", b.names([]*Component{c}), port, c.Get("hostname"))
	return nil
}

// behind adds a command for the events from a channel to the planner, or merges it into another one. All commands for a
// channel share one job: if one process cannot have the options of both, the later command only receives.
func (b *builder) behind(c *Component, u *unit) *unit {
	if len(u.Options) == 0 {
		return nil
	}
	channel := c.Get("channel")
	if channel == "" {
		channel = "\x00" + c.Name
	}
	const most = 16
	at := b.at[channel]
	for _, was := range at[:min(len(at), most)] {
		if was.fits(u) {
			was.merge(u)
			return was
		}
	}
	if len(at) > 0 {
		u.beside = at[0]
		if at[0].beside != nil {
			u.beside = at[0].beside
		}
	}
	b.at[channel] = append(at, u)
	b.units = append(b.units, u)
	return u
}

// noteSeveralPaths notes sources whose events reach etl through several channels.
func (b *builder) noteSeveralPaths(fl *flow) {
	reach := map[string]bool{}
	for _, c := range fl.channels {
		reach[c.Name] = kindOf(c) == ofKafkaChannel
	}
	for _, c := range fl.sinks {
		if kindOf(c) != "" {
			reach[c.Get("channel")] = true
		}
	}
	for _, c := range fl.sources {
		var both []string
		for _, name := range channelsOf(c) {
			if reach[name] {
				both = append(both, name)
			}
		}
		if t := strings.ToLower(c.Get("selector.type")); len(both) > 1 && !strings.HasSuffix(strings.TrimSuffix(t, "channelselector"), "multiplexing") {
			b.note("%s: each event goes to the channels %s, and from each of them to etl, so jobs that write to one table would count it several times; let only one of them reach etl, or give each job its own table", c.Key(b.Agent, "channels"), strings.Join(both, " and "))
		}
	}
}
