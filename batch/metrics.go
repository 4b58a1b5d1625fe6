package batch

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/option"
)

type metrics struct {
	fetched   prometheus.Counter
	fates     *prometheus.CounterVec
	commits   *prometheus.CounterVec
	seconds   prometheus.Histogram
	records   prometheus.Histogram
	rows      prometheus.Counter
	last      prometheus.Gauge
	restarts  prometheus.Counter
	fenced    prometheus.Counter
	stopped   prometheus.Counter
	notStored prometheus.Counter
}

// results are the labels of etl_commit_tries_total.
var results = map[error]string{
	checkpoint.ErrRetry: "retry", checkpoint.ErrFenced: "fenced", checkpoint.ErrUnknown: "unknown",
	checkpoint.ErrTooLarge: "too_large", checkpoint.ErrStale: "stale", checkpoint.ErrBlocked: "blocked", checkpoint.ErrRefused: "refused",
	checkpoint.ErrCheckpointLost: "gone",
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		fetched: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "etl_batch_fetched_records_total", Help: "Records passed to tasks. A discarded batch is read again, so this can exceed the records committed."}),
		fates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "etl_batch_records_total", Help: "Offsets committed by this process, by their fate."}, []string{"fate"}),
		commits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "etl_commit_tries_total", Help: "Commit attempts, by result."}, []string{"result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "etl_commit_seconds", Help: "Duration of a commit attempt.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 15)}),
		records: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "etl_batch_records", Help: "Records in a committed task batch.", Buckets: prometheus.ExponentialBuckets(1, 4, 11)}),
		rows: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "etl_batch_rows_total", Help: "Rows inserted or merged by committed batches."}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "etl_commit_last_timestamp_seconds", Help: "Time of the last commit, 0 if there was none."}),
		restarts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "etl_batch_restarts_total", Help: "Times a task discarded its batch and was rewound to its checkpoints, claims included."}),
		fenced: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "etl_commit_fenced_total", Help: "Batches discarded because a fence did not match."}),
		stopped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "etl_batch_stopped_partitions_total", Help: "Times a partition stopped until an operator acts."}),
	}
	m.notStored = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "etl_dead_letter_not_stored_total", Help: "Dead records committed without a dead letter of their own, because they exceeded " + option.Ref("dead-letter-rate") + "."})
	for _, f := range []string{"counted", "filtered", "dead", "gap", "duplicate"} {
		m.fates.WithLabelValues(f)
	}
	m.commits.WithLabelValues("ok")
	m.commits.WithLabelValues("rows_refused")
	m.commits.WithLabelValues("other")
	for _, r := range results {
		m.commits.WithLabelValues(r)
	}
	if reg != nil {
		reg.MustRegister(m.fetched, m.fates, m.commits, m.seconds, m.records, m.rows, m.last, m.restarts, m.fenced, m.stopped, m.notStored)
	}
	return m
}

func (m *metrics) commit(err error, took time.Duration) {
	m.seconds.Observe(took.Seconds())
	result := "ok"
	if err != nil {
		result = "other"
		if r, ok := results[checkpoint.HandlingOf(err)]; ok {
			result = r
		} else if _, refused := errors.AsType[*RejectedRows](err); refused {
			result = "rows_refused"
		}
	}
	m.commits.WithLabelValues(result).Inc()
}

func (m *metrics) advance(s Stat) {
	m.records.Observe(float64(s.Records))
	m.rows.Add(float64(s.Rows))
	m.last.Set(float64(s.At.UnixMilli()) / 1000)
	for fate, n := range map[string]int64{
		"counted": s.Audit.Counted, "filtered": s.Audit.Filtered, "dead": s.Audit.Dead,
		"gap": s.Audit.Gaps, "duplicate": s.Audit.Duplicates,
	} {
		m.fates.WithLabelValues(fate).Add(float64(n))
	}
}
