package pool

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	wait          prometheus.Histogram
	connectErrors prometheus.Counter
	transactions  *prometheus.CounterVec
}

// newMetrics makes the metrics and registers them where reg is not nil.
func newMetrics(reg prometheus.Registerer, p *Pool) *metrics {
	m := &metrics{
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "etl_pool_wait_seconds", Help: "How long a transaction waited for its turn.",
			Buckets: []float64{.0001, .001, .01, .1, 1, 10},
		}),
		connectErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "etl_pool_connect_errors_total", Help: "Connections to MySQL that could not be made.",
		}),
		transactions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "etl_pool_transactions_total", Help: "Transactions by how they ended; discarded ones cost their connection.",
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
		gauge("etl_pool_connections_max", "The most connections that may be open.",
			func() float64 { return float64(p.config.Connections) }),
		gauge("etl_pool_connections_open", "Connections that are open.",
			func() float64 { return float64(p.db.Stats().OpenConnections) }),
		gauge("etl_pool_connections_in_use", "Connections with a transaction.",
			func() float64 { return float64(p.db.Stats().InUse) }),
		gauge("etl_pool_waiting", "Transactions that wait for their turn.",
			func() float64 { return float64(p.turns.waiters()) }),
		counter("etl_pool_closed_idle_total", "Connections closed for having been idle.",
			func() float64 { return float64(p.db.Stats().MaxIdleTimeClosed) }),
		counter("etl_pool_closed_lifetime_total", "Connections closed for their age.",
			func() float64 { return float64(p.db.Stats().MaxLifetimeClosed) }),
	)
	return m
}
