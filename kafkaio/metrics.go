package kafkaio

import "github.com/prometheus/client_golang/prometheus"

// produceMetrics are the etl_produce_* metrics.
type produceMetrics struct {
	records    prometheus.Counter
	bytes      prometheus.Counter
	seconds    prometheus.Histogram
	dropped    *prometheus.CounterVec // by reason: gone (the sender closed), expired
	failed     *prometheus.CounterVec // requests that got no OK, by reason: kafka, closed
	single     prometheus.Counter
	dead       *prometheus.CounterVec // by reason: size and content are Kafka's, the others a receiver's limits
	unanswered prometheus.Gauge
	limit      prometheus.Gauge
	dataLoss   prometheus.Counter
}

func newProduceMetrics(reg prometheus.Registerer) *produceMetrics {
	m := &produceMetrics{
		records:    prometheus.NewCounter(prometheus.CounterOpts{Name: "etl_produce_records_total", Help: "Records that Kafka acknowledged, without dead letters."}),
		bytes:      prometheus.NewCounter(prometheus.CounterOpts{Name: "etl_produce_bytes_total", Help: "Bytes of keys, values and headers in requests whose records are all acknowledged, before compression."}),
		seconds:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "etl_produce_seconds", Help: "Time from handing a request's records to Kafka's client until all are acknowledged or failed.", Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 12)}),
		dropped:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "etl_produce_dropped_requests_total", Help: "Requests dropped before any of their records was produced."}, []string{"reason"}),
		failed:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "etl_produce_failed_requests_total", Help: "Requests with records that Kafka did not acknowledge; their senders get no OK."}, []string{"reason"}),
		single:     prometheus.NewCounter(prometheus.CounterOpts{Name: "etl_produce_alone_records_total", Help: "Records produced a second time, each alone, because Kafka rejected their batch for its content."}),
		dead:       prometheus.NewCounterVec(prometheus.CounterOpts{Name: "etl_produce_dead_records_total", Help: "Records written to the dead-letter topic."}, []string{"reason"}),
		unanswered: prometheus.NewGauge(prometheus.GaugeOpts{Name: "etl_produce_unanswered_records", Help: "Records of unanswered requests that Kafka has neither acknowledged nor failed; while above 0 no new request is produced."}),
		limit:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "etl_produce_limit_bytes", Help: "The topic's max.message.bytes, as last read."}),
		dataLoss:   prometheus.NewCounter(prometheus.CounterOpts{Name: "etl_produce_data_loss_total", Help: "How often a reply of Kafka showed that it lost acknowledged records."}),
	}
	for _, r := range []string{"gone", "expired"} {
		m.dropped.WithLabelValues(r)
	}
	for _, r := range []string{"kafka", "closed"} {
		m.failed.WithLabelValues(r)
	}
	for _, r := range []string{"size", "content", "headers", "header_bytes", "body_bytes", "gzip"} {
		m.dead.WithLabelValues(r)
	}
	if reg != nil {
		reg.MustRegister(m.records, m.bytes, m.seconds, m.dropped, m.failed, m.single, m.dead, m.unanswered, m.limit, m.dataLoss)
	}
	return m
}

// consumeMetrics are the etl_consume_* metrics. The labels of a partition are deleted when it is removed.
type consumeMetrics struct {
	records  prometheus.Counter
	bytes    prometheus.Counter
	gaps     prometheus.Counter
	stale    prometheus.Counter
	scans    *prometheus.CounterVec // by outcome: gaps, stopped, error
	stops    prometheus.Counter
	groups   *prometheus.CounterVec // by kind: assigned, revoked, lost
	owned    prometheus.Gauge
	foreign  prometheus.Gauge
	lag      *prometheus.GaugeVec // by partition
	position *prometheus.GaugeVec // by partition
	end      *prometheus.GaugeVec // by partition
}

func newConsumeMetrics(reg prometheus.Registerer) *consumeMetrics {
	partition := []string{"partition"}
	m := &consumeMetrics{
		records:  prometheus.NewCounter(prometheus.CounterOpts{Name: "etl_consume_records_total", Help: "Records delivered to the engine."}),
		bytes:    prometheus.NewCounter(prometheus.CounterOpts{Name: "etl_consume_bytes_total", Help: "Bytes of keys, values and headers of records delivered to the engine."}),
		gaps:     prometheus.NewCounter(prometheus.CounterOpts{Name: "etl_consume_gaps_total", Help: "Offsets without a record: control records, aborted transactions, compaction."}),
		stale:    prometheus.NewCounter(prometheus.CounterOpts{Name: "etl_consume_stale_records_total", Help: "Fetched records dropped because their partition was repositioned or revoked."}),
		scans:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "etl_consume_looks_total", Help: "Scans of missing offsets with raw fetches."}, []string{"outcome"}),
		stops:    prometheus.NewCounter(prometheus.CounterOpts{Name: "etl_consume_stops_total", Help: "Partitions stopped because continuing would skip or repeat records."}),
		groups:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "etl_consume_group_partitions_total", Help: "Partitions assigned and revoked by the consumer group, or lost."}, []string{"kind"}),
		owned:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "etl_consume_owned_partitions", Help: "Partitions assigned to this process."}),
		foreign:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "etl_consume_foreign_databases", Help: "Other databases that members of the consumer group count into, as last seen; above 0 both counts are incomplete."}),
		lag:      prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "etl_consume_lag_records", Help: "Offsets between the fetch position and the last stable offset."}, partition),
		position: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "etl_consume_position_offset", Help: "The next offset to deliver."}, partition),
		end:      prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "etl_consume_end_offset", Help: "The last stable offset: the end of the log for readers of committed records."}, partition),
	}
	for _, o := range []string{"gaps", "stopped", "error"} {
		m.scans.WithLabelValues(o)
	}
	for _, k := range []string{"assigned", "revoked", "lost"} {
		m.groups.WithLabelValues(k)
	}
	if reg != nil {
		reg.MustRegister(m.records, m.bytes, m.gaps, m.stale, m.scans, m.stops, m.groups, m.owned, m.foreign, m.lag, m.position, m.end)
	}
	return m
}

// forget deletes the labels of a partition that was removed.
func (m *consumeMetrics) forget(partition string) {
	m.lag.DeleteLabelValues(partition)
	m.position.DeleteLabelValues(partition)
	m.end.DeleteLabelValues(partition)
}
