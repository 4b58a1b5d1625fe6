package dedup

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/row"
)

type metrics struct {
	duplicates, anonymous prometheus.Counter
}

// New makes it. table is what the identities are written to: key job, topic, partition and identity, then the record's
// offset and Kafka's time. header finds an event's identity in its record, nil or empty where it has none; its result
// is a view. cfg must be valid and enabled; reg may be nil.
func New(cfg Config, job string, table row.Table, store Store, header func(*batch.Record) []byte, reg prometheus.Registerer) *Dedup {
	counter := func(name, help string) prometheus.Counter {
		return promauto.With(reg).NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	return &Dedup{cfg: cfg, job: job, table: table, store: store, header: header, metrics: &metrics{
		duplicates: counter("etl_batch_duplicates_total", "Duplicate records dropped (--dedup-header). A batch that is processed again counts its duplicates again."),
		anonymous:  counter("etl_batch_without_id_total", "Records without the header that --dedup-header names. They are counted, and their duplicates are not detected."),
	}}
}
