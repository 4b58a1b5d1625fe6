package format

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/sluice-etl/sluice/internal/option"
)

// Formats by topic are written json, web=combined, app=csv('time,host'): the format of all topics that are not named, which
// can be missing, and those of named topics, with their definitions as in a list.

// ByTopic is the formats of topics.
type ByTopic struct {
	// Other is the format of topics that Topics does not have; empty if there is none.
	Other  string
	Topics []TopicFormat // in the order in which they were given; no topic twice
}

// TopicFormat is the format of one topic.
type TopicFormat struct {
	Topic  string
	Format string
	Text   string // the format's definition; empty if it has none
}

// topicItem is an item that begins with the name of a topic.
var topicItem = regexp.MustCompile(`^([a-zA-Z0-9._-]+)\s*=\s*`)

// ParseByTopic parses formats by topic. It does not check the names of formats, and returns a text of one format, which no
// topic has in front, as it is.
func ParseByTopic(text string) (ByTopic, error) {
	items := splitItems(text)
	if len(items) == 1 && !topicItem.MatchString(items[0]) {
		return ByTopic{Other: text}, nil
	}
	var all ByTopic
	for _, item := range items {
		m := topicItem.FindStringSubmatch(item)
		switch {
		case m == nil && item == "":
			return all, byTopicError("an item is empty")
		case m == nil && all.Other != "":
			return all, byTopicError("%s and %s are both for all topics that are not named: give TOPIC=%s for one topic, or first-of(%s, %s) to try both", all.Other, item, item, all.Other, item)
		case m == nil:
			all.Other = item
			continue
		}
		t, err := topicFormat(m[1], item[len(m[0]):])
		if err != nil {
			return all, err
		}
		if _, _, ok := all.named(t.Topic); ok {
			return all, byTopicError("topic %s has two formats", t.Topic)
		}
		all.Topics = append(all.Topics, t)
	}
	return all, nil
}

func byTopicError(text string, args ...any) error {
	return fmt.Errorf("%s: formats by topic are written json, web=combined: %w", option.Ref("format"), fmt.Errorf(text, args...))
}

// topicFormat parses the format of a topic: a list, or a name and perhaps a definition.
func topicFormat(topic, text string) (TopicFormat, error) {
	if IsList(text) {
		return TopicFormat{Topic: topic, Format: text}, nil
	}
	p := listParser{text: text}
	d := p.definition()
	if p.space(); p.err == nil && (p.at < len(p.text) || d.name != d.format) {
		p.fail("expected a format, such as json or csv('time,host')")
	}
	if p.err != nil {
		return TopicFormat{}, byTopicError("topic %s: %w", topic, p.err)
	}
	return TopicFormat{Topic: topic, Format: d.format, Text: d.text}, nil
}

// splitItems splits a text at its commas outside of parentheses and of quotes within them, and trims the items.
func splitItems(text string) (items []string) {
	from, depth, quote := 0, 0, byte(0)
	for i := range len(text) {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case depth > 0 && (c == '\'' || c == '"'):
			quote = c
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth <= 0:
			items = append(items, strings.TrimSpace(text[from:i]))
			from = i + 1
		}
	}
	return append(items, strings.TrimSpace(text[from:]))
}

func (b ByTopic) named(topic string) (format, text string, ok bool) {
	for _, t := range b.Topics {
		if t.Topic == topic {
			return t.Format, t.Text, true
		}
	}
	return "", "", false
}

// Of returns the format of a topic. own reports whether the topic is named, so that text is the definition; otherwise the
// format is Other.
func (b ByTopic) Of(topic string) (format, text string, own bool) {
	if format, text, own = b.named(topic); own {
		return format, text, true
	}
	return b.Other, "", false
}
