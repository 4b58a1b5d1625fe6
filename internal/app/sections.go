package app

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/status"
)

// totals returns a section with the counters and gauges whose names begin with prefix, each summed over its labels: an
// overview of what /metrics has in detail.
func totals(name, prefix string, g prometheus.Gatherer) status.Section {
	return status.Section{Name: name, Func: func() any {
		families, err := g.Gather()
		if err != nil {
			return map[string]string{"error": err.Error()}
		}
		sums := map[string]float64{}
		for _, f := range families {
			rest, ok := strings.CutPrefix(f.GetName(), prefix)
			if !ok || f.GetType() != dto.MetricType_COUNTER && f.GetType() != dto.MetricType_GAUGE {
				continue
			}
			sum := 0.0
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
			sums[strings.TrimSuffix(rest, "_total")] = sum
		}
		return sums
	}}
}

// partitionView is one partition in the status JSON. Fields are only ever added.
type partitionView struct {
	Partition  string `json:"partition"`
	Task       int    `json:"task"`
	State      string `json:"state"`
	Next       int64  `json:"next_offset"`
	Fetched    int64  `json:"fetched_offset"`
	Lag        *int64 `json:"lag"` // nil if the end offset is not known
	Epoch      int64  `json:"epoch"`
	Counted    int64  `json:"counted"`
	Filtered   int64  `json:"filtered"`
	Dead       int64  `json:"dead"`
	Gaps       int64  `json:"gaps"`
	Duplicates int64  `json:"duplicates"`
	Skipped    int64  `json:"skipped"`
}

// batchView is one committed task batch.
type batchView struct {
	At       string  `json:"at"`
	Topic    string  `json:"topic,omitempty"` // only if there are several
	Task     int     `json:"task"`
	Records  int64   `json:"records"`
	Rows     int     `json:"rows"`
	Seconds  float64 `json:"seconds"`
	Counted  int64   `json:"counted"`
	Filtered int64   `json:"filtered"`
	Dead     int64   `json:"dead"`
}

// sections returns the sections of loading: its partitions, its last batches, the query, and totals.
func (l *loadings) sections() []status.Section {
	list := []status.Section{
		{Name: "partitions", Func: func() any { return collect(l, (*loading).partitions) }},
		{Name: "batches", Func: func() any { return collect(l, (*loading).batches) }},
		{Name: "query", Func: func() any {
			tables := []string{}
			for _, t := range l.cfg.Plan.Tables() {
				tables = append(tables, t.FullName())
			}
			section := map[string]any{"job": l.cfg.Sink.Job, "tables": tables}
			for _, t := range l.topics {
				section[t.cfg.named("text")] = t.cfg.Sink.QueryText
			}
			return section
		}},
		totals("commits", "etl_commit_", l.reg),
		totals("connections", "etl_pool_", l.reg),
	}
	if len(l.cfg.Sink.Retain) > 0 {
		list = append(list, status.Section{Name: "retention", Func: func() any { return l.retain.status() }})
	}
	return list
}

// collect returns the views of all topics, one topic after the other.
func collect[V any](l *loadings, of func(*loading) []V) []V {
	all := []V{}
	for _, t := range l.topics {
		all = append(all, of(t)...)
	}
	return all
}

// engineStatus asks the engine, which replies between two steps. It is empty if the engine does not run or is busy.
func (l *loading) engineStatus() batch.Status {
	e := l.engine.Load()
	if e == nil {
		return batch.Status{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*probeTimeout)
	defer cancel()
	return e.Status(ctx)
}

func (l *loading) partitions() []partitionView {
	lag := map[checkpoint.Partition]int64{}
	for _, p := range l.source.Lag() {
		if p.End >= 0 {
			lag[p.Partition] = p.End
		}
	}
	views := []partitionView{}
	for _, p := range l.engineStatus().Partitions {
		at := checkpoint.Partition{Topic: p.Topic, ID: p.Partition}
		v := partitionView{
			Partition: at.String(), Task: p.Task, State: p.State, Next: p.Next, Fetched: p.Fetched, Epoch: int64(p.Epoch),
			Counted: p.Audit.Counted, Filtered: p.Audit.Filtered, Dead: p.Audit.Dead, Gaps: p.Audit.Gaps,
			Duplicates: p.Audit.Duplicates, Skipped: p.Audit.Skipped,
		}
		if end, ok := lag[at]; ok {
			behind := max(end-p.Next, 0) // behind the committed offset, not the fetched one
			v.Lag = &behind
		}
		views = append(views, v)
	}
	slices.SortFunc(views, func(a, b partitionView) int {
		return cmp.Or(cmp.Compare(len(a.Partition), len(b.Partition)), cmp.Compare(a.Partition, b.Partition))
	})
	return views
}

func (l *loading) batches() []batchView {
	views := []batchView{}
	topic := ""
	if len(l.cfg.Topics) > 1 {
		topic = l.cfg.Kafka.Topic
	}
	for _, b := range l.engineStatus().Recent {
		views = append(views, batchView{
			At: b.At.UTC().Format(time.RFC3339), Topic: topic, Task: b.Task, Records: b.Records, Rows: b.Rows, Seconds: b.Seconds,
			Counted: b.Audit.Counted, Filtered: b.Audit.Filtered, Dead: b.Audit.Dead,
		})
	}
	return views
}
