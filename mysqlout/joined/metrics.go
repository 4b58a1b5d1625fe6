package joined

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-etl/sluice/fold/lookup"
)

type metrics struct {
	reads *prometheus.CounterVec
}

// newMetrics creates the metrics and registers them if reg is not nil and there are tables.
func newMetrics(tables []*lookup.Table, reg prometheus.Registerer) *metrics {
	m := &metrics{reads: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "etl_joined_reads_total", Help: "Reads of joined tables by result; after a failed one the rows that were read before are kept.",
	}, []string{"table", "result"})}
	if reg == nil || len(tables) == 0 {
		return m
	}
	reg.MustRegister(m.reads)
	for _, t := range tables {
		labels := prometheus.Labels{"table": t.FullName()}
		for _, result := range []string{"ok", "failed"} {
			m.reads.WithLabelValues(t.FullName(), result)
		}
		reg.MustRegister(
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "etl_joined_rows", Help: "Rows of a joined table in memory.", ConstLabels: labels,
			}, func() float64 {
				if v := t.Current(); v != nil {
					return float64(v.Rows())
				}
				return 0
			}),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "etl_joined_age_seconds", Help: "Time since the rows of a joined table were read; -1 before the first read.", ConstLabels: labels,
			}, func() float64 {
				if v := t.Current(); v != nil {
					return time.Since(v.Read).Seconds()
				}
				return -1
			}),
			prometheus.NewCounterFunc(prometheus.CounterOpts{
				Name: "etl_joined_unmatched_total", Help: "Lookups in a joined table that found no row; those of a record that is folded again count again.", ConstLabels: labels,
			}, func() float64 { return float64(t.Unmatched()) }),
		)
	}
	return m
}
