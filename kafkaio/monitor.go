package kafkaio

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Monitor asks Kafka every Config.LagInterval whether the process may do what it needs, and whether it reaches every
// broker that leads a partition of its topics. In between, a request that Kafka refused to a producer or a source that it
// follows counts as well. State is safe for concurrent use.
type Monitor struct {
	cfg     Config
	use     Use
	log     *slog.Logger
	met     *monitorMetrics
	denials []*denial // not changed once Run was called
	last    atomic.Pointer[finding]
}

// finding is what one round of questions gave.
type finding struct {
	began    time.Time
	down     string // why the process cannot work, or empty
	degraded string // what else is wrong, or empty
	// allowed says that the brokers told what they allow, and that nothing is missing: a denial from before is over.
	allowed bool
}

// NewMonitor makes a Monitor; Run brings it to life.
func NewMonitor(cfg Config, use Use, log *slog.Logger, reg prometheus.Registerer) *Monitor {
	return &Monitor{cfg: cfg, use: use, log: orDiscard(log).With("component", "kafka"), met: newMonitorMetrics(reg)}
}

// FollowProducer has what Kafka refuses to the producer count. It comes before Run.
func (m *Monitor) FollowProducer(p *Producer) { m.denials = append(m.denials, &p.denial) }

// FollowSource has what Kafka refuses to the source count. It comes before Run.
func (m *Monitor) FollowSource(s *Source) { m.denials = append(m.denials, &s.denial) }

// State is why the process cannot work with Kafka, and what else is wrong; both are empty where nothing is. Before Kafka
// replied for the first time the process cannot work.
func (m *Monitor) State() (down, degraded string) {
	f := m.last.Load()
	if f == nil {
		return "Kafka has not been asked yet", ""
	}
	if f.down != "" {
		return f.down, f.degraded
	}
	after := time.Time{}
	if f.allowed {
		after = f.began
	}
	for _, d := range m.denials {
		if last := d.since(after); last != nil {
			return fmt.Sprintf("Kafka refuses %s: %v", last.what, last.err), f.degraded
		}
	}
	return "", f.degraded
}

// Run asks until ctx ends.
func (m *Monitor) Run(ctx context.Context) error {
	a, err := newAsker(m.cfg, m.use, m.log)
	if err != nil {
		return err
	}
	defer func() { a.close() }()
	tick := time.NewTicker(m.cfg.LagInterval)
	defer tick.Stop()
	for {
		f := m.round(ctx, a)
		if ctx.Err() != nil {
			return nil
		}
		m.report(f)
		m.last.Store(f)
		if f.down != "" || f.degraded != "" {
			// A client that has asked nothing yet asks Config.Brokers: it learns of addresses that were put right, and does
			// not wait for brokers that do not reply.
			fresh, err := newAsker(m.cfg, m.use, m.log)
			if err != nil {
				return err
			}
			fresh.hasID = a.hasID
			a.close()
			a = fresh
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// report logs what has changed since the last round.
func (m *Monitor) report(f *finding) {
	was := m.last.Load()
	switch {
	case f.down != "" && (was == nil || was.down != f.down):
		m.log.Error("Kafka cannot be worked with", "why", f.down)
	case f.down == "" && was != nil && was.down != "":
		m.log.Info("Kafka can be worked with again")
	}
	if f.degraded != "" && (was == nil || was.degraded != f.degraded) {
		m.log.Warn("Kafka can be worked with in part", "why", f.degraded)
	}
}

func (m *Monitor) round(ctx context.Context, a *asker) *finding {
	f := &finding{began: time.Now()}
	for _, d := range m.denials {
		if d.since(time.Time{}) != nil {
			a.hasID = false // perhaps the right to the producer ID was taken away
		}
	}
	meta, err := a.look(ctx)
	if err != nil {
		f.down = fmt.Sprintf("Kafka does not reply: %v", a.dials.explain(err))
		return f
	}
	l, err := a.leaders(ctx, meta)
	var r rights
	if err == nil {
		r, err = a.rights(ctx, meta)
	}
	if err != nil {
		f.down = strings.Join(append(l.lost, a.dials.explain(err).Error()), "; ")
		return f
	}
	m.met.missing.Set(float64(len(r.missing) + len(r.reduced)))
	m.met.lost.Set(float64(len(l.lost)))
	var down, degraded []string
	if r.missing != nil {
		down = append(down, "Kafka does not allow "+strings.Join(r.missing, ", "))
	}
	if r.reduced != nil {
		degraded = append(degraded, "Kafka does not allow "+strings.Join(r.reduced, ", "))
	}
	if r.coordinator != nil {
		degraded = append(degraded, a.dials.explain(r.coordinator).Error())
	}
	f.down = strings.Join(append(down, l.lost...), "; ")
	f.degraded = strings.Join(append(degraded, l.vacant...), "; ")
	f.allowed = r.missing == nil && !r.unsaid
	return f
}

// monitorMetrics are the etl_kafka_* metrics.
type monitorMetrics struct{ missing, lost prometheus.Gauge }

func newMonitorMetrics(reg prometheus.Registerer) *monitorMetrics {
	m := &monitorMetrics{
		missing: prometheus.NewGauge(prometheus.GaugeOpts{Name: "etl_kafka_missing_rights", Help: "Rights that the process needs and that Kafka does not give it, as last asked."}),
		lost:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "etl_kafka_unreachable_leaders", Help: "Brokers that lead partitions of our topics and do not reply at the address that they advertise, as last asked."}),
	}
	if reg != nil {
		reg.MustRegister(m.missing, m.lost)
	}
	return m
}
