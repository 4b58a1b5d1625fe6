package kafkaio

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Monitor checks every Config.LagInterval, and more often while something is wrong, whether Kafka gives the process the
// rights that it needs and whether every broker that leads a partition of its topics replies. Between two checks, a
// denied request of a followed producer or source counts as well. A problem with the dead-letter topic alone never
// makes the process unready, because events flow without it. State is safe for concurrent use.
type Monitor struct {
	cfg     Config
	use     Use
	log     *slog.Logger
	met     *monitorMetrics
	denials []*denial // not changed after Run was called, nor is dead
	dead    []*denial // denials of dead letters
	last    atomic.Pointer[finding]
	leading int // how many brokers led partitions of our topics when last known; only Run uses it
}

// troubledInterval is the maximum time between two checks while something is wrong.
const troubledInterval = 2 * time.Second

// finding is the result of one check.
type finding struct {
	began    time.Time
	down     string // why the process cannot work, or empty
	degraded string // what else is wrong, or empty
	// allowed means that the brokers reported what they allow, and that no right is missing: earlier denials no longer
	// count.
	allowed     bool
	deadAllowed bool // the same for dead letters
	missing     int  // the number of missing rights, below 0 if unknown
	unreachable int  // brokers that lead partitions of our topics and do not reply
}

// NewMonitor returns a Monitor that checks nothing until Run.
func NewMonitor(cfg Config, use Use, log *slog.Logger, reg prometheus.Registerer) *Monitor {
	return &Monitor{cfg: cfg, use: use, log: orDiscard(log).With("component", "kafka"), met: newMonitorMetrics(reg)}
}

// FollowProducer makes denied requests of the producer count. It must be called before Run.
func (m *Monitor) FollowProducer(p *Producer) {
	m.denials = append(m.denials, &p.denial)
	m.dead = append(m.dead, &p.deadDenial)
}

// FollowSource makes denied requests of the source count. It must be called before Run.
func (m *Monitor) FollowSource(s *Source) { m.denials = append(m.denials, &s.denial) }

// State returns why the process cannot work with Kafka, and what else is wrong; both are empty if nothing is. Until the
// first check the process cannot work.
func (m *Monitor) State() (down, degraded string) {
	f := m.last.Load()
	if f == nil {
		return "Kafka has not been checked yet", ""
	}
	down, degraded = f.down, f.degraded
	if down == "" {
		down = f.denied(m.denials, f.allowed)
	}
	if degraded == "" {
		degraded = f.denied(m.dead, f.deadAllowed)
	}
	return down, degraded
}

// denied returns the first denial that still counts, or an empty text. Denials before f do not count if f has found
// that everything is allowed.
func (f *finding) denied(denials []*denial, allowed bool) string {
	after := time.Time{}
	if allowed {
		after = f.began
	}
	for _, d := range denials {
		if last := d.since(after); last != nil {
			return fmt.Sprintf("Kafka denies %s: %v", last.what, last.err)
		}
	}
	return ""
}

// Run checks until ctx is done.
func (m *Monitor) Run(ctx context.Context) error {
	a, err := newProber(m.cfg, m.use, m.log)
	if err != nil {
		return err
	}
	defer func() { a.close() }()
	for {
		f := m.round(ctx, a)
		if ctx.Err() != nil {
			return nil
		}
		m.report(f)
		m.last.Store(f)
		if f.down != "" || f.degraded != "" {
			// A new client asks Config.Brokers: it learns of corrected addresses, and does not wait for brokers that do not
			// reply.
			fresh, err := newProber(m.cfg, m.use, m.log)
			if err != nil {
				return err
			}
			fresh.hasID, fresh.seen = a.hasID, a.seen
			a.close()
			a = fresh
		}
		if !m.wait(ctx) {
			return nil
		}
	}
}

// wait waits until the next check is due, and reports false if ctx ends before. It reads State meanwhile, because a
// denied request of a producer or a source makes the next check due earlier.
func (m *Monitor) wait(ctx context.Context) bool {
	due := time.Now().Add(m.cfg.LagInterval)
	for {
		if pause(ctx, min(time.Until(due), troubledInterval)) != nil {
			return false
		}
		if down, degraded := m.State(); down != "" || degraded != "" || !time.Now().Before(due) {
			return true
		}
	}
}

// report logs what has changed since the last check, and sets the metrics.
func (m *Monitor) report(f *finding) {
	m.met.lost.Set(float64(f.unreachable))
	if f.missing >= 0 {
		m.met.missing.Set(float64(f.missing))
	}
	was := m.last.Load()
	switch {
	case f.down != "" && (was == nil || was.down != f.down):
		m.log.Error("Kafka unusable", "why", f.down)
	case f.down == "" && was != nil && was.down != "":
		m.log.Info("Kafka usable again")
	}
	if f.degraded != "" && (was == nil || was.degraded != f.degraded) {
		m.log.Warn("Kafka partly usable", "why", f.degraded)
	}
}

func (m *Monitor) round(ctx context.Context, a *prober) *finding {
	f := &finding{began: time.Now(), missing: -1}
	for _, d := range slices.Concat(m.denials, m.dead) {
		if d.since(time.Time{}) != nil {
			a.hasID = false // the right to a producer ID may have been revoked
		}
	}
	meta, err := a.metadata(ctx)
	if err != nil {
		f.down = fmt.Sprintf("Kafka does not reply: %v", a.dials.explain(err))
		f.unreachable = max(m.leading, 1)
		return f
	}
	l, err := a.checkLeaders(ctx, meta)
	m.leading = l.asked
	if err != nil { // Kafka did not reply to the second attempt after an election
		f.down = strings.Join(append(l.unreachable, a.dials.explain(err).Error()), "; ")
		f.unreachable = max(m.leading, 1)
		return f
	}
	f.unreachable = len(l.unreachable) + len(l.deadUnreachable)
	r, err := a.checkRights(ctx, meta)
	if err != nil {
		f.down = strings.Join(append(l.unreachable, a.dials.explain(err).Error()), "; ")
		f.degraded = strings.Join(append(l.deadUnreachable, l.leaderless...), "; ")
		return f
	}
	f.missing = len(r.missing) + len(r.dead) + len(r.reduced)
	var down, degraded []string
	if r.absent {
		down = append(down, "topic "+m.cfg.Topic+" is missing")
	}
	if r.deadAbsent {
		degraded = append(degraded, "topic "+m.cfg.dlq()+" is missing: dead letters cannot be written")
	}
	if r.missing != nil {
		down = append(down, "Kafka does not allow "+strings.Join(append(r.missing, r.dead...), ", "))
	} else {
		r.reduced = append(r.dead, r.reduced...)
	}
	if r.reduced != nil {
		degraded = append(degraded, "Kafka does not allow "+strings.Join(r.reduced, ", "))
	}
	for _, err := range []error{r.deadErr, r.coordinator} {
		if err != nil {
			degraded = append(degraded, a.dials.explain(err).Error())
		}
	}
	f.down = strings.Join(append(down, l.unreachable...), "; ")
	f.degraded = strings.Join(slices.Concat(degraded, l.deadUnreachable, l.leaderless), "; ")
	f.allowed = len(r.missing) == 0 && !r.unknown
	f.deadAllowed = len(r.dead) == 0 && !r.deadAbsent && r.deadErr == nil && !r.unknown
	return f
}

// monitorMetrics are the etl_kafka_* metrics.
type monitorMetrics struct{ missing, lost prometheus.Gauge }

func newMonitorMetrics(reg prometheus.Registerer) *monitorMetrics {
	m := &monitorMetrics{
		missing: prometheus.NewGauge(prometheus.GaugeOpts{Name: "etl_kafka_missing_rights", Help: "Rights that the process needs and does not have in Kafka, as of the last check."}),
		lost:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "etl_kafka_unreachable_leaders", Help: "Brokers that lead partitions of the job's topics and do not reply at their advertised address, as of the last check."}),
	}
	if reg != nil {
		reg.MustRegister(m.missing, m.lost)
	}
	return m
}
