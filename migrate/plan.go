package migrate

import (
	"fmt"
	"slices"
	"strings"
)

// Option is one option of etl. ${NAME} in its value is an environment variable.
type Option struct {
	Name, Value string
	Switch      bool // takes no value
}

// Command is the command line of one etl process, complete except for --mysql-dsn, --format and --query.
type Command struct {
	// Verb is run, ingest or load.
	Verb string
	// Of are the components that it replaces or reads from: sources.in, sinks.k.
	Of      []string
	Options []Option
	// Ask describes the value of each variable that the operator must set.
	Ask map[string]string
}

// Has reports whether the command has the option.
func (c *Command) Has(name string) bool {
	return slices.ContainsFunc(c.Options, func(o Option) bool { return o.Name == name })
}

// Get returns the value of an option, or "".
func (c *Command) Get(name string) string {
	for _, o := range c.Options {
		if o.Name == name {
			return o.Value
		}
	}
	return ""
}

// Finding is a key of the file, or a prefix of keys that ends in *, with its outcome or the reason for it.
type Finding struct{ Key, Text string }

// Plan is how etl replaces one agent, or receives its events.
type Plan struct {
	Agent string
	// Replaced is whether etl replaces components of the agent, Kept whether some components stay. Removed are the keys of
	// the components that etl replaces.
	Replaced, Kept bool
	Removed        []string
	// Elsewhere is whether a command in another agent's plan receives its events.
	Elsewhere bool
	// Commands are the etl processes, none if etl can neither replace the agent nor receive its events.
	Commands []Command

	Used         []Finding // translated to options
	Keep         []Finding // keep in the agent unchanged
	Change       []Finding // change in the agent
	NotNeeded    []Finding
	NoEquivalent []Finding
	// Notes is what the operator should know before starting the commands.
	Notes []string
	// Keystores are the Java keystores to convert to PEM, under the names that the options use.
	Keystores []string
}

// Plans returns a plan for each agent of the file.
func Plans(f *File) []Plan {
	p := newPlanner(f)
	builders := make([]*builder, len(f.Agents))
	for i, a := range f.Agents {
		builders[i] = newBuilder(p, a)
	}
	for _, b := range builders { // first, because agents that stay may send to these commands
		b.replace()
	}
	for _, b := range builders {
		b.keep()
	}
	p.finish()
	plans := make([]Plan, len(builders))
	for i, b := range builders {
		b.finish(f)
		plans[i] = b.Plan
	}
	return plans
}

// builder builds the plan of one agent.
type builder struct {
	Plan
	*planner
	agent *Agent
	flows []*flow
	cur   *unit              // the command that gets the options
	done  map[string]bool    // keys with an outcome
	used  map[string]int     // the index of a key in Used
	noted map[string]bool    // texts in Notes
	at    map[string][]*unit // commands that receive or poll, by the channel that the events come from
}

func newBuilder(p *planner, a *Agent) *builder {
	b := &builder{
		planner: p, agent: a, flows: flowsOf(a), cur: &unit{},
		done: map[string]bool{}, used: map[string]int{}, noted: map[string]bool{}, at: map[string][]*unit{},
	}
	b.Agent = a.Name
	for _, fl := range b.flows {
		fl.replaced = b.replaceable(fl)
		b.Replaced = b.Replaced || fl.replaced
		b.Kept = b.Kept || !fl.replaced && fl.starts()
	}
	b.Kept = b.Kept || !b.Replaced
	for _, l := range a.Lists {
		b.done[l.Key] = true
		switch {
		case !b.Replaced:
			b.Keep = append(b.Keep, Finding{l.Key, ""})
		case b.Kept:
			b.Change = append(b.Change, Finding{l.Key, "remove the components that etl replaces"})
		default:
			b.NotNeeded = append(b.NotNeeded, Finding{l.Key, "etl has no lists; each option that is given is active"})
		}
	}
	return b
}

// finish reports what has no outcome yet.
func (b *builder) finish(f *File) {
	for _, c := range b.agent.Components {
		if c.Kind == "sinkgroups" || c.Kind == "configfilters" {
			b.groupOrFilter(c)
		}
	}
	for _, p := range b.agent.Stray {
		b.NotNeeded = append(b.NotNeeded, Finding{p.Key, "Flume ignores it: " + b.Agent + " lists no such component"})
	}
	for _, t := range f.Twice {
		if agent, _, _ := strings.Cut(t.Key, "."); agent == b.Agent {
			b.note("%s occurs more than once, in lines %s: the last value is used, as in Flume", t.Key, join(t.Lines))
		}
	}
	for i, u := range b.Used {
		if !b.agent.hasKey(u.Key) {
			b.Used[i].Text += " (not in the file: Flume's default)"
		}
	}
}

func join(lines []int) string {
	const most = 8
	var w strings.Builder
	for i, n := range lines[:min(len(lines), most)] {
		if i > 0 {
			w.WriteString(", ")
		}
		fmt.Fprint(&w, n)
	}
	if len(lines) > most {
		w.WriteString(", …")
	}
	return w.String()
}

// option adds an option to the command and records that it comes from key.
func (b *builder) option(key, name, value string) {
	switch o := (Option{Name: name, Value: value}); {
	case slices.Contains(b.cur.Options, o):
	case b.cur.Has(name) && !several(name):
		b.report(NoEquivalent, key, fmt.Sprintf("%s is already %s for the same component; etl accepts one value", name, Quote(b.cur.Get(name))))
		return
	default:
		b.cur.Options = append(b.cur.Options, o)
	}
	b.use(key, name)
}

// addSwitch adds an option that takes no value.
func (b *builder) addSwitch(key, name string) {
	if !b.cur.Has(name) {
		b.cur.Options = append(b.cur.Options, Option{Name: name, Switch: true})
	}
	b.use(key, name)
}

// use records that a key was translated to an option.
func (b *builder) use(key, name string) {
	b.done[key] = true
	if i, ok := b.used[key]; ok {
		if !slices.Contains(strings.Split(b.Used[i].Text, ", "), name) {
			b.Used[i].Text += ", " + name
		}
		return
	}
	b.used[key] = len(b.Used)
	b.Used = append(b.Used, Finding{key, name})
}

func (b *builder) report(outcome Outcome, key, text string) {
	b.done[key] = true
	f := Finding{key, text}
	switch outcome {
	case Keep:
		b.Keep = append(b.Keep, f)
	case Change:
		b.Change = append(b.Change, f)
	case NotNeeded:
		b.NotNeeded = append(b.NotNeeded, f)
	default:
		b.NoEquivalent = append(b.NoEquivalent, f)
	}
}

func (b *builder) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !b.noted[text] {
		b.noted[text] = true
		b.Notes = append(b.Notes, text)
	}
}

// all reports one outcome for all properties of a component that have none yet.
func (b *builder) all(c *Component, outcome Outcome, text string) { b.prefix(c, "", outcome, text) }

// prefix reports one outcome for all properties with the prefix that have none yet.
func (b *builder) prefix(c *Component, prefix string, outcome Outcome, text string) {
	said := false
	for _, p := range c.Properties {
		if !strings.HasPrefix(p.Name, prefix) || b.done[p.Key] {
			continue
		}
		b.done[p.Key] = true
		if !said {
			b.report(outcome, c.Key(b.Agent, prefix+"*"), text)
			said = true
		}
	}
}

// remaining reports the outcome in the rules for each property that has none yet.
func (b *builder) remaining(c *Component, of string, replaced bool) {
	for _, p := range c.Properties {
		if b.done[p.Key] {
			continue
		}
		switch r, ok := lookup(b.rules, of, p.Name); {
		case !ok:
			b.report(NoEquivalent, p.Key, "not in docs/flume-properties.md; check in Flume's user guide whether it has an effect")
		case !replaced && (r.Outcome == NotNeeded || r.Outcome == Translated):
			b.report(Keep, p.Key, "")
		case r.Outcome != Translated:
			b.report(r.Outcome, p.Key, r.Text)
		case p.Name == "ssl" || p.Name == "enableSSL" || p.Name == "ipFilter":
			b.report(NotNeeded, p.Key, "its value is "+orEmpty(p.Value))
		default:
			b.report(NotNeeded, p.Key, "it has no effect here ("+strings.Join(r.Options, ", ")+")")
		}
	}
}

func orEmpty(s string) string {
	if s == "" {
		return "empty"
	}
	return s
}

// groupOrFilter reports the outcome of a sink group or a configuration filter.
func (b *builder) groupOrFilter(c *Component) {
	switch {
	case c.Kind == "sinkgroups" && !b.Kept:
		b.all(c, NotNeeded, "etl writes only to Kafka; its client switches brokers automatically")
	case c.Kind == "sinkgroups":
		b.all(c, Keep, "failover and load balancing between several etl processes work as between agents")
	case !b.Kept:
		b.all(c, NoEquivalent, "etl reads secrets from files: --kafka-password-file, --mysql-password-file")
	default:
		b.all(c, Keep, "")
	}
}
