package app

import (
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/flumesink/spark"
	"github.com/sluice-etl/sluice/flumesink/thrift"
	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/receiver/filewatch"
	httpreceiver "github.com/sluice-etl/sluice/receiver/http"
	"github.com/sluice-etl/sluice/receiver/netcat"
	"github.com/sluice-etl/sluice/receiver/socket"
	"github.com/sluice-etl/sluice/receiver/syslog"
	"github.com/sluice-etl/sluice/registry"
)

var rewrite = etltest.Rewrite()

const metricsIntro = `# Metrics

<!-- Generated: go test ./internal/app -run Reference -rewrite -->

/metrics of the admin listener has these metrics, beside those of the Go runtime (go_) and of the process (process_).
Labels are in braces. With several topics in one job, the metrics of loading have the label topic, too.

`

// docs/metrics.md lists every metric of a process with all components. go test ./internal/app -run Reference -rewrite
// writes it.
func TestReference_metrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	registerAll(t, reg)
	etltest.Golden(t, *rewrite, "../../docs/metrics.md", metricsIntro+metricReference(t, reg))
}

// registerAll builds all components, without connecting to any server, so that they register their metrics.
func registerAll(t *testing.T, reg *prometheus.Registry) {
	t.Helper()
	cfg := config(t, "127.0.0.1:1", "u@tcp(127.0.0.1:1)/d")
	cfg.Dedup.Header, cfg.Dedup.Window, cfg.Dedup.Records = "id", time.Hour, 1000
	enableReceivers(&cfg)
	cfg.Plan = joinPlan(t)
	log := slog.New(slog.DiscardHandler)
	if _, err := registry.New(registry.Config{URLs: []string{"http://127.0.0.1:1"}}, log, reg); err != nil {
		t.Fatal(err)
	}
	kafkaio.NewMonitor(cfg.Kafka, cfg.use(), log, reg)
	if _, err := kafkaio.NewProducer(cfg.Kafka, log, reg); err != nil {
		t.Fatal(err)
	}
	newReceiving(&cfg, nil, log, reg)
	load, err := newLoadings(cfg, log, reg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(load.close)
	one := load.topics[0]
	batch.New(cfg.Batch, one.source, one.sink, one.newFold(), log, reg)
}

// enableReceivers turns on every receiver.
func enableReceivers(cfg *Config) {
	const free = "127.0.0.1:0"
	cfg.Thrift, cfg.HTTP, cfg.Netcat, cfg.Syslog = thrift.DefaultConfig(), httpreceiver.DefaultConfig(), netcat.DefaultConfig(), syslog.DefaultConfig()
	cfg.Spark, cfg.Socket, cfg.Watch = spark.DefaultConfig(), socket.DefaultConfig(), filewatch.DefaultConfig()
	cfg.Thrift.Listen, cfg.HTTP.Listen, cfg.Netcat.Listen, cfg.Syslog.Listen = free, free, free, free
	cfg.NetcatUDP, cfg.SyslogUDP = netcat.DefaultUDPConfig(), syslog.DefaultUDPConfig()
	cfg.NetcatUDP.Listen, cfg.SyslogUDP.Listen = free, free
	cfg.Spark.Sinks, cfg.Socket.Servers, cfg.Watch.Dirs = []string{free}, []string{free}, []string{"dir"}
}

var description = regexp.MustCompile(`^Desc\{fqName: "([^"]*)", help: "(.*?)"(?:, unit: "[^"]*")?, constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)

// metricReference returns Markdown: an item for each metric with its type, its labels and its help.
func metricReference(t *testing.T, reg *prometheus.Registry) string {
	t.Helper()
	types := map[string]string{}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		types[f.GetName()] = strings.ToLower(dto.MetricType_name[int32(f.GetType())])
	}
	descs := make(chan *prometheus.Desc)
	go func() {
		reg.Describe(descs)
		close(descs)
	}()
	items := map[string]string{}
	for d := range descs {
		m := description.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("cannot read %s", d)
		}
		name, help := m[1], strings.ReplaceAll(m[2], `\"`, `"`)
		labels := strings.FieldsFunc(m[4], func(r rune) bool { return r == ',' })
		for label := range strings.SplitSeq(m[3], ",") {
			if label, _, ok := strings.Cut(label, "="); ok {
				labels = append([]string{label}, labels...)
			}
		}
		kind := types[name]
		switch { // a vector without children is not gathered
		case kind != "":
		case strings.HasSuffix(name, "_total"):
			kind = "counter"
		default:
			kind = "gauge"
		}
		text := fmt.Sprintf("**`%s`**", name)
		if len(labels) > 0 {
			text = fmt.Sprintf("**`%s{%s}`**", name, strings.Join(labels, ","))
		}
		item := etltest.Item(text + " (" + kind + "): " + strings.NewReplacer("*", `\*`, "_", `\_`).Replace(help))
		if other, ok := items[name]; ok && other != item {
			t.Errorf("%s is described in two ways:\n%s%s", name, other, item)
		}
		items[name] = item
	}
	if len(items) < 40 {
		t.Errorf("found %d metrics, expected 40 or more", len(items))
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(items)) {
		b.WriteString(items[name])
	}
	return b.String()
}
