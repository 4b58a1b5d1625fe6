package cli

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/mysqlout/schema"
	"github.com/sluice-etl/sluice/query"
)

// compile compiles the query for the format of each topic, so that all plans write the same tables; a query that does not
// compile is a usage error. more holds the options that are not among QueryOptions.
func (o *QueryOptions) compile(topics []query.TopicPlan, fallback string, more query.Options) error {
	formats, err := format.ParseByTopic(o.Format)
	if err != nil {
		return usageError{err}
	}
	for _, f := range formats.Topics {
		if !slices.ContainsFunc(topics, func(t query.TopicPlan) bool { return t.Topic == f.Topic }) {
			return Usage("--format has a format for topic %s, which --kafka-topic does not name: add the topic, or remove the format", f.Topic)
		}
	}
	text, from, err := o.text(fallback)
	for i := range topics {
		err = errors.Join(err, o.requireFormat(formats, topics[i].Topic))
	}
	if err != nil {
		return err
	}
	for i, t := range topics {
		if topics[i].Plan, err = o.of(formats, t.Topic, text, from, more); err != nil {
			if len(topics) > 1 {
				err = fmt.Errorf("topic %s: %w", t.Topic, err)
			}
			return err
		}
	}
	if err = query.Unite(topics); err == nil && len(topics) > 1 {
		err = topics[0].Plan.Locate(schema.CheckDeclared(topics[0].Plan.Tables()))
	}
	if err != nil {
		return usageError{fmt.Errorf("query: %w", withExcerpt(from, text, err))}
	}
	return nil
}

// plan compiles the query for one topic, as compile does. --format may have formats of other topics.
func (o *QueryOptions) plan(topic, fallback string, more query.Options) (*query.Plan, error) {
	formats, err := format.ParseByTopic(o.Format)
	if err != nil {
		return nil, usageError{err}
	}
	text, from, err := o.text(fallback)
	if err = errors.Join(err, o.requireFormat(formats, topic)); err != nil {
		return nil, err
	}
	return o.of(formats, topic, text, from, more)
}

// requireFormat returns a usage error if a topic has no format.
func (o *QueryOptions) requireFormat(formats format.ByTopic, topic string) error {
	switch name, _, own := formats.Of(topic); {
	case own || name != "" || o.LogFormatString != "" || o.AvroSchema != "":
		return nil
	case len(formats.Topics) > 0:
		return Usage("--format has no format for topic %s: add %s=FORMAT, or a format without a topic, for all others", topic, topic)
	}
	return usageError{fmt.Errorf("--format is missing, must be one of %s", formatNames())}
}

// of compiles a text for the format of a topic.
func (o QueryOptions) of(formats format.ByTopic, topic, text, from string, more query.Options) (*query.Plan, error) {
	name, definition, own := formats.Of(topic)
	if o.Format = name; own {
		o.LogFormatString, o.AvroSchema = definition, ""
	}
	opts, err := o.options()
	if err != nil {
		return nil, err
	}
	more.Format, more.FormatString, more.TimeZone = opts.Format, opts.FormatString, opts.TimeZone
	more.MaxLateness, more.MaxAhead = opts.MaxLateness, opts.MaxAhead
	plan, err := query.Compile(text, more)
	if err == nil {
		err = plan.Locate(schema.CheckDeclared(plan.Tables()))
	}
	if err != nil {
		return nil, usageError{fmt.Errorf("query: %w", withExcerpt(from, text, err))}
	}
	return plan, nil
}

// FormatTopic selects a format by topic, for commands that read no topic.
type FormatTopic struct {
	KafkaTopic []string `group:"query" default:"logs" placeholder:"TOPIC" help:"Topic whose format is used (default logs)."`
}

// planOf compiles the query for the format of the topic.
func (o FormatTopic) planOf(q *QueryOptions) (*query.Plan, error) {
	formats, err := format.ParseByTopic(q.Format)
	if err != nil {
		return nil, usageError{err}
	}
	topic := ""
	if len(formats.Topics) > 0 {
		if err := requireOneTopic(o.KafkaTopic, "the one whose format is used"); err != nil {
			return nil, err
		}
	}
	if len(o.KafkaTopic) > 0 {
		topic = o.KafkaTopic[0]
	}
	return q.plan(topic, "", query.DefaultOptions())
}
