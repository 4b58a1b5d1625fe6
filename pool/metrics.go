package pool

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	wait          prometheus.Histogram
	connectErrors prometheus.Counter
	transactions  *prometheus.CounterVec
}

// newMetrics creates the metrics, and registers them unless reg is nil.
func newMetrics(reg prometheus.Registerer, p *Pool) *metrics {
	m := &metrics{
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "etl_pool_wait_seconds", Help: "Time that a transaction waited for a connection of the pool.",
			Buckets: []float64{.0001, .001, .01, .1, 1, 10},
		}),
		connectErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "etl_pool_connect_errors_total", Help: "Failed attempts to connect to MySQL.",
		}),
		transactions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "etl_pool_transactions_total", Help: "Transactions by outcome; for discarded and unknown ones the connection was closed.",
		}, []string{"outcome"}),
	}
	for _, outcome := range []string{"committed", "rolled_back", "discarded", "unknown"} {
		m.transactions.WithLabelValues(outcome)
	}
	if reg == nil {
		return m
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	counter := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, f)
	}
	reg.MustRegister(m.wait, m.connectErrors, m.transactions,
		gauge("etl_pool_connections_max", "Largest number of connections that may be open.",
			func() float64 { return float64(p.config.Connections) }),
		gauge("etl_pool_connections_open", "Open connections.",
			func() float64 { return float64(p.db.Stats().OpenConnections) }),
		gauge("etl_pool_connections_in_use", "Connections in use by a transaction.",
			func() float64 { return float64(p.db.Stats().InUse) }),
		gauge("etl_pool_waiting", "Transactions that wait for a connection.",
			func() float64 { return float64(p.turns.waiters()) }),
		counter("etl_pool_closed_idle_total", "Connections closed because they were idle.",
			func() float64 { return float64(p.db.Stats().MaxIdleTimeClosed) }),
		counter("etl_pool_closed_lifetime_total", "Connections closed because of their age.",
			func() float64 { return float64(p.db.Stats().MaxLifetimeClosed) }),
	)
	return m
}
