package migrate

import (
	"cmp"
	"slices"
	"strings"
)

// flow is the part of an agent that hangs together: sources, the channels that they fill, and the sinks behind those.
// Two flows of one agent have nothing in common but the process, so that no command of etl has options of both.
type flow struct {
	sources, channels, sinks []*Component
	replaced                 bool // etl takes its place
}

func (fl *flow) kinds(of ...string) (out []*Component) {
	for _, c := range slices.Concat(fl.sources, fl.channels, fl.sinks) {
		if slices.Contains(of, kindOf(c)) {
			out = append(out, c)
		}
	}
	return out
}

// starts reports whether Flume starts anything of the flow: a source or a sink with a channel.
func (fl *flow) starts() bool {
	return slices.ContainsFunc(slices.Concat(fl.sources, fl.sinks), func(c *Component) bool { return len(channelsOf(c)) > 0 })
}

// channelsOf are the channels of a source, or the one of a sink.
func channelsOf(c *Component) []string {
	if c.Kind == "sources" {
		return strings.Fields(c.Get("channels"))
	}
	return strings.Fields(c.Get("channel"))
}

// flowsOf takes an agent apart. What names no channel, which Flume does not start, is one flow.
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

// replaceable says whether etl can take a flow's place: it has sources that etl receives, or a Kafka source, and nothing
// that has to continue. A SparkSink is asked by etl. Nothing of etl carries events from Kafka to Kafka, or writes several
// topics, so that a flow which does stays.
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
			b.look("%s: it writes several topics, which etl does not; the flow that it belongs to stays", c.Key(b.Agent, "*"))
			return false
		}
		_, brokers := named(c, "kafka.bootstrap.servers", "brokerList")
		places[brokers+" "+topic] = true
	}
	switch {
	case len(fl.kinds(ofKafkaSource)) > 0 && len(channels)+len(sinks) > 0:
		b.look("%s stay: they carry events from Kafka to Kafka, which etl does not", b.names(slices.Concat(fl.kinds(ofKafkaSource), channels, sinks)))
		return false
	case len(places)+len(channels) > 1:
		b.look("%s: they write several topics, and one etl writes one, so that they stay", b.names(slices.Concat(channels, sinks)))
		return false
	}
	return true
}

// names are the keys of components, as one text.
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

// replace makes the commands that do the work of the flows whose place etl takes.
func (b *builder) replace() {
	for _, fl := range b.flows {
		if !fl.replaced {
			continue
		}
		for _, c := range slices.Concat(fl.sources, fl.channels, fl.sinks) {
			b.Removed = append(b.Removed, strings.TrimSuffix(c.Key(b.Agent, ""), "."))
			b.unstarted(c)
		}
		to := b.kafkaOf(fl)
		var commands []*unit // of this flow, but for those that read other topics
		for _, c := range fl.sources {
			for _, u := range b.received(c, fl) {
				commands = b.place(commands, u)
			}
		}
		b.write(commands, to)
		b.drains(fl)
	}
}

// write has the commands of a flow write one topic: the first reads it too, unless another command does.
func (b *builder) write(commands []*unit, to *unit) {
	for i, u := range commands {
		was := b.reads[to.stream]
		switch {
		case i > 0:
			u.beside = cmp.Or(commands[0].beside, commands[0])
		case to.stream != "" && was != nil:
			b.look("%s: the topic %s is read by the command for %s", strings.Join(to.Of, ", "), to.Get("--kafka-topic"), was.where(b))
			if was.Get("--kafka-value") != to.Get("--kafka-value") {
				b.look("%s: the topic %s holds records of two kinds, which no command reads: have all that write it agree on Flume's event format, or on raw", strings.Join(to.Of, ", "), to.Get("--kafka-topic"))
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

// place gives what a source needs to a command of its flow that it fits, or makes one more.
func (b *builder) place(commands []*unit, u *unit) []*unit {
	if len(u.Options) == 0 {
		return commands
	}
	if u.own {
		b.stream(u)
		return commands
	}
	const most = 16 // commands of a flow that are looked at: more than anybody has ports
	for _, other := range commands[:min(len(commands), most)] {
		if other.fits(u) {
			other.merge(u)
			return commands
		}
	}
	return append(commands, u)
}

// stream gives the planner a command that reads a topic, unless there is one that reads the same.
func (b *builder) stream(u *unit) *unit {
	if was := b.reads[u.stream]; was != nil && u.stream != "" {
		if was.Get("--kafka-value") != u.Get("--kafka-value") {
			b.look("%s: the topic %s holds records of two kinds, which no command reads: have all that write it agree on Flume's event format, or on raw", strings.Join(u.Of, ", "), u.Get("--kafka-topic"))
		}
		b.look("%s: the topic %s is read by the command for %s", strings.Join(u.Of, ", "), u.Get("--kafka-topic"), was.where(b))
		return was
	}
	if u.stream != "" {
		b.reads[u.stream] = u
	}
	u.by = b
	b.units = append(b.units, u)
	return u
}

// drains tells of events that are in a channel when etl takes its place.
func (b *builder) drains(fl *flow) {
	for _, c := range fl.channels {
		if kindOf(c) == ofKafkaChannel {
			continue
		}
		b.all(c, NotNeeded, "Kafka takes the channel's place: an event has its OK when Kafka has it")
		if t := strings.ToLower(c.Type); t == "file" || t == "jdbc" || t == "spillablememory" || strings.HasSuffix(t, "filechannel") {
			b.look("%s: etl does not read what is in it; turn the senders to etl first, and stop the agent once the channel is empty", strings.TrimSuffix(c.Key(b.Agent, ""), "."))
		}
	}
}

// unstarted tells of what Flume does not start because it has no channel.
func (b *builder) unstarted(c *Component) {
	if c.Kind == "channels" || len(c.Properties) == 0 {
		return
	}
	in := channelsOf(c)
	if len(in) == 0 {
		b.look("%s names no channel: Flume does not start it", strings.TrimSuffix(c.Key(b.Agent, ""), "."))
	}
	for _, name := range in {
		if b.agent.component("channels", name) == nil {
			b.look("%s names the channel %s, which %s.channels does not list: Flume does not use it", strings.TrimSuffix(c.Key(b.Agent, ""), "."), name, b.Agent)
		}
	}
}
