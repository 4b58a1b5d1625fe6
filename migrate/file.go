package migrate

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/magiconair/properties"
)

// MaxBytes is the length of the longest file that is read, in bytes: a flume.conf has some kilobytes.
const MaxBytes = 4 << 20

// Property is one line of the file.
type Property struct {
	// Key is the whole key, Name what follows the component: agent.sources.r1.port and port.
	Key, Name, Value string
}

// Component is a source, a channel, a sink, or something else that an agent lists by name.
type Component struct {
	Kind       string // sources, channels, sinks, sinkgroups, configfilters
	Name       string
	Type       string // as it is written
	Properties []Property
}

// Get is the value of a property, or "".
func (c *Component) Get(name string) string {
	for _, p := range c.Properties {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// Key is the whole key of a property of the component of this agent.
func (c *Component) Key(agent, name string) string {
	return agent + "." + c.Kind + "." + c.Name + "." + name
}

// Agent is one agent of the file.
type Agent struct {
	Name       string
	Components []*Component // in the order of the file
	Lists      []Property   // agent.sources and its like
	Stray      []Property   // what belongs to no component that is listed: Flume ignores it
}

// says reports whether the file has the key.
func (a *Agent) says(key string) bool {
	for _, c := range a.Components {
		for _, p := range c.Properties {
			if p.Key == key {
				return true
			}
		}
	}
	return false
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
}

var kinds = []string{"sources", "channels", "sinks", "sinkgroups", "configfilters"}

// Parse reads a flume.conf. An error names the line.
func Parse(text []byte) (*File, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("%d bytes, expected a flume.conf of %d at most", len(text), MaxBytes)
	}
	if before, _, found := bytes.Cut(text, []byte{0}); found {
		return nil, fmt.Errorf("line %d: a zero byte, expected text: KEY = VALUE", 1+bytes.Count(before, []byte("\n")))
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))       // a byte order mark is no part of the first key
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")) // one line end, in Java, and after a backslash too
	loader := properties.Loader{Encoding: properties.UTF8, DisableExpansion: true}
	props, err := loader.LoadBytes(text)
	if err != nil {
		return nil, fmt.Errorf("%s; expected Java's properties, KEY = VALUE", strings.ToLower(strings.TrimPrefix(err.Error(), "properties: ")))
	}
	f := &File{}
	keys := props.Keys()
	for _, key := range keys {
		name, kind, ok := strings.Cut(key, ".")
		if ok && name != "" && slices.Contains(kinds[:3], kind) && f.agent(name) == nil {
			f.Agents = append(f.Agents, &Agent{Name: name})
		}
	}
	if len(f.Agents) == 0 {
		return nil, noAgent(text)
	}
	for _, key := range keys {
		name, kind, _ := strings.Cut(key, ".")
		if a := f.agent(name); a != nil && slices.Contains(kinds, kind) {
			value, _ := props.Get(key)
			a.list(kind, Property{Key: key, Name: kind, Value: strings.TrimSpace(value)})
		}
	}
	for _, key := range keys {
		value, _ := props.Get(key)
		f.add(key, strings.TrimSpace(value))
	}
	return f, nil
}

func (f *File) agent(name string) *Agent {
	for _, a := range f.Agents {
		if a.Name == name {
			return a
		}
	}
	return nil
}

func (a *Agent) list(kind string, p Property) {
	a.Lists = append(a.Lists, p)
	for name := range strings.FieldsSeq(p.Value) {
		if a.component(kind, name) == nil {
			a.Components = append(a.Components, &Component{Kind: kind, Name: name})
		}
	}
}

func (a *Agent) component(kind, name string) *Component {
	for _, c := range a.Components {
		if c.Kind == kind && c.Name == name {
			return c
		}
	}
	return nil
}

func (f *File) add(key, value string) {
	parts := strings.SplitN(key, ".", 4)
	a := f.agent(parts[0])
	switch {
	case a == nil:
		f.Stray = append(f.Stray, Property{Key: key, Name: key, Value: value})
		return
	case len(parts) == 2 && slices.Contains(kinds, parts[1]):
		return // a list, which is there
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

// noAgent is the error of a file that is none of Flume's.
func noAgent(text []byte) error {
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && line[0] != '!' {
			if len(line) > 60 {
				line = line[:60]
			}
			return fmt.Errorf("line %d: %q, and no agent in the file; expected lines like AGENT.sources = NAME", n, line)
		}
	}
	return fmt.Errorf("line %d: the end, and no agent in the file; expected lines like AGENT.sources = NAME", n+1)
}
