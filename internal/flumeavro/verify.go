package flumeavro

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MaxText bounds a protocol's text, in bytes, which is checked before anything is built from it, as are the numbers of
// values and levels. Flume's text has 1,334 bytes, 50 JSON values and a depth of 7.
const (
	MaxText   = 64 << 10
	maxValues = 2000
	maxDepth  = 32
)

// valueBytes is an upper bound of the memory of a JSON value of a protocol, with its share of a map or slice and its
// entry in the table of names, but without its text.
const valueBytes = 384

// Cost returns how many bytes [Verify] allocates at most for the text. It allocates nothing itself. The error is a
// bound that the text exceeds.
func Cost(text []byte) (int, error) {
	if len(text) > MaxText {
		return 0, fmt.Errorf("its text has %d bytes, the limit is %d", len(text), MaxText)
	}
	values, depth, quoted := 1, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			values++
		case c == '}' || c == ']':
			depth--
		case c == ',' || c == ':':
			values++
		}
		if values > maxValues {
			return 0, fmt.Errorf("it has more than %d JSON values", maxValues)
		}
		if depth > maxDepth {
			return 0, fmt.Errorf("it is nested more than %d levels deep", maxDepth)
		}
	}
	return 4*len(text) + values*valueBytes, nil
}

// Verify returns an error unless another protocol encodes events and Status as Flume's does. Names and docs may differ,
// because they are not on the wire. Only the types of Flume's messages are examined, and references are followed but
// never expanded, so the cost grows with the text and not with what the text describes.
func Verify(text []byte) error {
	if _, err := Cost(text); err != nil {
		return err
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return err
	}
	protocol, ok := tree.(object)
	if !ok {
		return errors.New("it is not a JSON object")
	}
	messages, _ := protocol["messages"].(object)
	s := schemas{named: map[string]named{}}
	space, ok := protocol["namespace"].(string)
	if name, _ := protocol["protocol"].(string); !ok {
		space = spaceOf(name)
	}
	if err := s.collect(protocol["types"], space); err != nil {
		return err
	}
	for _, m := range messages {
		m, _ := m.(object)
		request, _ := m["request"].([]any)
		for _, parameter := range request {
			parameter, _ := parameter.(object)
			if err := s.collect(parameter["type"], space); err != nil {
				return err
			}
		}
		for _, t := range []any{m["response"], m["errors"]} {
			if err := s.collect(t, space); err != nil {
				return err
			}
		}
	}
	found := false
	for _, name := range []string{"append", "appendBatch"} {
		m, ok := messages[name].(object)
		if !ok {
			continue
		}
		found = true
		request, _ := m["request"].([]any)
		if oneWay, _ := m["one-way"].(bool); oneWay || len(request) != 1 {
			return fmt.Errorf("message %s: expected one parameter and a reply", name)
		}
		parameter, _ := request[0].(object)
		event := s.resolve(parameter["type"], space)
		if name == "appendBatch" {
			if !event.is("array") {
				return notEvents(name)
			}
			event = s.resolve(event.node["items"], event.space)
		}
		if !s.isEvent(event) {
			return notEvents(name)
		}
		if !isStatus(s.resolve(m["response"], space)) {
			return fmt.Errorf("message %s: the response is not enum {OK, FAILED, UNKNOWN}", name)
		}
	}
	if !found {
		return errors.New("it has neither append nor appendBatch")
	}
	return nil
}

func notEvents(message string) error {
	return fmt.Errorf("message %s: events are not record {map<string> headers, bytes body}", message)
}

// object is a JSON object.
type object = map[string]any

// named is a schema with the namespace that applies within it.
type named struct {
	node  object
	space string
}

func (n named) is(kind string) bool { return n.node["type"] == kind }

// schemas are the named types of a protocol, by full name.
type schemas struct{ named map[string]named }

// collect records the named types that are defined in node, a schema or a list of schemas: in fields, items, values and
// branches, but not in defaults or properties. The depth of the text bounds its recursion.
func (s *schemas) collect(node any, space string) error {
	switch node := node.(type) {
	case []any:
		for _, branch := range node {
			if err := s.collect(branch, space); err != nil {
				return err
			}
		}
	case object:
		switch kind := node["type"].(type) {
		case string:
			switch kind {
			case "record", "error", "enum", "fixed":
				full, inner := fullName(node, space)
				if _, ok := s.named[full]; ok {
					return fmt.Errorf("type %.100q is defined twice", full)
				}
				s.named[full] = named{node, inner}
				space = inner
			}
		default:
			if err := s.collect(kind, space); err != nil {
				return err
			}
		}
		fields, _ := node["fields"].([]any)
		for _, field := range fields {
			field, _ := field.(object)
			if err := s.collect(field["type"], space); err != nil {
				return err
			}
		}
		for _, inner := range []any{node["items"], node["values"]} {
			if err := s.collect(inner, space); err != nil {
				return err
			}
		}
	}
	return nil
}

// fullName returns the full name of a named type, and the namespace that applies within it.
func fullName(node object, space string) (full, inner string) {
	name, _ := node["name"].(string)
	if strings.Contains(name, ".") {
		return name, spaceOf(name)
	}
	if own, ok := node["namespace"].(string); ok {
		space = own
	}
	return within(space, name), space
}

func within(space, name string) string {
	if space == "" || strings.Contains(name, ".") {
		return name
	}
	return space + "." + name
}

func spaceOf(name string) string { return name[:max(strings.LastIndexByte(name, '.'), 0)] }

// resolve returns the schema that t is or refers to. A primitive type becomes {"type": its name}. An unknown name and a
// union have no type.
func (s *schemas) resolve(t any, space string) named {
	for {
		switch node := t.(type) {
		case string:
			switch node {
			case "null", "boolean", "int", "long", "float", "double", "bytes", "string":
				return named{object{"type": node}, space}
			}
			return s.named[within(space, node)]
		case object:
			kind, ok := node["type"].(string)
			if !ok {
				t = node["type"] // {"type": {…}}
				continue
			}
			switch kind {
			case "record", "error", "enum", "fixed":
				full, _ := fullName(node, space)
				return s.named[full]
			case "array", "map":
				return named{node, space}
			}
			t = kind
		default:
			return named{}
		}
	}
}

func isStatus(s named) bool {
	symbols, _ := s.node["symbols"].([]any)
	return s.is("enum") && slices.Equal(symbols, []any{"OK", "FAILED", "UNKNOWN"})
}

func (s *schemas) isEvent(event named) bool {
	fields, _ := event.node["fields"].([]any)
	if !event.is("record") || len(fields) != 2 {
		return false
	}
	headers, _ := fields[0].(object)
	body, _ := fields[1].(object)
	if headers["name"] != "headers" || body["name"] != "body" {
		return false
	}
	m := s.resolve(headers["type"], event.space)
	return m.is("map") && s.resolve(m.node["values"], m.space).is("string") && s.resolve(body["type"], event.space).is("bytes")
}
