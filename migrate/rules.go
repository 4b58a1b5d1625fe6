package migrate

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

// Outcome is how a property of Flume's is migrated.
type Outcome uint8

// The outcomes.
const (
	Translated   Outcome = iota // an option of etl replaces it
	Keep                        // keep it in the agent that stays
	Change                      // change it in the agent that stays
	NotNeeded                   // etl does it without an option, or does not need it
	NoEquivalent                // etl cannot do it
)

// String returns the outcome as the documentation shows it.
func (f Outcome) String() string {
	return [...]string{"option", "keep in the agent", "change in the agent", "not needed", "no equivalent"}[f]
}

// Rule is the outcome of one property of one kind of component.
type Rule struct {
	// Of is the kind of component, such as "source avro". Key is the property, or a prefix that ends in *.
	Of, Key string
	Outcome Outcome
	// Options are the options of etl that replace it, if Outcome is Translated.
	Options []string
	// Text is the reason, or what to do instead.
	Text string
}

const (
	ofAvro, ofThrift, ofHTTP    = "source avro", "source thrift", "source http"
	ofSyslogTCP, ofMultiport    = "source syslogtcp", "source multiport_syslogtcp"
	ofSyslogUDP                 = "source syslogudp"
	ofNetcat, ofNetcatUDP       = "source netcat", "source netcatudp"
	ofKafkaSource, ofSpooldir   = "source kafka", "source spooldir"
	ofKafkaChannel, ofAnySource = "channel KafkaChannel", "source (any)"
	ofAvroSink, ofThriftSink    = "sink avro", "sink thrift"
	ofSparkSink, ofKafkaSink    = "sink SparkSink", "sink KafkaSink"
)

//go:embed rules.txt
var rulesText string

// rules returns the table of rules.txt, in its order.
var rules = sync.OnceValue(func() []Rule {
	var out []Rule
	of := ""
	for line := range strings.Lines(rulesText) {
		line = strings.TrimSpace(line)
		section, isSection := strings.CutPrefix(line, "[")
		switch {
		case line == "" || line[0] == '#':
		case isSection:
			of = strings.TrimSuffix(section, "]")
		default:
			out = append(out, parseRule(of, line))
		}
	}
	return out
})

func parseRule(of, line string) Rule {
	fields := append(strings.SplitN(line, " | ", 3), "", "")
	r := Rule{Of: of, Key: fields[0], Text: fields[2]}
	outcome, options, _ := strings.Cut(fields[1], " --")
	at := slices.Index([]string{"option", "keep", "change", "not needed", "no equivalent"}, outcome)
	if at < 0 {
		panic("BUG: outcome " + outcome + " of " + of + " " + r.Key + " in rules.txt")
	}
	if r.Outcome = Outcome(at); options != "" {
		r.Options = strings.Fields("--" + options)
	}
	return r
}

// Rules returns the outcome of each property that Flume's user guide names. The caller must not modify it.
func Rules() []Rule { return rules() }

type tlsSource struct{ of, receiver string }

// tlsSources returns the sources with TLS, and the names of their receivers in options.
func tlsSources() []tlsSource {
	return []tlsSource{{ofAvro, "avro"}, {ofThrift, "thrift"}, {ofHTTP, "http"}, {ofSyslogTCP, "syslog"}, {ofMultiport, "syslog"}}
}

// lookup finds the rule of a property: an exact key before a prefix, and the rules of the component before those of any
// source.
func lookup(rules []Rule, of, key string) (Rule, bool) {
	scopes := []string{of}
	if strings.HasPrefix(of, "source ") {
		scopes = append(scopes, ofAnySource)
	}
	for _, scope := range scopes {
		for _, r := range rules {
			if r.Of == scope && r.Key == key {
				return r, true
			}
		}
		for _, r := range rules {
			if prefix, ok := strings.CutSuffix(r.Key, "*"); ok && r.Of == scope && strings.HasPrefix(key, prefix) {
				return r, true
			}
		}
	}
	return Rule{}, false
}
