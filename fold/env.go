package fold

import (
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/fold/lookup"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/fold/window"
)

// Env is what the functions of a program see: one row of one record, and the memory that its evaluation uses. An Env
// belongs to one fold and is unsafe for concurrent use. What a function returns may be a view on it, valid until the
// next record.
type Env struct {
	format.Fields
	Partition checkpoint.Partition
	TopicID   checkpoint.TopicID // of the partition's topic; zero in a dry run
	Record    *batch.Record
	Body      []byte  // the event's body, which the format reads
	Headers   Headers // headers of the event beside the record's own; nil if there are none
	Index     int64   // the row's number within the record, from 0

	// Windows caches the last window of each window function of the program, because most records are in the same window
	// as the previous record.
	Windows []window.Span

	Hops []window.Hops // the same for windows that overlap
	// Elements belongs to the statements that make rows of JSON.
	Elements []format.Elements
	// Row holds the values that Statement.Rows sets for each row that it makes.
	Row []value.Value
	// Joined holds the joined tables, in the order of Config.Joined.
	Joined []Joined
	// JoinedRows holds a row of each table of a statement's joins, which Statement.Rows sets.
	JoinedRows []lookup.Row
	// JoinKey is memory for the key that is looked up in one of them.
	JoinKey []byte

	// JSON reads the texts that functions of JSON take.
	JSON format.JSONReader

	// Parts is a stack on which functions of any number of arguments keep the values of the first while they evaluate the
	// others.
	Parts []value.Value
}

// Joined is a joined table as a batch sees it.
type Joined struct {
	*lookup.Version
	Unmatched int64 // how often no row was found since the last Add began
}

// Headers finds a header of an event by its name. Get returns a view: nil if there is no such header, not nil if its
// value is empty.
type Headers interface {
	Get(name string) []byte
}

// NewEnv returns an Env for the program of a fold, without a record.
func NewEnv(c *Config) *Env {
	return &Env{
		Fields:     format.Fields{Values: make([]value.Value, c.Slots), Times: value.LogTimes{Zone: c.Zone}},
		Windows:    make([]window.Span, c.Windows),
		Hops:       make([]window.Hops, c.Hops),
		Elements:   make([]format.Elements, c.Elements),
		Row:        make([]value.Value, c.Row),
		Joined:     make([]Joined, len(c.Joined)),
		JoinedRows: make([]lookup.Row, c.JoinedRows),
	}
}

// Adopt makes the functions of a program see the current versions of the joined tables.
func (e *Env) Adopt(tables []*lookup.Table) {
	for i, t := range tables {
		e.Joined[i].Version = t.Current()
	}
}

// Constant returns an Env without a record, for constant expressions. The reasons of its failures contain the
// values.
func Constant(zone *time.Location) *Env {
	return &Env{Fields: format.Fields{Fault: value.Fault{Explain: true}, Times: value.LogTimes{Zone: zone}}}
}

// Header returns the value of a header, NULL if there is none. The event's own headers come before the record's.
func (e *Env) Header(name string) value.Value {
	if e.Headers != nil {
		if v := e.Headers.Get(name); v != nil {
			return value.Text(v)
		}
	}
	return RecordHeader(e.Record, name)
}

// RecordHeader returns the value of a header of a record, NULL if there is none. If a name occurs twice, the first one
// counts.
func RecordHeader(in *batch.Record, name string) value.Value {
	for i := range in.Headers {
		if h := &in.Headers[i]; h.Key == name {
			return value.Value{Bytes: h.Value, Set: h.Value != nil}
		}
	}
	return value.Null
}
