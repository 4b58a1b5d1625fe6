package migrate

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/internal/textfile"
)

// MaxBytes is the maximum length of a file in bytes: a flume.conf has some kilobytes.
const MaxBytes = 256 << 10

// Property is one line of the file.
type Property struct {
	// Key is the whole key, Name the part after the component: agent.sources.r1.port and port.
	Key, Name, Value string
}

// Component is a source, a channel, a sink, or something else that an agent lists by name.
type Component struct {
	Kind       string // sources, channels, sinks, sinkgroups, configfilters
	Name       string
	Type       string // as written in the file
	Properties []Property
}

// Get returns the value of a property, or "".
func (c *Component) Get(name string) string {
	for _, p := range c.Properties {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// Key returns the whole key of a property of the component in the agent.
func (c *Component) Key(agent, name string) string {
	return agent + "." + c.Kind + "." + c.Name + "." + name
}

// Agent is one agent of the file.
type Agent struct {
	Name       string
	Components []*Component // in file order
	Lists      []Property   // agent.sources, agent.channels and so on
	Stray      []Property   // properties of components that are not listed, which Flume ignores

	byName map[string]*Component // by kind.name
}

// hasKey reports whether the file contains the key.
func (a *Agent) hasKey(key string) bool {
	parts := strings.SplitN(key, ".", 4)
	if len(parts) < 4 {
		return false
	}
	c := a.component(parts[1], parts[2])
	return c != nil && slices.ContainsFunc(c.Properties, func(p Property) bool { return p.Key == key })
}

func (a *Agent) of(kind string) []*Component {
	var out []*Component
	for _, c := range a.Components {
		if c.Kind == kind {
			out = append(out, c)
		}
	}
	return out
}

// File is a flume.conf.
type File struct {
	Agents []*Agent
	Stray  []Property // keys of no agent
	Twice  []Twice    // keys that occur more than once, with different values

	byName map[string]*Agent
}

// Twice is a key that occurs more than once: the last value is used, in Java and therefore in Flume.
type Twice struct {
	Key   string
	Lines []int
}

var kinds = []string{"sources", "channels", "sinks", "sinkgroups", "configfilters"}

// Parse reads a flume.conf. An error names the line.
func Parse(text []byte) (*File, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("got %d bytes, expected a flume.conf of at most %d bytes", len(text), MaxBytes)
	}
	if before, _, found := bytes.Cut(text, []byte{0}); found {
		return nil, fmt.Errorf("line %d: got a zero byte, expected UTF-8 text of the form KEY = VALUE", 1+bytes.Count(before, []byte("\n")))
	}
	text = bytes.TrimPrefix(text, []byte(textfile.BOM)) // not part of the first key
	entries, err := parseProperties(string(text))
	if err != nil {
		return nil, err
	}
	f := &File{byName: map[string]*Agent{}}
	entries = f.last(entries)
	for _, e := range entries {
		name, kind, ok := strings.Cut(e.key, ".")
		if ok && name != "" && slices.Contains(kinds[:3], kind) && f.byName[name] == nil {
			f.byName[name] = &Agent{Name: name, byName: map[string]*Component{}}
			f.Agents = append(f.Agents, f.byName[name])
		}
	}
	if len(f.Agents) == 0 {
		return nil, noAgent(text)
	}
	for _, e := range entries {
		name, kind, _ := strings.Cut(e.key, ".")
		if a := f.byName[name]; a != nil && slices.Contains(kinds, kind) {
			a.list(kind, Property{Key: e.key, Name: kind, Value: e.value})
		}
	}
	for _, e := range entries {
		f.add(e.key, e.value)
	}
	return f, nil
}

// last returns the last value of each key, in the order of the keys' first occurrence, and records repeated keys in Twice.
func (f *File) last(entries []entry) []entry {
	at := make(map[string]int, len(entries))
	twice := map[string]int{}
	var out []entry
	for _, e := range entries {
		e.key, e.value = strings.TrimSpace(e.key), strings.TrimSpace(e.value) // as Flume does
		i, ok := at[e.key]
		if !ok {
			at[e.key] = len(out)
			out = append(out, e)
			continue
		}
		if out[i].value != e.value {
			j, ok := twice[e.key]
			if !ok {
				j, twice[e.key] = len(f.Twice), len(f.Twice)
				f.Twice = append(f.Twice, Twice{Key: e.key, Lines: []int{out[i].line}})
			}
			f.Twice[j].Lines = append(f.Twice[j].Lines, e.line)
		}
		out[i].value = e.value
	}
	return out
}

func (a *Agent) list(kind string, p Property) {
	a.Lists = append(a.Lists, p)
	for name := range strings.FieldsSeq(p.Value) {
		if a.component(kind, name) == nil {
			c := &Component{Kind: kind, Name: name}
			a.Components, a.byName[kind+"."+name] = append(a.Components, c), c
		}
	}
}

func (a *Agent) component(kind, name string) *Component { return a.byName[kind+"."+name] }

func (f *File) add(key, value string) {
	parts := strings.SplitN(key, ".", 4)
	a := f.byName[parts[0]]
	switch {
	case a == nil:
		f.Stray = append(f.Stray, Property{Key: key, Name: key, Value: value})
		return
	case len(parts) == 2 && slices.Contains(kinds, parts[1]):
		return // a list, which Parse has read already
	case len(parts) == 4:
		if c := a.component(parts[1], parts[2]); c != nil {
			c.Properties = append(c.Properties, Property{Key: key, Name: parts[3], Value: value})
			if parts[3] == "type" {
				c.Type = value
			}
			return
		}
	}
	a.Stray = append(a.Stray, Property{Key: key, Name: key, Value: value})
}

// noAgent returns the error for a file that is not a flume.conf.
func noAgent(text []byte) error {
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && line[0] != '!' {
			if len(line) > 60 {
				line = line[:60]
			}
			return fmt.Errorf("line %d: got %q, and no agent in the file; expected lines such as AGENT.sources = NAME", n, line)
		}
	}
	return fmt.Errorf("line %d: got the end of the file, and no agent; expected lines such as AGENT.sources = NAME", n+1)
}
