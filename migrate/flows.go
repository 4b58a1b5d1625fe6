package migrate

import (
	"cmp"
	"slices"
	"strings"
)

// flow is a connected part of an agent: sources, the channels that they fill, and the sinks that empty those. Two flows of
// one agent share only the process, so no etl command has options of both.
type flow struct {
	sources, channels, sinks []*Component
	replaced                 bool // by etl
}

func (fl *flow) kinds(of ...string) (out []*Component) {
	for _, c := range slices.Concat(fl.sources, fl.channels, fl.sinks) {
		if slices.Contains(of, kindOf(c)) {
			out = append(out, c)
		}
	}
	return out
}

// starts reports whether Flume starts any component of the flow: a source or a sink with a channel.
func (fl *flow) starts() bool {
	return slices.ContainsFunc(slices.Concat(fl.sources, fl.sinks), func(c *Component) bool { return len(channelsOf(c)) > 0 })
}

// channelsOf returns the channels of a source, or the channel of a sink.
func channelsOf(c *Component) []string {
	if c.Kind == "sources" {
		return strings.Fields(c.Get("channels"))
	}
	return strings.Fields(c.Get("channel"))
}

// flowsOf splits an agent into flows. All components without a channel, which Flume does not start, are one flow.
func flowsOf(a *Agent) []*flow {
	up := map[string]string{} // union-find over names of channels
	find := func(name string) string {
		for {
			next, ok := up[name]
			if !ok || next == name {
				return name
			}
			if above, ok := up[next]; ok {
				up[name] = above
			}
			name = next
		}
	}
	for _, c := range a.of("sources") {
		for _, name := range channelsOf(c) {
			if x, y := find(name), find(channelsOf(c)[0]); x != y {
				up[x] = y
			}
		}
	}
	var out []*flow
	by := map[string]*flow{}
	at := func(channel string) *flow {
		root := find(channel)
		if by[root] == nil {
			by[root] = &flow{}
			out = append(out, by[root])
		}
		return by[root]
	}
	for _, c := range a.Components {
		name := ""
		if in := channelsOf(c); len(in) > 0 {
			name = in[0]
		}
		switch c.Kind {
		case "sources":
			fl := at(name)
			fl.sources = append(fl.sources, c)
		case "channels":
			fl := at(c.Name)
			fl.channels = append(fl.channels, c)
		case "sinks":
			fl := at(name)
			fl.sinks = append(fl.sinks, c)
		}
	}
	return out
}

// replaceable reports whether etl can replace a flow: the flow has a source with a receiver in etl, or a Kafka source, and
// nothing that must remain. A SparkSink remains, because etl polls it. A flow that copies events from Kafka to Kafka, or
// writes to several topics, remains, because etl does neither.
func (b *builder) replaceable(fl *flow) bool {
	received := slices.ContainsFunc(fl.sources, func(c *Component) bool {
		of := kindOf(c)
		return of != "" && of != ofSpooldir
	})
	if !received || len(fl.kinds(ofSparkSink)) > 0 {
		return false
	}
	channels, sinks := fl.kinds(ofKafkaChannel), fl.kinds(ofKafkaSink)
	places := map[string]bool{}
	for _, c := range sinks {
		topic, fixed := sinkTopic(c)
		if !fixed {
			b.note("%s: it writes to several topics, which etl does not do; keep the flow that it belongs to", c.Key(b.Agent, "*"))
			return false
		}
		_, brokers := named(c, "kafka.bootstrap.servers", "brokerList")
		places[brokers+" "+topic] = true
	}
	switch {
	case len(fl.kinds(ofKafkaSource)) > 0 && len(channels)+len(sinks) > 0:
		b.note("keep %s: they copy events from Kafka to Kafka, which etl does not do", b.names(slices.Concat(fl.kinds(ofKafkaSource), channels, sinks)))
		return false
	case len(places)+len(channels) > 1:
		b.note("keep %s: they write to several topics, and one etl writes to one", b.names(slices.Concat(channels, sinks)))
		return false
	}
	return true
}

// names returns the keys of components as one text.
func (b *builder) names(cs []*Component) string {
	const most = 8
	var keys []string
	for _, c := range cs[:min(len(cs), most)] {
		keys = append(keys, strings.TrimSuffix(c.Key(b.Agent, ""), "."))
	}
	if len(cs) > most {
		keys = append(keys, "…")
	}
	return strings.Join(keys, " and ")
}

// replace creates the commands for the flows that etl replaces.
func (b *builder) replace() {
	for _, fl := range b.flows {
		if !fl.replaced {
			continue
		}
		for _, c := range slices.Concat(fl.sources, fl.channels, fl.sinks) {
			b.Removed = append(b.Removed, strings.TrimSuffix(c.Key(b.Agent, ""), "."))
			b.noteUnstarted(c)
		}
		to := b.kafkaOf(fl)
		var commands []*unit // of this flow, except those that read other topics
		for _, c := range fl.sources {
			for _, u := range b.received(c, fl) {
				commands = b.place(commands, u)
			}
		}
		b.write(commands, to)
		b.noteUndrained(fl)
	}
}

// write makes the commands of a flow write to one topic. The first one reads the topic too, unless another command does.
func (b *builder) write(commands []*unit, to *unit) {
	for i, u := range commands {
		was := b.reads[to.stream]
		switch {
		case i > 0:
			u.beside = cmp.Or(commands[0].beside, commands[0])
		case to.stream != "" && was != nil:
			b.note("%s: the topic %s is read by the command for %s", strings.Join(to.Of, ", "), to.Get("--kafka-topic"), was.where(b))
			if was.Get("--kafka-value") != to.Get("--kafka-value") {
				b.note("%s: the topic %s contains records in two formats, which no command can read: make all its writers use Flume's event format, or raw", strings.Join(to.Of, ", "), to.Get("--kafka-topic"))
			}
			u.beside = was
		default:
			u.adopt(to)
			if to.stream != "" {
				b.reads[to.stream] = u
			}
		}
		b.units = append(b.units, u)
		for _, receiver := range []string{"avro", "thrift"} {
			if port := portOf(u.Get("--" + receiver + "-listen")); port != "" {
				b.listens[receiver+":"+port] = append(b.listens[receiver+":"+port], u)
			}
		}
	}
}

// place merges what a source needs into a command of its flow that it fits, or adds a command.
func (b *builder) place(commands []*unit, u *unit) []*unit {
	if len(u.Options) == 0 {
		return commands
	}
	if u.own {
		b.stream(u)
		return commands
	}
	const most = 16 // commands of a flow to try: more than any real flow has ports
	for _, other := range commands[:min(len(commands), most)] {
		if other.fits(u) {
			other.merge(u)
			return commands
		}
	}
	return append(commands, u)
}

// stream adds a command that reads a topic to the planner, unless another command reads the same topic.
func (b *builder) stream(u *unit) *unit {
	if was := b.reads[u.stream]; was != nil && u.stream != "" {
		if was.Get("--kafka-value") != u.Get("--kafka-value") {
			b.note("%s: the topic %s contains records in two formats, which no command can read: make all its writers use Flume's event format, or raw", strings.Join(u.Of, ", "), u.Get("--kafka-topic"))
		}
		b.note("%s: the topic %s is read by the command for %s", strings.Join(u.Of, ", "), u.Get("--kafka-topic"), was.where(b))
		return was
	}
	if u.stream != "" {
		b.reads[u.stream] = u
	}
	u.by = b
	b.units = append(b.units, u)
	return u
}

// noteUndrained notes channels that may still hold events when etl replaces them.
func (b *builder) noteUndrained(fl *flow) {
	for _, c := range fl.channels {
		if kindOf(c) == ofKafkaChannel {
			continue
		}
		b.all(c, NotNeeded, "Kafka replaces the channel: etl replies OK to an event when Kafka has acknowledged it")
		if t := strings.ToLower(c.Type); t == "file" || t == "jdbc" || t == "spillablememory" || strings.HasSuffix(t, "filechannel") {
			b.note("%s: etl does not read the events that are still in it; first switch the senders to etl, and stop the agent when the channel is empty", strings.TrimSuffix(c.Key(b.Agent, ""), "."))
		}
	}
}

// noteUnstarted notes components that Flume does not start because they have no channel.
func (b *builder) noteUnstarted(c *Component) {
	if c.Kind == "channels" || len(c.Properties) == 0 {
		return
	}
	in := channelsOf(c)
	if len(in) == 0 {
		b.note("%s names no channel: Flume does not start it", strings.TrimSuffix(c.Key(b.Agent, ""), "."))
	}
	for _, name := range in {
		if b.agent.component("channels", name) == nil {
			b.note("%s names the channel %s, which %s.channels does not list: Flume does not use it", strings.TrimSuffix(c.Key(b.Agent, ""), "."), name, b.Agent)
		}
	}
}
