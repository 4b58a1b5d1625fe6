package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"github.com/sluice-etl/sluice/internal/textfile"
)

// configFile is a configuration file: a YAML mapping from option names to values. A value is a scalar, a list for an
// option that takes several values, or a mapping for one that takes KEY=VALUE pairs.
type configFile struct {
	path   string
	values map[string]fileValue // by option name
}

// fileValue is the value of one option.
type fileValue struct {
	node *yaml.Node
	line int // of the key, from 1
}

// loadConfigFile reads a file and checks its keys. known are the names of all options of all commands, because one file
// may serve several commands. The error has a line for each problem.
func loadConfigFile(path string, known []string) (*configFile, error) {
	text, err := textfile.Read(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration file: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	c := &configFile{path: path, values: map[string]fileValue{}}
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF): // empty, or comments alone
		return c, nil
	case err != nil:
		return nil, c.syntax(err)
	}
	switch err := dec.Decode(&second); {
	case err == nil:
		return nil, c.errorf(second.Line, "got a second YAML document, must be one")
	case !errors.Is(err, io.EOF):
		return nil, c.syntax(err)
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		if root.Tag == "!!null" {
			return c, nil
		}
		return nil, c.errorf(root.Line, "must be a mapping of options to values, for example kafka-topic: logs")
	}
	var errs []error
	for i := 0; i < len(root.Content); i += 2 {
		key, value := root.Content[i], resolved(root.Content[i+1])
		name := key.Value
		switch earlier, again := c.values[name]; {
		case strings.HasPrefix(name, "--") && slices.Contains(known, name[2:]):
			errs = append(errs, c.errorf(key.Line, "unknown option %s, must be without dashes: %s", name, name[2:]))
		case !slices.Contains(known, name):
			errs = append(errs, c.errorf(key.Line, "unknown option %s%s", name, didYouMean(name, known)))
		case again:
			errs = append(errs, c.errorf(key.Line, "%s is set twice, first in line %d", name, earlier.line))
		case value.Tag == "!!null":
		default:
			c.values[name] = fileValue{value, key.Line}
		}
	}
	return c, errors.Join(errs...)
}

// resolved follows an alias to its anchor.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func (c *configFile) errorf(line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", c.path, line, fmt.Sprintf(format, args...))
}

// syntax shortens an error of the YAML parser, which begins with "yaml: " and may have several lines.
func (c *configFile) syntax(err error) error {
	return fmt.Errorf("%s: invalid YAML: %s", c.path, strings.TrimPrefix(strings.Join(strings.Fields(err.Error()), " "), "yaml: "))
}

// at returns where a value is set: FILE:LINE.
func (c *configFile) at(v fileValue) string { return c.path + ":" + strconv.Itoa(v.line) }

// text returns the value of a flag as kong parses it: lists and mappings in one text, joined by their separators.
func (c *configFile) text(f *kong.Flag, v fileValue) (string, error) {
	bad := func(what string) (string, error) {
		return "", c.errorf(v.line, "%s is %s, must be %s", f.Name, what, expects(f))
	}
	switch v.node.Kind {
	case yaml.ScalarNode:
		if f.IsSlice() && f.Tag.Sep != -1 {
			return kong.JoinEscaped(trimmed(kong.SplitEscaped(v.node.Value, f.Tag.Sep)), f.Tag.Sep), nil
		}
		return v.node.Value, nil
	case yaml.SequenceNode:
		if !f.IsSlice() {
			return bad("a list")
		}
		items := make([]string, len(v.node.Content))
		for i, n := range v.node.Content {
			if n = resolved(n); n.Kind != yaml.ScalarNode {
				return bad("a list of lists or mappings")
			}
			items[i] = n.Value
		}
		return kong.JoinEscaped(items, f.Tag.Sep), nil
	case yaml.MappingNode:
		if !f.IsMap() {
			return bad("a mapping")
		}
		var items []string
		for i := 0; i < len(v.node.Content); i += 2 {
			n := resolved(v.node.Content[i+1])
			if n.Kind != yaml.ScalarNode {
				return bad("a mapping of lists or mappings")
			}
			items = append(items, v.node.Content[i].Value+"="+n.Value)
		}
		return kong.JoinEscaped(items, f.Tag.MapSep), nil
	}
	return bad("no value")
}

func expects(f *kong.Flag) string {
	switch {
	case f.IsSlice():
		return "a value or a list of values"
	case f.IsMap():
		return "a mapping of texts"
	}
	return "one value"
}
