package migrate

import (
	"fmt"
	"slices"
	"strings"
)

// Option is one option of etl. ${NAME} in its value is a variable of the environment.
type Option struct {
	Name, Value string
	Switch      bool // takes no value
}

// Command is one process of etl, whole but for --mysql-dsn, --format and --query.
type Command struct {
	// Verb is run, ingest or load.
	Verb string
	// Of are the components whose work it does: sources.in, sinks.k.
	Of      []string
	Options []Option
	// Ask says of each variable that the file has no value for what it must be set to.
	Ask map[string]string
}

// Has reports whether the command has the option.
func (c *Command) Has(name string) bool {
	return slices.ContainsFunc(c.Options, func(o Option) bool { return o.Name == name })
}

// Get is the value of an option, or "".
func (c *Command) Get(name string) string {
	for _, o := range c.Options {
		if o.Name == name {
			return o.Value
		}
	}
	return ""
}

// Finding is a key of the file, or a beginning of keys that ends in *, and what becomes of it.
type Finding struct{ Key, Text string }

// Plan is what etl does in the place of one agent, or beside it.
type Plan struct {
	Agent string
	// Replaced is whether etl takes the place of some of the agent, Kept whether some of it stays. Where both are,
	// Removed are the keys of the components whose place etl takes.
	Replaced, Kept bool
	Removed        []string
	// Elsewhere is whether its events come to a command of another agent's plan.
	Elsewhere bool
	// Commands are the processes of etl, none where nothing of the agent is etl's work.
	Commands []Command

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
	p := newPlanner(f)
	builders := make([]*builder, len(f.Agents))
	for i, a := range f.Agents {
		builders[i] = newBuilder(p, a)
	}
	for _, b := range builders { // first, as agents that stay may send to them
		b.replace()
	}
	for _, b := range builders {
		b.keep()
	}
	p.finish()
	plans := make([]Plan, len(builders))
	for i, b := range builders {
		b.end(f)
		plans[i] = b.Plan
	}
	return plans
}

// builder makes the plan of one agent.
type builder struct {
	Plan
	*planner
	agent *Agent
	flows []*flow
	cur   *unit              // the command that options go to
	done  map[string]bool    // keys that are accounted for
	used  map[string]int     // where a key is in Used
	said  map[string]bool    // texts of Look
	at    map[string][]*unit // commands that receive or poll, by the channel that is behind
}

func newBuilder(p *planner, a *Agent) *builder {
	b := &builder{
		planner: p, agent: a, flows: flowsOf(a), cur: &unit{},
		done: map[string]bool{}, used: map[string]int{}, said: map[string]bool{}, at: map[string][]*unit{},
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
			b.Stays = append(b.Stays, Finding{l.Key, ""})
		case b.Kept:
			b.Changes = append(b.Changes, Finding{l.Key, "without those whose place etl takes"})
		default:
			b.NotNeeded = append(b.NotNeeded, Finding{l.Key, "etl has no lists: an option that is given is on"})
		}
	}
	return b
}

// end accounts for what is left.
func (b *builder) end(f *File) {
	for _, c := range b.agent.Components {
		if c.Kind == "sinkgroups" || c.Kind == "configfilters" {
			b.other(c)
		}
	}
	for _, p := range b.agent.Stray {
		b.NotNeeded = append(b.NotNeeded, Finding{p.Key, "Flume ignores it: it belongs to nothing that " + b.Agent + " lists"})
	}
	for _, t := range f.Twice {
		if agent, _, _ := strings.Cut(t.Key, "."); agent == b.Agent {
			b.look("%s stands more than once, in lines %s: the last one counts, in Flume too", t.Key, join(t.Lines))
		}
	}
	for i, u := range b.Used {
		if !b.agent.says(u.Key) {
			b.Used[i].Text += " (the file does not say it: Flume's default)"
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

// option gives the command an option because of a key.
func (b *builder) option(key, name, value string) {
	switch o := (Option{Name: name, Value: value}); {
	case slices.Contains(b.cur.Options, o):
	case b.cur.Has(name) && !several(name):
		b.say(Missing, key, fmt.Sprintf("%s is %s already, of the same component; etl has no second value", name, Quote(b.cur.Get(name))))
		return
	default:
		b.cur.Options = append(b.cur.Options, o)
	}
	b.use(key, name)
}

// on gives the command an option that takes no value.
func (b *builder) on(key, name string) {
	if !b.cur.Has(name) {
		b.cur.Options = append(b.cur.Options, Option{Name: name, Switch: true})
	}
	b.use(key, name)
}

// use says that a key became an option.
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
	if text := fmt.Sprintf(format, args...); !b.said[text] {
		b.said[text] = true
		b.Look = append(b.Look, text)
	}
}

// all says one thing of every property of a component that nothing was said of yet.
func (b *builder) all(c *Component, fate Fate, text string) { b.prefix(c, "", fate, text) }

// prefix says one thing of the properties that begin so and of which nothing was said yet.
func (b *builder) prefix(c *Component, prefix string, fate Fate, text string) {
	said := false
	for _, p := range c.Properties {
		if !strings.HasPrefix(p.Name, prefix) || b.done[p.Key] {
			continue
		}
		b.done[p.Key] = true
		if !said {
			b.say(fate, c.Key(b.Agent, prefix+"*"), text)
			said = true
		}
	}
}

// rest says of each property that nothing was said of yet what the table has.
func (b *builder) rest(c *Component, of string, replaced bool) {
	for _, p := range c.Properties {
		if b.done[p.Key] {
			continue
		}
		switch r, ok := lookup(b.rules, of, p.Name); {
		case !ok:
			b.say(Missing, p.Key, "not in docs/flume-properties.md; see Flume's guide whether it has an effect")
		case !replaced && (r.Fate == NotNeeded || r.Fate == Becomes):
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
	case c.Kind == "sinkgroups" && !b.Kept:
		b.all(c, NotNeeded, "etl writes to one place; Kafka's client finds another broker by itself")
	case c.Kind == "sinkgroups":
		b.all(c, Stays, "failover and load balancing between several etl work as between agents")
	case !b.Kept:
		b.all(c, Missing, "etl reads secrets out of files: --kafka-password-file, --mysql-password-file")
	default:
		b.all(c, Stays, "")
	}
}
