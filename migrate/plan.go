package migrate

import (
	"fmt"
	"slices"
	"strings"
)

// Option is one option of etl, with the keys that it was made from.
type Option struct {
	Name, Value string
	Switch      bool // takes no value
}

// Finding is a key of the file, or a beginning of keys that ends in *, and what becomes of it.
type Finding struct{ Key, Text string }

// Plan is what etl does in the place of one agent, or beside it.
type Plan struct {
	Agent string
	// Replaced is whether etl takes the agent's place; else the agent stays and sends to etl.
	Replaced bool
	// Command is run, or load where nothing is received; "" where nothing of the agent is etl's work.
	Command string
	Options []Option

	Used         []Finding // what became options
	Stays        []Finding // what stays in the agent, as it is
	Changes      []Finding // what is to be changed in the agent
	NotNeeded    []Finding
	NoEquivalent []Finding
	// Look is what a person should know before they start it.
	Look []string
	// Keystores are those to be converted to PEM, under the names that the options have.
	Keystores []string
}

// Plans says for each agent of the file what etl does.
func Plans(f *File) []Plan {
	rules := Rules()
	plans := make([]Plan, len(f.Agents))
	for i, a := range f.Agents {
		b := builder{agent: a, rules: rules, done: map[string]bool{}}
		b.build()
		plans[i] = b.Plan
	}
	return plans
}

type builder struct {
	Plan
	agent *Agent
	rules []Rule
	done  map[string]bool // keys that are accounted for
	keyed bool            // a Kafka sink, in whose place etl writes, took keys from a header
}

func (b *builder) build() {
	b.Agent = b.agent.Name
	b.Replaced = b.replaceable()
	for _, p := range b.agent.Lists {
		b.done[p.Key] = true
		if b.Replaced {
			b.NotNeeded = append(b.NotNeeded, Finding{p.Key, "etl has no lists: an option that is given is on"})
		} else {
			b.Stays = append(b.Stays, Finding{p.Key, ""})
		}
	}
	for _, c := range b.agent.Components {
		switch c.Kind {
		case "sources":
			b.source(c)
		case "channels":
			b.channel(c)
		case "sinks":
			b.sink(c)
		default:
			b.other(c)
		}
	}
	for _, p := range b.agent.Stray {
		b.NotNeeded = append(b.NotNeeded, Finding{p.Key, "Flume ignores it: it belongs to nothing that " + b.Agent + " lists"})
	}
	b.copies()
	b.command()
	for i, u := range b.Used {
		if !b.agent.says(u.Key) {
			b.Used[i].Text += " (the file does not say it: Flume's default)"
		}
	}
}

// replaceable says whether etl can take the agent's place: it has a source that etl receives, and no SparkSink, which
// etl asks in its turn.
func (b *builder) replaceable() bool {
	for _, c := range b.agent.of("sinks") {
		if kindOf(c) == ofSparkSink {
			return false
		}
	}
	return slices.ContainsFunc(b.agent.of("sources"), func(c *Component) bool {
		of := kindOf(c)
		return of != "" && of != ofSpooldir
	})
}

// command ends the plan: which command, and what depends on that.
func (b *builder) command() {
	if !slices.ContainsFunc(b.Options, func(o Option) bool { return o.Name != "--dedup-header" }) {
		b.Options, b.Stays, b.Used = nil, append(b.Stays, b.Used...), nil // ids alone are nothing to receive
		for i := range b.Stays {
			b.Stays[i].Text = strings.TrimSuffix(b.Stays[i].Text, "--dedup-header")
		}
		return
	}
	b.Command = "load"
	for _, o := range b.Options {
		if strings.HasSuffix(o.Name, "-listen") || o.Name == "--poll" || o.Name == "--watch-dir" {
			b.Command = "run"
		}
	}
	if b.Command == "run" && !b.has("--avro-listen") {
		b.Options = append(b.Options, Option{Name: "--avro-listen"})
	}
	switch {
	case !b.keyed || b.Command != "run":
	case b.has("--dedup-header"):
		b.look("Flume's Kafka sink took the record's key from the header key; with --dedup-header it is the identity, so that copies meet")
	default:
		b.Options = append(b.Options, Option{Name: "--kafka-key", Value: "key"})
		b.look("--kafka-key key: Flume's Kafka sink takes the record's key from the header key")
	}
	for _, o := range b.Options {
		if strings.Contains(o.Value, "${") {
			b.look("%s is %s: Flume replaced what is in the braces when it started; write the value", o.Name, o.Value)
		}
	}
	slices.SortStableFunc(b.Options, func(x, y Option) int { return rank(x.Name) - rank(y.Name) })
}

// copies tells of what would count an event twice.
func (b *builder) copies() {
	var loads []string // Kafka's channels and sinks, which etl loads
	reach := map[string]bool{}
	for _, c := range b.agent.Components {
		switch of := kindOf(c); {
		case of == ofKafkaChannel:
			reach[c.Name] = true
			loads = append(loads, c.Key(b.Agent, "*"))
		case c.Kind == "sinks" && of != "" && !b.behindKafka(c):
			reach[c.Get("channel")] = true
			if of == ofKafkaSink {
				loads = append(loads, c.Key(b.Agent, "*"))
			}
		}
	}
	if b.Replaced {
		return
	}
	for _, c := range b.agent.of("sources") {
		var both []string
		for name := range strings.FieldsSeq(c.Get("channels")) {
			if reach[name] {
				both = append(both, name)
			}
		}
		if len(both) > 1 && !strings.EqualFold(c.Get("selector.type"), "multiplexing") {
			b.look("%s: each event goes into the channels %s, and from each of them to etl: it would be counted as often; let one of them alone reach etl", c.Key(b.Agent, "channels"), strings.Join(both, " and "))
		}
	}
	if !b.has("--dedup-header") {
		return
	}
	for _, key := range loads {
		if slices.Contains(b.Options, Option{Name: "--kafka-value", Value: "raw"}) {
			b.look("--dedup-header finds nothing in raw records, which have no headers: have %s write Flume's event format, and say --kafka-value flume", key)
		}
		b.look("--dedup-header: copies meet in one partition only where %s has the identity as the record's key: have an interceptor put it into the header key as well", key)
	}
}

// behindKafka is whether a sink empties a channel in Kafka, which etl reads itself.
func (b *builder) behindKafka(c *Component) bool {
	ch := b.agent.component("channels", c.Get("channel"))
	return ch != nil && kindOf(ch) == ofKafkaChannel
}

// rank puts Kafka's options first, then what is received, then the rest.
func rank(name string) int {
	switch {
	case strings.HasPrefix(name, "--kafka-"):
		return 0
	case name == "--avro-listen":
		return 1
	case strings.HasSuffix(name, "-listen"), name == "--poll", name == "--watch-dir":
		return 2
	case name == "--poll-batch":
		return 3
	}
	return 4
}

func (b *builder) has(name string) bool {
	return slices.ContainsFunc(b.Options, func(o Option) bool { return o.Name == name })
}

// option gives etl an option because of a key. One that has another value already keeps it, and the key is told of.
func (b *builder) option(key, name, value string) bool {
	b.done[key] = true
	for _, o := range b.Options {
		if o.Name != name || o.Value == value || name == "--poll" || name == "--watch-dir" {
			continue
		}
		b.NoEquivalent = append(b.NoEquivalent, Finding{key, fmt.Sprintf("%s has one value and is %s already; run one more etl with %s", name, Quote(o.Value), Quote(value))})
		return false
	}
	if o := (Option{Name: name, Value: value}); !slices.Contains(b.Options, o) {
		b.Options = append(b.Options, o)
	}
	b.use(key, name)
	return true
}

// on gives etl an option that takes no value.
func (b *builder) on(key, name string) {
	if !b.has(name) {
		b.Options = append(b.Options, Option{Name: name, Switch: true})
	}
	b.use(key, name)
}

// use says that a key became an option.
func (b *builder) use(key, name string) {
	b.done[key] = true
	for i := range b.Used {
		if b.Used[i].Key == key {
			if !slices.Contains(strings.Split(b.Used[i].Text, ", "), name) {
				b.Used[i].Text += ", " + name
			}
			return
		}
	}
	b.Used = append(b.Used, Finding{key, name})
}

func (b *builder) say(fate Fate, key, text string) {
	b.done[key] = true
	f := Finding{key, text}
	switch fate {
	case Stays:
		b.Stays = append(b.Stays, f)
	case Changes:
		b.Changes = append(b.Changes, f)
	case NotNeeded:
		b.NotNeeded = append(b.NotNeeded, f)
	default:
		b.NoEquivalent = append(b.NoEquivalent, f)
	}
}

func (b *builder) look(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(b.Look, text) {
		b.Look = append(b.Look, text)
	}
}

// all says one thing of every property of a component that nothing was said of yet.
func (b *builder) all(c *Component, fate Fate, text string) { b.prefix(c, "", fate, text) }

// rest says of each property that nothing was said of yet what the table has.
func (b *builder) rest(c *Component, of string) {
	for _, p := range c.Properties {
		if b.done[p.Key] {
			continue
		}
		switch r, ok := lookup(b.rules, of, p.Name); {
		case !ok:
			b.say(Missing, p.Key, "docs/migration.md knows no such property; see Flume's guide whether it did anything")
		case !b.Replaced && (r.Fate == NotNeeded || r.Fate == Becomes):
			b.say(Stays, p.Key, "")
		case r.Fate != Becomes:
			b.say(r.Fate, p.Key, r.Text)
		case p.Name == "ssl" || p.Name == "enableSSL" || p.Name == "ipFilter":
			b.say(NotNeeded, p.Key, "it is "+orNothing(p.Value))
		default:
			b.say(NotNeeded, p.Key, "it has no effect here ("+strings.Join(r.Options, ", ")+")")
		}
	}
}

func orNothing(s string) string {
	if s == "" {
		return "empty"
	}
	return s
}

// other accounts for groups of sinks and filters of the file.
func (b *builder) other(c *Component) {
	switch {
	case c.Kind == "sinkgroups" && b.Replaced:
		b.all(c, NotNeeded, "etl writes to one place; Kafka's client finds another broker by itself")
	case c.Kind == "sinkgroups":
		b.all(c, Stays, "failover and load balancing between several etl work as between agents")
	case b.Replaced:
		b.all(c, Missing, "etl reads secrets out of files: --kafka-password-file, --mysql-password-file")
	default:
		b.all(c, Stays, "")
	}
}
