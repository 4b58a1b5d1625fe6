package app

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/status"
)

// Two databases with the same job and Kafka: the second process is refused, by its start and by etl check. The error
// names the addresses of both databases and no password. A second process of the first database starts.
func TestP1_twoDatabasesInOneGroup(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	production, staging := server.Database(t), server.Database(t)
	kafka := broker(t).ListenAddrs()[0]
	cfg := config(t, kafka, server.DSN(production))
	cfg.Receive = false
	p := start(t, cfg)
	ready := func(p *process) func() bool {
		return func() bool { _, states := p.standings(t); return states["group"] == status.OK }
	}
	await(t, "the first is in the group", ready(p))

	other := config(t, kafka, server.DSN(staging))
	other.Receive = false
	err := start(t, other).wantEnd(t)
	if !errors.Is(err, checkpoint.ErrRefused) {
		t.Fatalf("got %v, expected a refusal", err)
	}
	for _, want := range []string{"/" + production, "/" + staging, "option 'job'"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, expected it to hold %q", err, want)
		}
	}
	for _, secret := range []string{"@", server.DSN(staging)} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("got error %v, which must not contain %q", err, secret)
		}
	}
	var out bytes.Buffer
	if err := Check(t.Context(), other, &out); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(out.String(), "refused  group etl: ") {
		t.Errorf("etl check: got %v; expected a report that contains %q, and the error %v\n%s", err, "refused  group etl: ", checkpoint.ErrRefused, &out)
	}
	out.Reset()
	if err := Check(t.Context(), cfg, &out); err != nil || !strings.Contains(out.String(), "a member loads into this database") {
		t.Errorf("etl check of the first: got %v; expected a report that contains %q, and no error\n%s", err, "a member loads into this database", &out)
	}
	second := start(t, cfg)
	await(t, "another process of the first database is in the group", ready(second))
}
