package receiver

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/sluice-etl/sluice/internal/option"
)

type admissionMetrics struct {
	used, limit, waiting prometheus.Gauge
}

func newAdmissionMetrics(reg prometheus.Registerer) admissionMetrics {
	gauge := func(name, help string) prometheus.Gauge {
		return promauto.With(reg).NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	return admissionMetrics{
		used:    gauge("etl_receiver_in_flight_bytes", "Memory of requests that are being received or that the producer has not released yet, over all receivers."),
		limit:   gauge("etl_receiver_in_flight_limit_bytes", "Limit of the bytes in flight ("+option.Ref("max-bytes-in-flight")+")."),
		waiting: gauge("etl_receiver_in_flight_waiting", "Requests that wait for memory in the budget of bytes in flight."),
	}
}

// Outcomes of a request, the values of the label outcome.
const (
	outcomeOK         = "ok"         // replied OK: Kafka has every event
	outcomeUnanswered = "unanswered" // Kafka may have its events; the sender got no reply
	outcomeDropped    = "dropped"    // nothing was produced, and no reply was sent
	outcomeError      = "error"      // replied with a system error
)

// Metrics counts what one receiver does; the label receiver tells receivers apart. It is safe for concurrent use.
type Metrics struct {
	ok, unanswered, dropped, errors prometheus.Counter
	events, bytes, unansweredEvents prometheus.Counter
	lost                            prometheus.Counter
	accepted                        prometheus.Counter
	connections                     prometheus.Gauge
	rejected                        map[string]prometheus.Counter
	ack                             prometheus.Histogram
}

// NewMetrics registers the metrics of the receiver of that name. reasons must hold every value that [Metrics.Rejected]
// will be called with. reg may be nil.
func NewMetrics(reg prometheus.Registerer, receiver string, reasons []string) *Metrics {
	if reg != nil {
		reg = prometheus.WrapRegistererWith(prometheus.Labels{"receiver": receiver}, reg)
	}
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	requests := f.NewCounterVec(prometheus.CounterOpts{
		Name: "etl_receiver_requests_total",
		Help: "Requests by outcome: ok (replied OK), unanswered (no reply; Kafka may have the events), dropped (never produced), error (replied with a system error).",
	}, []string{"outcome"})
	rejected := f.NewCounterVec(prometheus.CounterOpts{
		Name: "etl_receiver_refused_total",
		Help: "Connections that were closed or not accepted, by reason.",
	}, []string{"reason"})
	m := &Metrics{
		ok:               requests.WithLabelValues(outcomeOK),
		unanswered:       requests.WithLabelValues(outcomeUnanswered),
		dropped:          requests.WithLabelValues(outcomeDropped),
		errors:           requests.WithLabelValues(outcomeError),
		events:           counter("etl_receiver_events_total", "Events acknowledged to their senders."),
		bytes:            counter("etl_receiver_bytes_total", "Bytes of complete requests received."),
		unansweredEvents: counter("etl_receiver_unanswered_events_total", "Events that Kafka may have and whose sender got no reply: the upper bound of the duplicates that this process caused."),
		lost:             counter("etl_receiver_lost_events_total", "Events of senders that cannot resend which may not be in Kafka: the process stopped before Kafka acknowledged them, or a datagram was rejected."),
		accepted:         counter("etl_receiver_connections_total", "Connections accepted."),
		connections:      f.NewGauge(prometheus.GaugeOpts{Name: "etl_receiver_connections", Help: "Connections open now."}),
		rejected:         make(map[string]prometheus.Counter, len(reasons)),
		ack: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "etl_receiver_ack_seconds",
			Help:    "Time from a request's first byte to the reply OK.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 20},
		}),
	}
	for _, reason := range reasons {
		m.rejected[reason] = rejected.WithLabelValues(reason)
	}
	return m
}

// Acknowledged counts a request that got an OK. took is the time from its first byte to the OK.
func (m *Metrics) Acknowledged(events int, took time.Duration) {
	m.ok.Inc()
	m.events.Add(float64(events))
	m.ack.Observe(took.Seconds())
}

// Unanswered counts a request whose events Kafka may have and whose sender got no reply.
func (m *Metrics) Unanswered(events int) {
	m.unanswered.Inc()
	m.unansweredEvents.Add(float64(events))
}

// Lost counts events that may not be in Kafka and that no sender will resend.
func (m *Metrics) Lost(events int) { m.lost.Add(float64(events)) }

// Dropped counts a request of which nothing was produced.
func (m *Metrics) Dropped() { m.dropped.Inc() }

// SystemError counts a request whose reply was a system error.
func (m *Metrics) SystemError() { m.errors.Inc() }

// Received counts the bytes of a complete request.
func (m *Metrics) Received(bytes int) { m.bytes.Add(float64(bytes)) }

// Connected counts a connection that was accepted.
func (m *Metrics) Connected() {
	m.accepted.Inc()
	m.connections.Inc()
}

// Disconnected counts the end of an accepted connection.
func (m *Metrics) Disconnected() { m.connections.Dec() }

// Rejected counts a connection that was closed or not accepted for one of the reasons given to NewMetrics.
func (m *Metrics) Rejected(reason string) {
	c := m.rejected[reason]
	if c == nil {
		panic("BUG: unknown reason " + reason)
	}
	c.Inc()
}
