package mysqlout

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	seconds    prometheus.Histogram
	statements prometheus.Counter
	rows       prometheus.Counter
	bytes      prometheus.Counter
	errors     *prometheus.CounterVec
	dead       prometheus.Counter
	claims     prometheus.Counter
	resolves   *prometheus.CounterVec
	deleted    *prometheus.CounterVec
	lowWater   *prometheus.GaugeVec
}

// newMetrics creates the metrics and registers them if reg is not nil.
func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "etl_commit_transaction_seconds", Help: "Duration of committed transactions, from the fence to the reply to COMMIT.",
			Buckets: prometheus.ExponentialBuckets(.001, 2.5, 10),
		}),
		statements: counter("etl_commit_statements_total", "Statements that wrote rows."),
		rows:       counter("etl_commit_rows_total", "Rows written by committed transactions."),
		bytes:      counter("etl_commit_sql_bytes_total", "Bytes of statements that wrote rows."),
		dead:       counter("etl_commit_dead_letters_total", "Dead letters written."),
		claims:     counter("etl_commit_claims_total", "Committed claims."),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "etl_commit_errors_total", Help: "Errors of claims, commits and resolves by the server's error number; 0 is a lost connection.",
		}, []string{"number"}),
		lowWater: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "etl_retain_low_water_timestamp_seconds", Help: "Low-water mark of a table: windows that start before it are deleted. Seconds since 1970; below 0 before the first.",
		}, []string{"table"}),
		deleted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "etl_retain_deleted_rows_total", Help: "Rows of old windows that this process deleted.",
		}, []string{"table"}),
		resolves: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "etl_commit_questions_total", Help: "Resolved outcomes of commits whose reply was lost.",
		}, []string{"answer"}),
	}
	for _, number := range []string{"0", "1205", "1213"} {
		m.errors.WithLabelValues(number)
	}
	for _, answer := range []string{"committed", "not_committed", "other", "none"} {
		m.resolves.WithLabelValues(answer)
	}
	if reg != nil {
		reg.MustRegister(m.seconds, m.statements, m.rows, m.bytes, m.dead, m.claims, m.errors, m.resolves, m.deleted, m.lowWater)
	}
	return m
}
