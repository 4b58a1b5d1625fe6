package dedup

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/row"
)

type metrics struct {
	duplicates, withoutID prometheus.Counter
}

// New creates a Dedup. table is the one to which event IDs are written: its key is job, topic, partition and event ID;
// then come the record's offset and Kafka's time. header returns the event ID in a record, nil or empty if it has none;
// the result is a view of the record. cfg must be valid and enabled; reg may be nil.
func New(cfg Config, job string, table row.Table, store Store, header func(*batch.Record) []byte, reg prometheus.Registerer) *Dedup {
	counter := func(name, help string) prometheus.Counter {
		return promauto.With(reg).NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	return &Dedup{cfg: cfg, job: job, table: table, store: store, header: header, metrics: &metrics{
		duplicates: counter("etl_batch_duplicates_total", "Duplicate records dropped ("+option.Ref("dedup-header")+"). A batch that is processed again counts its duplicates again."),
		withoutID:  counter("etl_batch_without_id_total", "Records without the header that "+option.Ref("dedup-header")+" names. They are counted, and their duplicates are not detected."),
	}}
}
