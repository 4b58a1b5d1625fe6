package migrate

import (
	"slices"
	"strings"
)

// keep makes the commands that take the events of the flows that stay, and tells of what the others sent on.
func (b *builder) keep() {
	for _, fl := range b.flows {
		if fl.replaced {
			b.sentOn(fl)
		} else {
			b.stay(fl)
		}
	}
}

// sentOn tells of the sinks that went with a flow whose place etl takes. Kafka's were told of with its topic.
func (b *builder) sentOn(fl *flow) {
	for _, c := range fl.sinks {
		switch of := kindOf(c); {
		case of == ofKafkaSink:
		case of != "" && b.inKafka(c):
			b.all(c, NotNeeded, "etl reads the topic that its channel is")
		case of == ofAvroSink || of == ofThriftSink:
			b.all(c, Missing, "etl does not send on: events go into Kafka, and their counts into MySQL; if the next hop is an agent of yours, let etl take that one's place in its stead")
			receiver := strings.TrimPrefix(of, "sink ")
			if next := b.receiverOf(receiver, c); next != nil && next.by != b {
				b.look("%s sends to agent %s, whose place etl takes too: either keep %s as it is and leave out its commands, or start both, which count each event once", b.names([]*Component{c}), next.by.Agent, b.Agent)
			}
		default:
			b.foreign(c)
		}
	}
}

// reach is a command that the events of a flow come to, and the channel or the sink from which they come.
type reach struct {
	u    *unit
	from *Component
}

// withoutHeaders reports whether the events come without headers: a Kafka channel wrote their bodies alone.
func (r reach) withoutHeaders() bool {
	return kindOf(r.from) == ofKafkaChannel && r.u.Get("--kafka-value") == "raw"
}

// stay makes the commands of one flow that stays.
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
		b.all(c, Stays, "the agent keeps its channels")
	}
	taking := map[string]*takers{}
	for _, c := range fl.sinks {
		u := b.keptSink(c)
		if u != nil {
			reached = append(reached, reach{u, c})
		}
		b.take(taking, c, u != nil)
	}
	for _, c := range fl.channels {
		b.compete(c, taking[c.Name])
	}
	for _, c := range fl.sources {
		b.unstarted(c)
		if len(reached) > 0 {
			b.keptIDs(c, reached)
		}
		b.all(c, Stays, "the agent keeps its sources")
	}
	for _, r := range reached {
		b.Elsewhere = b.Elsewhere || r.u.by != b
	}
	b.copies(fl)
}

// takers are the sinks of a channel: those whose events reach etl, and those whose events do not.
type takers struct{ etl, others []*Component }

// take notes a sink under its channel. A sink of a type that etl has which reaches no command is not one of the others: it
// is not complete, so Flume does not start it, or it writes several topics, for each of which etl has a command.
func (b *builder) take(taking map[string]*takers, c *Component, reaches bool) {
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

// compete tells of a channel's sinks that take events which do not reach etl then.
func (b *builder) compete(c *Component, at *takers) {
	if at == nil || len(at.etl) == 0 || len(at.others) == 0 {
		return
	}
	take := func(cs []*Component) string {
		if len(cs) > 1 {
			return b.names(cs) + " take"
		}
		return b.names(cs) + " takes"
	}
	b.look("%s: Flume gives each event of a channel to one of its sinks, so etl gets only those that %s, and %s the others: give each a channel of its own", b.names([]*Component{c}), take(at.etl), take(at.others))
}

// keptSink is the command that a sink's events come to, or nil.
func (b *builder) keptSink(c *Component) *unit {
	b.unstarted(c)
	of := kindOf(c)
	switch {
	case of != "" && b.inKafka(c):
		b.all(c, Changes, "drop it: etl reads the topic that its channel is, and would count what it sends once more")
		return nil
	case of == ofKafkaSink:
		b.batchTrap(c)
		if _, fixed := sinkTopic(c); !fixed {
			name, _ := named(c, "kafka.topic", "topic")
			b.say(Missing, c.Key(b.Agent, name), "it has an escape, so that there are several topics; run etl load once for each of them, with a --job of its own")
			b.sinkAcks(c)
			b.sinkStays(c)
			return nil
		}
		u := b.draft(c)
		u.own = true
		b.kafkaSink(c, u, false)
		return b.stream(u)
	case of == ofAvroSink, of == ofThriftSink:
		b.batchTrap(c)
		u := b.sendsTo(c, strings.TrimPrefix(of, "sink "))
		if of == ofThriftSink {
			b.kerberos(c)
			b.protocolTrap(c)
		}
		b.rest(c, of, false)
		return u
	case of == ofSparkSink:
		u := b.spark(c)
		b.rest(c, of, false)
		return b.behind(c, u)
	}
	b.foreign(c)
	return nil
}

// inKafka reports whether a sink's channel is in Kafka, so that etl reads its events there.
func (b *builder) inKafka(c *Component) bool {
	ch := b.agent.component("channels", c.Get("channel"))
	return ch != nil && kindOf(ch) == ofKafkaChannel
}

// sendsTo is the command that an Avro or a Thrift sink sends to: that of the agent which listens there now, that of
// another sink with the same address, or one of its own.
func (b *builder) sendsTo(c *Component, receiver string) *unit {
	if u := b.receiverOf(receiver, c); u != nil {
		port := portOf(u.Get("--" + receiver + "-listen"))
		b.use(c.Key(b.Agent, "port"), "--"+receiver+"-listen")
		b.look("%s: it sends to the command for %s, which listens on port %s", b.names([]*Component{c}), u.where(b), port)
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

// receiverOf is the command in an agent's place that listens where a sink sends to. Of several it is the one whose agent
// or address the host names.
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
	b.look("%s: several commands listen on port %s, and the file does not say whether one of them is %s; if it is, leave this sink's own command out, and send to that one", b.names([]*Component{c}), port, c.Get("hostname"))
	return nil
}

// behind gives the planner a command for what comes out of a channel. All that do so share one job: where one process
// cannot have the options of both, the further one only receives.
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

// copies tells of sources whose events reach etl out of several channels.
func (b *builder) copies(fl *flow) {
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
			b.look("%s: each event goes into the channels %s, and from each of them to etl: jobs that write one table would count it as often; let one of them alone reach etl, or give each job a table of its own", c.Key(b.Agent, "channels"), strings.Join(both, " and "))
		}
	}
}
