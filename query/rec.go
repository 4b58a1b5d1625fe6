package query

import (
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/fold/window"
	"github.com/sluice-etl/sluice/internal/avrobin"
)

// rec is the record that is being evaluated, and the memory that its evaluation uses. One rec belongs to one fold.
type rec struct {
	format.Fields
	part    checkpoint.Partition
	in      *batch.Record
	event   avrobin.Event // what in holds: its body, and what headers it has beside Kafka's
	index   int64         // the row's number within the record
	text    []byte        // texts made while the record is evaluated; emptied for the next record
	windows []window.Span // the window that each TUMBLE of the plan found last
}

// constantRec is a rec without a record, for evaluating what depends on none. Its failures show the whole text, because
// it is the query's.
func constantRec(zone *time.Location) *rec {
	return &rec{Fields: format.Fields{Fault: value.Fault{Explain: true}, Times: value.LogTimes{Zone: zone}}}
}
