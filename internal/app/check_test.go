package app

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
)

// etl check on the same servers reports what exists and what is missing, and changes nothing.
func TestCheck(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Start(t)
	k := broker(t)
	schema := db.Database(t)
	cfg := config(t, k.ListenAddrs()[0], db.DSN(schema))
	var out bytes.Buffer
	if err := Check(t.Context(), cfg, &out); err != nil {
		t.Errorf("everything can be created: %v\n%s", err, &out)
	}
	for _, want := range []string{"note     topic logs: does not exist", "note     words: does not exist", "ok       mysql: M"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, &out)
		}
	}
	cfg.Sink.CreateTables = false
	out.Reset()
	if err := Check(t.Context(), cfg, &out); !errors.Is(err, checkpoint.ErrRefused) {
		t.Errorf("got %v, expected %v\n%s", err, checkpoint.ErrRefused, &out)
	}
	if info := k.TopicInfo("logs"); info != nil {
		t.Error("check created a topic")
	}

	out.Reset()
	if err := DDL(t.Context(), cfg, &out); err != nil {
		t.Fatal(err)
	}
	// etl check finds nothing wrong with the tables that its output creates. GRANTs are for a user that does not exist
	// here.
	for text := range strings.SplitSeq(out.String(), ";\n") {
		if i := strings.Index(text, "CREATE TABLE"); i >= 0 {
			if err := db.Exec(schema, text[i:]); err != nil {
				t.Fatalf("%v:\n%s", err, text)
			}
		}
	}
	out.Reset()
	if err := Check(t.Context(), cfg, &out); err != nil || !strings.Contains(out.String(), "ok       tables: match the query") {
		t.Errorf("got %v; expected no error and a report that contains %q\n%s", err, "ok       tables: match the query", &out)
	}
}
